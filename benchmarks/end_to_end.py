#!/usr/bin/env python3
"""How many messages a second go the whole way: accept, checks, dispatch, DLR, all final.

Four processes: this one posts messages to a real `recado serve`; that hands them to Kolmeya's
simulator, which calls its webhook with the DLRs. The clock runs from the first request until no
message is left that is not final, and the messages of the simulator are counted then. Beside the
gateway goes `bare`, the same way stripped to its bones (bare.py): the ratio of the two says what
the features cost, whatever the machine.

Run it in a development environment: .venv/bin/python benchmarks/end_to_end.py
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import psutil

HERE = Path(__file__).resolve().parent
RECADO = (sys.executable, "-m", "recado_gateway")
BARE = (sys.executable, str(HERE / "bare.py"))
TOKEN = "kolmeya-simulator"  # noqa: S105  # the simulator's own
BATCH = 1000
PATIENCE = 60.0
"""Seconds that a process may take to come up, or to go."""
LOOK = 0.1
"""Seconds between two looks whether all is done."""

CONFIGURATION = """
[gateway]
database = "{database}"
public_url = "http://127.0.0.1:{port}"
plugins = ["kolmeya"]
log_level = "warning"
reply_poll = 0
balance_poll = 0

[accounts.main]
provider = "kolmeya"
base_url = "{vendor}/api"
token = "{token}"
rate = "1000000/60s"
price = "0.08"

[[routes]]
channel = "sms"
accounts = ["main"]
"""

# Each spelled so that a partial index answers it.
LEFT = """
SELECT EXISTS (SELECT 1 FROM messages WHERE status = 'queued')
    OR EXISTS (SELECT 1 FROM messages WHERE status = 'sending')
    OR EXISTS (SELECT 1 FROM messages WHERE status = 'sent')
    OR EXISTS (SELECT 1 FROM messages WHERE status = 'scheduled')
    OR EXISTS (SELECT 1 FROM messages WHERE status = 'unknown')
"""

HEADER = (
    "mode     messages/s  CPU µs  peak MB  accept p50 ms  p99 ms  accepted after s  all after s\n"
)
LINE = "{:<8} {:10,.0f}  {:6.0f}  {:7.0f}  {:13.1f}  {:6.1f}  {:16.1f}  {:11.1f}\n"


class Result(NamedTuple):
    """What one run came to; ``cpu`` is the gateway's processor time for one message."""

    rate: float
    cpu: float
    peak: float
    p50: float
    p99: float
    accepted: float
    seconds: float


def say(text: str) -> None:
    """Print at once what there is to print."""
    sys.stdout.write(text)
    sys.stdout.flush()


def free_port() -> int:
    """Return a port that nobody has now."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


# ---------------------------------------------------------------- the processes


@asynccontextmanager
async def running(*words: str, folder: Path) -> AsyncIterator[Process]:
    """Run a program until the block ends, and tell what it said if the block fails."""
    with (folder / "said.txt").open("w+b") as said:
        program = await asyncio.create_subprocess_exec(*words, cwd=folder, stderr=said)
        try:
            yield program
        except BaseException:
            said.seek(0)
            sys.stderr.write(said.read().decode(errors="replace"))
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                program.terminate()
            async with asyncio.timeout(PATIENCE):
                await program.wait()


async def answers(url: str) -> None:
    """Wait until a server answers anything."""
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as http:
        while True:
            with contextlib.suppress(httpx.TransportError):
                await http.get(url)
                return
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def simulating(folder: Path, options: argparse.Namespace) -> AsyncIterator[str]:
    """Run Kolmeya's simulator; give its address."""
    port = free_port()
    words = ("simulate", "kolmeya", f"--port={port}", "--rate-limit=0", "--balance=100000000")
    switches = ("--forget", f"--statuses-per-body={options.receipts}", "--webhook-concurrency=32")
    async with running(*RECADO, *words, *switches, folder=folder):
        url = f"http://127.0.0.1:{port}"
        await answers(url)
        yield url


@asynccontextmanager
async def serving(
    mode: str, vendor: str, folder: Path, options: argparse.Namespace
) -> AsyncIterator[tuple[str, str, psutil.Process]]:
    """Run a gateway on an empty store; give its address, a key, and its process."""
    port = free_port()
    if mode == "bare":
        words = [*BARE, f"--database={folder / 'bare.db'}", f"--vendor={vendor}/api"]
        key = "none"
        words.append(f"--port={port}")
    else:
        database = options.database or "sqlite+aiosqlite:///recado.db"
        text = CONFIGURATION.format(database=database, port=port, vendor=vendor, token=TOKEN)
        (folder / "recado.toml").write_text(text, encoding="utf-8")
        key = await make_key(folder)
        words = [*RECADO, "serve", f"--port={port}"]
    async with running(*words, folder=folder) as server:
        url = f"http://127.0.0.1:{port}"
        await answers(f"{url}/health/live")
        yield url, key, psutil.Process(server.pid)


async def make_key(folder: Path) -> str:
    """Make the database and a key."""
    words = (*RECADO, "keys", "create", "--name=benchmark", "--scope=admin")
    made = await asyncio.create_subprocess_exec(*words, cwd=folder, stdout=PIPE)
    key, _ = await made.communicate()
    if made.returncode:
        sys.exit("the database could not be made")
    return key.decode().strip()


# ---------------------------------------------------------------- the load


def body_of(first: int) -> bytes:
    """Return a batch of messages to as many numbers."""
    messages = [
        {"to": f"+55119{number:08}", "text": f"Your order {number} has left our house."}
        for number in range(first, first + BATCH)
    ]
    return json.dumps({"messages": messages}).encode()


def single_of(number: int) -> bytes:
    """Return one message."""
    return json.dumps({"to": f"+55119{number:08}", "text": f"Your code is {number}."}).encode()


async def post_all(url: str, key: str, options: argparse.Namespace) -> list[float]:
    """Post all messages; return how many seconds each request took."""
    single = options.mode == "single"
    path = "/v1/messages" if single else "/v1/messages/batch"
    step = 1 if single else BATCH
    make = single_of if single else body_of
    firsts = iter(range(0, options.messages, step))
    took: list[float] = []

    async def client(http: httpx.AsyncClient) -> None:
        for first in firsts:
            content = make(first)
            since = time.perf_counter()
            response = await http.post(path, content=content)
            took.append(time.perf_counter() - since)
            if response.status_code not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
                sys.exit(f"refused: {response.status_code} {response.text[:500]}")

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    limits = httpx.Limits(max_connections=options.clients)
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=120) as http,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(options.clients):
            group.create_task(client(http))
    return took


async def until_final(mode: str, url: str, folder: Path, options: argparse.Namespace) -> None:
    """Wait until no message is left that is not final."""
    async with looking(mode, url, folder, options) as is_left:
        while await is_left():  # noqa: ASYNC110  # another process, which tells nobody
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def looking(
    mode: str, url: str, folder: Path, options: argparse.Namespace
) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Give what tells whether a message is left that is not final."""
    if mode == "bare":
        async with httpx.AsyncClient(base_url=url) as http:

            async def ask() -> bool:
                return bool((await http.get("/left")).json()["left"])

            yield ask
    elif options.database:
        address = options.database.replace("postgresql+asyncpg", "postgresql")
        connection = await asyncpg.connect(address)
        yield partial(connection.fetchval, LEFT)
        await connection.close()
    else:
        with closing(sqlite3.connect(folder / "recado.db")) as database:

            async def look() -> bool:
                return bool(database.execute(LEFT).fetchone()[0])

            yield look


async def measure(mode: str, folder: Path, options: argparse.Namespace) -> Result:
    """Send all messages through one gateway."""
    async with (
        simulating(folder, options) as vendor,
        serving(mode, vendor, folder, options) as (url, key, gateway),
    ):
        before = gateway.cpu_times()
        since = time.perf_counter()
        took = await post_all(url, key, options)
        accepted = time.perf_counter() - since
        await until_final(mode, url, folder, options)
        seconds = time.perf_counter() - since
        after = gateway.cpu_times()
        peak = peak_of(gateway)
        await check(vendor, options)
    cpu = after.user + after.system - before.user - before.system
    cuts = statistics.quantiles(took, n=100) if len(took) > 1 else [took[0]] * 99
    return Result(
        rate=options.messages / seconds,
        cpu=cpu / options.messages * 1e6,
        peak=peak / 1e6,
        p50=cuts[49] * 1000,
        p99=cuts[98] * 1000,
        accepted=accepted,
        seconds=seconds,
    )


def peak_of(process: psutil.Process) -> float:
    """Return the most bytes of memory that a process has had (Linux), or has now."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    return float(process.memory_info().rss)


async def check(vendor: str, options: argparse.Namespace) -> None:
    """End the program unless the simulator got every message once."""
    async with httpx.AsyncClient(base_url=vendor) as http:
        counts = (await http.get("/_simulator/state")).json()
    if counts["messages_accepted"] != options.messages:
        sys.exit(f"{options.messages} messages were sent, and the simulator tells of {counts}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=100_000, help="how many (100,000)")
    parser.add_argument(
        "--mode", choices=("batch", "single"), default="batch", help="1000 a request, or 1 (batch)"
    )
    parser.add_argument("--clients", type=int, help="requests at once (4; 64 for single)")
    parser.add_argument("--receipts", type=int, default=1000, help="DLRs in a webhook (1000)")
    parser.add_argument("--database", help="PostgreSQL's address, of an empty database (SQLite)")
    parser.add_argument("--without-bare", action="store_true", help="the gateway alone")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure (.)")
    options = parser.parse_args()
    options.clients = options.clients or (64 if options.mode == "single" else 4)
    options.messages -= options.messages % BATCH
    modes = ["recado"]
    if options.mode == "batch" and not options.without_bare:
        modes.append("bare")
    say(f"{options.messages:,} messages, {options.clients} clients, {os.cpu_count()} cores\n")
    say(HEADER)
    results = {}
    for mode in modes:
        with tempfile.TemporaryDirectory(prefix="recado-benchmark-", dir=options.folder) as name:
            results[mode] = asyncio.run(measure(mode, Path(name).resolve(), options))
        say(LINE.format(mode, *results[mode]))
    if "bare" in results:
        ratio = results["recado"].rate / results["bare"].rate
        say(f"The gateway does {ratio:.0%} of the bare way.\n")


if __name__ == "__main__":
    main()
