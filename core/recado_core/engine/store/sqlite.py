"""SQLite's connections, as SQLAlchemy drives them: each statement is one visit to its thread.

aiosqlite sends every call to the connection's thread by itself: making a cursor, the statement,
fetching, closing. The way there and back takes longer than most statements do. Here a statement
brings its rows along, and ``BEGIN`` goes with the first statement of its transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite

BEGINNINGS = frozenset({"BEGIN", "BEGIN IMMEDIATE"})

Parameters = Sequence[Any]


class Connection(aiosqlite.Connection):
    """A connection whose transactions begin with their first statement."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=64)
        self._thread.daemon = True  # as SQLAlchemy has it with the connections that it makes
        self._beginning: str | None = None
        self._began = False

    def cursor(self) -> "Cursor":  # type: ignore[override]  # what SQLAlchemy uses of one
        """Return a cursor, which needs no closing."""
        return Cursor(self)

    def begin(self, beginning: str) -> None:
        """Begin a transaction with the next statement."""
        self._beginning = beginning

    async def visit(self, work: Callable[[sqlite3.Cursor], object]) -> "_Outcome":
        """Do the work in the connection's thread, and return what it comes to."""
        beginning, self._beginning = self._beginning, None
        # Before the visit: who waits may be cancelled, and the transaction open all the same.
        self._began = self._began or beginning is not None
        visit = partial(self._visit, beginning, work)
        outcome: _Outcome = await self._execute(visit)  # type: ignore[no-untyped-call]
        return outcome

    def _visit(self, beginning: str | None, work: Callable[[sqlite3.Cursor], object]) -> "_Outcome":
        cursor = self._conn.cursor()
        try:
            if beginning is not None:
                self._begin(cursor, beginning)
            work(cursor)
            return _Outcome(cursor)
        finally:
            cursor.close()

    def _begin(self, cursor: sqlite3.Cursor, beginning: str) -> None:
        try:
            cursor.execute(beginning)
        except BaseException:
            self._beginning = beginning  # no statement may come after it without a transaction
            raise

    async def commit(self) -> None:
        """Commit, if there is anything to commit."""
        if self._began:
            await super().commit()
            self._began = False
        self._beginning = None

    async def rollback(self) -> None:
        """Roll back, if there is anything to roll back."""
        if self._began:
            await super().rollback()
            self._began = False
        self._beginning = None  # only now: a BEGIN that fails late asks to be made up for


class _Outcome:
    """What a statement comes to."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self.rows = cursor.fetchall() if cursor.description else []
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid


class Cursor:
    """What SQLAlchemy uses of aiosqlite's cursor."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, operation: str, parameters: Parameters = ()) -> "Cursor":
        """Execute a statement; its rows wait for ``fetchall``."""
        if operation in BEGINNINGS:
            self._connection.begin(operation)
            return self
        return await self._take(lambda cursor: cursor.execute(operation, parameters))

    async def executemany(self, operation: str, parameters: Iterable[Parameters]) -> "Cursor":
        """Execute a statement that returns no rows, once for each set of parameters."""
        return await self._take(lambda cursor: cursor.executemany(operation, parameters))

    async def _take(self, work: Callable[[sqlite3.Cursor], object]) -> "Cursor":
        outcome = await self._connection.visit(work)
        self.description = outcome.description
        self.rowcount = outcome.rowcount
        self.lastrowid = outcome.lastrowid
        self._rows = outcome.rows
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows that have not been fetched."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Forget the rows."""
        self._rows = []


def connect(*arguments: Any, **options: Any) -> Connection:  # noqa: ANN401  # as sqlite3 has them
    """Return a connection to be awaited; the arguments are those of ``sqlite3.connect``."""
    return Connection(partial(sqlite3.connect, *arguments, **options))
