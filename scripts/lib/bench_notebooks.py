"""Notebooks, measured as their users meet them: create to ready, starts a second, memory, what the edge adds, WebSockets.

Starts an installation of its own in a temporary folder and ends it. Called by scripts/bench."""

import base64
import concurrent.futures
import http.client
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

WARM_STARTS = 7
STARTS_AT_ONCE = 4
REQUESTS = 300
WEBSOCKETS = 250


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Installation:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.gateway, self.edge = free_port(), free_port()
        # The package cache of uv is this run's own, so that the cold start is one.
        self.environment = dict(
            os.environ,
            QUIRE_DATA_DIR=f"{folder}/d",
            QUIRE_PROFILE=f"{folder}/profile.toml",
            UV_CACHE_DIR=f"{folder}/cache",
        )

    def quire(self, *arguments):
        done = subprocess.run(
            [self.program, *arguments, "--output", "json"],
            env=self.environment, capture_output=True, text=True, check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"quire {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else None

    def up(self):
        started = time.monotonic()
        # Its output is the first key and addresses, not JSON.
        subprocess.run(
            [self.program, "up", "--detach", "--gateway", f"127.0.0.1:{self.gateway}", "--edge", f"127.0.0.1:{self.edge}"],
            env=self.environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        return time.monotonic() - started

    def create(self, name, machine_type="C2"):
        """Seconds from the command to the first answer of Jupyter through the edge."""
        started = time.monotonic()
        notebook = self.quire("notebook", "create", "--name", name, "--machine-type", machine_type)
        assert request(self.edge, notebook, "/api/status") == 200
        return time.monotonic() - started, notebook

    def resident_mib(self):
        kib = 0
        for name in ("quire", "nats-server"):
            for pid in subprocess.run(["pidof", name], capture_output=True, text=True, check=False).stdout.split():
                line = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace")
                environment = open(f"/proc/{pid}/environ", "rb").read().decode(errors="replace")
                if self.folder in line or f"QUIRE_DATA_DIR={self.folder}" in environment:
                    kib += next(
                        int(row.split()[1]) for row in open(f"/proc/{pid}/status", encoding="utf-8") if row.startswith("VmRSS")
                    )
        return kib / 1024


def headers(notebook, edge):
    return {"Host": f"{notebook['id']}.localhost:{edge}", "Authorization": f"token {notebook['token']}"}


def request(edge, notebook, path):
    connection = http.client.HTTPConnection("127.0.0.1", edge, timeout=30)
    connection.request("GET", path, headers=headers(notebook, edge))
    status = connection.getresponse().status
    connection.close()
    return status


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def latencies_ms(connection, head):
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        connection.request("GET", "/api/status", headers=head)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        times.append((time.perf_counter() - started) * 1000)
    return times


def open_websocket(edge, notebook):
    stream = socket.create_connection(("127.0.0.1", edge), timeout=30)
    lines = ["GET /api/events/subscribe HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
    lines += [f"{name}: {value}" for name, value in headers(notebook, edge).items()]
    stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return stream if b" 101 " in stream.recv(4096).split(b"\r\n")[0] else None


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main(program):
    program = os.path.abspath(program)
    folder = tempfile.mkdtemp(prefix="qb")
    quire = Installation(program, folder)
    rows = []
    try:
        rows.append(("first start of everything", f"{quire.up():.2f} s"))
        idle = quire.resident_mib()
        rows.append(("memory, everything idle", f"{idle:.0f} MiB"))
        cold, notebook = quire.create("cold")
        rows.append(("create -> ready, environment not on the node (fetched and installed)", f"{cold:.1f} s"))
        warm = []
        for number in range(WARM_STARTS):
            seconds, made = quire.create(f"warm-{number}")
            warm.append(seconds)
            quire.quire("notebook", "delete", made["id"], "--yes")
        rows.append((f"create -> ready, environment on the node, p50 of {WARM_STARTS}", f"{statistics.median(warm):.2f} s"))
        rows.append((f"create -> ready, environment on the node, p95 of {WARM_STARTS}", f"{percentile(warm, 0.95):.2f} s"))

        node = quire.quire("node", "list")[0]
        relay = f"{folder}/d/run/{node['id']}.sock"
        attempt = quire.quire("usage")["lines"][0]["attemptId"]
        direct_socket = f"{folder}/d/run/{attempt}/http.sock"
        token = open(f"{folder}/d/agent/attempts/{attempt}/token", encoding="utf-8").read()
        assert os.path.exists(relay)
        through = latencies_ms(http.client.HTTPConnection("127.0.0.1", quire.edge), headers(notebook, quire.edge))
        straight = latencies_ms(UnixConnection(direct_socket), {"Authorization": f"token {token}"})
        for share, name in ((0.5, "p50"), (0.95, "p95")):
            a, b = percentile(through, share), percentile(straight, share)
            rows.append((f"GET through the edge / straight to Jupyter, {name} of {REQUESTS}", f"{a:.2f} / {b:.2f} ms"))
        streams = [open_websocket(quire.edge, notebook) for _ in range(WEBSOCKETS)]
        rows.append((f"WebSockets open at once to one notebook, of {WEBSOCKETS} tried", str(sum(map(bool, streams)))))
        for stream in streams:
            if stream:
                stream.close()
        quire.quire("notebook", "delete", "cold", "--yes")

        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(STARTS_AT_ONCE) as pool:
            list(pool.map(lambda number: quire.create(f"many-{number}"), range(STARTS_AT_ONCE)))
        rate = STARTS_AT_ONCE / (time.monotonic() - started)
        rows.append((f"starts a second, {STARTS_AT_ONCE} at once", f"{rate:.2f}"))
    finally:
        subprocess.run([program, "down"], env=quire.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, {time.strftime('%Y-%m-%d')}")
    for name, value in rows:
        print(f"{name:<75} {value}")


main(sys.argv[1])
