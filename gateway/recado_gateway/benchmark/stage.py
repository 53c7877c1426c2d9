"""What a benchmark runs on: a vendor's simulator, and a gateway whose one account is there."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from recado_core.engine.policy import FINAL
from recado_core.engine.runtime import Engine

from recado_gateway.benchmark.clients import AnswerError, make_request
from recado_gateway.benchmark.processes import HOST, RECADO, Program, free_port, running
from recado_gateway.cli.configuration import open_engine
from recado_gateway.settings import load_settings

SQLITE = "sqlite+aiosqlite:///recado.db"
"""The default of a benchmark: a file in its folder."""
ACCOUNT = "main"
TOKEN = "kolmeya-simulator"  # noqa: S105  # the simulator's own

CONFIGURATION = """\
[gateway]
database = {database}
public_url = "{url}"
plugins = ["kolmeya"]
log_level = "warning"
reply_poll = 0
balance_poll = 0

[accounts.{account}]
provider = "kolmeya"
base_url = "{vendor}/api"
token = "{token}"
rate = "1000000/60s"
price = "0.08"

[[routes]]
channel = "sms"
accounts = ["{account}"]
"""


class Gateway:
    """A running gateway, and an engine beside it that looks into its database.

    Looking costs the gateway nothing: it is another process that does.
    """

    def __init__(self, program: Program, engine: Engine, key: str) -> None:
        self.program = program
        self.url = program.url
        self.key = key
        self._engine = engine

    @property
    def webhook_path(self) -> str:
        """The path at which the provider calls the account."""
        return self._engine.accounts.webhook_path(ACCOUNT)

    def post(self, path: str, body: bytes) -> bytes:
        """Return a whole HTTP request of an authenticated client."""
        return make_request(self.url, path, body, self.key)

    async def counts(self) -> Counter[str]:
        """Return how many of the account's messages are in each status, as statistics count."""
        return (await self._engine.statistics.of_accounts()).get(ACCOUNT, Counter())

    async def finals(self) -> int:
        """Return how many of the account's messages have their final status."""
        counts = await self.counts()
        return sum(counts[status] for status in FINAL)

    async def order(self, path: str) -> None:
        """Post an order without a body, such as one that pauses the account."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            answer = await http.post(path, headers=headers)
        if answer.is_error:
            raise AnswerError(f"{path}: {answer.status_code} {answer.text[:500]}")


@asynccontextmanager
async def simulating(
    folder: Path, receipts: int = 1000, *, webhooks: bool = True
) -> AsyncIterator[Program]:
    """Run Kolmeya's simulator, which takes whatever it gets.

    Args:
        folder: Where it runs.
        receipts: How many DLRs a webhook has at the most.
        webhooks: Whether it calls webhooks at all.
    """
    words = (*RECADO, "simulate", "kolmeya", "--port=0", "--rate-limit=0", "--balance=100000000")
    switches = ["--forget", f"--statuses-per-body={receipts}", "--webhook-concurrency=32"]
    if not webhooks:
        switches.append("--no-webhooks")
    async with running("the simulator", folder, *words, *switches) as simulator:
        yield simulator


async def taken_by(simulator: Program) -> int:
    """Return how many messages a simulator has taken."""
    async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http:
        state = (await http.get("/_simulator/state")).json()
    return int(state["messages_accepted"])


@asynccontextmanager
async def serving(folder: Path, vendor: str, database: str = SQLITE) -> AsyncIterator[Gateway]:
    """Run ``recado serve`` on a database, which is made if it is empty.

    Args:
        folder: Where it runs, and a database without a path lies.
        vendor: The vendor's address.
        database: The database's address, as ``gateway.database``.
    """
    port = free_port()
    file = folder / "recado.toml"
    text = CONFIGURATION.format(
        database=json.dumps(database, ensure_ascii=False),  # as TOML writes a string too
        url=f"http://{HOST}:{port}",
        vendor=vendor,
        account=ACCOUNT,
        token=TOKEN,
    )
    file.write_text(text, "utf-8")
    async with open_engine(load_settings(file, {})) as engine:
        key = (await engine.keys.create("benchmark", ["admin"])).token
        async with running("the gateway", folder, *RECADO, "serve", f"--port={port}") as program:
            yield Gateway(program, engine, key)
