import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from recado_core import ConfigurationError
from recado_core.engine.failures import SchemaError
from recado_gateway.app import create_app
from recado_gateway.server import ListenError, Server, bind, serve, serve_asgi, url_of

SEVERAL_SECONDS = 30
LISTENS = re.compile(r"^(.+) listens on (http://127\.0\.0\.1:\d+)$")
SCRIPT = """
import os, sys
from pathlib import Path
from recado_gateway.app import create_app
from recado_gateway.server import serve
from recado_gateway.settings import load_settings

settings = load_settings(Path(sys.argv[1]), os.environ)
sys.exit(serve(create_app(settings), settings.host, int(sys.argv[2])))
"""
PROBE = Path(__file__).parent / "probe"


class SlowApp:
    """Answers once it is let go, and notes what became of its lifespan."""

    def __init__(self):
        self.asked = anyio.Event()
        self.go = anyio.Event()
        self.lifespan = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                self.lifespan.append(kind)
                await send({"type": f"lifespan.{kind}.complete"})
            return
        self.asked.set()
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


async def test_request_in_progress_is_finished_before_the_lifespan_ends():
    app = SlowApp()
    server = Server(app, "127.0.0.1", 0)
    ready, answers = anyio.Event(), []

    async def call():
        async with httpx.AsyncClient() as client:
            answers.append(await client.get(server.url))

    with anyio.fail_after(SEVERAL_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run, ready.set)
            await ready.wait()
            tasks.start_soon(call)
            await app.asked.wait()
            server.stop()
            await anyio.sleep(0.3)
            assert app.lifespan == ["startup"]
            app.go.set()
    assert [answer.text for answer in answers] == ["done"]
    assert app.lifespan == ["startup", "shutdown"]


async def test_after_the_end_nothing_answers():
    server = Server(SlowApp(), "127.0.0.1", 0)
    with anyio.fail_after(SEVERAL_SECONDS):
        await server.run(server.stop)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(server.url)


# ---------------------------------------------------------------- addresses


def test_port_0_is_a_free_one_and_told():
    with bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as other:
        assert url_of(one) != url_of(other)
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", url_of(one))


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_address_of_version_6_is_told_in_brackets():
    try:
        listening = bind("::1", 0)
    except ListenError:
        pytest.skip("this machine has no ::1")
    with listening:
        assert url_of(listening).startswith("http://[::1]:")


def test_port_in_use_is_one_clear_line(capsys):
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert serve_asgi(SlowApp(), "127.0.0.1", port) == 1
    said = capsys.readouterr().err
    assert said == f"recado: can't listen on 127.0.0.1:{port}: another program does\n"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 300, "203.0.113.1"])
def test_address_that_is_not_ours_is_refused(host):
    with pytest.raises(ListenError, match="can't listen on"):
        bind(host, 0)


@pytest.mark.parametrize("error", [SchemaError, ConfigurationError])
def test_start_that_fails_is_one_clear_line(configure, capsys, monkeypatch, error):
    app = create_app(configure("[gateway]\n"))

    async def fail():
        raise error("what is wrong")

    monkeypatch.setattr(app.state.engine, "open", fail)
    assert serve(app, "127.0.0.1", 0) == 1
    assert capsys.readouterr().err == "recado: what is wrong\n"


# ---------------------------------------------------------------- a process of its own


@pytest.fixture
def start(gateway):
    """Start a gateway in a process of its own; give the process and its address."""
    started = []

    def start_one():
        path = os.pathsep.join([str(PROBE), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(gateway.path), "0"],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )
        started.append(process)
        said = []
        for line in process.stderr:  # it may have something to log first
            said.append(line)
            if found := LISTENS.match(line):
                assert found[1] == "Recado"
                return process, found[2]
        pytest.fail(f"the gateway ended: {''.join(said)}")

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_gateway_in_good_order(start, number):
    process, url = start()
    assert httpx.get(f"{url}/health/ready").status_code == 200
    process.send_signal(number)
    _, said = process.communicate(timeout=SEVERAL_SECONDS)
    assert process.returncode == 0
    assert said == ""


async def test_what_was_accepted_before_the_end_is_there_after_it(start, gateway, run):
    async with run(gateway) as client:
        key = {"Authorization": client.headers["Authorization"]}
    body = {"to": "+5511900000001", "text": "oi", "reference": "order-17"}
    async with httpx.AsyncClient(headers=key) as client:
        process, url = start()
        sent = await client.post(f"{url}/v1/messages", json=body)
        assert sent.status_code == 202
        process.kill()
        process.wait()
        process, url = start()
        found = await client.get(f"{url}/v1/messages/{sent.json()['id']}")
        assert found.json()["reference"] == "order-17"
