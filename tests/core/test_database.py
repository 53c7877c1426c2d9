import asyncio
import threading
import weakref

import asyncpg
import pytest
import sqlalchemy as sa
from recado_core.engine.store import engines
from recado_core.engine.store.database import GLANCES, READERS, Database, is_down
from recado_core.engine.store.schema import EPOCH, accounts
from recado_core.engine.store.steps import Exactly
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.exc import IntegrityError

pytestmark = pytest.mark.whole

NAMES = sa.select(accounts.c.name).order_by(accounts.c.name)


@pytest.fixture
async def database(database_url):
    """A database with its schema."""
    opened = Database(database_url)
    await opened.prepare()
    yield opened
    await opened.close()


async def add(connection, name):
    await connection.execute(
        sa.insert(accounts).values(
            name=name,
            webhook_token="t",
            replies_until=EPOCH,
            replies_due_at=EPOCH,
            balance_due_at=EPOCH,
        )
    )


async def names(database):
    async with database.read() as connection:
        return (await connection.execute(NAMES)).scalars().all()


async def test_a_write_is_done_whole_or_not_at_all(database):
    async def work(connection):
        await add(connection, "a")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        await database.write(work)
    assert await names(database) == []
    assert await database.write(lambda connection: add(connection, "b")) is None
    assert await names(database) == ["b"]


async def test_a_write_ends_though_its_caller_is_cancelled(database):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(connection):
        await add(connection, "a")
        begun.set()
        await go_on.wait()
        await add(connection, "b")

    caller = asyncio.create_task(database.write(work))
    await begun.wait()
    caller.cancel()
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await names(database) == ["a", "b"]


async def test_writers_of_several_processes_wait_for_each_other(database, database_url):
    other = Database(database_url)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        for index in range(10):
            for name, writer in (("a", database), ("b", other)):
                work = _adding(f"{name}{index}")
                tasks.create_task(writer.write(work))
    await other.close()
    assert len(await names(database)) == 20


def _adding(name):
    return lambda connection: add(connection, name)


@pytest.mark.parametrize("database_url", ["postgres_url"], indirect=True)  # SQLite has one writer
async def test_a_transaction_that_was_broken_off_for_another_is_done_again(database):
    for name in ("a", "b"):
        await database.write(_adding(name))
    met, runs = asyncio.Barrier(2), []

    def crosswise(first, second):
        async def work(connection):
            await connection.execute(sa.text("SET LOCAL deadlock_timeout = '10ms'"))
            runs.append(first)
            await _touch(connection, first)
            if len(runs) <= 2:
                await met.wait()
            await _touch(connection, second)

        return work

    async with asyncio.timeout(20):
        await asyncio.gather(
            database.write(crosswise("a", "b")), database.write(crosswise("b", "a"))
        )
    assert len(runs) == 3


async def _touch(connection, name):
    await connection.execute(
        sa.update(accounts).where(accounts.c.name == name).values(reason="touched")
    )


async def test_a_wrong_value_is_not_taken_for_a_database_that_is_down(database):
    await database.write(_adding("a"))
    with pytest.raises(IntegrityError) as caught:
        await database.write(_adding("a"))
    assert not is_down(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:////no/such/folder/recado.db",
        "postgresql+asyncpg://recado@127.0.0.1:1/recado",
        "postgresql+asyncpg://recado@/recado?host=/no/such/folder",
    ],
)
async def test_a_database_that_can_t_be_reached_is_down(url):
    database = Database(url)
    with pytest.raises(Exception) as caught:  # noqa: PT011  # of which kind is the drivers' affair
        await database.revision()
    assert is_down(caught.value)
    await database.close()
    for thread in threading.enumerate():  # aiosqlite's, which still reports to this loop
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join)


async def hold(lend, until):
    """Keep a connection for as long as this is to last."""
    async with lend():
        await until.wait()


async def lent(database, ways):
    """Lend connections; return the events that end this, and the tasks that wait for them."""
    ends = [asyncio.Event() for _ in ways]
    tasks = [
        asyncio.create_task(hold(getattr(database, way), end))
        for way, end in zip(ways, ends, strict=True)
    ]
    await asyncio.sleep(0.05)
    return ends, tasks


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_connections_at_hand_keep_none_from_those_that_read(database):
    ends, tasks = await lent(database, ["glance"] * GLANCES)
    for end in ends:
        end.set()
    await asyncio.gather(*tasks)
    ends, tasks = await lent(database, ["read"] * (READERS - 1))
    async with asyncio.timeout(20):
        assert await names(database) == []
    for end in ends:
        end.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_more_glances_than_there_are_connections_at_hand_go_with_those_that_read(database):
    ends, tasks = await lent(database, ["glance"] * (GLANCES + READERS))
    ends[-1].set()
    async with asyncio.timeout(20):
        await tasks[-1]
    for end in ends:
        end.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
@pytest.mark.parametrize("way", ["glance", "transaction"])
async def test_what_is_given_back_while_it_is_closed_is_closed_too(database, way):
    (end,), (task,) = await lent(database, [way])
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0.05)
    late = asyncio.create_task(database.write(_adding("late")))
    await asyncio.sleep(0.05)
    end.set()
    async with asyncio.timeout(20):
        await asyncio.gather(task, closing, late)
    assert (database._at_hand, database._kept) == ([], None)  # noqa: SLF001  # nobody else tells
    assert await names(database) == ["late"]


ADDING = """
INSERT INTO accounts (name, webhook_token, replies_until, replies_due_at, balance_due_at)
VALUES (?, '', 0, 0, 0)
"""


def visit(name):
    return [(ADDING, (name,))]


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_what_is_written_at_once_waits_for_a_transaction_and_it_for_that(database):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(connection):
        await add(connection, "whole")
        begun.set()
        await go_on.wait()
        await add(connection, "work")

    first = asyncio.gather(*(database.write_at_once(visit(f"a{index}")) for index in range(3)))
    writing = asyncio.create_task(database.write(work))
    await begun.wait()
    assert first.done()
    later = asyncio.gather(*(database.write_at_once(visit(f"b{index}")) for index in range(3)))
    await asyncio.sleep(0.05)
    assert not later.done()
    assert await names(database) == ["a0", "a1", "a2"]
    go_on.set()
    await asyncio.gather(writing, later)
    assert later.result() == [True] * 3
    assert await names(database) == ["a0", "a1", "a2", "b0", "b1", "b2", "whole", "work"]


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_of_what_is_written_at_once_each_is_told_what_became_of_it(database):
    await database.write_at_once(visit("there"))
    exactly = Exactly("UPDATE accounts SET reason = ? WHERE name = ?", ("said", "there"), 1)
    nobody = Exactly("UPDATE accounts SET reason = ? WHERE name = ?", ("wrong", "nobody"), 1)
    ends = await asyncio.gather(
        database.count_at_once([*visit("new"), exactly]),
        database.count_at_once(visit("there")),
        database.count_at_once([*visit("newer"), nobody]),
        database.count_at_once(visit("newest")),
    )
    assert ends == [[1, 1], None, None, [1]]
    assert await names(database) == ["new", "newest", "there"]


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_a_visit_that_ends_after_the_database_was_closed_leaves_no_connection(database):
    visits = [database.write_at_once(visit(f"a{index}")) for index in range(5)]
    ends = await asyncio.gather(*visits, database.close())
    assert ends == [True] * 5 + [None]
    assert database._kept is None  # noqa: SLF001  # nobody else tells
    assert await names(database) == [f"a{index}" for index in range(5)]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_what_was_not_written_is_not_kept(database):
    class Kept(str):
        __slots__ = ("__weakref__",)

    async def fail(name):
        text = Kept(name)
        await database.write_at_once([*visit("a"), *visit(text), *visit("a")])
        return weakref.ref(text)

    kept = [await fail(str(number)) for number in range(5)]
    async with asyncio.timeout(20):
        while any(each() is not None for each in kept):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)
    assert await names(database) == []


CUT = sa.text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE pid != pg_backend_pid() AND datname = current_database()"
)


@pytest.mark.parametrize("database_url", ["postgres_url"], indirect=True)
@pytest.mark.parametrize("is_told", [True, False])
async def test_a_connection_that_broke_meanwhile_is_not_used_again(
    database, database_url, monkeypatch, is_told
):
    await names(database)
    other = Database(database_url)
    async with other.transaction() as connection:
        await connection.execute(CUT)
    await other.close()
    if not is_told:  # as where what stands between has broken it
        is_closed, first = asyncpg.Connection.is_closed, iter([False])
        monkeypatch.setattr(
            asyncpg.Connection,
            "is_closed",
            lambda self: next(first, None) is None and is_closed(self),
        )
        monkeypatch.setattr(engines, "IDLE", -1.0)
    assert await names(database) == []


@pytest.mark.parametrize("database_url", ["postgres_url"], indirect=True)
async def test_only_a_connection_that_was_long_unused_is_asked_whether_it_works(
    database, monkeypatch
):
    asked = []
    monkeypatch.setattr(dialect, "do_ping", lambda _self, connection: asked.append(connection))
    await names(database)
    await names(database)
    assert asked == []
    monkeypatch.setattr(engines, "IDLE", -1.0)
    await names(database)
    assert len(asked) == 1
