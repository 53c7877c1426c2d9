"""``recado demo``: the gateway, a simulated vendor, and messages that go through both."""

import argparse
import asyncio
import os
import time
from pathlib import Path
from typing import TextIO

import httpx
import msgspec
from recado_core.engine.accept.answers import AcceptedMessage, BatchAccepted
from recado_core.engine.messages.messages import MessageDetail, Page
from recado_core.errors import RecadoError

from recado_gateway.app import create_app
from recado_gateway.cli.commands import DONE, FAILED, INTERRUPTED, Commands
from recado_gateway.cli.keys import create_key
from recado_gateway.cli.output import explain, say, script
from recado_gateway.cli.progress import Traffic, open_view, words_of
from recado_gateway.cli.serving import read_port
from recado_gateway.cli.simulator import Simulator, SimulatorError, running_simulator
from recado_gateway.environment import PREFIX
from recado_gateway.logs import configure_logging
from recado_gateway.server import ListenError, Server, bind, run_async, stopping_on_signals
from recado_gateway.settings import Settings, load_settings

HOST = "127.0.0.1"
PORT = 8000
FOLDER = Path(".recado")
DEADLINE = 60.0
POLL_SECONDS = 0.1

CONFIGURATION = """\
# Written anew by every `recado demo`.
[gateway]
database = "sqlite+aiosqlite:///{database}"
public_url = "{url}"
plugins = ["kolmeya"]

[accounts.kolmeya_demo]
provider = "kolmeya"
base_url = "{simulator}/api"
token = "kolmeya-simulator"

[[routes]]
channel = "sms"
accounts = ["kolmeya_demo"]
"""

# Slow enough to be watched.
PACE = ("--sent-delay", "0.5", "--final-delay", "1.5", "--final-spread", "1", "--reply-delay", "1")

# The last two digits choose how a message ends: plugins/kolmeya/SIMULATOR.md lists them.
MESSAGES = (
    {"to": "+5511999900000", "text": "Olá! Seu pedido 17 saiu para entrega."},
    {"to": "+5521999900000", "text": "493817 é o seu código.", "category": "otp"},
    {"to": "+5548999900030", "text": "Podemos entregar hoje? Responda SIM ou NÃO."},
    {"to": "+5511999900004", "text": "To a phone that is switched off"},
    {"to": "+5511999900005", "text": "To a carrier that refuses"},
    {"to": "+5511999900006", "text": "Too late for anybody"},
    {"to": "+5511999900011", "text": "To a number on the vendor's blacklist"},
    {"to": "+5511999900010", "text": "To a number that does not exist"},
)
REPLIES = 1


class StoppedError(Exception):
    """A person or the system asked the demo to end."""


class Stage:
    """What must last while the demo plays: the simulator, the gateway, and nobody ending it."""

    def __init__(self, log: TextIO) -> None:
        self.log = log
        self.stopping = False
        self.simulator: Simulator | None = None
        self.serving: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Ask the demo to end."""
        self.stopping = True

    async def pause(self) -> None:
        """Wait for a moment; raise if the demo can't go on."""
        await asyncio.sleep(POLL_SECONDS)
        if self.stopping:
            raise StoppedError
        if self.simulator:
            self.simulator.check()
        if self.serving and self.serving.done():
            self.serving.result()
            raise RecadoError("the gateway ended")


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado demo``."""
    parser = command.parser
    parser.add_argument("--once", action="store_true", help="end when every message has")
    parser.add_argument(
        "--port", type=read_port, default=PORT, help=f"the gateway's port; 0: any (default: {PORT})"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play until interrupted, or with ``--once`` until every message has its final status."""
    for name in ("NO_PROXY", "no_proxy"):  # a proxy leads to no simulator; either spelling counts
        os.environ[name] = HOST
    port = find_port(args.port)
    FOLDER.mkdir(exist_ok=True)
    codes: list[int] = []

    async def play(stage: Stage) -> None:
        codes.append(await _play(stage, port, once=args.once))

    with (FOLDER / f"demo-{port}.log").open("w", encoding="utf-8") as log:
        stage = Stage(log)
        with stopping_on_signals(stage.stop):
            run_async(play(stage))
    return codes[0]


def find_port(port: int) -> int:
    """Return the port if it is free, or any free one for 0."""
    try:
        found = bind(HOST, port)
    except ListenError as error:
        raise ListenError(f"{error}; --port takes another") from error
    with found:
        return int(found.getsockname()[1])


async def _play(stage: Stage, port: int, *, once: bool) -> int:
    environ = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    log = FOLDER / f"demo-{port}-simulator.log"
    explain("Starting the simulator and the gateway")
    try:
        async with running_simulator("kolmeya", log, environ, *PACE) as simulator:
            stage.simulator = simulator
            return await _serve(stage, port, simulator, once=once)
    except StoppedError:
        return INTERRUPTED
    except SimulatorError:
        if stage.stopping:  # Ctrl-C reaches both
            return INTERRUPTED
        raise


async def _serve(stage: Stage, port: int, simulator: Simulator, *, once: bool) -> int:
    settings = renew(port, simulator.url)
    key = await create_key(settings, "demo", ["admin"])  # as a command: it logs to the terminal
    configure_logging("info", stage.log, settings.find_secrets())
    server = Server(create_app(settings, worker=True), HOST, port)
    up = asyncio.Event()
    stage.serving = asyncio.create_task(server.run(up.set))
    try:
        while not up.is_set():
            await stage.pause()
        return await _perform(stage, server.url, key, once=once)
    finally:
        server.stop()
        await asyncio.wait([stage.serving])


def renew(port: int, simulator: str) -> Settings:
    """Write the demo's configuration, and begin with an empty database."""
    database = FOLDER.absolute() / f"demo-{port}.db"
    for file in FOLDER.glob(f"{database.name}*"):
        file.unlink()
    file = FOLDER / f"demo-{port}.toml"
    url = f"http://{HOST}:{port}"
    file.write_text(
        CONFIGURATION.format(database=database.name, url=url, simulator=simulator), "utf-8"
    )
    return load_settings(file, {})


async def _perform(stage: Stage, url: str, key: str, *, once: bool) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        traffic = await _watch(stage, client, await send_messages(client))
        for message in traffic.pending:
            words = f"{message.id} is {message.status} {words_of(message)}".rstrip()
            explain(f"Not final after {DEADLINE:g} s: {words}")
        final = len(traffic.messages) - len(traffic.pending)
        say()
        say(f"{final} of {len(traffic.messages)} messages have their final status.")
        say(f"{len(traffic.replies)} of {REPLIES} replies arrived.")
        for line in await where(client, key):
            say(line)
    if once:
        return FAILED if traffic.pending else DONE
    say("Ctrl-C ends the demo.")
    try:
        while True:
            await stage.pause()
    except StoppedError:
        return DONE


async def send_messages(client: httpx.AsyncClient) -> list[str]:
    """Send the first message alone and the others as a batch; return their ids."""
    first, *others = MESSAGES
    answer = await client.post("/v1/messages", json=first)
    answer.raise_for_status()
    ids = [msgspec.json.decode(answer.content, type=AcceptedMessage).id]
    answer = await client.post("/v1/messages/batch", json={"messages": others})
    answer.raise_for_status()
    results = msgspec.json.decode(answer.content, type=BatchAccepted).results
    return ids + [result.id for result in results if result.id]


async def _watch(stage: Stage, client: httpx.AsyncClient, ids: list[str]) -> Traffic:
    deadline = time.monotonic() + DEADLINE
    with open_view() as view:
        while True:
            traffic = await fetch(client, ids)
            view.show(traffic)
            arrived = not traffic.pending and len(traffic.replies) >= REPLIES
            if arrived or time.monotonic() > deadline:
                return traffic
            await stage.pause()


async def fetch(client: httpx.AsyncClient, ids: list[str]) -> Traffic:
    """Ask the gateway how things stand."""
    messages = []
    for message_id in ids:
        answer = await client.get(f"/v1/messages/{message_id}")
        answer.raise_for_status()
        messages.append(msgspec.json.decode(answer.content, type=MessageDetail))
    answer = await client.get("/v1/messages", params={"direction": "in"})
    answer.raise_for_status()
    replies = msgspec.json.decode(answer.content, type=Page).items
    return Traffic(messages=messages, replies=replies)


async def where(client: httpx.AsyncClient, key: str) -> list[str]:
    """Say where the gateway is and how to speak to it."""
    url = str(client.base_url).rstrip("/")
    console = await client.get("/console")
    docs = f"API docs  {url}/schema"
    return [
        "",
        f"Console   {url}/console" if console.is_success else docs,
        f"API key   {key}",
        f"Messages  {script()} messages list --config {FOLDER}/demo-{client.base_url.port}.toml",
    ]
