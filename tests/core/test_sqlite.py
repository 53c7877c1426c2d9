import asyncio
import sqlite3
import threading
import weakref

import pytest
import sqlalchemy as sa
from recado_core.engine.failures import UnavailableError
from recado_core.engine.store import sqlite, steps
from recado_core.engine.store.database import READERS, Database
from recado_core.engine.store.statements import messages

from .resilience.troubles import DEADLINE, until

pytestmark = pytest.mark.whole


@pytest.fixture
async def connection(sqlite_url):
    opened = await sqlite.connect(sqlite_url.partition("///")[2])
    yield opened
    await opened.close()


class Hold:
    """A function of SQL that keeps its statement from ending, in the connection's thread."""

    def __init__(self):
        self.begun = self.late = False
        self.over = threading.Event()

    def __call__(self):
        self.begun = True
        self.late = not self.over.wait(DEADLINE)
        return 1


@pytest.fixture
def hold():
    held = Hold()
    yield held
    held.over.set()


async def stop_waiting(statements, hold):
    """Execute statements that hold, and wait no longer for them once one is at work."""
    waiting = [asyncio.ensure_future(statement) for statement in statements]
    await until(lambda: hold.begun)
    for each in waiting:
        each.cancel()
    hold.over.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)


async def execute(connection, text, *parameters):
    cursor = await connection.cursor().execute(text, parameters)
    return cursor, await cursor.fetchall()


async def test_a_transaction_begins_with_its_first_statement(connection):
    connection.begin("BEGIN IMMEDIATE")
    assert not connection.in_transaction
    await execute(connection, "DELETE FROM nodes")
    assert connection.in_transaction
    await connection.commit()
    assert not connection.in_transaction


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_a_transaction_without_a_statement_leaves_none_behind(connection, end):
    connection.begin("BEGIN IMMEDIATE")
    await getattr(connection, end)()
    await execute(connection, "SELECT 1")
    assert not connection.in_transaction


async def test_rows_and_counts_come_with_the_statement(connection):
    cursor, rows = await execute(connection, "SELECT 1 AS one, 'b' AS two")
    assert [column[0] for column in cursor.description] == ["one", "two"]
    assert rows == [(1, "b")]
    create = "CREATE TEMP TABLE numbers (n INTEGER)"
    assert (await execute(connection, create))[0].description is None
    cursor = await connection.cursor().executemany(
        "INSERT INTO numbers VALUES (?)", [(1,), (2,), (3,)]
    )
    assert cursor.rowcount == 3
    cursor, rows = await execute(connection, "DELETE FROM numbers WHERE n > ? RETURNING n", 1)
    assert sorted(rows) == [(2,), (3,)]
    assert cursor.rowcount == 2


async def test_a_failed_statement_leaves_its_transaction_to_be_rolled_back(connection):
    connection.begin("BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="no such table"):
        await execute(connection, "DELETE FROM nowhere")
    assert connection.in_transaction
    await connection.rollback()
    assert not connection.in_transaction


async def test_who_stops_waiting_for_a_statement_can_still_roll_its_transaction_back(
    connection, hold
):
    await connection.create_function("hold", 0, hold)
    connection.begin("BEGIN IMMEDIATE")
    insert = "INSERT INTO nodes VALUES ('a', 'b', hold(), 0, 0)"
    await stop_waiting([execute(connection, insert)], hold)
    await connection.rollback()
    assert not connection.in_transaction
    connection.begin("BEGIN IMMEDIATE")
    assert (await execute(connection, "SELECT * FROM nodes"))[1] == []
    assert connection.in_transaction
    await connection.commit()


async def test_who_stops_waiting_for_a_statement_leaves_a_connection_that_others_can_use(
    sqlite_url, hold
):
    def provide(connection, _):
        connection.create_function("hold", 0, hold)

    async def read(text):
        async with database.read() as connection:
            return (await connection.execute(sa.text(text))).scalar()

    sa.event.listen(sa.Engine, "connect", provide)
    try:
        database = Database(sqlite_url)
        await stop_waiting([read("SELECT hold()") for _ in range(READERS + 1)], hold)
        assert await asyncio.gather(*(read("SELECT 10") for _ in range(16))) == [10] * 16
    finally:
        sa.event.remove(sa.Engine, "connect", provide)
        await database.close()


async def test_no_statement_goes_on_without_the_transaction_that_could_not_begin(
    sqlite_url, connection
):
    path = sqlite_url.partition("///")[2]
    impatient = await sqlite.connect(path, timeout=0)
    connection.begin("BEGIN IMMEDIATE")
    await execute(connection, "DELETE FROM nodes")
    impatient.begin("BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="locked"):
        await execute(impatient, "DELETE FROM nodes")
    await connection.rollback()
    await execute(impatient, "DELETE FROM nodes")
    assert impatient.in_transaction
    await impatient.rollback()
    await impatient.close()


async def test_a_beginning_that_fails_after_who_waited_is_gone_is_not_made_up_for(
    sqlite_url, connection
):
    path = sqlite_url.partition("///")[2]
    connection.begin("BEGIN IMMEDIATE")
    await execute(connection, "DELETE FROM nodes")
    waiting = await sqlite.connect(path, timeout=0.2)
    waiting.begin("BEGIN IMMEDIATE")
    statement = asyncio.create_task(execute(waiting, "DELETE FROM nodes"))
    await asyncio.sleep(0)
    statement.cancel()
    await asyncio.gather(statement, return_exceptions=True)
    await waiting.rollback()
    await execute(waiting, "SELECT 1")
    assert not waiting.in_transaction
    await waiting.close()


@pytest.fixture
async def numbers(connection, hold):
    """A table of numbers, and a way to keep the thread busy while transactions gather."""
    await connection.create_function("hold", 0, hold)
    await execute(connection, "CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY)")

    async def gather(works):
        busy = asyncio.create_task(execute(connection, "SELECT hold()"))
        await until(lambda: hold.begun)
        waiting = [asyncio.ensure_future(connection.visit_whole(work)) for work in works]
        await asyncio.sleep(0)
        hold.over.set()
        await busy
        return await asyncio.gather(*waiting, return_exceptions=True)

    return gather


def inserting(*numbers):
    def work(cursor):
        cursor.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in numbers])
        return sum(numbers)

    return work


def changing(cursor):
    cursor.execute("DELETE FROM numbers")
    raise steps.ChangedError


async def all_numbers(connection):
    return [n for (n,) in (await execute(connection, "SELECT n FROM numbers ORDER BY n"))[1]]


async def test_transactions_that_come_together_are_committed_together(connection, numbers):
    said = []
    await connection.set_trace_callback(said.append)
    assert await numbers([inserting(1), inserting(2, 3), inserting()]) == [1, 5, 0]
    assert await all_numbers(connection) == [1, 2, 3]
    assert [text for text in said if text in {"BEGIN IMMEDIATE", "COMMIT"}] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


async def test_a_transaction_that_fails_spoils_none_that_it_came_with(connection, numbers):
    works = [inserting(1), inserting(2, 1), inserting(3), changing, inserting(4)]
    first, twice, third, changed, last = await numbers(works)
    assert (first, third, last) == (1, 3, 4)
    assert isinstance(twice, sqlite3.IntegrityError)
    assert isinstance(changed, steps.ChangedError)
    assert await all_numbers(connection) == [1, 3, 4]
    assert not connection.in_transaction


async def test_many_transactions_are_not_all_committed_together(connection, numbers):
    said = []
    await connection.set_trace_callback(said.append)
    count = 2 * steps.TOGETHER + 1
    assert await numbers([inserting(number) for number in range(count)]) == [*range(count)]
    assert said.count("COMMIT") == 3


async def test_no_transaction_is_said_to_be_done_on_a_connection_that_is_closed(numbers):
    def close(cursor):
        cursor.connection.close()

    ends = await numbers([inserting(1), close, inserting(2)])
    assert [type(end) for end in ends] == [sqlite3.ProgrammingError] * 3


@pytest.mark.usefixtures("numbers")
async def test_who_is_done_is_told_before_the_next_are_committed(connection, hold):
    told, late = [], threading.Event()

    def waiting(cursor):
        late.wait(DEADLINE)
        return inserting(100)(cursor)

    async def visit(work):
        told.append(await connection.visit_whole(work))

    busy = asyncio.create_task(execute(connection, "SELECT hold()"))
    await until(lambda: hold.begun)
    first = [inserting(number) for number in range(steps.TOGETHER)]
    visits = [asyncio.create_task(visit(work)) for work in (*first, waiting)]
    await asyncio.sleep(0)
    hold.over.set()
    await until(lambda: told == [*range(steps.TOGETHER)])
    late.set()
    await asyncio.gather(busy, *visits)
    assert told[-1] == 100


async def test_all_that_wait_are_told_at_once_if_another_process_keeps_the_file(
    sqlite_url, connection, numbers
):
    await execute(connection, "PRAGMA busy_timeout = 0")
    said = []
    await connection.set_trace_callback(said.append)
    other = sqlite3.connect(sqlite_url.partition("///")[2], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ends = await numbers([inserting(number) for number in range(3 * steps.TOGETHER)])
    other.close()
    assert {str(end) for end in ends} == {"database is locked"}
    assert len({id(end) for end in ends}) == len(ends)
    assert said.count("BEGIN IMMEDIATE") == 1
    assert await connection.visit_whole(inserting(7)) == 7


@pytest.mark.usefixtures("numbers", "no_collector")
async def test_the_error_of_a_transaction_keeps_nothing_of_it(connection):
    class Steps:
        pass

    async def fail():
        own = Steps()

        def work(cursor):
            changing(cursor)
            return own

        with pytest.raises(steps.ChangedError):
            await connection.visit_whole(work)
        return weakref.ref(own)

    kept = await fail()
    await until(lambda: kept() is None)  # the thread may still be on its way out


@pytest.fixture
def held(tmp_path):
    """A new file that a process beside this one is just making."""
    connection = sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    yield connection
    connection.close()


AT_ONCE = "PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL"


async def test_a_new_connection_waits_for_who_is_making_the_file(tmp_path, held, monkeypatch):
    monkeypatch.setattr(sqlite.time, "sleep", lambda _: held.execute("ROLLBACK"))
    made = await sqlite.connect(tmp_path / "new.db", pragmas=AT_ONCE)
    mode = await made.cursor().execute("PRAGMA journal_mode")
    assert await mode.fetchall() == [("wal",)]
    await made.close()


async def test_a_new_connection_does_not_wait_for_ever(tmp_path, held, monkeypatch):
    monkeypatch.setattr(sqlite, "PATIENCE", 0.0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await sqlite.connect(tmp_path / "new.db", pragmas=AT_ONCE)
    assert held.in_transaction


async def test_a_new_connection_does_not_wait_where_that_is_of_no_use(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite.time, "sleep", lambda _: pytest.fail("waits"))
    with pytest.raises(sqlite3.OperationalError, match="incomplete"):
        await sqlite.connect(tmp_path / "new.db", pragmas="PRAGMA")


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_a_connection_that_was_closed_is_replaced(house):
    async def lose(connection):
        raw = await connection.get_raw_connection()
        await raw.driver_connection.close()
        await messages.lock_dispatch(connection, "none")

    with pytest.raises(UnavailableError):
        await house.database.write(lose)
    assert await house.accept()


async def test_a_question_that_nobody_waits_for_any_more_holds_up_no_other(sqlite_url, hold):
    def provide(connection, _):
        connection.create_function("hold", 0, hold)

    async def ask(text):
        async with database.glance() as connection:
            return (await sqlite.query(connection, text, ())).rows

    sa.event.listen(sa.Engine, "connect", provide)
    try:
        database = Database(sqlite_url)
        asking = asyncio.create_task(ask("SELECT hold()"))
        await until(lambda: hold.begun)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await asyncio.gather(*(ask("SELECT 10") for _ in range(16))) == [[(10,)]] * 16
    finally:
        sa.event.remove(sa.Engine, "connect", provide)
        hold.over.set()
        await database.close()
    assert not hold.late
