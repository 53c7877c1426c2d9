"""The gateway and the vendor's simulator as processes of their own, talking HTTP."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
from recado_core import Status
from recado_core.engine import policy
from recado_core.engine.runtime import Engine
from recado_gateway.settings import load_settings

DEADLINE = 90.0
"""Seconds in which anything waited for must happen; generous, for a busy machine."""

FINAL = frozenset(map(str, policy.FINAL))
OPEN = sorted(set(map(str, Status)) - FINAL)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(condition, what, seconds=DEADLINE):
    """Return what ``condition`` gives once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


class Program:
    """One ``recado`` process; its output goes to a file."""

    def __init__(self, folder, name, *arguments, environment=None):
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recado_gateway", *arguments],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | (environment or {}),
            )

    def wait_for(self, url):
        def answers():
            assert self.process.poll() is None, self.log.read_text()
            try:
                return http.get(url).is_success
            except httpx.TransportError:
                return False

        with httpx.Client(timeout=DEADLINE) as http:  # one: making a client takes long
            wait_until(answers, f"{url} answers")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


class Simulator:
    """Kolmeya, simulated; keyword arguments are its switches."""

    def __init__(self, folder, **switches):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options = [f"--{key.replace('_', '-')}={value}" for key, value in switches.items()]
        self.program = Program(
            folder, "simulator", "simulate", "kolmeya", f"--port={self.port}", *options
        )
        self.program.wait_for(f"{self.url}/_simulator/state")
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def close(self):
        self.http.close()
        self.program.kill()

    @property
    def state(self):
        return self.http.get("/_simulator/state").json()

    def control(self, name, **fields):
        response = self.http.post(f"/_simulator/{name}", json=fields)
        assert response.is_success, response.text
        return response.json() if response.content else None


async def make_key(folder):
    """Make an administrator's key, quicker than the command line would."""
    settings = load_settings(folder / "recado.toml", {})
    engine = Engine(settings.engine, settings.plugins)
    try:
        await engine.open()
        return (await engine.keys.create("e2e", ["admin"])).token
    finally:
        await engine.close()


class Gateway:
    """A gateway on a database of its own, whose one account is at the simulator."""

    def __init__(  # noqa: PLR0913  # what a test may want otherwise
        self,
        folder,
        simulator,
        *,
        database=None,
        gateway="",
        account="",
        plugins=("kolmeya",),
        more="",
    ):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = database or f"sqlite+aiosqlite:///{folder / 'recado.db'}"
        (folder / "recado.toml").write_text(
            f"""
[gateway]
database = "{self.database}"
public_url = "{self.url}"
plugins = {list(plugins)}
{gateway}

[accounts.main]
provider = "kolmeya"
base_url = "{simulator.url}/api"
token = "kolmeya-simulator"
{account}
{more}
"""
        )
        self.program = None
        self.start()
        headers = {"authorization": f"Bearer {asyncio.run(make_key(folder))}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def close(self):
        self.http.close()
        self.program.kill()

    def run(self, *arguments):
        """Run a command of the command line, and return what it prints."""
        return subprocess.run(
            [sys.executable, "-m", "recado_gateway", *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        ).stdout

    def start(self):
        self.program = Program(self.folder, "gateway", "serve", f"--port={self.port}")
        self.program.wait_for(f"{self.url}/health/live")

    def send(self, messages, **headers):
        response = self.http.post(
            "/v1/messages/batch", json={"messages": messages}, headers=headers
        )
        assert response.status_code == 202, response.text
        return response.json()

    def messages(self, **filters):
        """Return every message that fits, page after page."""
        found, cursor = [], None
        while True:
            page = self.http.get(
                "/v1/messages",
                params=filters | {"limit": 500} | ({"cursor": cursor} if cursor else {}),
            ).json()
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def message(self, message_id):
        return self.http.get(f"/v1/messages/{message_id}").json()

    def settled(self):
        """Tell whether every message is final, without reading them all."""
        pages = (
            self.http.get("/v1/messages", params={"status": status, "limit": 1}) for status in OPEN
        )
        return not any(page.json()["items"] for page in pages)

    def final(self, ids):
        """Return the messages once they are all final, else None."""
        found = []
        for key in reversed(ids):  # what was accepted last is mostly final last
            found.append(self.message(key))
            if found[-1]["status"] not in FINAL:
                return None
        return found[::-1]

    def account(self):
        return self.http.get("/v1/accounts/main").json()


def texts(count, start=0):
    """Return messages to as many numbers, all of which the simulator delivers."""
    return [
        {"to": f"+5511{910000000 + index}", "text": f"Pedido {index}"}
        for index in range(start, start + count)
    ]
