"""``recado bench``: how fast the gateway is on this machine."""

import argparse
import asyncio
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from recado_core.engine.failures import UnavailableError
from recado_core.engine.store.database import Database
from recado_core.engine.store.engines import parse_url
from recado_core.errors import ConfigurationError

from recado_gateway.benchmark.postgres import postgres_server
from recado_gateway.benchmark.runs import CLIENTS, HEADS, Figures, Mode, Plan
from recado_gateway.benchmark.runs import run as run_plan
from recado_gateway.benchmark.stage import SQLITE
from recado_gateway.cli.arguments import words_of
from recado_gateway.cli.commands import DONE, Commands, add_json_option
from recado_gateway.cli.output import explain, print_json, print_table
from recado_gateway.server import run_async, stopping_on_signals

MESSAGES = 50_000
MOST_RECEIPTS = 1000


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, and what it came to."""

    messages: int
    mode: Mode
    clients: int
    receipts: int
    database: str
    cores: int | None
    figures: Figures


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado bench``."""
    parser = command.parser
    parser.add_argument(
        "--messages", type=_count, default=MESSAGES, metavar="N", help=f"how many ({MESSAGES})"
    )
    parser.add_argument(
        "--mode",
        choices=words_of(Mode),
        default=str(Mode.BATCH),
        help="1000 messages a request, or one (default: batch)",
    )
    parser.add_argument(
        "--clients",
        type=_count,
        metavar="N",
        help="requests at once (default: 4; for single messages 64)",
    )
    parser.add_argument(
        "--receipts",
        type=_receipts,
        default=MOST_RECEIPTS,
        metavar="N",
        help=f"DLRs in a webhook ({MOST_RECEIPTS})",
    )
    parser.add_argument(
        "--database",
        default="sqlite",
        help="sqlite, postgresql (a server of its own), or the address of an empty database",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        help="where the database is, on the disk to measure (default: the current folder)",
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() else 0
    if count < 1:
        raise argparse.ArgumentTypeError("must be a number from 1")
    return count


def _receipts(text: str) -> int:
    count = _count(text)
    if count > MOST_RECEIPTS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MOST_RECEIPTS}")
    return count


def run(args: argparse.Namespace) -> int:
    """Measure, and print a table."""
    mode = Mode(args.mode)
    clients = args.clients or CLIENTS[mode]
    if not args.folder.is_dir():
        raise ConfigurationError(f"--folder: {args.folder} is no folder")
    explain(f"{args.messages:,} messages go to a simulated vendor and back ...")
    with stopping_between() as check_stopped, database_of(args.database, args.folder) as database:
        check_stopped()
        plan = Plan(
            messages=args.messages,
            mode=mode,
            clients=clients,
            receipts=args.receipts,
            database=database,
        )
        figures = measure(plan, args.folder)
    if args.json:
        kind = database.partition("+")[0]
        print_json(
            Report(
                messages=plan.messages,
                mode=mode,
                clients=clients,
                receipts=plan.receipts,
                database=kind,
                cores=os.cpu_count(),
                figures=figures,
            )
        )
    else:
        print_table(HEADS, [figures.cells()])
    return DONE


@contextmanager
def stopping_between() -> Iterator[Callable[[], None]]:
    """Let a signal end the block between two steps, so that what was begun is taken away again.

    Give what raises ``KeyboardInterrupt`` once a signal has come; the block's end does too.
    """
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise KeyboardInterrupt

    with stopping_on_signals(stopped.set):
        try:
            yield check
        finally:
            check()


@contextmanager
def database_of(wanted: str, folder: Path) -> Iterator[str]:
    """Give the address of an empty database: of a file, a server of its own, or the one named."""
    if wanted == "sqlite":
        yield SQLITE
    elif wanted == "postgresql":
        with postgres_server(folder) as server:
            yield server.create()
    else:
        with naming_option():
            url = resolved(wanted)
            run_async(refuse_filled(url))
        yield url


@contextmanager
def naming_option() -> Iterator[None]:
    """Call the database by the option that named it, where something is wrong with it."""
    try:
        yield
    except (ConfigurationError, UnavailableError) as error:
        text = str(error).replace("gateway.database", "--database")
        raise ConfigurationError(text) from error


def resolved(url: str) -> str:
    """Return an address that means the same in every folder."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database is None:
        return url
    whole = parsed.set(database=str(Path(parsed.database).resolve()))
    return whole.render_as_string(hide_password=False)


async def refuse_filled(url: str) -> None:
    """Raise ``ConfigurationError`` for a database that holds anything: it may be a real one."""
    database = Database(url)
    try:
        if not await database.is_empty():
            raise ConfigurationError("--database: it is not empty; a benchmark fills it")
    finally:
        await database.close()


def measure(plan: Plan, folder: Path) -> Figures:
    """Run a plan in a temporary folder within this one; a signal ends its processes too."""
    done: list[Figures] = []

    async def play(place: Path) -> None:
        loop = asyncio.get_running_loop()
        running = loop.create_task(run_plan(plan, place))
        with stopping_on_signals(lambda: _cancel(loop, running)):
            done.append(await running)

    with tempfile.TemporaryDirectory(prefix="recado-bench-", dir=folder) as name:
        try:
            run_async(play(Path(name).resolve()))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    return done[0]


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Figures]) -> None:
    loop.call_soon_threadsafe(task.cancel)
