"""A notebook server for tests: answers whether it is ready, and evaluates what it is asked."""

import http.server
import os
import socketserver
import sys
import time
import urllib.parse

IMPORTED_AT = time.time()


class Answers(http.server.BaseHTTPRequestHandler):
    # An answer goes out whole: who asks whether this is ready reads the head only, and is gone before the rest.
    wbufsize = 1 << 16

    def do_GET(self):
        if self.headers["Authorization"] != "token " + os.environ["JUPYTER_TOKEN"]:
            return self.answer(403, "the token is wrong")
        address = urllib.parse.urlsplit(self.path)
        if address.path != "/eval":
            return self.answer(200, "ready")
        try:
            code = urllib.parse.unquote(address.query)
            return self.answer(200, str(eval(code, {"imported_at": IMPORTED_AT, "__name__": "test"})))
        except Exception as error:
            return self.answer(200, repr(error))

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

    def address_string(self):
        return "edge"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    print("serving", flush=True)
    (path,) = [one.partition("=")[2] for one in sys.argv if one.startswith("--ServerApp.sock=")]
    Server(path, Answers).serve_forever()
