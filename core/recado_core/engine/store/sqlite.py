"""SQLite's connections, as SQLAlchemy drives them: each statement is one visit to its thread.

aiosqlite sends every call to the connection's thread by itself: making a cursor, the statement,
fetching, closing. The way there and back takes longer than most statements do. Here a statement
brings its rows along, and ``BEGIN`` goes with the first statement of its transaction. SQLAlchemy's
own way to the driver takes longer still: ``run_steps`` and ``query`` leave it out.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Self

import aiosqlite
import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

Parameters = Sequence[Any]

WRITING = "BEGIN IMMEDIATE"
"""How a transaction begins that writes: one that reads first might find another in its way."""
CLOSED = frozenset({"no active connection", "Connection closed"})
"""What aiosqlite says of a connection that is closed."""
PATIENCE = 30.0
"""Seconds for which a new connection waits until others let it set what it begins with."""
PAUSE = 0.01
"""Seconds between two attempts."""


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

    async def visit(
        self, work: Callable[[sqlite3.Cursor], object], *, ends: bool = False
    ) -> "Outcome":
        """Do the work in the connection's thread, and return what it comes to.

        Args:
            work: What to do with a cursor.
            ends: Whether the transaction is committed after it.
        """
        beginning, self._beginning = self._beginning, None
        # Before the visit: who waits may be cancelled, and the transaction open all the same.
        self._began = self._began or beginning is not None
        visit = partial(self._visit, beginning, work, ends=ends)
        outcome: Outcome = await self._execute(visit)  # type: ignore[no-untyped-call]
        self._began = self._began and not ends
        return outcome

    def _visit(
        self, beginning: str | None, work: Callable[[sqlite3.Cursor], object], *, ends: bool
    ) -> "Outcome":
        cursor = self._conn.cursor()
        try:
            if beginning is not None:
                self._begin(cursor, beginning)
            work(cursor)
            outcome = Outcome(cursor)
            if ends:
                self._conn.commit()
            return outcome
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


class Outcome:
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


def connect(*arguments: Any, pragmas: str = "", **options: Any) -> Connection:  # noqa: ANN401  # as sqlite3 has them
    """Return a connection to be awaited.

    Args:
        arguments: Those of ``sqlite3.connect``.
        pragmas: Statements with which the connection begins; it is not there without them, so that
            whoever stops waiting for it leaves none behind that is half made.
        options: As above.
    """

    def make() -> sqlite3.Connection:
        made: sqlite3.Connection = sqlite3.connect(*arguments, **options)
        made.isolation_level = None  # transactions begin where ``begin`` says, not as it guesses
        try:
            _set(made, pragmas)
        except BaseException:
            made.close()
            raise
        return made

    return Connection(make)


def _set(made: sqlite3.Connection, pragmas: str) -> None:
    """Execute pragmas, all of them anew while a process beside this one makes the same file.

    Of two that turn a new file to WAL together, SQLite refuses one at once: its ``busy_timeout``
    does not cover that, since both hold what the other one needs.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            made.executescript(pragmas)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(PAUSE)
        else:
            return


class Guard(msgspec.Struct, frozen=True):
    """A question on whose answer the steps of a transaction depend."""

    statement: str
    values: Parameters
    expected: object


def changed(expected: int) -> Guard:
    """Return the guard that the step before has changed so many rows."""
    return Guard("SELECT changes()", (), expected)


class ChangedError(Exception):
    """The answer to a guard's question is another than was expected."""


async def run_steps(
    connection: AsyncConnection, steps: Sequence[tuple[str, Any] | Guard], *, whole: bool = False
) -> None:
    """Execute statements that return no rows, all in one visit.

    Args:
        connection: The transaction's.
        steps: Each a statement and what it takes: a tuple, or a list of them to repeat it for.
        whole: Whether they are a transaction of their own, open still if anything is raised.

    Raises:
        ChangedError: A guard among them says that it must not be.
    """
    asked = [(it.statement, it.values) if isinstance(it, Guard) else it for it in steps]

    def work(cursor: sqlite3.Cursor) -> None:
        for step, (statement, values) in zip(steps, asked, strict=True):
            if isinstance(step, Guard):
                (found,) = cursor.execute(statement, values).fetchone()
                if found != step.expected:
                    raise ChangedError
            elif isinstance(values, list):
                cursor.executemany(statement, values)
            else:
                cursor.execute(statement, values)

    await _visit(connection, asked, work, whole=whole)


async def query(connection: AsyncConnection, statement: str, values: Parameters) -> Outcome:
    """Execute one statement, and return what it comes to."""
    step = (statement, values)
    return await _visit(connection, [step], lambda cursor: cursor.execute(statement, values))


async def rest(connection: AsyncConnection) -> None:
    """Wait until nothing goes on in a connection's thread; one that is closed is at rest."""
    if not connection.invalidated:
        sync: Any = connection.sync_connection
        with suppress(sqlite3.Error, ValueError):
            await sync.connection.driver_connection.visit(lambda _: None)


async def _visit(
    connection: AsyncConnection,
    steps: Sequence[tuple[str, Any]],
    work: Callable[[sqlite3.Cursor], object],
    *,
    whole: bool = False,
) -> Outcome:
    """Visit a connection's thread, for a ``whole`` transaction or for a part of one.

    Listeners and errors are as SQLAlchemy's.
    """
    sync: Any = connection.sync_connection
    driver: Connection = sync.connection.driver_connection
    for statement, values in steps:
        listeners = sync.dispatch.before_cursor_execute
        listeners(sync, None, statement, values, None, isinstance(values, list))
    try:
        if whole:
            driver.begin(WRITING)
        return await driver.visit(work, ends=whole)
    except (sqlite3.Error, ValueError) as error:
        text = ";\n".join(statement for statement, _ in steps)
        if isinstance(error, ValueError):
            if str(error) not in CLOSED:
                raise
            await connection.invalidate(error)
            raise sa.exc.OperationalError(
                text, None, error, hide_parameters=True, connection_invalidated=True
            ) from error
        raise sa.exc.DBAPIError.instance(
            text, None, error, sqlite3.Error, hide_parameters=True
        ) from error
