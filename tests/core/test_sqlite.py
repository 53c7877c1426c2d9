import asyncio

import pytest
import sqlalchemy as sa
from recado_core.engine.store import sqlite
from recado_core.engine.store.database import Database

SLOW = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT max(i) FROM n
"""


@pytest.fixture
async def connection(sqlite_url):
    opened = await sqlite.connect(sqlite_url.partition("///")[2], isolation_level=None)
    yield opened
    await opened.close()


async def execute(connection, text, *parameters):
    cursor = await connection.cursor().execute(text, parameters)
    return cursor, await cursor.fetchall()


async def test_a_transaction_begins_with_its_first_statement(connection):
    await execute(connection, "BEGIN IMMEDIATE")
    assert not connection.in_transaction
    await execute(connection, "DELETE FROM nodes")
    assert connection.in_transaction
    await connection.commit()
    assert not connection.in_transaction


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_a_transaction_without_a_statement_leaves_none_behind(connection, end):
    await execute(connection, "BEGIN IMMEDIATE")
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
    await execute(connection, "BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="no such table"):
        await execute(connection, "DELETE FROM nowhere")
    assert connection.in_transaction
    await connection.rollback()
    assert not connection.in_transaction


async def test_who_stops_waiting_for_a_statement_leaves_a_connection_that_others_can_use(
    sqlite_url,
):
    database = Database(sqlite_url)

    async def read(steps):
        async with database.read() as connection:
            return (await connection.execute(sa.text(SLOW.format(steps)))).scalar()

    impatient = [asyncio.create_task(read(200_000)) for _ in range(8)]
    await asyncio.sleep(0.01)
    for task in impatient:
        task.cancel()
    await asyncio.gather(*impatient, return_exceptions=True)
    assert await asyncio.gather(*(read(10) for _ in range(16))) == [10] * 16
    await database.close()


async def test_no_statement_goes_on_without_the_transaction_that_could_not_begin(
    sqlite_url, connection
):
    path = sqlite_url.partition("///")[2]
    impatient = await sqlite.connect(path, isolation_level=None, timeout=0)
    await execute(connection, "BEGIN IMMEDIATE")
    await execute(connection, "DELETE FROM nodes")
    await execute(impatient, "BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="locked"):
        await execute(impatient, "DELETE FROM nodes")
    await connection.rollback()
    await execute(impatient, "DELETE FROM nodes")
    assert impatient.in_transaction
    await impatient.rollback()
    await impatient.close()
