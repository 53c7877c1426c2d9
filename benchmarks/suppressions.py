#!/usr/bin/env python3
"""How long the check of 1,000 recipients takes against a suppression list of 1,000,000.

Run it with the interpreter of an environment that has the engine:
``.venv/bin/python benchmarks/suppressions.py [--entries N] [--recipients N] [--database URL]``.
Without ``--database`` the list is made in an SQLite file of a temporary folder. How many statements
one check makes is counted as the database's driver is given them.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime

import sqlalchemy as sa
from recado_core import Category, Recipient
from recado_core.engine.checks.suppressions import SuppressionCheck
from recado_core.engine.settings import DoNotDisturbSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import suppressions as store

AT_ONCE = 10_000


def address(index: int) -> str:
    """Return an address; those that follow each other lie far apart in the list."""
    return f"+55119{index * 7919 % 100_000_000:08d}"


async def fill(database: Database, entries: int) -> float:
    """Put entries on the list; return how many a second."""
    began, now = time.perf_counter(), datetime.now(UTC)
    for start in range(0, entries, AT_ONCE):
        rows = [
            {
                "id": new_id(),
                "address": address(index),
                "document_hash": "",
                "channel": "",
                "category": "",
                "reason": "blacklist",
                "source": "benchmark",
                "created_at": now,
                "expires_at": None,
            }
            for index in range(start, min(start + AT_ONCE, entries))
        ]
        await database.write(lambda connection, rows=rows: store.upsert(connection, rows, now))
    return entries / (time.perf_counter() - began)


async def measure(database: Database, entries: int, recipients: int, rounds: int) -> None:
    """Ask about recipients of whom every tenth is on the list, and print what it took."""
    check = SuppressionCheck(database, DoNotDisturbSettings())
    statements = 0

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal statements
        statements += statement != "BEGIN"

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", count)
    took = []
    for turn in range(rounds):
        asked = [
            Recipient(
                address=address(
                    turn * recipients + at if at % 10 == 0 else entries + turn * recipients + at
                ),
                channel="sms",
                category=Category.MARKETING,
                at=datetime.now(UTC),
            )
            for at in range(recipients)
        ]
        statements = 0
        began = time.perf_counter()
        answers = await check.check(asked)
        took.append((time.perf_counter() - began) * 1000)
    refused = sum(answer is not None for answer in answers)
    took.sort()
    sys.stdout.write(
        f"{recipients:,} recipients against {entries:,} entries: median "
        f"{statistics.median(took):.1f} ms, quickest {took[0]:.1f} ms, slowest {took[-1]:.1f} ms, "
        f"statements: {statements}, {refused} refused\n"
    )


async def main() -> None:
    """Make the list, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--recipients", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--database", metavar="URL", help="an empty database")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(args.database or f"sqlite+aiosqlite:///{folder}/recado.db")
        try:
            await database.upgrade()
            speed = await fill(database, args.entries)
            sys.stdout.write(f"list made at {speed:,.0f} entries/s\n")
            await measure(database, args.entries, args.recipients, args.rounds)
        finally:
            await database.close()


if __name__ == "__main__":
    asyncio.run(main())
