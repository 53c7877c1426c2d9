import asyncio
import gc

import pytest
import sqlalchemy as sa
from recado_core.engine.failures import UnavailableError
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import messages, nodes
from recado_core.engine.store.statements.many import insert_many, take_steps
from recado_core.engine.store.statements.prepared import Prepared

from .resilience.troubles import cancel_at

pytestmark = pytest.mark.whole

M = messages.c

ALL_OF = Prepared(sa.select(messages).where(M.id == sa.bindparam("id_")))
CODING = Prepared(
    sa.update(messages)
    .where(M.account == sa.bindparam("account_"))
    .values(code=sa.bindparam("code_"), attempts=M.attempts + 2)
)


async def test_rows_are_those_that_sqlalchemy_reads(house):
    at = house.clock.now()
    message_id = await house.accept(metadata={"order": [1, None]}, expires_at=at.replace(year=2040))
    statement = sa.select(messages).where(M.id == message_id)
    async with house.database.read() as connection:
        (expected,) = (await connection.execute(statement)).mappings().all()
        (row,) = await ALL_OF.rows(connection, {"id_": message_id})
        assert await ALL_OF.rows(connection, {"id_": "another"}) == []
    assert row == dict(expected)
    assert row["metadata"] == {"order": [1, None]}
    assert row["created_at"] == at


async def test_rows_have_what_is_known_of_all_of_them_besides(house):
    ids = await house.accept_many(3)
    statement = Prepared(sa.select(M.id, M.text).where(M.account == sa.bindparam("account_")))
    async with house.database.read() as connection:
        rows = await statement.rows(connection, {"account_": "main"}, {"account": "main"})
        assert await statement.rows(connection, {"account_": "other"}, {"account": "other"}) == []
    assert sorted(rows, key=lambda row: row["id"]) == [
        {"id": key, "text": f"oi {number}", "account": "main"} for number, key in enumerate(ids)
    ]


async def test_changes_are_counted_and_fixed_values_stay(house):
    ids = await house.accept_many(3)
    for times in (1, 2):
        changed = await house.database.write(
            lambda connection: CODING.run(connection, {"account_": "main", "code_": None})
        )
        assert changed == 3
        async with house.database.read() as connection:
            (row,) = await ALL_OF.rows(connection, {"id_": ids[0]})
        assert (row["code"], row["attempts"]) == (None, 2 * times)


def node(clock):
    at = clock.now()
    return {"id": new_id(), "host": "h", "pid": 1, "started_at": at, "heartbeat_at": at}


async def test_what_the_database_refuses_is_an_error_of_sqlalchemys_and_all_is_undone(house):
    first, other = node(house.clock), node(house.clock)

    async def work(connection):
        await insert_many(connection, nodes, [other])
        await insert_many(connection, nodes, [first, first])

    with pytest.raises(sa.exc.IntegrityError) as raised:
        await house.database.write(work)
    assert first["id"] not in str(raised.value)
    async with house.database.read() as connection:
        kept = (await connection.execute(sa.select(nodes.c.id))).scalars().all()
    assert not {first["id"], other["id"]} & set(kept)


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_a_statement_that_sqlite_cannot_take_now_says_that_the_database_is_down(house):
    with pytest.raises(UnavailableError):
        await house.database.write(
            lambda connection: take_steps(connection, [("INSERT INTO nowhere VALUES (?)", (1,))])
        )


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_a_connection_that_is_waited_for_no_longer_is_not_left_open(database_url):
    for turns in range(12):
        database = Database(database_url)
        task = asyncio.create_task(database.revision())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await database.close()
        gc.collect()  # which would warn of it, and the warning is an error


async def test_what_is_cancelled_leaves_the_connection_to_others(house):
    async def work():
        async with house.database.read() as connection:
            await ALL_OF.rows(connection, {"id_": "a"})
            await ALL_OF.rows(connection, {"id_": "b"})

    number = 1
    while await cancel_at(number, work()):
        number += 1
    assert number == 3
    assert await house.accept()
