"""A store as a gateway has it that has been at work: messages, their events, conversations."""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from recado_core.engine.store.database import Database
from recado_core.engine.store.revisions import head
from recado_gateway.benchmark.stage import ACCOUNT

from ways.output import say

AT_ONCE = 50_000
EACH = 10
"""Messages that one person has had."""
BATCH = 1000
DAYS = 90
"""How far back they go."""
SECOND = 1_000_000
DAY = 86_400 * SECOND
PRICE = 80_000
BODY = b" " * 140 * BATCH
"""As long as a webhook with a thousand DLRs, which nobody reads again."""


class Table(NamedTuple):
    """The columns that are filled; the others are empty."""

    name: str
    columns: str


MESSAGES = Table(
    "messages",
    "id direction channel account address text category priority segments encoding status status_at"
    " code status_text provider_ref dispatch_id attempts batch_id created_at due_at unchecked cost",
)
EVENTS = Table(
    "events", "id type time message_id account dispatch_id from_status to_status code text"
)
CONVERSATIONS = Table("conversations", "id account channel address status opened_at last_activity")
DISPATCHES = Table(
    "dispatches", "id account node_id state size started_at finished_at outcome lookups polls"
)
INBOX = Table(
    "inbox", "id account digest received_at method url headers query body state attempts due_at"
)
STATS = Table("stats", "day account channel campaign_id cost_centre metric value")


class Past:
    """So many messages of the last months, evenly spread.

    Args:
        rows: How many messages.
        now: The time at which they end, in microseconds.
    """

    def __init__(self, rows: int, now: int) -> None:
        self._rows = rows
        self._first = now - DAYS * DAY
        self._step = DAYS * DAY // rows

    def tables(self) -> Iterator[tuple[Table, Iterator[tuple[Any, ...]]]]:
        """Yield each table with its rows."""
        yield MESSAGES, map(self._message, range(self._rows))
        yield EVENTS, (row for index in range(self._rows) for row in self._events(index))
        yield CONVERSATIONS, map(self._conversation, range(0, self._rows, EACH))
        yield DISPATCHES, map(self._dispatch, range(0, self._rows, BATCH))
        yield INBOX, map(self._webhook, range(0, self._rows, BATCH))
        yield STATS, self._sums()

    def _time(self, index: int) -> int:
        return self._first + index * self._step

    def _id(self, kind: int, index: int, after: int = 0) -> str:
        """Return an identifier of that time, as RFC 9562 makes a UUIDv7."""
        stamp = f"{(self._time(index) + after) // 1000:012x}"
        return f"{stamp[:8]}-{stamp[8:]}-7{kind:03x}-8000-{index:012x}"

    def _address(self, index: int) -> str:
        # A prime: who follow each other live far apart. The benchmarks' own begin with +55119.
        return f"+55219{index // EACH * 7919 % 100_000_000:08d}"

    def _message(self, index: int) -> tuple[Any, ...]:
        at, final = self._time(index), self._time(index) + 40 * SECOND
        first = index // BATCH * BATCH
        text = f"Your order {index} has left our house."
        reference = f"{index * 2654435761 % 2**32:08x}-529f-4400-93b0-{index:012x}"
        told = ("delivered", final, "3", "entregue", reference)
        sent = ("transactional", 5, 1, "gsm7", *told, self._id(3, first), 1, self._id(4, first))
        about = (self._id(0, index), "out", "sms", ACCOUNT, self._address(index), text)
        return (*about, *sent, at, at + SECOND, False, PRICE)

    def _events(self, index: int) -> Iterator[tuple[Any, ...]]:
        at, message = self._time(index), self._id(0, index)
        dispatch = self._id(3, index // BATCH * BATCH)
        way = (
            ("message.accepted", 0, None, "queued", None, None),
            ("message.sent", 1, "sending", "sent", None, None),
            ("message.delivered", 40, "sent", "delivered", "3", "entregue"),
        )
        for kind, seconds, *more in way:
            after = seconds * SECOND
            key = self._id(5, index, after)
            yield (key, kind, at + after, message, ACCOUNT, dispatch if seconds else None, *more)

    def _conversation(self, index: int) -> tuple[Any, ...]:
        at = self._time(index)
        return (self._id(6, index), ACCOUNT, "sms", self._address(index), "done", at, at)

    def _dispatch(self, index: int) -> tuple[Any, ...]:
        at, size = self._time(index), min(BATCH, self._rows - index)
        return (self._id(3, index), ACCOUNT, "", "done", size, at, at + SECOND, "accepted", 0, 9)

    def _webhook(self, index: int) -> tuple[Any, ...]:
        at, digest = self._time(index), index.to_bytes(8, "big") * 4
        url = f"http://127.0.0.1/webhooks/{ACCOUNT}/***"
        return (
            *(self._id(7, index), ACCOUNT, digest, at, "POST", url),
            *("{}", "{}", BODY, "done", 0, at),
        )

    def _sums(self) -> Iterator[tuple[Any, ...]]:
        for metric in ("accepted", "taken", "segments", "delivered"):
            yield ("", ACCOUNT, "sms", "", "", metric, self._rows)
        yield ("", ACCOUNT, "sms", "", "", "cost", self._rows * PRICE)


async def filled_file(folder: Path, rows: int) -> Path:
    """Return an SQLite file with so many messages, made if it is not there yet."""
    path = folder / f"recado-store-{rows}-{head()}.sqlite"
    if not path.exists():
        say(f"{path.name} is made; it stays for other runs")
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        await _make(f"sqlite+aiosqlite:///{making}")
        await asyncio.to_thread(_fill_file, making, rows)
        making.rename(path)
    return path


def put_file(store: Path, folder: Path) -> None:
    """Give a gateway a copy of a store, all of it on the disk."""
    copied = folder / "recado.db"
    shutil.copyfile(store, copied)
    with copied.open("rb+") as file:
        os.fsync(file.fileno())


async def fill_postgres(url: str, rows: int) -> None:
    """Put so many messages into an empty PostgreSQL."""
    say("the PostgreSQL store is made")
    await _make(url)
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
    try:
        for table, found in Past(rows, _now()).tables():
            columns = table.columns.split()
            while some := list(islice(found, AT_ONCE)):
                await connection.copy_records_to_table(table.name, records=some, columns=columns)
        await connection.execute("VACUUM ANALYZE")  # as its own autovacuum would have
    finally:
        await connection.close()


async def _make(url: str) -> None:
    database = Database(url)
    try:
        await database.upgrade()
    finally:
        await database.close()


def _fill_file(path: Path, rows: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000;")
        for table, found in Past(rows, _now()).tables():
            columns = table.columns.split()
            places = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608  # our own words
            while some := list(islice(found, AT_ONCE)):
                with connection:
                    connection.executemany(statement, some)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _now() -> int:
    return time.time_ns() // 1000
