#!/usr/bin/env python3
"""How many single messages a second the gateway accepts, and what group commit does for it.

Clients post to POST /v1/messages of a real `recado serve` on SQLite (WAL, synchronous=FULL): one
message a request, the next one when the last is answered. A 202 means that the message is on the
disk. With group commit (`grouped`) messages that come at the same time share a transaction; without
it (`alone`, made by ungrouped.py) every message has its own. The two modes take turns, because
other work on the machine moves both, and the medians of all rounds are compared.

Nothing is sent: the only account, one of Kolmeya's, is paused. Every round begins with an empty
database, and at its end the messages in it are counted: as many as there were 202s.

The gateway's processor time for a message is moved least by what else runs on the machine.

Run it in a development environment: .venv/bin/python benchmarks/accept.py
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import statistics
import struct
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

HERE = Path(__file__).resolve().parent
RECADO = ("-m", "recado_gateway")
MODES = {"grouped": RECADO, "alone": (str(HERE / "ungrouped.py"),)}

CONFIGURATION = """
[gateway]
reply_poll = 0
balance_poll = 0
database = "sqlite+aiosqlite:///recado.db"
plugins = ["kolmeya"]
log_level = "warning"

[accounts.paused]
provider = "kolmeya"
base_url = "http://127.0.0.1:9/api"
token = "a-token-of-nobody"
"""

LONGEST_PAUSE = 4.0
"""Seconds that a client may pause: after five the gateway hangs up."""
PATIENCE = 60.0
"""Seconds that a gateway may take to come up, or to go."""
LONGEST_LINE = 2**28
FSYNCS = 200
NO_DISK = 0.02
"""Milliseconds that no disk is quicker than."""

HEADER = (
    "round   mode     requests/s  p50 ms  p99 ms  commits/s  rows/commit  CPU µs  clients busy\n"
)
LINE = "{:<6}  {:<7}  {:10,.0f}  {:6.1f}  {:6.1f}  {:9,.0f}  {:11.1f}  {:6.0f}  {:12.0%}\n"


class Round(NamedTuple):
    """What was measured in one round.

    ``cpu`` is the gateway's processor time for one message, ``busy`` the clients' part of a core.
    """

    requests: float
    p50: float
    p99: float
    commits: float
    rows: float
    cpu: float
    busy: float


class Sight(NamedTuple):
    """What is seen of a gateway from outside at one moment."""

    time: float
    commits: int
    cpu: float


def say(text: str) -> None:
    """Print at once what there is to print."""
    sys.stdout.write(text)
    sys.stdout.flush()


# ---------------------------------------------------------------- the gateway


async def start(*words: str, **options: Any) -> Process:  # noqa: ANN401  # asyncio's own
    """Start a Python program."""
    return await asyncio.create_subprocess_exec(
        sys.executable, *words, limit=LONGEST_LINE, **options
    )


async def prepare(folder: Path) -> str:
    """Write the configuration, make the database that every round begins with; return a key."""
    (folder / "recado.toml").write_text(CONFIGURATION, encoding="utf-8")
    words = ("keys", "create", "--name", "benchmark", "--scope", "admin")
    made = await start(*RECADO, *words, cwd=folder, stdout=PIPE)
    key, _ = await made.communicate()
    if made.returncode:
        sys.exit("the database could not be made")
    shutil.copy(folder / "recado.db", folder / "empty.db")
    return key.decode().strip()


@asynccontextmanager
async def serving(mode: str, folder: Path) -> AsyncIterator[tuple[str, psutil.Process]]:
    """Run the gateway on a copy of the empty database; give its address and its process."""
    empty_database(folder)
    server = await start(*MODES[mode], "serve", "--port", "0", cwd=folder, stderr=PIPE)
    try:
        yield await listening(server), psutil.Process(server.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.terminate()
        async with asyncio.timeout(PATIENCE):
            _, said = await server.communicate()
        sys.stderr.write(said.decode())  # nothing, unless something is wrong


def empty_database(folder: Path) -> None:
    """Put the database that every round begins with in the place of the last round's."""
    for left in folder.glob("recado.db*"):
        left.unlink()
    shutil.copy(folder / "empty.db", folder / "recado.db")


async def listening(server: Process) -> str:
    """Wait until the gateway says where it listens."""
    async with asyncio.timeout(PATIENCE):
        said = await read_line(server.stderr)
    _, _, url = said.partition(" listens on ")
    if not url:
        sys.exit(f"the gateway did not start: {said}")
    return url


async def pause(url: str, key: str) -> None:
    """Pause the account, so that its messages wait."""
    async with httpx.AsyncClient(base_url=url) as http:
        headers = {"Authorization": f"Bearer {key}"}
        (await http.post("/v1/accounts/paused/pause", headers=headers)).raise_for_status()


async def read_line(stream: asyncio.StreamReader | None) -> str:
    """Return the next line that a program prints, or nothing at its end."""
    return (await stream.readline()).decode().strip() if stream else ""


# ---------------------------------------------------------------- one round


async def measure(mode: str, folder: Path, key: str, options: argparse.Namespace) -> Round:
    """Let the clients post to a gateway, and return what they and the database saw."""
    async with serving(mode, folder) as (url, gateway):
        await pause(url, key)
        loads = [await start_load(url, key, options, index) for index in range(options.processes)]
        for load in loads:
            await read_line(load.stdout)
        before = look(gateway, folder)
        lines = [await read_line(loads[0].stdout)]
        after = look(gateway, folder)
        lines += [await read_line(load.stdout) for load in loads[1:]]
        if any([await load.wait() for load in loads]):
            sys.exit("the clients failed")
    told = [json.loads(line) for line in lines]
    check(folder, told)
    return summarise(told, before, after)


async def start_load(url: str, key: str, options: argparse.Namespace, index: int) -> Process:
    """Start one process of clients."""
    words = [str(HERE / "load.py"), url, f"--seconds={options.seconds}"]
    words += [f"--clients={options.clients // options.processes}", f"--warm-up={options.warm_up}"]
    if options.rate:
        words.append(f"--rate={options.rate / options.processes}")
    load = await start(*words, f"--first={index * 1_000_000}", stdin=PIPE, stdout=PIPE)
    if load.stdin:
        load.stdin.write(f"{key}\n".encode())
    return load


def look(gateway: psutil.Process, folder: Path) -> Sight:
    """Return how often the database was written, and how long the gateway has computed."""
    cpu = gateway.cpu_times()
    with (folder / "recado.db-shm").open("rb") as file:
        # iChange, which counts commits: https://www.sqlite.org/walformat.html#the_wal_index_header
        (commits,) = struct.unpack("8xI", file.read(12))
    return Sight(time=time.perf_counter(), commits=commits, cpu=cpu.user + cpu.system)


def check(folder: Path, told: list[dict[str, Any]]) -> None:
    """End the program unless every message that was accepted is stored, and nothing else came."""
    statuses: Counter[str] = Counter()
    for clients in told:
        statuses.update(clients["statuses"])
    if set(statuses) != {str(int(HTTPStatus.ACCEPTED))}:
        sys.exit(f"answers that are not what is measured, by status: {dict(statuses)}")
    with closing(sqlite3.connect(folder / "recado.db")) as database:
        (stored,) = database.execute("SELECT count(*) FROM messages").fetchone()
    accepted = sum(clients["accepted"] for clients in told)
    if stored != accepted:
        sys.exit(f"{accepted} messages were accepted, and {stored} are stored")


def summarise(told: list[dict[str, Any]], before: Sight, after: Sight) -> Round:
    """Put together what the clients saw and what was seen of the gateway meanwhile."""
    seconds = after.time - before.time
    commits = (after.commits - before.commits) / seconds
    requests = sum(len(clients["latencies"]) / clients["seconds"] for clients in told)
    cuts = statistics.quantiles([us for clients in told for us in clients["latencies"]], n=100)
    return Round(
        requests=requests,
        p50=cuts[49] / 1000,
        p99=cuts[98] / 1000,
        commits=commits,
        rows=requests / commits,
        cpu=(after.cpu - before.cpu) / (requests * seconds) * 1e6,
        busy=max(clients["busy"] for clients in told),
    )


# ---------------------------------------------------------------- all rounds


def time_fsync(folder: Path) -> float:
    """Return the milliseconds that it takes to have a block on the disk, as a median."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            since = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            times.append(time.perf_counter() - since)
    return statistics.median(times) * 1000


async def compare(folder: Path, options: argparse.Namespace) -> dict[str, Round]:
    """Run the rounds of both modes by turns, and return the median of each figure."""
    key = await prepare(folder)
    rounds: dict[str, list[Round]] = {mode: [] for mode in MODES}
    say(HEADER)
    for number in range(1, options.rounds + 1):
        for mode, done in rounds.items():
            done.append(await measure(mode, folder, key, options))
            say(LINE.format(number, mode, *done[-1]))
    return {
        mode: Round(*map(statistics.median, zip(*done, strict=True)))
        for mode, done in rounds.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64, help="connections (64)")
    parser.add_argument("--rate", type=float, help="requests a second (as many as are answered)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each mode (3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round (5)")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before it (1)")
    parser.add_argument("--processes", type=int, default=1, help="that the clients share (1)")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure (.)")
    options = parser.parse_args()
    if options.rate and options.clients > options.rate * LONGEST_PAUSE:
        parser.error(f"--rate: each client must have its turn within {LONGEST_PAUSE:g} s")
    with tempfile.TemporaryDirectory(prefix="recado-benchmark-", dir=options.folder) as name:
        folder = Path(name).resolve()
        fsync = time_fsync(folder)
        say(f"{options.clients} clients, {os.cpu_count()} cores, fsync {fsync:.2f} ms\n")
        if fsync < NO_DISK:
            say("This folder is on no disk: --folder names one that is.\n")
        medians = asyncio.run(compare(folder, options))
    for mode, median in medians.items():
        say(LINE.format("median", mode, *median))
    ratio = medians["grouped"].requests / medians["alone"].requests
    say(f"Group commit accepts {ratio:.1f} times as many messages.\n")


if __name__ == "__main__":
    main()
