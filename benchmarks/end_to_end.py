#!/usr/bin/env python3
"""How many messages a second go the whole way: accept, checks, dispatch, DLR, all final.

Three processes: this one posts messages to a real `recado serve`; that hands them to Kolmeya's
simulator, which calls its webhook with the DLRs. The clock runs from the first request until every
message has its final status, and the messages of the simulator are counted then. Beside the
gateway goes `bare`, the same way stripped to its bones (bare.py): the ratio of the two says what
the features cost, whatever the machine. With --rows the gateway goes once more, on a store as one
has it that was at work. All of them take turns, and the medians of all rounds are compared.

Three switches measure something else instead: --queued the memory, --idle how soon a message
reaches the provider, --receipts-only how many DLRs are taken.

Run it in a development environment: .venv/bin/python benchmarks/end_to_end.py
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from recado_core.errors import RecadoError
from recado_gateway.benchmark import runs
from recado_gateway.benchmark.postgres import PostgresServer, postgres_server
from recado_gateway.benchmark.runs import CLIENTS, HEADS, Figures, Mode, Plan, median_of
from recado_gateway.benchmark.stage import SQLITE
from recado_gateway.server import run_async
from ways import idle, queued, receipts, stores, stripped
from ways.output import line, say

Result = TypeVar("Result")

MESSAGES, IDLE_MESSAGES = 100_000, 100


class Databases:
    """Gives every run a database: empty, or one that was filled before.

    Args:
        options: The program's.
        server: What makes PostgreSQL's, if it is a server of our own.
    """

    def __init__(self, options: argparse.Namespace, server: PostgresServer | None) -> None:
        self._options = options
        self._server = server
        self._file: Path | None = None
        self._template: str | None = None

    async def fill(self) -> None:
        """Make the store with as many rows as were asked for."""
        if self._server:
            self._template = self._server.create()
            await stores.fill_postgres(self._template, self._options.rows)
        else:
            self._file = await stores.filled_file(self._options.folder, self._options.rows)

    @contextmanager
    def give(self, folder: Path, *, filled: bool) -> Iterator[str]:
        """Give the address of a database for one run in a folder."""
        if self._server:
            url = self._server.create(self._template) if filled else self._server.create()
            yield url
            self._server.drop(url)
            return
        if filled and self._file:
            stores.put_file(self._file, folder)
        yield SQLITE if self._options.database == "sqlite" else self._options.database


async def compare(databases: Databases, options: argparse.Namespace, plan: Plan) -> None:
    """Run all rounds by turns, and print each, the medians and their ratios."""
    ways: dict[str, tuple[Callable[[Plan, Path], Awaitable[Figures]], bool]]
    ways = {"recado": (runs.run, False)}
    if plan.mode is Mode.BATCH and not options.without_bare:
        ways["bare"] = (stripped.run, False)
    if options.rows:
        await databases.fill()
        ways["filled"] = (runs.run, True)
    done: dict[str, list[Figures]] = {way: [] for way in ways}
    say(line("mode", HEADS, HEADS))
    for number in range(1, options.rounds + 1):
        for way, (run, filled) in ways.items():
            done[way].append(await alone(run, databases, plan, options.folder, filled=filled))
            say(line(f"{way} {number}", done[way][-1].cells(), HEADS))
    medians = {way: median_of(rounds) for way, rounds in done.items()}
    for way, figures in medians.items() if options.rounds > 1 else ():
        say(line(f"{way} median", figures.cells(), HEADS))
    rates = {way: figures.messages_per_second for way, figures in medians.items()}
    if "bare" in rates:
        say(f"The gateway does {rates['recado'] / rates['bare']:.0%} of the bare way.")
    if "filled" in rates:
        ratio = rates["filled"] / rates["recado"]
        say(f"With {options.rows:,} messages in the store it does {ratio:.0%} of that without.")


async def alone(
    run: Callable[[Plan, Path], Awaitable[Result]],
    databases: Databases,
    plan: Plan,
    folder: Path,
    *,
    filled: bool = False,
) -> Result:
    """Run a plan in a folder and on a database of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="recado-benchmark-", dir=folder) as name,
        databases.give(Path(name), filled=filled) as database,
    ):
        return await run(msgspec.structs.replace(plan, database=database), Path(name))


async def measure(databases: Databases, options: argparse.Namespace) -> None:
    """Do what the options say."""
    plan = Plan(
        messages=options.queued or options.messages,
        mode=Mode(options.mode),
        clients=options.clients or CLIENTS[Mode(options.mode)],
        receipts=options.receipts,
    )
    say(f"{plan.messages:,} messages, {plan.clients} clients, {os.cpu_count()} cores")
    if options.queued:
        await alone(queued.run, databases, plan, options.folder)
    elif options.idle:
        await alone(idle.run, databases, plan, options.folder)
    elif options.receipts_only:
        receipts.say_heads()
        for size in receipts.SIZES:
            await alone(partial(receipts.run, size), databases, plan, options.folder)
    else:
        await compare(databases, options, plan)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, help="how many (100,000; with --idle 100)")
    parser.add_argument(
        "--mode", choices=("batch", "single"), default="batch", help="1000 a request, or 1 (batch)"
    )
    parser.add_argument("--clients", type=int, help="requests at once (4; 64 for single)")
    parser.add_argument("--receipts", type=int, default=1000, help="DLRs in a webhook (1000)")
    parser.add_argument(
        "--database",
        default="sqlite",
        help="sqlite, postgresql (a server of its own), or the address of an empty PostgreSQL, "
        "which all runs fill (sqlite)",
    )
    parser.add_argument("--rows", type=int, default=0, help="messages in the store before (0)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of each (1)")
    parser.add_argument("--without-bare", action="store_true", help="the gateway alone")
    parser.add_argument("--queued", type=int, metavar="N", help="memory with so many that wait")
    parser.add_argument("--idle", action="store_true", help="time from the 202 to the provider")
    parser.add_argument(
        "--receipts-only", action="store_true", help="DLRs alone, 1 and 10 in a webhook"
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure (.)")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    options.messages = options.messages or (IDLE_MESSAGES if options.idle else MESSAGES)
    if options.rows and options.database not in {"sqlite", "postgresql"}:
        parser.error("--rows needs a database of its own")
    return options


def main() -> None:
    """Measure and print."""
    options = read_options()
    try:
        if options.database == "postgresql":
            with postgres_server(options.folder) as server:
                run_async(measure(Databases(options, server), options))
        else:
            run_async(measure(Databases(options, None), options))
    except RecadoError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
