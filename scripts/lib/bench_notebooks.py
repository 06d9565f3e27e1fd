"""Notebooks, measured as their users meet them: create to ready with and without a sandbox that waits, starts a second, memory,
what the edge adds, WebSockets; and JupyterHub on the same machine in the same run.

Starts an installation of its own in a temporary folder and ends it. Called by scripts/bench."""

import base64
import concurrent.futures
import datetime
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
import threading
import time

from bench_jupyterhub import Hub, free_port

# Starts that find a sandbox waiting, and starts that do not.
TAKEN_OVER = 20
MADE_ANEW = 5
MOST_WAITING = 4
# Calls that are made whether those before were answered or not.
CREATES_PER_SECOND = 20
CREATES_FOR_SECONDS = 10
STARTS_AT_ONCE = 4
REQUESTS = 300
WEBSOCKETS_EACH = 500
# Starts of JupyterHub that are counted; the first one, which no cache knows, is not.
OF_THE_HUB = 7


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
        doors = ["--gateway", f"127.0.0.1:{self.gateway}", "--edge", f"127.0.0.1:{self.edge}"]
        subprocess.run(
            [self.program, "up", "--detach", *doors, "--warm", str(MOST_WAITING)],
            env=self.environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - started
        profile = open(self.environment["QUIRE_PROFILE"], encoding="utf-8").read()
        self.key = next(line.split('"')[1] for line in profile.splitlines() if line.startswith("api_key"))
        return seconds

    def post_notebook(self, connection, name):
        body = json.dumps({"name": name, "machineType": "C2"})
        fields = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/notebooks", body=body, headers=fields)
        answer = connection.getresponse()
        notebook = json.loads(answer.read())
        assert answer.status == 200, notebook
        return notebook

    def create_by_rest(self, name):
        """Seconds from the call to the first answer of Jupyter through the edge, which is asked every 5 ms."""
        gateway = http.client.HTTPConnection("127.0.0.1", self.gateway, timeout=60)
        edge = http.client.HTTPConnection("127.0.0.1", self.edge, timeout=60)
        gateway.connect()
        edge.connect()
        started = time.monotonic()
        notebook = self.post_notebook(gateway, name)
        while True:
            edge.request("GET", "/api/status", headers=headers(notebook, self.edge))
            answer = edge.getresponse()
            answer.read()
            if answer.status == 200:
                return time.monotonic() - started, notebook
            time.sleep(0.005)

    def node(self):
        return self.quire("node", "show", self.quire("node", "list")[0]["name"])

    def wait_for_waiting(self):
        """Until as many sandboxes wait as should, as the node says after now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        while True:
            node = self.node()
            pools = node["warm"]["pools"]
            is_news = datetime.datetime.fromisoformat(node["lastSeenAt"]) > now
            if is_news and pools and all(pool["ready"] == pool["wanted"] for pool in pools):
                return pools[0]
            time.sleep(0.2)

    def starts(self, name, count, waiting):
        """Seconds of so many starts, one after the other, each with or without a sandbox that waits."""
        seconds = []
        for number in range(count):
            if waiting:
                self.wait_for_waiting()
            taken, notebook = self.create_by_rest(f"{name}-{number}")
            seconds.append(taken)
            self.quire("notebook", "delete", notebook["id"], "--yes")
        return seconds

    def create_at_a_rate(self):
        """Milliseconds of each create call at a steady rate, and seconds until the scheduler had all of them in its queue."""
        self.quire("node", "cordon", self.node()["name"])
        times, count = [], CREATES_PER_SECOND * CREATES_FOR_SECONDS

        def call(number):
            connection = http.client.HTTPConnection("127.0.0.1", self.gateway, timeout=60)
            before = time.monotonic()
            self.post_notebook(connection, f"rate-{number}")
            times.append((time.monotonic() - before) * 1000)

        callers = []
        started = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, started + number / CREATES_PER_SECOND - time.monotonic()))
            callers.append(threading.Thread(target=call, args=(number,)))
            callers[-1].start()
        for caller in callers:
            caller.join()
        while True:
            notebooks = [one for one in self.quire("notebook", "list") if one["name"].startswith("rate-")]
            if all(one["reason"].startswith("waits for a place") for one in notebooks):
                break
            time.sleep(0.05)
        return times, len(notebooks) / (time.monotonic() - started)

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


def is_open(stream):
    """Whether nobody has hung up; what was said meanwhile may lie there."""
    stream.setblocking(False)
    try:
        return stream.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Rows(list):
    """The table, told as it comes: it takes minutes."""

    def append(self, row):
        print(f"{row[0]}: {row[1]}", file=sys.stderr, flush=True)
        super().append(row)


def main(program):
    program = os.path.abspath(program)
    folder = tempfile.mkdtemp(prefix="qb")
    quire = Installation(program, folder)
    rows = Rows()
    try:
        rows.append(("first start of everything", f"{quire.up():.2f} s"))
        idle = quire.resident_mib()
        rows.append(("memory, everything idle", f"{idle:.0f} MiB"))
        cold, notebook = quire.create("cold")
        rows.append(("create -> ready, environment not on the node (fetched and installed)", f"{cold:.1f} s"))
        quire.wait_for_waiting()
        taken_over = quire.starts("taken-over", TAKEN_OVER, waiting=True)
        pool = quire.wait_for_waiting()
        rows.append((f"memory of a sandbox that waits, mean of {pool['ready']}", f"{pool['memoryMib'] / pool['ready']:.0f} MiB"))
        for share, name in ((0.5, "p50"), (0.95, "p95")):
            value = f"{percentile(taken_over, share) * 1000:.0f} ms"
            rows.append((f"create -> ready, a sandbox waits, {name} of {TAKEN_OVER}", value))
        seconds, made = quire.create("by-command")
        quire.quire("notebook", "delete", made["id"], "--yes")
        rows.append(("the same by the command line, its own start included, once", f"{seconds * 1000:.0f} ms"))
        # One after the other uses up what waits: the rest are made anew while others are being made ready.
        burst = quire.starts("burst", MOST_WAITING + MADE_ANEW, waiting=False)
        rows.append((f"create -> ready, {len(burst)} without a pause, slowest", f"{max(burst):.2f} s"))

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
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(STARTS_AT_ONCE) as pool:
            many = list(pool.map(lambda number: quire.create(f"many-{number}"), range(STARTS_AT_ONCE)))
        rate = STARTS_AT_ONCE / (time.monotonic() - started)
        rows.append((f"starts a second, {STARTS_AT_ONCE} at once", f"{rate:.2f}"))

        several = [notebook, quire.create("one-more")[1], *(made for _, made in many)]
        streams = [open_websocket(quire.edge, one) for one in several for _ in range(WEBSOCKETS_EACH)]
        open_now = sum(stream is not None and is_open(stream) for stream in streams)
        rows.append((f"WebSockets open at once to {len(several)} notebooks, of {len(streams)} tried", str(open_now)))
        beside = latencies_ms(http.client.HTTPConnection("127.0.0.1", quire.edge), headers(notebook, quire.edge))
        rows.append((f"GET through the edge beside them, p50 / p95 of {REQUESTS}", f"{percentile(beside, 0.5):.2f} / {percentile(beside, 0.95):.2f} ms"))
        for stream in filter(None, streams):
            stream.close()

        times, queued = quire.create_at_a_rate()
        rate = f"at {CREATES_PER_SECOND}/s for {CREATES_FOR_SECONDS} s, node cordoned"
        for share, name in ((0.5, "p50"), (0.95, "p95")):
            rows.append((f"create call {rate}, {name}", f"{percentile(times, share):.0f} ms"))
        rows.append(("created, with volume, and in the scheduler's queue, a second", f"{queued:.1f}"))
    finally:
        subprocess.run([program, "down"], env=quire.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    try:
        hub = Hub(f"{folder}/hub")
        starts = hub.starts(1 + OF_THE_HUB)[1:]
        hub.stop()
        for share, name in ((0.5, "p50"), (0.95, "p95")):
            rows.append((f"JupyterHub, simple spawner: create -> ready, {name} of {OF_THE_HUB}", f"{percentile(starts, share):.2f} s"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, {time.strftime('%Y-%m-%d')}")
    for name, value in rows:
        print(f"{name:<75} {value}")


main(sys.argv[1])
