import pytest
import sqlalchemy as sa
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import conversations, deliveries, events
from recado_core.engine.store.statements.conversations import insert
from recado_core.engine.store.statements.events import new_event
from recado_core.engine.store.statements.many import ALIKE, insert_many, update_many

ENOUGH = ALIKE + 1


async def kept(house, table):
    async with house.database.read() as connection:
        rows = await connection.execute(sa.select(table).order_by(table.c.id))
        return [dict(row) for row in rows.mappings()]


async def test_what_all_rows_have_alike_is_written_to_each(house):
    at, data = house.clock.now(), {"agent": "Zoë", "unread": 0}
    rows = [new_event("test", at, account="main", data=data) for _ in range(ENOUGH)]
    await house.database.write(lambda connection: insert_many(connection, events, rows))
    assert await kept(house, events) == sorted(rows, key=lambda row: row["id"])


async def test_first_and_last_alike_are_not_yet_all_alike(house):
    at = house.clock.now()
    codes = ["1", *(["2"] * ALIKE), "1"]
    rows = [new_event("test", at, code=code, text=code) for code in codes]
    rows[3]["text"] = None
    await house.database.write(lambda connection: insert_many(connection, events, rows))
    assert await kept(house, events) == sorted(rows, key=lambda row: row["id"])


async def test_numbers_and_truths_are_alike_in_their_own_types(house):
    at = house.clock.now()
    rows = [
        {"id": new_id(), "sink": "desk", "event_id": new_id(), "thread": "a", "background": True,
         "state": "pending", "created_at": at, "due_at": at, "attempts": 3}
        for _ in range(ENOUGH)
    ]  # fmt: skip
    await house.database.write(lambda connection: insert_many(connection, deliveries, rows))
    found = await kept(house, deliveries)
    assert [{name: row[name] for name in rows[0]} for row in found] == rows
    for number, row in enumerate(rows):
        row |= {"background": False, "attempts": 4, "due_at": at.replace(year=2040)}
        row["thread"] = str(number)
    written = [
        {name: row[name] for name in ("id", "background", "attempts", "due_at", "thread")}
        for row in rows
    ]
    await house.database.write(lambda connection: update_many(connection, deliveries, written))
    found = await kept(house, deliveries)
    assert [{name: row[name] for name in rows[0]} for row in found] == rows


async def test_conversations_that_are_there_are_not_opened_again(house):
    if house.database.sqlite:
        pytest.skip("no other transaction can have opened them")
    at = house.clock.now()
    rows = [
        {"id": new_id(), "account": "main", "channel": "sms", "address": f"+55119{number:08}",
         "status": "new", "agent": None, "unread": 0, "opened_at": at, "last_activity": at,
         "last_received_at": None, "last_sent_at": None}
        for number in range(2 * ENOUGH)
    ]  # fmt: skip
    some = rows[::2]
    again = [row | {"id": new_id()} for row in some]
    assert await house.database.write(lambda connection: insert(connection, some)) == some
    new = await house.database.write(lambda connection: insert(connection, [*again, *rows[1::2]]))
    assert new == rows[1::2]
    assert await kept(house, conversations) == sorted(rows, key=lambda row: row["id"])
