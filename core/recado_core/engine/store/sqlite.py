"""SQLite's connections, as SQLAlchemy drives them: each statement is one visit to its thread.

aiosqlite sends every call to the connection's thread by itself: making a cursor, the statement,
fetching, closing. The way there and back takes longer than most statements do. Here a statement
brings its rows along, and ``BEGIN`` goes with the first statement of its transaction. SQLAlchemy's
own way to the driver takes longer still: ``run_steps`` and ``query`` leave it out.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Self, TypeVar

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.steps import TOGETHER, Parameters, Steps, asked, carry_out, execute
from recado_core.engine.store.writer.process import WriterProcess

Result = TypeVar("Result")

CLOSED = frozenset({"no active connection", "Connection closed"})
"""What aiosqlite says of a connection that is closed."""
PATIENCE = 30.0
"""Seconds for which a new connection waits until others let it set what it begins with."""
PAUSE = 0.01
"""Seconds between two attempts."""


class _Whole:
    """Work that is a transaction of its own, and who waits for its end."""

    def __init__(self, work: Callable[[sqlite3.Cursor], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.end: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Connection(aiosqlite.Connection):
    """A connection whose transactions begin with their first statement."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=64)
        self._thread.daemon = True  # as SQLAlchemy has it with the connections that it makes
        self._beginning: str | None = None
        self._began = False
        self._wholes: deque[_Whole] = deque()

    def cursor(self) -> "Cursor":  # type: ignore[override]  # what SQLAlchemy uses of one
        """Return a cursor, which needs no closing."""
        return Cursor(self)

    def begin(self, beginning: str) -> None:
        """Begin a transaction with the next statement."""
        self._beginning = beginning

    async def visit(self, work: Callable[[sqlite3.Cursor], object]) -> "Outcome":
        """Do the work with a cursor in the connection's thread, and return what it comes to."""
        beginning, self._beginning = self._beginning, None
        # Before the visit: who waits may be cancelled, and the transaction open all the same.
        self._began = self._began or beginning is not None
        visit = partial(self._visit, beginning, work)
        outcome: Outcome = await self._execute(visit)  # type: ignore[no-untyped-call]
        return outcome

    def _visit(self, beginning: str | None, work: Callable[[sqlite3.Cursor], object]) -> "Outcome":
        cursor = self._conn.cursor()
        try:
            if beginning is not None:
                self._begin(cursor, beginning)
            work(cursor)
            return Outcome(cursor)
        finally:
            cursor.close()

    async def visit_whole(self, work: Callable[[sqlite3.Cursor], Result]) -> Result:
        """Do the work in a transaction, which is committed when this returns, undone if it raises.

        Those that come while the thread is at work are committed together.

        Raises:
            ValueError: The connection is closed.
        """
        if not self._running or self._connection is None:
            raise ValueError("Connection closed")  # as aiosqlite has it
        whole = _Whole(work)
        self._wholes.append(whole)
        self._tx.put_nowait((None, self._visit_wholes))
        try:
            result: Result = await whole.end
            return result
        finally:
            del whole  # an error knows this frame: it must not know the error, and keep the steps

    def _visit_wholes(self) -> None:
        """Do what waits, unless an earlier visit has done it."""
        if self._wholes:
            carry_out(self._conn, self._wholes, _tell, TOGETHER)

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


def _tell(some: Sequence[_Whole]) -> None:
    """Let those who wait for work go on, in their own thread."""
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        some[0].end.get_loop().call_soon_threadsafe(_end, some)


def _end(some: Iterable[_Whole]) -> None:
    for each in some:
        if each.end.done():
            continue
        if each.error is None:
            each.end.set_result(each.result)
        else:
            each.end.set_exception(each.error)


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
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(PAUSE)
        else:
            return


async def run_steps(connection: AsyncConnection, steps: Steps) -> None:
    """Execute steps of a transaction, all in one visit.

    Raises:
        ChangedError: One of them says that it must not be.
    """
    work = partial(execute, steps=steps)
    await _visit(connection, asked(steps), work, _driver(connection).visit)


async def run_whole(connection: AsyncConnection, steps: Steps) -> list[int]:
    """Execute steps as a transaction of its own; it is over also if anything is raised.

    Returns:
        How many rows each step but the guards has changed.

    Raises:
        ChangedError: As in ``run_steps``.
    """
    work = partial(execute, steps=steps)
    return await _visit(connection, asked(steps), work, _driver(connection).visit_whole)


async def run_whole_apart(process: WriterProcess, steps: Steps) -> list[int]:
    """Execute steps as ``run_whole`` does, in the process that writes."""
    try:
        return await process.run_whole(steps)
    except sqlite3.Error as error:
        raise _failure(asked(steps), error) from error


async def query(connection: AsyncConnection, statement: str, values: Parameters) -> Outcome:
    """Execute one statement, and return what it comes to."""
    step = (statement, values)
    visit = _driver(connection).visit
    return await _visit(connection, [step], lambda cursor: cursor.execute(statement, values), visit)


async def rest(connection: AsyncConnection) -> None:
    """Wait until nothing goes on in a connection's thread; one that is closed is at rest."""
    if not connection.invalidated:
        with suppress(sqlite3.Error, ValueError):
            await _driver(connection).visit(lambda _: None)


def _driver(connection: AsyncConnection) -> Connection:
    sync: Any = connection.sync_connection
    driver: Connection = sync.connection.driver_connection
    return driver


async def _visit(
    connection: AsyncConnection,
    steps: Sequence[tuple[str, Any]],
    work: Callable[[sqlite3.Cursor], Any],
    visit: Callable[[Callable[[sqlite3.Cursor], Any]], Awaitable[Result]],
) -> Result:
    """Visit a connection's thread; listeners and errors are as SQLAlchemy's."""
    sync: Any = connection.sync_connection
    for statement, values in steps:
        listeners = sync.dispatch.before_cursor_execute
        listeners(sync, None, statement, values, None, isinstance(values, list))
    try:
        return await visit(work)
    except (sqlite3.Error, ValueError) as error:
        if isinstance(error, ValueError):
            if str(error) not in CLOSED:
                raise
            if not connection.closed:  # by another who has met the same
                await connection.invalidate(error)
            text = ";\n".join(statement for statement, _ in steps)
            raise sa.exc.OperationalError(
                text, None, error, hide_parameters=True, connection_invalidated=True
            ) from error
        raise _failure(steps, error) from error


def _failure(steps: Sequence[tuple[str, Any]], error: sqlite3.Error) -> BaseException:
    """Return an error of the driver's as SQLAlchemy has it."""
    text = ";\n".join(statement for statement, _ in steps)
    return sa.exc.DBAPIError.instance(text, None, error, sqlite3.Error, hide_parameters=True)
