"""JupyterHub with its simple local spawner, asked as a user would: the yardstick for notebooks. Part of scripts/bench notebooks."""

import http.client
import json
import os
import socket
import subprocess
import time

HUB = "jupyterhub==5.*"
LAB = "jupyterlab==4.*"
PROXY = "configurable-http-proxy@5"
TOKEN = "of-this-bench-only"
CONFIGURATION = """
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_port = {hub}
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.authenticator_class = "dummy"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.Spawner.args = ["--allow-root"]
c.JupyterHub.services = [dict(name="bench", api_token="{token}")]
c.JupyterHub.load_roles = [dict(name="bench", services=["bench"], scopes=["admin:users", "admin:servers", "access:servers"])]
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Hub:
    def __init__(self, folder):
        """Installs it in `folder`, and starts it."""
        os.makedirs(folder)
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["uv", "venv", f"{folder}/python"], **quiet)
        subprocess.run(["uv", "pip", "install", "--python", f"{folder}/python", HUB, LAB], **quiet)
        subprocess.run(["npm", "install", "--prefix", folder, PROXY], **quiet)
        self.port = free_port()
        configuration = CONFIGURATION.format(
            public=self.port, hub=free_port(), api=free_port(), folder=folder, token=TOKEN,
            proxy=f"{folder}/node_modules/.bin/configurable-http-proxy",
        )
        with open(f"{folder}/jupyterhub_config.py", "w", encoding="utf-8") as file:
            file.write(configuration)
        path = f"{folder}/python/bin:{os.environ['PATH']}"
        self.log = open(f"{folder}/log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [f"{folder}/python/bin/jupyterhub"], cwd=folder, stdout=self.log, stderr=self.log, env=dict(os.environ, PATH=path),
        )
        self.until(lambda: self.ask("GET", "/hub/api/")[0] == 200, 60)

    def ask(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers={"Authorization": f"token {TOKEN}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def until(self, holds, seconds):
        end = time.monotonic() + seconds
        while not holds():
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.flush()
                raise SystemExit(f"JupyterHub does not answer: {open(self.log.name, encoding='utf-8').read()[-2000:]}")
            time.sleep(0.02)

    def starts(self, count):
        """Seconds from the call to the first answer of Jupyter, of so many starts one after the other."""
        seconds = []
        for number in range(count):
            user = f"user-{number}"
            status, said = self.ask("POST", f"/hub/api/users/{user}")
            assert status == 201, (status, said)
            started = time.monotonic()
            status, said = self.ask("POST", f"/hub/api/users/{user}/server")
            assert status in (201, 202), (status, said)
            self.until(lambda: self.answers(user), 120)
            seconds.append(time.monotonic() - started)
            self.ask("DELETE", f"/hub/api/users/{user}/server")
        return seconds

    def answers(self, user):
        status, said = self.ask("GET", f"/user/{user}/api/status")
        return status == 200 and "kernels" in json.loads(said)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()
