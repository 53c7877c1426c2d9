#!/usr/bin/env python3
"""What statistics add to accepting messages and to their DLRs, and how long asking for them takes.

The statements that accept makes for messages (insert, tell) and that DLRs make (lock, settle, tell)
are run in transactions of 1,000 messages and of one, with their events counted and without, by
turns. What is told is the median of the processor time of a message, and of all the time that its
transaction took. Then statistics of a year are asked for.

Run it with the interpreter of an environment that has the engine:
``.venv/bin/python benchmarks/counting.py [--rounds N] [--database URL]``.
Without ``--database`` the messages are in an SQLite file of a temporary folder.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from recado_core.engine.messages.drafts import Draft, compose, new_row
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import Change, apply
from recado_core.engine.plugins import load_plugins
from recado_core.engine.settings import AccountSettings, EngineSettings
from recado_core.engine.statistics.statistics import Group, Statistics, StatsQuery
from recado_core.engine.statistics.tallies import COUNTED, Metric, Tallies
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import events, messages, stats
from recado_core.messages import Status
from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]

SIZES = {1000: 1, 1: 100}
"""Messages of a transaction, and how many transactions a round makes of them."""
ZONE = "America/Sao_Paulo"


class Silent(Tallies):
    """Counts nothing."""

    def count(self, *_: object) -> list[Row]:
        """Return no rows."""
        return []


def make_rows(count: int, now: datetime) -> list[Row]:
    """Return messages that are on their way, as accept stores them."""
    channels = load_plugins([]).channels
    draft = Draft(to="+5511900000001", text="oi", cost_centre="shop")
    composed = compose(draft, channels, "BR", now)
    return [new_row(composed, ["main"], now) | {"status": Status.SENT} for _ in range(count)]


async def store_all(connection: AsyncConnection, rows: list[Row], telling: Telling) -> None:
    """Do what accept does with messages."""
    told = [
        events.new_event(
            "message.accepted",
            row["created_at"],
            message_id=row["id"],
            account="main",
            to_status=Status.QUEUED,
        )
        for row in rows
    ]
    about = {event["id"]: row for event, row in zip(told, rows, strict=True)}
    await messages.insert(connection, rows)
    await telling.tell(connection, told, about)


async def settle_all(connection: AsyncConnection, rows: list[Row], telling: Telling) -> None:
    """Do what DLRs do to messages."""
    standing = await messages.lock(connection, [row["id"] for row in rows])
    changes = [Change(message_id=row["id"], status=Status.DELIVERED) for row in rows]
    await apply(connection, standing, changes, datetime.now(UTC), telling)


async def measure(database: Database, telling: Telling, size: int) -> dict[str, tuple[float, ...]]:
    """Return the microseconds, of processor and clock, that a message takes in each step."""
    times = SIZES[size]
    batches = [make_rows(size, datetime.now(UTC)) for _ in range(times)]
    found = {}
    for name, step in (("accept", store_all), ("DLR", settle_all)):
        processor, clock = time.process_time(), time.perf_counter()
        for rows in batches:
            await database.write(lambda c, step=step, rows=rows: step(c, rows, telling))
        took = time.process_time() - processor, time.perf_counter() - clock
        found[name] = tuple(1e6 * each / times / size for each in took)
    return found


async def compare(database: Database, rounds: int) -> None:
    """Print what counting adds."""
    settings = EngineSettings(
        database="",
        timezone=ZONE,
        accounts={"main": AccountSettings(provider="none", price=Decimal("0.08"))},
    )
    telling = {
        "counted": Telling([], lambda _: None, Tallies(settings)),
        "not": Telling([], lambda _: None, Silent(settings)),
    }
    line = "{:<8} {:>12} {:>16} {:>8} {:>8} {:>16} {:>8} {:>8}\n"
    sys.stdout.write(
        line.format(
            "step", "transaction", "CPU µs, counted", "not", "more", "µs, counted", "not", ""
        )
    )
    for size in SIZES:
        took: dict[tuple[str, str], list[tuple[float, ...]]] = {}
        for _ in range(rounds):
            for mode, each in telling.items():
                for name, found in (await measure(database, each, size)).items():
                    took.setdefault((name, mode), []).append(found)
        for name in ("accept", "DLR"):
            cpu, clock = (
                [statistics.median(t[at] for t in took[name, mode]) for mode in telling]
                for at in (0, 1)
            )
            more = f"{cpu[0] / cpu[1] - 1:.1%}"
            figures = [f"{cpu[0]:.1f}", f"{cpu[1]:.1f}", more, f"{clock[0]:.0f}", f"{clock[1]:.0f}"]
            sys.stdout.write(
                line.format(name, f"{size:,}", *figures, f"{clock[0] / clock[1] - 1:.1%}")
            )


async def ask(database: Database, campaigns: int) -> None:
    """Fill a year, and print how long asking takes."""
    metrics = [*Metric, *COUNTED]
    days = [(date(2026, 1, 1) + timedelta(days=day)).isoformat() for day in range(365)]
    names = [new_id() for _ in range(campaigns)]
    for day in days:
        sums = {
            (day, f"account{at % 3}", "sms", name, "", metric): 100
            for at, name in enumerate(names)
            for metric in metrics
        }
        await database.write(lambda c, sums=sums: stats.add(c, sums))
    sums_of = Statistics(database, ZONE, lambda: datetime(2026, 12, 31, 15, tzinfo=UTC))
    asked = {
        "30 days by day and account": StatsQuery(group_by=(Group.DAY, Group.ACCOUNT)),
        "a year by account": StatsQuery(since=date(2026, 1, 1), group_by=(Group.ACCOUNT,)),
    }
    sys.stdout.write(f"{len(days) * campaigns * len(metrics):,} sums\n")
    for name, query in asked.items():
        began = time.perf_counter()
        await sums_of.query(query)
        sys.stdout.write(f"{name}: {1000 * (time.perf_counter() - began):.1f} ms\n")
    began = time.perf_counter()
    await sums_of.of_campaigns(names[:1])
    sys.stdout.write(f"one campaign: {1000 * (time.perf_counter() - began):.1f} ms\n")


async def main() -> None:
    """Make the database, measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--campaigns", type=int, default=50, help="of every day of the year")
    parser.add_argument("--database", metavar="URL", help="an empty database")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(args.database or f"sqlite+aiosqlite:///{folder}/recado.db")
        try:
            await database.upgrade()
            await compare(database, args.rounds)
            await ask(database, args.campaigns)
        finally:
            await database.close()


if __name__ == "__main__":
    asyncio.run(main())
