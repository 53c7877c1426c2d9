"""The connection to SQLite or PostgreSQL: transactions, and the schema's version."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.failures import SchemaError, UnavailableError
from recado_core.engine.store import sqlite
from recado_core.engine.store.engines import (
    WRITERS_CACHE,
    opening_of,
    parse_url,
    postgres_engine,
    sqlite_engine,
)
from recado_core.engine.store.revisions import bring_up, check_known, current, head
from recado_core.engine.store.steps import WRITING, ChangedError, Steps
from recado_core.engine.store.writer.process import WriterProcess

log = logging.getLogger(__name__)

READERS = 6
"""Connections to SQLite that read at once."""
GLANCES = 3
"""Connections to SQLite that are kept at hand for single questions."""
SHARED = 8
"""Connections to PostgreSQL."""
AWAY = 1.0
"""Seconds after which a database that is away is tried again."""
RETURN = 2.0
"""Seconds for which connections that are under way are waited for before they are closed."""
TURN = 60.0
"""Seconds for which one who wants to write to SQLite waits for the others."""
BREATH = 0.02
"""Seconds for which SQLite is left to other processes: they ask now and then."""
UNREACHABLE = ("08", "25006", "28", "3D000", "53", "57P")
"""How the SQLSTATEs begin of a server that is away, starting, stopping, full, or a stand-by."""
BROKEN_OFF = frozenset({"40001", "40P01"})
"""SQLSTATEs of a transaction that another one got in the way of (PostgreSQL, appendix A)."""

Result = TypeVar("Result")


def is_down(error: BaseException) -> bool:
    """Tell whether an error means that the database can't be reached, not that a value is wrong."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if (_sqlstate(error) or "").startswith(UNREACHABLE):
        return True
    return isinstance(
        error, UnavailableError | OperationalError | InterfaceError | PoolTimeoutError | OSError
    )


def is_broken_off(error: BaseException) -> bool:
    """Tell whether another transaction got in the way, so that this one is worth repeating."""
    return _sqlstate(error) in BROKEN_OFF


def is_passing(error: BaseException) -> bool:
    """Tell whether the database failed, and not what was asked of it: the same may go later."""
    return is_down(error) or is_broken_off(error)


@contextmanager
def _telling() -> Iterator[None]:
    """Say in our own words that the database is down, whatever the driver raised."""
    try:
        yield
    except UnavailableError:
        raise
    except Exception as error:
        if not is_down(error):
            raise
        raise UnavailableError("the database (gateway.database) can't be reached now") from error


async def until_done(write: Callable[[], Awaitable[Result]]) -> Result:
    """Write how a call ended, which must not be lost, until the database is there to take it."""
    while True:
        try:
            return await write()
        except Exception as error:
            if not is_down(error):
                raise
            log.warning("database is down; the outcome of a call waits to be written")
            await asyncio.sleep(AWAY)


class Database:
    """The store's connections.

    SQLite lets one transaction write at a time, so writers queue for one connection and begin
    with ``BEGIN IMMEDIATE``; readers have their own. PostgreSQL has one pool for both.

    SQLAlchemy's taking a connection from its pool and giving it back costs more than most
    transactions, so SQLite's are kept: the one that writes, and those of ``glance``.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self.dialect = self._url.get_backend_name()
        self.sqlite = self.dialect == "sqlite"
        if self.sqlite:
            self._writer = sqlite_engine(self._url, size=1, begin=WRITING, cache=WRITERS_CACHE)
            self._reader = sqlite_engine(self._url, size=READERS)
            self._glancer = sqlite_engine(self._url, size=GLANCES)
        else:
            self._writer = self._reader = self._glancer = postgres_engine(self._url, size=SHARED)
        self._engines = {self._writer, self._reader, self._glancer}
        self._turn = asyncio.Lock()
        self._kept: AsyncConnection | None = None
        self._visits = 0  # that write at once
        self._no_visit = asyncio.Event()
        self._no_visit.set()
        self._at_hand: list[AsyncConnection] = []
        self._asked = 0  # of those at hand
        self._retiring: set[asyncio.Task[None]] = set()
        self._closing = False
        self._process: WriterProcess | None = None

    def write_apart(self) -> None:
        """Let a process of its own write to SQLite what ``write_at_once`` is given.

        A thread that writes shares the interpreter's lock with the event loop, and each waits for
        the other. Until the process is ready, and while there is none, the thread writes.
        """
        is_program = getattr(sys, "frozen", False) or not sys.executable  # and no interpreter
        # Windows hands no pipes on to a process.
        if self.sqlite and sys.platform != "win32" and not is_program:
            self._process = WriterProcess(opening_of(self._url, WRITERS_CACHE))

    def hasten(self) -> None:
        """Wait no longer for the process that writes than it needs: the gateway is to stop."""
        if self._process is not None:
            self._process.hasten()

    async def write(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        """Do the work in one transaction, which commits when it ends and rolls back when it raises.

        It runs to its end also when the caller is cancelled: a transaction that is cut short in the
        driver can keep its lock. Where two transactions wait for each other, the one that the
        database breaks off is done again, so the work must depend on nothing that it changes
        outside the database.

        Args:
            work: What to do with the transaction's connection; its result is returned.
        """
        return await _to_the_end(self._repeat(work))

    async def write_at_once(self, steps: Steps) -> bool:
        """Write what is ready in one visit to SQLite's writer, to its end too; tell whether.

        The writer, a thread or a process (``write_apart``), waits for nobody meanwhile: between two
        visits a transaction waits for its turn in the event loop, as all others wait for it. Visits
        that come together are carried out, and committed, together. Nothing is written where a
        guard says so, where what must be unique is there already, or to PostgreSQL, which has many
        writers.

        Args:
            steps: Those of ``store.statements.many``, and guards.
        """
        return await self.count_at_once(steps) is not None

    async def count_at_once(self, steps: Steps) -> list[int] | None:
        """Write as ``write_at_once`` does; return how many rows each step has changed.

        Guards are not among those. None where nothing was written.
        """
        if not self.sqlite:
            return None
        try:
            return await _to_the_end(self._write_at_once(steps))
        except (ChangedError, IntegrityError):
            return None

    async def _write_at_once(self, steps: Steps) -> list[int]:
        with _telling():
            async with self._visiting() as connection:
                if self._process is not None and self._process.is_ready:
                    return await sqlite.run_whole_apart(self._process, steps)
                return await sqlite.run_whole(connection, steps)

    async def _repeat(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        for last in (False, False, True):
            try:
                async with self.transaction() as connection:
                    return await work(connection)
            except (DBAPIError, UnavailableError) as error:
                if last or not is_broken_off(error):
                    raise
        raise AssertionError  # the loop returns or raises

    async def let_others_write(self) -> None:
        """Leave SQLite to other processes for a moment, between two chunks of long work."""
        if self.sqlite:
            await asyncio.sleep(BREATH)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes; for a caller that is never cancelled."""
        with _telling():
            if self.sqlite:
                async with self._writing() as kept, kept.begin():
                    yield kept
            else:
                async with self._writer.begin() as connection:
                    yield connection

    @asynccontextmanager
    async def _visiting(self) -> AsyncIterator[AsyncConnection]:
        """Lend the one connection that writes to SQLite for a visit, beside other visits."""
        async with asyncio.timeout(TURN), self._turn:
            connection = self._kept = self._kept or await self._writer.connect()
            self._visits += 1
            self._no_visit.clear()
        try:
            yield connection
        finally:
            self._visits -= 1
            if not self._visits:
                self._no_visit.set()
            if self._kept is connection and (connection.invalidated or self._is_left()):
                self._kept = None
                await connection.close()

    def _is_left(self) -> bool:
        """Tell whether nobody will need the connection that is kept."""
        return self._closing and not self._visits

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Wait until the connection that writes is nobody else's, and keep it from others."""
        async with self._turn:
            await self._no_visit.wait()
            yield

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """Lend the one connection that writes to SQLite, in turn."""
        async with AsyncExitStack() as held:
            async with asyncio.timeout(TURN):
                await held.enter_async_context(self._in_turn())
            kept, self._kept = self._kept, None
            connection = kept or await self._writer.connect()
            try:
                yield connection
            except BaseException:
                await asyncio.shield(connection.close())  # which rolls back what is open
                raise
            if self._closing:
                await connection.close()
            else:
                self._kept = connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads."""
        with _telling():
            async with self._reader.begin() as connection:
                yield connection

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection for questions that need not be answered as of one moment.

        To SQLite each (``store.statements.prepared``) is a transaction of its own then, and one
        visit to its thread, as long as there is a connection at hand.
        """
        if not self.sqlite or self._asked >= GLANCES:
            async with self.read() as connection:
                yield connection
            return
        with _telling():
            self._asked += 1
            try:
                asked = self._at_hand.pop() if self._at_hand else await self._glancer.connect()
            except BaseException:
                self._asked -= 1
                raise
            try:
                yield asked
            except BaseException:
                retiring = asyncio.create_task(self._retire(asked))
                self._retiring.add(retiring)
                retiring.add_done_callback(self._retiring.discard)
                raise
            self._asked -= 1
            if self._closing or asked.in_transaction():
                await asked.close()
            else:
                self._at_hand.append(asked)

    async def _retire(self, asked: AsyncConnection) -> None:
        """Close a connection on which something went wrong.

        The question of one who waits for the answer no longer goes on in SQLite's thread.
        """
        try:
            await sqlite.rest(asked)
            await asked.close()
        finally:
            self._asked -= 1

    async def revision(self) -> str | None:
        """Return the schema's revision in the database, or None where it is empty."""
        async with self.read() as connection:
            return await connection.run_sync(current)

    async def is_empty(self) -> bool:
        """Tell whether the database has no table, ours or another's."""
        async with self.read() as connection:
            return not await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())

    async def upgrade(self) -> list[str]:
        """Bring the schema to this version; return the revisions applied, oldest first.

        Raises:
            SchemaError: A newer version made the schema.
        """
        check_known(await self.revision())
        if self.sqlite:  # in one transaction: between two another process might go on with it
            async with self._writing() as kept, kept.begin():
                return await kept.run_sync(bring_up)
        async with self._writer.connect() as connection:
            # Two processes that start together must not both migrate.
            await connection.execute(sa.text("SELECT pg_advisory_lock(727253)"))
            await connection.commit()
            try:
                applied = await connection.run_sync(bring_up)
                await connection.commit()
            finally:
                await connection.rollback()
                await connection.execute(sa.text("SELECT pg_advisory_unlock(727253)"))
                await connection.commit()
        return applied

    async def prepare(self) -> None:
        """Make the schema in an empty database; refuse one of another version.

        Raises:
            SchemaError: The database's schema is older or newer than this version's.
        """
        found = await self.revision()
        if found is None:
            await self.upgrade()
        elif found != head():
            check_known(found)
            raise SchemaError(
                f"the database is at schema revision {found}, and this version of Recado needs "
                f"{head()}: run `recado db upgrade`"
            )

    async def close(self) -> None:
        """Close every connection, those too that a cancelled read is just giving back."""
        self._closing = True  # what is given back from now on is kept no longer
        async with AsyncExitStack() as held:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETURN):
                    while self._at_hand:
                        await self._at_hand.pop().close()
                    await held.enter_async_context(self._in_turn())
                    # Who writes later connects anew.
                    kept, self._kept = self._kept, None
                    if kept is not None:
                        await kept.close()
                    while self._lent():  # noqa: ASYNC110  # nobody tells
                        await asyncio.sleep(0.005)
            if self._process is not None:
                await self._process.close()
            for engine in self._engines:
                await engine.dispose()

    def _lent(self) -> int:
        pools = [engine.pool for engine in self._engines]
        return sum(pool.checkedout() for pool in pools if isinstance(pool, sa.QueuePool))


async def _to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work to its end, and be cancelled only after that."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # we are on our way out already
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # which nobody is told of, and asyncio would log
        raise
    finally:
        del task, work  # an error knows this frame: it must not know the error, and keep the steps


def _sqlstate(error: BaseException | None) -> str | None:
    """Return the SQLSTATE of an error, be it the driver's own or one that wraps it."""
    cause = error.__cause__ if isinstance(error, UnavailableError) else error
    found: str | None = getattr(getattr(cause, "orig", cause), "sqlstate", None)
    return found


def upgrade_database(url: str) -> list[str]:
    """Bring the schema of a database to this version, as the command line does it."""

    async def run() -> list[str]:
        database = Database(url)
        try:
            return await database.upgrade()
        finally:
            await database.close()

    return asyncio.run(run())
