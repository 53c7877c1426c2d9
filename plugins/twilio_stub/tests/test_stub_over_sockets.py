"""What only a real server can show: broken connections, answers that never come, the command."""

import argparse
import asyncio
import socket

import anyio
import httpx
import pytest
from recado_core import AccountContext, InDoubtError, Outcome, Secret
from recado_core.testing import Clock, make_batch
from recado_twilio_stub import register_commands
from recado_twilio_stub.provider import TwilioProvider
from recado_twilio_stub.settings import Settings
from recado_twilio_stub.stub_server import ACCOUNT_SID, AUTH_TOKEN, StubServer

uvicorn = pytest.importorskip("uvicorn")

PATIENCE = 30


@pytest.fixture
async def base_url():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # who calls before the server has started waits in the queue
        config = uvicorn.Config(StubServer(delay=0), log_level="critical", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        with anyio.fail_after(PATIENCE):
            await serving


@pytest.fixture
async def http():
    async with httpx.AsyncClient(timeout=httpx.Timeout(10, read=0.5)) as client:
        yield client


@pytest.fixture
def provider(base_url, http):
    settings = Settings(
        base_url=base_url,
        account_sid=ACCOUNT_SID,
        auth_token=Secret(AUTH_TOKEN),
        sender="+15005550006",
    )
    context = AccountContext(account="twilio", settings=settings, http=http, now=Clock().now)
    return TwilioProvider(context)


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        ({"kind": "closed"}, 0),
        ({"kind": "closed", "accept": True}, 1),
        ({"kind": "timeout"}, 1),
        ({"kind": "timeout", "accept": False}, 0),
    ],
)
async def test_broken_connection_and_silence_are_in_doubt(
    provider, http, base_url, fault, accepted
):
    await http.post(f"{base_url}/_stub/faults", json=fault)
    with pytest.raises(InDoubtError):
        await provider.send(make_batch(1))
    state = (await http.get(f"{base_url}/_stub/state")).json()
    assert state["accepted"] == accepted
    (result,) = await provider.send(make_batch(1))
    assert result.outcome is Outcome.ACCEPTED


class CommandLine:
    """Collects what the plugin adds to the command line, and serves nothing."""

    def __init__(self):
        self.parsers = {}
        self.served = []

    def add_command(self, *path, summary):
        assert summary
        self.parsers[path] = argparse.ArgumentParser(prog=" ".join(path))
        return self.parsers[path]

    def serve(self, app, host, port):
        self.served.append((app, host, port))
        return 0


async def test_command_serves_the_stub_with_the_given_credentials():
    cli = CommandLine()
    register_commands(cli)
    arguments = ["--host", "0.0.0.0", "--port", "1234", "--account-sid", "AC7"]  # noqa: S104
    given = cli.parsers["simulate", "twilio_stub"].parse_args([*arguments, "--auth-token", "mine"])
    assert given.run(given) == 0
    ((app, host, port),) = cli.served
    assert (host, port) == ("0.0.0.0", 1234)  # noqa: S104  # given, not listened on
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        url = "http://stub.example.com/2010-04-01/Accounts/AC7.json"
        assert (await http.get(url, auth=("AC7", "mine"))).json()["sid"] == "AC7"
        assert (await http.get(url, auth=("AC7", "other"))).status_code == 401
    await app.close()
