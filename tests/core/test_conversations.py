import json
import sqlite3
from contextlib import closing

import msgspec
import pytest
import sqlalchemy as sa
from recado_core import TransientSendError
from recado_core.engine.clients.idempotency import IdempotencyKey
from recado_core.engine.conversations.conversations import (
    ConversationChange,
    ConversationFilter,
    Reply,
)
from recado_core.engine.failures import DraftError, NotFoundError
from recado_core.engine.store import schema
from recado_core.engine.store.statements.events import told_of_opened
from recado_core.engine.suppressions.suppressions import NewSuppression

pytestmark = pytest.mark.whole

ANA, BIA = "+5511900000001", "+5511900000002"


@pytest.fixture
def write(house):
    """Let a person write something to an account."""
    count = 0

    async def written(text="oi", sender=ANA, house=house, account="main"):
        nonlocal count
        count += 1
        await house.webhook(
            ["message", {"provider_ref": f"mo-{count}", "sender": sender, "text": text}],
            account=account,
        )
        await house.settle()

    return written


async def conversations(house, **wanted):
    return (await house.engine.conversations.list(ConversationFilter(**wanted))).items


async def change(house, conversation_id, **fields):
    said = msgspec.convert(fields, ConversationChange)
    return await house.engine.conversations.change(conversation_id, said)


async def told(house):
    """Tell the events of conversations, in order."""
    async with house.database.read() as connection:
        found = await connection.execute(
            sa.select(schema.events.c.type)
            .where(schema.events.c.type.like("conversation.%"))
            .order_by("id")
        )
        return [kind.partition(".")[2] for kind in found.scalars()]


async def test_message_of_a_person_opens_a_conversation(house, write):
    await write()
    await write()
    (found,) = await conversations(house)
    assert (found.account, found.channel, found.address) == ("main", "sms", ANA)
    assert (found.status, found.agent, found.unread) == ("new", None, 2)
    assert found.last_received_at == house.clock.now()
    assert await told(house) == ["opened"]


async def test_event_of_a_received_message_names_its_conversation(house, write):
    await write()
    (found,) = await conversations(house)
    page = await house.engine.conversations.messages(found.id)
    shown = await house.show(page.items[0].id)
    assert shown.events[0].data["conversation_id"] == found.id


async def test_first_message_to_a_person_opens_a_conversation(house, write):
    await house.accept(to=ANA)
    await house.accept(to=ANA)
    await house.accept_many(3)
    assert len(await conversations(house)) == 3
    assert await told(house) == ["opened"] * 3
    await write()
    (found,) = await conversations(house, address=ANA)
    assert (found.status, found.unread) == ("new", 1)


async def test_every_account_has_a_conversation_of_its_own(open_house, write):
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        await write(house=house)
        await write(house=house, account="other")
        found = await conversations(house)
        assert {each.account for each in found} == {"main", "other"}


async def test_suppressed_message_opens_no_conversation(house):
    await house.engine.suppressions.add(NewSuppression(address=ANA))
    await house.accept(to=ANA)
    assert await conversations(house) == []


async def test_agent_answers_on_the_account_where_the_person_wrote(open_house, write):
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        await write(house=house, account="other")
        (found,) = await conversations(house)
        answer = await house.engine.conversations.reply(found.id, Reply(text="olá"))
        await house.settle()
        message = await house.show(json.loads(answer.body)["id"])
        assert (message.account, message.to, message.status) == ("other", ANA, "sent")
        assert [len(house.vendors[name].sent) for name in ("main", "other")] == [0, 1]
        (found,) = await conversations(house)
        assert (found.unread, found.last_sent_at) == (0, house.clock.now())
        page = await house.engine.conversations.messages(found.id)
        assert [item.direction for item in page.items] == ["out", "in"]


async def test_same_answer_twice_is_one(house, write):
    await write()
    (found,) = await conversations(house)
    key = IdempotencyKey(owner="me", key="k", fingerprint="f")
    first = await house.engine.conversations.reply(found.id, Reply(text="olá"), key)
    again = await house.engine.conversations.reply(found.id, Reply(text="olá"), key)
    assert (again.replayed, again.body) == (True, first.body)


async def test_conversation_is_assigned_closed_and_reopened(house, write):
    await write()
    (found,) = await conversations(house)
    assigned = await change(house, found.id, agent="ana@example.com")
    assert (assigned.status, assigned.agent) == ("current", "ana@example.com")
    closed = await change(house, found.id, status="done", unread=0)
    assert (closed.status, closed.unread) == ("done", 0)
    house.clock.advance(60)
    await write()
    (reopened,) = await conversations(house)
    assert (reopened.status, reopened.agent, reopened.unread) == ("new", None, 1)
    assert reopened.opened_at == house.clock.now()
    assert await told(house) == ["opened", "assigned", "closed", "opened"]


async def test_message_of_a_person_stays_with_the_agent_who_has_the_conversation(house, write):
    await write()
    (found,) = await conversations(house)
    await change(house, found.id, agent="ana@example.com")
    await write()
    (found,) = await conversations(house, agent="ana@example.com", status="current")
    assert found.unread == 2


async def test_conversation_can_be_given_back_and_reopened_by_hand(house, write):
    await write()
    (found,) = await conversations(house)
    await change(house, found.id, agent="ana@example.com")
    assert (await change(house, found.id, agent=None)).status == "new"
    await change(house, found.id, status="done")
    assert (await change(house, found.id, agent="bia@example.com")).status == "current"
    assert (await change(house, found.id, status="new")).agent is None
    assert await told(house) == ["opened", "assigned", "closed", "opened", "assigned"]


async def test_change_that_changes_nothing_tells_nothing(house, write):
    await write()
    (found,) = await conversations(house)
    assert await change(house, found.id) == found
    assert await told(house) == ["opened"]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "current"},
        {"status": "new", "agent": "ana@example.com"},
        {"agent": ""},
        {"agent": "a\nb"},
    ],
)
async def test_change_that_contradicts_itself_is_refused(house, write, fields):
    await write()
    (found,) = await conversations(house)
    with pytest.raises(DraftError) as caught:
        await change(house, found.id, **fields)
    assert [fault.pointer for fault in caught.value.faults] == ["/agent"]
    assert await conversations(house) == [found]


async def test_unknown_conversation_is_not_found(house):
    everything = house.engine.conversations
    for call in (
        everything.get("x"),
        everything.messages("x\0"),
        everything.reply("x", Reply(text="oi")),
        change(house, "x", status="done"),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_list_begins_with_the_latest_activity_and_is_paged(house, write):
    for index in range(5):
        await write(sender=f"+551190000001{index}")
        house.clock.advance(1)
    await write(sender="+5511900000010")
    everything = house.engine.conversations
    first = await everything.list(ConversationFilter(), limit=3)
    rest = await everything.list(ConversationFilter(), 3, first.next_cursor)
    assert [item.address[-1] for item in first.items + rest.items] == ["0", "4", "3", "2", "1"]
    assert rest.next_cursor is None
    for cursor in ("nonsense", "WzEsMl0", first.next_cursor[:-3]):
        with pytest.raises(DraftError):
            await everything.list(ConversationFilter(), cursor=cursor)


async def test_replies_leave_in_their_order_whatever_becomes_of_one(open_house, write):
    async with open_house(capabilities={"max_batch": 2}) as house:
        for person in (ANA, BIA):
            await write(sender=person, house=house)
        house.vendor.answers = [TransientSendError("busy", code="503")]
        for index in range(5):
            for found in await conversations(house):
                reply = Reply(text=f"{found.address} {index}")
                await house.engine.conversations.reply(found.id, reply)
        await house.settle()
        for _ in range(8):
            await house.advance(70)
        for person in (ANA, BIA):
            mine = [sent.text for sent in house.vendor.sent[2:] if sent.to == person]
            assert mine == [f"{person} {index}" for index in range(5)]


@pytest.mark.parametrize("known", [0, 1, 30, 59, 60])
async def test_of_many_messages_only_the_first_to_each_person_opens_a_conversation(house, known):
    ids = await house.accept_many(known) if known else []
    again = await house.accept_many(60)
    assert len({*ids, *again}) == known + 60
    async with house.database.read() as connection:
        events = sa.select(schema.events.c.account, schema.events.c.data)
        opened = events.where(schema.events.c.type == "conversation.opened")
        said = {row.data["id"]: row for row in await connection.execute(opened)}
        rows = (await connection.execute(sa.select(schema.conversations))).all()
    assert len(rows) == len(said) == 60
    for row in rows:
        account, data = said[row.id]
        assert (account, data["address"], data["status"]) == ("main", row.address, "new")


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_what_opens_no_conversation_looks_at_none_of_those_that_are_there(house, sqlite_url):
    await house.accept_many(1000)
    statement, values = told_of_opened("conversation.opened", house.clock.now())
    with closing(sqlite3.connect(sqlite_url.partition("///")[2])) as connection:
        connection.execute("DELETE FROM stats_changes")
        connection.execute(
            "INSERT INTO stats_changes VALUES ('x', '2026-01-01', 'a', 'sms', '', '', 'm', 1)"
        )  # now the last row that was inserted has a low number
        connection.execute("INSERT INTO conversations SELECT * FROM conversations WHERE false")
        steps = []
        connection.set_progress_handler(lambda: steps.append(1), 1)
        assert connection.execute(statement, values).rowcount == 0
    assert len(steps) < 200
