"""What deliveries come to when clocks, databases, plugins or other processes misbehave."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import anyio
import msgspec
import pytest
import sqlalchemy as sa
from recado_core import (
    InDoubtError,
    PermanentSendError,
    SinkMessage,
    TransientSendError,
    UnreachableError,
    WebhookReply,
)
from recado_core.engine.conversations.conversations import ConversationFilter
from recado_core.engine.deliver import delivering
from recado_core.engine.failures import UnavailableError
from recado_core.engine.messages import conversing
from recado_core.engine.store import database, schema
from recado_core.engine.store.statements import deliveries as store
from recado_core.engine.store.statements.many import insert_many
from recado_core.testing.clock import MONDAY_NOON

from .desks import (
    ANA,
    BIA,
    SEVERAL_SECONDS,
    call,
    deliveries,
    open_before,
    running,
    told,
    until,
    write,
)

pytestmark = pytest.mark.whole


@pytest.fixture
def open_desk(open_house):
    return partial(open_before, open_house)


@pytest.fixture
async def desk(open_desk):
    async with open_desk() as house:
        yield house


@pytest.fixture
def failing_database(monkeypatch):
    """Let the outcomes of calls be written only once ``failing.left`` has run out."""

    class Failing:
        left = 0
        seen = 0

    settle = store.settle

    async def fail(connection, rows):
        Failing.seen += 1
        if Failing.left:
            Failing.left -= 1
            raise UnavailableError("the database can't be reached now")
        await settle(connection, rows)

    monkeypatch.setattr(store, "settle", fail)
    monkeypatch.setattr(delivering, "IDLE", 0.01)
    monkeypatch.setattr(database, "AWAY", 0.01)
    return Failing


# ---------------------------------------------------------------- what an event says


EVERY = ("message.accepted", "message.sent", "message.undelivered", "message.received")


async def test_event_tells_of_the_message_as_it_was_then(open_desk):
    async with open_desk(events=EVERY) as house:
        house.system.answers = [UnreachableError("no connection")] * 4
        message_id = await house.accept(to=ANA)
        await house.settle()
        await house.deliver(message_id, "undelivered", code="9", text="no signal")
        for _ in range(8):
            await house.advance(61)
        said = [
            (event.data["status"], event.data["code"], event.data["status_text"])
            for event in house.system.taken
        ]
        assert said == [
            ("queued", None, None),
            ("sent", None, None),
            ("undelivered", "9", "no signal"),
        ]
        times = [event.data["status_at"] for event in house.system.taken]
        assert times == [msgspec.to_builtins(event.time) for event in house.system.taken]


async def test_every_event_of_a_message_names_its_conversation(open_desk):
    async with open_desk(events=EVERY) as house:
        message_id = await house.accept(to=ANA)
        await house.settle()
        await house.deliver(message_id, "undelivered", code="9")
        await write(house, "oi")
        await house.settle()
        (found,) = (await house.engine.conversations.list(ConversationFilter())).items
        assert [event.type for event in house.system.taken] == list(EVERY)
        assert {event.data["conversation_id"] for event in house.system.taken} == {found.id}


async def test_message_that_is_sent_again_and_again_names_the_first(open_desk):
    async with open_desk(events=("message.undelivered",)) as house:
        said = await house.system.gateway.send(
            SinkMessage(account="main", to=ANA, text="olá", key="7")
        )
        message_id = said.message_id
        for _ in range(3):
            await house.settle()
            await house.deliver(message_id, "undelivered")
            again = await house.engine.accept.resend(message_id)
            message_id = json.loads(again.body)["id"]
        await house.settle()
        assert [event.data["origin"] for event in house.system.taken] == ["desk"] * 3
        assert len({event.data["id"] for event in house.system.taken}) == 3
        assert {event.data["first_id"] for event in house.system.taken} == {said.message_id}


# ---------------------------------------------------------------- clocks and processes


async def test_clock_that_jumps_ahead_makes_no_second_call_of_one_under_way(desk):
    desk.system.held = asyncio.Event()
    await write(desk, "oi")
    async with running(desk):
        await until(lambda: desk.system.calls)
        desk.clock.advance(86_400)
        await write(desk, "later", BIA)
        await until(lambda: len(desk.system.calls) > 1)
        desk.system.held.set()
        await until(lambda: len(desk.system.taken) == 2)
        await until(lambda: not desk.worker._calls)  # noqa: SLF001  # nothing tells it
    assert [call[0].data["text"] for call in desk.system.calls] == ["oi", "later"]


async def test_event_that_is_told_before_its_commit_does_not_wait_for_the_next_look(
    desk, monkeypatch
):
    monkeypatch.setattr(delivering, "IDLE", 3600.0)
    tell = desk.engine.receive._arrivals._telling.tell  # noqa: SLF001  # the transaction is held open

    async def tell_slowly(*told):
        await tell(*told)
        await asyncio.sleep(0.2)

    monkeypatch.setattr(desk.engine.receive._arrivals._telling, "tell", tell_slowly)  # noqa: SLF001
    async with running(desk):
        await write(desk, "oi")
        await until(lambda: desk.system.texts == ["oi"])


async def test_stop_ends_when_the_calls_under_way_are_recorded(desk):
    desk.system.held = asyncio.Event()
    await write(desk, "oi")
    await write(desk, "next")
    async with running(desk) as task:
        await until(lambda: desk.system.calls)
        desk.worker.stop()
        await asyncio.sleep(0.01)
        assert not task.done()
        desk.system.held.set()
        with anyio.fail_after(SEVERAL_SECONDS):
            await task
    assert [each.state for each in await deliveries(desk)] == ["pending", "delivered"]


async def test_sink_that_another_process_reaches_is_up_again(open_desk):
    async with open_desk() as house, open_desk(clock=house.clock) as other:
        house.system.answers = [UnreachableError("no connection")]
        await write(house, "oi")
        await house.worker.drain()
        assert (await house.engine.sinks.get("desk")).status == "down"
        house.clock.advance(5)
        await other.worker.drain()
        assert other.system.texts == ["oi"]
        house.clock.advance(61)
        await house.worker.drain()
        assert (await house.engine.sinks.get("desk")).status == "up"
        assert await told(house) == ["sink.down", "sink.up"]


# ---------------------------------------------------------------- the database


async def test_outcome_waits_for_a_database_that_is_down(desk, failing_database, caplog):
    await write(desk, "oi")
    failing_database.left = 3
    with caplog.at_level(logging.WARNING):
        await desk.settle()
    assert failing_database.left == 0
    assert desk.system.texts == ["oi"]
    assert [each.state for each in await deliveries(desk)] == ["delivered"]
    assert "database is down; the outcome of a call waits to be written" in caplog.text


async def test_no_second_call_is_made_while_the_outcome_of_the_first_waits(desk, failing_database):
    await write(desk, "oi")
    failing_database.left = 10_000
    async with running(desk):
        await until(lambda: failing_database.seen > 1)
        desk.clock.advance(3600)
        seen = failing_database.seen
        await until(lambda: failing_database.seen > seen + 3)
        failing_database.left = 0
        await until(lambda: not desk.worker._calls)  # noqa: SLF001  # nothing tells it
    assert len(desk.system.calls) == 1
    assert [each.state for each in await deliveries(desk)] == ["delivered"]


async def test_sink_that_is_down_is_told_of_though_the_database_was_too(
    desk, monkeypatch, failing_database
):
    assert failing_database.left == 0
    append, left = delivering.events.append, [2]

    async def fail(connection, rows):
        if left[0] and any(row["type"].startswith("sink.") for row in rows):
            left[0] -= 1
            raise UnavailableError("the database can't be reached now")
        await append(connection, rows)

    await write(desk, "oi")
    monkeypatch.setattr(delivering.events, "append", fail)
    desk.system.answers = [UnreachableError("no connection")]
    await desk.settle()
    assert await told(desk) == ["sink.down"]
    assert [each.attempts for each in await deliveries(desk)] == [0]


async def test_worker_goes_on_when_the_database_is_back(desk, monkeypatch):
    monkeypatch.setattr(delivering, "IDLE", 0.01)
    due, left = store.due, [3]

    async def fail(*asked, **how):
        if left[0]:
            left[0] -= 1
            raise UnavailableError("the database can't be reached now")
        return await due(*asked, **how)

    monkeypatch.setattr(store, "due", fail)
    await write(desk, "oi")
    async with running(desk):
        await until(lambda: desk.system.texts == ["oi"])


# ---------------------------------------------------------------- what the sink says


async def test_event_that_is_gone_says_nothing_of_a_sink_that_is_down(desk):
    desk.system.answers = [UnreachableError("no connection")]
    await write(desk, "oi")
    await desk.settle()

    async def purge(connection):
        await connection.execute(sa.delete(schema.events))

    await desk.database.write(purge)
    await desk.advance(61)
    (dead,) = await deliveries_of_all(desk)
    assert dead == "dead"
    assert (await desk.engine.sinks.get("desk")).status == "down"


async def deliveries_of_all(house):
    async with house.database.read() as connection:
        return list((await connection.execute(sa.select(schema.deliveries.c.state))).scalars())


@pytest.mark.parametrize(("asked", "wait"), [(None, 60), (20.0, 20), (0.0, 1)])
async def test_sink_that_asks_for_fewer_calls_costs_no_attempt(desk, asked, wait):
    busy = TransientSendError("429", code="429", throttled=True, retry_after=asked)
    desk.system.answers = [busy]
    await write(desk, "oi")
    await desk.settle()
    assert desk.system.texts == []
    await desk.advance(wait + 1)
    assert desk.system.texts == ["oi"]
    assert [each.attempts for each in await deliveries(desk)] == [0]


async def test_silence_of_a_sink_that_is_down_is_no_reason_to_ask_at_once(open_desk):
    async with open_desk(sink={"concurrency": 1}) as house:
        for index in range(4):
            await write(house, "oi", f"+551190000001{index}")
        house.system.answers = [UnreachableError("no connection"), InDoubtError("silence")]
        await house.settle()
        assert len(house.system.calls) == 1
        await house.advance(1.5)
        assert len(house.system.calls) == 2
        assert (await house.engine.sinks.get("desk")).status == "down"
        await house.advance(61)
        await house.advance(61)
        assert len(house.system.taken) == 4


async def test_event_that_needs_no_telling_says_nothing_of_a_sink_that_is_down(desk):
    desk.system.unneeded = {"passes by"}
    desk.system.refusing = {"oi": UnreachableError("no connection")}
    await write(desk, "passes by", BIA)
    await write(desk, "oi")
    await desk.settle()
    await write(desk, "passes by", BIA)
    for _ in range(6):
        await desk.advance(61)
    view = await desk.engine.sinks.get("desk")
    assert (view.status, view.delivered_at) == ("down", None)
    assert await told(desk) == ["sink.down"]


async def test_page_that_asks_for_an_hour_keeps_no_event_for_an_hour(desk):
    desk.system.answers = [UnreachableError("503", retry_after=3600.0)]
    await write(desk, "oi")
    await desk.settle()
    await desk.advance(5)
    assert desk.system.texts == []
    await desk.advance(56)
    assert desk.system.texts == ["oi"]


async def test_what_the_log_and_the_api_tell_of_a_failure_is_not_too_long(desk):
    desk.system.answers = [UnreachableError("x\0" * 5000)]
    await write(desk, "oi")
    await desk.settle()
    view = await desk.engine.sinks.get("desk")
    assert len(view.reason) == 2000
    assert "\0" not in view.reason


async def test_plugin_that_breaks_on_what_it_wants_spoils_no_message(open_desk, caplog):
    def wants(_settings, subject):
        raise ValueError(subject.type)

    async with open_desk(wants=wants, events=EVERY) as house:
        await house.accept(to=ANA)
        await write(house, "oi")
        await house.settle()
        assert [event.type for event in house.system.taken] == [
            "message.accepted",
            "message.received",
            "message.sent",
        ]
        assert caplog.text.count("sink plugin broke on what it wants") == 1


# ---------------------------------------------------------------- what the business system asks


async def test_call_that_the_sink_does_not_answer_in_time_is_answered_for_it(open_desk):
    async with open_desk(sink={"timeout": 0.05}) as house:
        reply = await house.engine.sinks.handle("desk", call("hang"))
        assert reply.status == 503
        assert json.loads(reply.body)
        house.system.is_hanging = True
        (finding,) = await house.engine.sinks.probe("desk")
        assert (finding.ok, finding.detail) == (False, "no answer within the sink's timeout")


@pytest.fixture
def slow_call(monkeypatch):
    """Let a call of the system hand over a message, and the store take its time for it."""

    @asynccontextmanager
    async def slowed(house, where, name):
        hand_over = SinkMessage(account="main", to=ANA, text="olá", key="7")

        async def handle(_):
            answer = await house.system.gateway.send(hand_over)
            return WebhookReply(body=json.dumps(answer.message_id).encode())

        does, asked, free = getattr(where, name), asyncio.Event(), asyncio.Event()

        async def wait(*args):
            asked.set()
            await free.wait()
            return await does(*args)

        monkeypatch.setattr(house.system, "handle", handle)
        with monkeypatch.context() as patched:
            patched.setattr(where, name, wait)
            calling = asyncio.create_task(house.engine.sinks.handle("desk", call("send")))
            await asked.wait()
            yield calling, free

    return slowed


async def test_call_that_runs_out_of_time_before_the_commit_stores_nothing(open_desk, slow_call):
    async with open_desk(sink={"timeout": 0.2}) as house:
        write_down = house.engine.accept._database  # noqa: SLF001  # slow before a transaction
        async with slow_call(house, write_down, "write") as (calling, free):
            assert (await calling).status == 503
            free.set()
        await house.settle()
        assert not house.vendor.sent
        assert (await house.engine.sinks.handle("desk", call("send"))).status == 200
        await house.settle()
        assert len(house.vendor.sent) == 1


async def test_call_that_runs_out_of_time_in_the_commit_is_answered(open_desk, slow_call):
    async with open_desk(sink={"timeout": 0.2}) as house:
        async with slow_call(house, conversing, "note_replies") as (calling, free):
            await asyncio.sleep(0.3)
            assert not calling.done()
            free.set()
            assert (await calling).status == 200
        await house.settle()
        assert len(house.vendor.sent) == 1


async def test_call_while_the_database_is_away_blames_no_plugin(desk, monkeypatch, caplog):
    async def fail(*_):
        raise UnavailableError("the database can't be reached now")

    monkeypatch.setattr(conversing, "note_seen", fail)
    reply = await desk.engine.sinks.handle("desk", call("read"))
    assert reply.status == 503
    assert "Traceback" not in caplog.text
    assert "sink could not answer a call" in caplog.text


async def test_sink_hears_in_its_own_words_that_the_database_is_away(open_desk, monkeypatch):
    async def fail(*_):
        raise UnavailableError("the database can't be reached now")

    async with open_desk(public_url="https://gateway.example.com") as house:
        gateway = house.system.gateway
        monkeypatch.setattr(conversing, "note_seen", fail)
        monkeypatch.setattr(house.engine.links._database, "write", fail)  # noqa: SLF001  # all of it
        monkeypatch.setattr(house.engine.conversations, "list", fail)
        for asked in (
            gateway.send(SinkMessage(account="main", to=ANA, text="olá", key="7")),
            gateway.note_read("main", ANA),
            gateway.addresses("main", 10),
            gateway.shorten("https://example.com", "7"),
        ):
            with pytest.raises(TransientSendError, match="database"):
                await asked


async def test_ids_of_any_length_keep_agents_messages_apart(open_desk):
    async with open_desk(name="d" * 64) as house:
        message = SinkMessage(account="main", to=ANA, text="olá", key="\0" * 300)
        first = await house.system.gateway.send(message)
        assert await house.system.gateway.send(message) == first
        other = msgspec.structs.replace(message, key="\0" * 301)
        assert (await house.system.gateway.send(other)).message_id != first.message_id


async def test_reading_what_nobody_can_have_written_changes_nothing(desk):
    await write(desk, "oi")
    for address in ("", "\0", ANA + "\0", "x" * 5000):
        await desk.system.gateway.note_read("main", address)
    (found,) = (await desk.engine.conversations.list(ConversationFilter())).items
    assert found.unread == 1


async def test_what_is_no_address_has_no_short_one(open_desk):
    async with open_desk(public_url="https://gateway.example.com") as house:
        for url in ("", "x", "file:///etc/passwd", "https://example.com/\n"):
            assert await house.system.gateway.shorten(url, "7") is None


async def test_replay_passes_over_what_is_no_id(desk):
    desk.system.answers = [PermanentSendError("no")]
    await write(desk, "oi")
    await desk.settle()
    (dead,) = await deliveries(desk, "dead")
    ids = ["\0", "x", "", dead.id, dead.id, "🙂"]
    assert (await desk.engine.sinks.replay("desk", ids)).replayed == 1


async def test_replayed_delivery_goes_before_what_waits_in_its_conversation(desk):
    desk.system.answers = [PermanentSendError("no")]
    await write(desk, "first")
    await desk.settle()
    await write(desk, "second")
    assert (await desk.engine.sinks.replay("desk")).replayed == 1
    await desk.settle()
    assert desk.system.texts == ["first", "second"]


async def test_sink_that_is_gone_from_the_configuration_is_told_of(open_desk, caplog):
    async with open_desk() as house:
        await write(house, "oi")
        clock = house.clock
    async with open_desk(name="renamed", clock=clock) as house:
        assert "deliveries wait for a sink that is not in the configuration sink" not in caplog.text
        record = next(one for one in caplog.records if "deliveries wait" in one.getMessage())
        assert record.sink == "desk"
        found = {each.name: each for each in await house.engine.readiness()}
        assert not found["sink.desk"].ok
        assert found["sink.renamed"].ok


# ---------------------------------------------------------------- two processes open a conversation


async def test_conversation_that_two_processes_open_is_told_of_once(house):
    now, rows = (
        MONDAY_NOON,
        [{"account": "main", "channel": "sms", "address": ANA, "status": "queued"}],
    )
    telling = house.engine.accept._storing._telling  # noqa: SLF001  # a transaction of the test's own
    both = asyncio.Barrier(2)

    async def open_it():
        async def work(connection):
            await conversing.note_sent(connection, rows, now, telling)

        if not house.database.sqlite:
            await both.wait()
        await house.database.write(work)

    await asyncio.gather(open_it(), open_it())
    assert await told(house, "conversation.%") == ["conversation.opened"]
    assert len((await house.engine.conversations.list(ConversationFilter())).items) == 1


async def test_what_waits_is_found_quickly_however_much_it_is(desk):
    """Without statistics a planner may want to join all that waits with all that waits."""
    rows = [
        {
            "id": f"{index:036}",
            "sink": "desk",
            "event_id": f"{index:036}",
            "thread": f"main/sms/+55119{index % 2000:08}",
            "created_at": MONDAY_NOON,
            "due_at": MONDAY_NOON - timedelta(seconds=1),
        }
        for index in range(8000)
    ]

    async def fill(connection):
        await insert_many(connection, schema.deliveries, rows)
        assert await store.due(connection, "desk", MONDAY_NOON, 8) == [
            row["id"] for row in rows[:8]
        ]

    with anyio.fail_after(SEVERAL_SECONDS / 2):
        await desk.database.write(fill)
