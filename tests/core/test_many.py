from datetime import UTC, timedelta, timezone

import pytest
import sqlalchemy as sa
from recado_core.engine.store.identifiers import new_id, new_ids
from recado_core.engine.store.schema import Instant, conversations, deliveries, events, messages
from recado_core.engine.store.statements.conversations import insert
from recado_core.engine.store.statements.events import appended_alike, new_event
from recado_core.engine.store.statements.many import (
    ALIKE,
    MOST_VALUES,
    SHARED_FROM,
    TOGETHER,
    insert_many,
    inserting,
    take_steps,
    update_many,
    updating,
    updating_alike,
)
from recado_core.messages import Status
from recado_core.testing.clock import MONDAY_NOON

pytestmark = pytest.mark.whole

ENOUGH = ALIKE + 1
BLOCK = TOGETHER[0]
EASTWARD = timezone(timedelta(hours=1))


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


def events_of(count, **columns):
    """Return events; a column is one value for all, or a function of the row's index."""
    alike = {
        "type": "message.queued",
        "time": MONDAY_NOON,
        "message_id": None,
        "account": "main",
        "dispatch_id": None,
        "from_status": Status.SENDING,
        "to_status": Status.QUEUED,
        "code": None,
        "text": None,
        "data": None,
    }
    return [
        {"id": event_id}
        | {name: it(index) if callable(it) else it for name, it in (alike | columns).items()}
        for index, event_id in enumerate(new_ids(count))
    ]


async def inserted(house, rows):
    await house.database.write(lambda connection: insert_many(connection, events, rows))
    return await kept(house, events)


@pytest.mark.parametrize(
    "count",
    [1, 2, SHARED_FROM - 1, SHARED_FROM, SHARED_FROM + 1, BLOCK - 1, BLOCK, 2 * BLOCK + 277],
)
async def test_rows_that_are_alike_but_in_some_columns_are_all_kept(house, count):
    rows = events_of(
        count,
        message_id=lambda index: f"m{index}",
        code=lambda index: "late" if index == count // 2 else None,
        time=lambda index: MONDAY_NOON + timedelta(seconds=index % 3),
        text="the same text of all",
        data=lambda index: {"index": index},
    )
    assert await inserted(house, rows) == rows


async def test_what_many_have_not_is_empty_to_sql_as_well(house):
    rows = events_of(3)
    step = appended_alike(house.database.dialect, rows[0], [row["id"] for row in rows], "abc")
    await house.database.write(lambda connection: take_steps(connection, [step]))
    async with house.database.read() as connection:
        empty = sa.select(sa.func.count()).where(events.c.data.is_(sa.null()))
        assert (await connection.execute(empty)).scalar() == len(rows)


@pytest.mark.parametrize("count", [1, ALIKE - 1, ALIKE, BLOCK + 1])
async def test_what_is_known_to_be_alike_is_written_to_each(house, count):
    rows = events_of(
        count,
        message_id=lambda index: f"m{index}",
        dispatch_id="d",
        code="1",
        text="the same text of all",
        data={"provider_time": "2026-01-05T12:00:00Z", "reasons": [1, True]},
    )
    told = rows[0] | {"data": {"provider_time": MONDAY_NOON, "reasons": [1, True]}}
    dialect = house.database.dialect
    ids, message_ids = ([row[name] for row in rows] for name in ("id", "message_id"))
    step = appended_alike(dialect, told, ids, message_ids)
    await house.database.write(lambda connection: take_steps(connection, [step]))
    assert await kept(house, events) == rows

    new = {"code": None, "text": "another", "to_status": Status.SENT, "time": house.clock.now()}
    some, codes = ids[: count // 2 + 1], [f"c{index}" for index in range(count // 2 + 1)]
    step = updating_alike(dialect, events, new, {"id": some})
    await house.database.write(lambda connection: take_steps(connection, [step]))
    own = {"id": some, "code": codes}
    step = updating_alike(dialect, events, {"account": "desk"}, own)
    await house.database.write(lambda connection: take_steps(connection, [step]))
    written = [
        row | new | {"code": code, "account": "desk"}
        for row, code in zip(rows, codes, strict=False)
    ]
    assert await kept(house, events) == written + rows[len(written) :]


async def test_what_is_equal_is_kept_as_each_row_says_it(house):
    rows = events_of(BLOCK, data=lambda index: {"value": bool(index % 2) if index % 3 else 1})
    found = await inserted(house, rows)
    assert [repr(row["data"]) for row in found] == [repr(row["data"]) for row in rows]


async def test_one_moment_in_two_zones_is_one_value(house):
    rows = events_of(
        BLOCK, time=lambda index: MONDAY_NOON.astimezone(EASTWARD if index % 2 else UTC)
    )
    assert {row["time"] for row in await inserted(house, rows)} == {MONDAY_NOON}


def test_sqlite_is_given_once_what_all_rows_of_a_block_say():
    ((statement, values),) = inserting("sqlite", events, events_of(2 * BLOCK, account="desk"))
    for block in values:
        assert block.count("desk") == 1
    assert statement.count("(?1, ") + statement.count(", ?1, ") >= BLOCK


def own_value(column, index):
    """Return a value that no other row has."""
    if isinstance(column.type, Instant):
        return MONDAY_NOON + timedelta(seconds=index)
    return index if isinstance(column.type, sa.Integer) else f"{column.name} {index}"


def test_no_step_takes_more_values_than_sqlite_allows():
    rows = [
        {column.name: own_value(column, index) for column in messages.c} for index in range(BLOCK)
    ]
    taken = []
    for _, values in inserting("sqlite", messages, rows):
        taken += map(len, values) if isinstance(values, list) else [len(values)]
    assert max(taken) <= MOST_VALUES
    assert sum(taken) == BLOCK * len(messages.c) > MOST_VALUES


def test_few_rows_share_a_statement_whatever_is_alike_in_them():
    alike, differing = events_of(2), events_of(2, account=lambda index: f"desk{index}")
    statements = [inserting("sqlite", events, rows)[0][0] for rows in (alike, differing)]
    assert statements[0] == statements[1]


EXPECTED = {"to_status": Status.QUEUED, "account": "main", "code": None}


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("count", [1, 2, ENOUGH])
async def test_rows_are_written_over_if_they_are_as_expected(house, count, own):
    rows = events_of(count)
    await inserted(house, rows)
    new = [
        {"id": row["id"], "to_status": "sent", "dispatch_id": f"d{index * own}"}
        for index, row in enumerate(rows)
    ]
    (step,) = updating("sqlite", events, new, EXPECTED)
    assert step.rows == count
    assert await house.database.write_at_once([step])
    assert await kept(house, events) == [row | it for row, it in zip(rows, new, strict=True)]


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("count", [1, 2, ENOUGH])
@pytest.mark.parametrize("other", [{"to_status": "sent"}, {"account": "other"}, {"code": "1"}])
async def test_no_row_is_written_over_if_one_is_not_as_expected(house, count, own, other):
    rows = events_of(count)
    rows[-1] |= other
    for row in rows:
        row.setdefault("code", None)
    await inserted(house, rows)
    new = [
        {"id": row["id"], "to_status": "sent", "dispatch_id": f"d{index * own}"}
        for index, row in enumerate(rows)
    ]
    assert not await house.database.write_at_once(updating("sqlite", events, new, EXPECTED))
    ids = [row["id"] for row in rows]
    alike = updating_alike("sqlite", events, {"to_status": "sent"}, {"id": ids}, EXPECTED)
    assert not await house.database.write_at_once([alike])
    assert await kept(house, events) == rows
