"""Waits as a notebook server that has everything imported and belongs to nobody yet; one message makes it somebody's.

Run by the environment's own Python, inside a finished sandbox, as its unprivileged user: `python -c … SOCKET PROGRAM`. What it
says to SOCKET: once it is ready, one line of JSON with the names of its top-level modules. What it hears there, once: a line of
JSON with the server's arguments, and with it an open file with the server's variables. It empties the file as soon as it has
read them: the emptied file says that what follows is the server's own doing. No message is the end of the agent, and its own.
"""

import gc
import http.client
import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
import threading
import time

PATIENCE_SECONDS = 60
TOKEN = "rehearsal"


def load(program):
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name=program)
    return entry.load()


def ask(path, what):
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("GET", what, headers={"Authorization": f"token {TOKEN}"})
    return connection.getresponse().status


def patterns():
    """Regular expressions that this process has compiled, as far as Python tells: the table has no public name."""
    return [[pattern, flags] for kind, pattern, flags in list(getattr(re, "_cache", ())) if kind is str]


def watch(path, writer):
    """Ends the rehearsal at its first answer, and says what was loaded and compiled by then."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            if ask(path, "/api/status") == 200:
                ask(path, "/lab")
                with os.fdopen(writer, "w") as heard:
                    json.dump({"modules": sorted(sys.modules), "patterns": patterns()}, heard)
                os._exit(0)
        except OSError:
            pass
        time.sleep(0.02)
    os._exit(1)


def perform(server, program, home, writer):
    """Is the child: a whole server with an empty home, as it will be started."""
    os.environ.update(HOME=home, JUPYTER_TOKEN=TOKEN)
    os.chdir(home)
    said = os.open(f"{home}/log", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    path = f"{home}/http.sock"
    threading.Thread(target=watch, args=(path, writer), daemon=True).start()
    options = ("sock=" + path, "root_dir=" + home, "base_url=/", "port_retries=0")
    sys.argv = [program, "--no-browser", *(f"--ServerApp.{option}" for option in options)]
    try:
        server()
    finally:
        os._exit(1)


def rehearse(server, program):
    """What a server has loaded and compiled when it answers; much of it only on the way there."""
    home = tempfile.mkdtemp()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        perform(server, program, home, writer)
    os.close(writer)
    with os.fdopen(reader) as told:
        learnt = told.read()
    os.waitpid(child, 0)
    if not learnt:
        with open(f"{home}/log", errors="replace") as said:
            sys.exit(f"the server did not answer in its rehearsal: {said.read()[-2000:]}")
    shutil.rmtree(home, ignore_errors=True)
    return json.loads(learnt)


def preload(program):
    server = load(program)
    learnt = rehearse(server, program)
    for name in learnt["modules"]:
        try:
            importlib.import_module(name)
        except Exception:  # It was loaded in a way of its own; the server will do so again.
            pass
    for pattern, flags in learnt["patterns"]:
        try:
            re.compile(pattern, flags)
        except (re.error, ValueError):  # The same.
            pass
    # Servers log it; Python asks another program and remembers the answer.
    platform.processor()
    gc.collect()
    gc.freeze()
    return server


def hear(connection):
    """The one message, and the file that came with it."""
    message, files, _, _ = socket.recv_fds(connection, 1 << 16, 1)
    while message and not message.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            break
        message += more
    if not files or not message.endswith(b"\n"):
        sys.exit(0)
    return json.loads(message), files[0]


def take(variables):
    with os.fdopen(variables, "r+b", buffering=0) as file:
        pairs = [pair.partition(b"=") for pair in file.read().split(b"\0") if pair]
        os.environb.clear()
        os.environb.update({name: value for name, _, value in pairs})
        file.truncate(0)
    # Other than when this began, there may be files now.
    os.chdir(os.environ["HOME"])
    importlib.invalidate_caches()


def main():
    _, path, program = sys.argv
    bin_folder = os.path.dirname(sys.executable)
    # As for a program of the environment, and not the folder that files of others will be in.
    sys.path[0] = bin_folder
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    server = preload(program)
    modules = sorted({name.partition(".")[0] for name in sys.modules})
    connection.sendall(json.dumps({"modules": modules}).encode() + b"\n")
    arguments, variables = hear(connection)
    connection.close()
    sys.argv = [os.path.join(bin_folder, program), *arguments]
    take(variables)
    sys.exit(server())


main()
