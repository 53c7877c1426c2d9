"""In which order events are told, and what is given up when not all of them are taken."""

import asyncio
from datetime import timedelta
from functools import partial

import anyio
import pytest
import sqlalchemy as sa
from recado_core import (
    InDoubtError,
    Lane,
    PermanentSendError,
    TransientSendError,
    UnreachableError,
)
from recado_core.engine.deliver import delivering
from recado_core.engine.messages.telling import thread_of
from recado_core.engine.store import schema
from recado_core.engine.store.statements import deliveries as store
from recado_core.engine.store.statements.many import insert_many
from recado_core.testing.clock import MONDAY_NOON

from .desks import (
    ANA,
    BIA,
    EVA,
    SEVERAL_SECONDS,
    deliveries,
    open_before,
    running,
    told,
    until,
    write,
)

pytestmark = pytest.mark.whole

on_both = pytest.mark.parametrize("database_url", ["sqlite_url", "postgres_url"], indirect=True)

EVERY = ("message.received", "message.undelivered", "message.sent")
LANES = {"message.undelivered": Lane.OUTCOME, "message.sent": Lane.NOTE}
NEVER = TransientSendError("500", code="500")


def lane(subject):
    return LANES.get(subject.type, Lane.CONVERSATION)


@pytest.fixture
def database_url(request):
    """SQLite's, but where a test asks for both.

    PostgreSQL runs the same statements in test_delivering and test_sinks, but there none has lanes.
    """
    return request.getfixturevalue(getattr(request, "param", "sqlite_url"))


@pytest.fixture
def open_desk(open_house):
    return partial(open_before, open_house)


@pytest.fixture
async def desk(open_desk):
    async with open_desk() as house:
        yield house


async def send(house, to=ANA, *, fails=False):
    """Send a message; one note waits to be told of it, and with ``fails`` one outcome."""
    message_id = await house.accept(to=to)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(house.worker, "drain", nothing_due)
        await house.settle()
        if fails:
            await house.deliver(message_id, "undelivered")


async def nothing_due():
    return 0


# ---------------------------------------------------------------- lanes


async def test_failure_that_waits_holds_up_nothing_that_the_person_writes(open_desk):
    async with open_desk(events=EVERY, lane=lane) as house:
        house.system.refusing = {"message.undelivered": TransientSendError("not now")}
        await send(house, fails=True)
        await write(house, "oi")
        await write(house, "está aí?")
        await house.settle()
        wrote = [event for event in house.system.taken if event.type == "message.received"]
        assert [event.data["text"] for event in wrote] == ["oi", "está aí?"]
        assert "message.undelivered" not in house.system.types
        house.system.refusing = {}
        await house.advance(6)
        assert house.system.types.count("message.undelivered") == 1


@on_both
@pytest.mark.parametrize("slow", list(Lane))
async def test_events_of_one_lane_keep_their_order(open_desk, slow):
    types = {Lane.CONVERSATION: "message.received"} | {one: kind for kind, one in LANES.items()}
    async with open_desk(events=EVERY, lane=lane) as house:
        for index in range(3):
            await send(house, fails=True)
            await write(house, str(index))
        house.system.answers = [NEVER] * 3
        house.system.refusing = {types[slow]: NEVER}
        await house.settle()
        assert types[slow] not in house.system.types
        house.system.refusing = {}
        for _ in range(6):
            await house.advance(61)
        for kind in types.values():
            mine = [event for event in house.system.taken if event.type == kind]
            assert len(mine) == 3
            assert [event.time for event in mine] == sorted(event.time for event in mine)
            assert [event.id for event in mine] == sorted(event.id for event in mine)


async def test_message_goes_before_the_notes_that_wait_for_longer(open_desk):
    async with open_desk(events=EVERY, lane=lane, sink={"concurrency": 1}) as house:
        for index in range(10):
            await send(house, f"+551190000001{index}")
        house.clock.advance(60)
        await write(house, "oi")
        await write(house, "olá", BIA)
        await house.settle()
        assert house.system.types == ["message.received"] * 2 + ["message.sent"] * 10


@pytest.mark.parametrize(("concurrency", "notes"), [(1, 1), (7, 1), (8, 1), (17, 2)])
async def test_notes_take_few_of_the_calls_at_once(open_desk, concurrency, notes):
    sink = {"concurrency": concurrency}
    async with open_desk(events=EVERY, lane=lane, sink=sink) as house:
        house.system.held = asyncio.Event()
        for index in range(4):
            await send(house, f"+551190000001{index}")
        async with running(house):
            await until(lambda: len(house.system.calls) == notes)
            people = [f"+55119000001{index:02}" for index in range(concurrency)]
            for person in people:
                await write(house, "oi", person)
            house.worker.wake.set()
            most = max(concurrency, notes)
            await until(lambda: len(house.system.calls) == most)
            await asyncio.sleep(0.05)
            assert [event.type for event, _ in house.system.calls].count("message.sent") == notes
            house.system.held.set()
            await until(lambda: len(house.system.taken) == concurrency + 4)


async def test_plugin_that_breaks_on_a_lane_spoils_no_message(open_desk, caplog):
    def broken(subject):
        raise ValueError(subject.type)

    async with open_desk(events=EVERY, lane=broken) as house:
        await send(house)
        await write(house, "oi")
        await write(house, "olá")
        await house.settle()
        assert house.system.types == ["message.sent", "message.received", "message.received"]
        assert caplog.text.count("sink plugin broke on a lane") == 1


async def test_lane_that_does_not_exist_is_that_of_the_conversation(open_desk):
    async with open_desk(lane=lambda _: None) as house:
        await write(house, "oi")
        await house.settle()
        assert house.system.texts == ["oi"]


async def test_longest_address_has_room_for_its_lane(open_desk):
    """The thread of an address of 320 characters, in a column of 420."""
    name, channel, address = "a" * 64, "c" * 32, "x" * 320
    async with open_desk(events=EVERY, lane=lane) as house:
        telling = house.engine.accept._storing._telling  # noqa: SLF001  # no channel has such addresses
        about = {"account": name, "channel": channel, "address": address}
        threads = []
        for kind in ("message.undelivered", "message.sent"):
            ((_, own_lane),) = telling.hearers(kind, about)
            before, after = thread_of(about, own_lane)
            threads.append(before + address + after)
        assert len(set(threads)) == 2
        assert {len(thread) for thread in threads} == {schema.deliveries.c.thread.type.length}


# ---------------------------------------------------------------- giving up


async def test_system_that_answers_with_errors_for_ever_loses_nothing(desk, caplog):
    people = (ANA, BIA, EVA)
    for index in range(2):
        for person in people:
            await write(desk, f"{person} {index}", person)
    for person in people:
        for index in range(2):
            desk.system.refusing[f"{person} {index}"] = NEVER
    for _ in range(20):
        await desk.advance(601)
    assert desk.system.taken == []
    assert await deliveries(desk, "dead") == []
    assert max(each.attempts for each in await deliveries(desk)) == 7
    assert caplog.text.count("sink answers and takes nothing; its events wait") == 1
    view = await desk.engine.sinks.get("desk")
    assert (view.status, view.reason) == ("down", delivering.TAKES_NOTHING)
    assert await told(desk) == ["sink.down"]
    desk.system.refusing = {}
    for _ in range(3):
        await desk.advance(601)
    for person in people:
        mine = [text for text in desk.system.texts if text.startswith(person)]
        assert mine == [f"{person} {index}" for index in range(2)]
    assert len(desk.system.taken) == 6
    assert await deliveries(desk, "dead") == []
    assert (await desk.engine.sinks.get("desk")).status == "up"
    assert await told(desk) == ["sink.down", "sink.up"]


async def test_poisoned_event_among_healthy_ones_is_given_up_at_its_limit(desk):
    desk.system.refusing = {"poison": NEVER}
    await write(desk, "poison")
    await write(desk, "after the poison")
    for index in range(8):
        await write(desk, str(index), BIA)
        await desk.advance(601)
    assert desk.system.texts == [*(str(index) for index in range(8)), "after the poison"]
    (dead,) = await deliveries(desk, "dead")
    assert (dead.attempts, dead.error) == (7, "500")


async def test_event_that_fails_alone_is_given_up_at_its_limit(desk):
    desk.system.refusing = {"poison": InDoubtError("no answer")}
    await write(desk, "poison")
    for _ in range(7):
        await desk.advance(601)
        assert await deliveries(desk, "dead") == []
    await desk.advance(601)
    assert [each.error for each in await deliveries(desk, "dead")] == ["no answer"]


async def test_what_the_sink_took_before_does_not_blame_an_event(desk):
    await write(desk, "before", EVA)
    await desk.advance(1)
    desk.system.refusing = {"poison": NEVER, "other": NEVER}
    await write(desk, "poison")
    await write(desk, "other", BIA)
    for _ in range(12):
        await desk.advance(601)
    assert await deliveries(desk, "dead") == []
    desk.system.refusing = {"poison": NEVER}  # and so it is seen which of them it was
    for _ in range(2):
        await desk.advance(601)
    assert desk.system.texts == ["before", "other"]
    assert [each.error for each in await deliveries(desk, "dead")] == ["500"]


@pytest.mark.parametrize("minutes", [1, 28, 61])
async def test_message_that_a_broken_system_takes_in_between_blames_no_other(desk, minutes):
    people = [f"+551190000001{index}" for index in range(7)]
    for person in people:
        desk.system.refusing[f"for {person}"] = NEVER
        await write(desk, f"for {person}", person)
    for _ in range(75):
        if (minutes := minutes - 1) == 0:
            await write(desk, "taken", EVA)
        await desk.advance(60)
    assert desk.system.texts == ["taken"]
    assert await deliveries(desk, "dead") == []


async def test_event_that_needs_no_telling_blames_no_other(desk):
    desk.system.unneeded = {"passes by"}
    for person in (ANA, BIA):
        desk.system.refusing[person] = NEVER
        await write(desk, person, person)
    for _ in range(12):
        await write(desk, "passes by", EVA)
        await desk.advance(601)
    assert await deliveries(desk, "dead") == []
    assert {each.error for each in await deliveries(desk, "delivered")} == {delivering.PASSED}


async def test_call_that_ends_well_as_the_system_breaks_blames_no_other(desk):
    desk.system.held = asyncio.Event()
    people = [f"+551190000001{index}" for index in range(7)]
    async with running(desk):
        for person in people:
            desk.system.refusing[f"for {person}"] = NEVER
            await write(desk, f"for {person}", person)
        await write(desk, "taken", EVA)
        desk.worker.wake.set()
        await until(lambda: len(desk.system.calls) == 8)
        desk.system.held.set()
        await until(lambda: not desk.worker._calls)  # noqa: SLF001  # nothing tells it
    for _ in range(12):
        await desk.advance(601)
    assert desk.system.texts == ["taken"]
    assert await deliveries(desk, "dead") == []


async def test_messages_and_outcomes_that_fail_together_blame_the_system(open_desk):
    async with open_desk(events=EVERY, lane=lane) as house:
        house.system.refusing = {"message.received": NEVER, "message.undelivered": NEVER}
        await send(house, BIA, fails=True)
        await write(house, "oi", ANA)
        for _ in range(12):
            await house.advance(601)
        assert house.system.types == ["message.sent"]
        assert await deliveries(house, "dead") == []


async def test_notes_that_are_taken_blame_no_message(open_desk):
    async with open_desk(events=EVERY, lane=lane) as house:
        house.system.refusing = {"message.received": NEVER, "message.undelivered": NEVER}
        for person in (ANA, BIA):
            await send(house, person, fails=True)
            await write(house, "oi", person)
        for _ in range(12):
            await send(house, EVA)
            await house.advance(601)
        assert set(house.system.types) == {"message.sent"}
        assert await deliveries(house, "dead") == []
        assert await told(house) == ["sink.down"]


async def test_notes_that_nobody_takes_say_nothing_of_the_sink(open_desk):
    async with open_desk(events=EVERY, lane=lane) as house:
        house.system.refusing = {"message.sent": NEVER}
        for person in (ANA, BIA):
            await send(house, person)
        for _ in range(12):
            await write(house, "oi", EVA)
            await house.advance(601)
        assert [each.state for each in await deliveries(house, "dead")] == []
        assert await told(house) == []


async def test_broken_system_that_goes_away_for_a_while_is_told_of_once(desk):
    for person in (ANA, BIA):
        desk.system.refusing[person] = NEVER
        await write(desk, person, person)
    for _ in range(10):
        await desk.advance(601)
    desk.system.answers = [UnreachableError("no connection")] * 2
    await desk.advance(601)
    for _ in range(3):
        await desk.advance(61)
    assert (await desk.engine.sinks.get("desk")).reason == delivering.TAKES_NOTHING
    assert await told(desk) == ["sink.down"]


async def test_person_for_whom_nothing_is_taken_is_not_the_system(open_desk):
    async with open_desk(events=EVERY, lane=lane) as house:
        house.system.refusing = dict.fromkeys(EVERY, NEVER)
        await send(house, fails=True)
        await write(house, "oi")
        for _ in range(9):
            await house.advance(601)
        assert {each.type for each in await deliveries(house, "dead")} == set(EVERY)


async def test_broken_system_is_not_asked_without_a_pause(open_desk):
    async with open_desk(sink={"retry_delays": [0]}) as house:
        house.system.refusing = {"oi": NEVER}
        for person in (ANA, BIA):
            await write(house, "oi", person)
        await house.settle()
        assert len(house.system.calls) == 4
        house.system.refusing = {}
        await house.advance(1.1)
        assert len(house.system.taken) == 2


async def test_what_a_sink_says_of_one_event_for_good_needs_no_other(desk):
    desk.system.refusing = {"short code": PermanentSendError("no such number"), "other": NEVER}
    await write(desk, "other", BIA)
    await desk.settle()
    await write(desk, "short code")
    await desk.settle()
    assert [each.error for each in await deliveries(desk, "dead")] == ["no such number"]


async def test_other_events_that_only_met_a_sink_that_was_down_blame_no_system(desk):
    desk.system.answers = [UnreachableError("no connection")] * 2
    await write(desk, "oi", BIA)
    await desk.settle()
    await desk.advance(61)
    assert len(desk.system.calls) == 2
    assert [row["failing_since"] for row in await raw(desk)] == [None]


async def raw(house):
    async with house.database.read() as connection:
        found = await connection.execute(sa.select(schema.deliveries).order_by("id"))
        return [dict(row) for row in found.mappings()]


async def test_event_without_a_second_attempt_is_given_up_at_once(open_desk):
    async with open_desk(sink={"retry_delays": []}) as house:
        house.system.refusing = {"poison": NEVER}
        await write(house, "poison")
        await write(house, "next")
        await house.settle()
        assert house.system.texts == ["next"]


async def test_whose_fault_it_is_is_found_however_much_waits_untried(desk):
    count = 10_000
    rows = [
        {
            "id": f"{index:036}",
            "sink": "desk",
            "event_id": f"{index:036}",
            "thread": f"main/sms/+55119{index:08}",
            "state": "delivered" if index % 2 else "pending",
            "created_at": MONDAY_NOON,
            "due_at": MONDAY_NOON + timedelta(seconds=2),
            "settled_at": MONDAY_NOON,
            "failing_since": None,
        }
        for index in range(count)
    ]
    since = MONDAY_NOON + timedelta(seconds=1)

    async def ask(connection, thread):
        failing = {"thread": thread, "background": False, "failing_since": since}
        return await store.is_poison(connection, "desk", failing, since)

    async def fill(connection):
        for start in range(0, count, 2000):
            await insert_many(connection, schema.deliveries, rows[start : start + 2000])
        found = [await ask(connection, rows[0]["thread"])]
        failing = sa.update(schema.deliveries).where(schema.deliveries.c.id == rows[0]["id"])
        late = MONDAY_NOON + timedelta(hours=1)
        await connection.execute(failing.values(failing_since=since, due_at=late))
        found.append(await ask(connection, rows[0]["thread"]))
        found.append(await ask(connection, rows[2]["thread"]))
        assert found == [True, True, False]

    with anyio.fail_after(SEVERAL_SECONDS):
        await desk.database.write(fill)


# ---------------------------------------------------------------- leases, and what is replayed


async def test_outcome_of_a_call_that_another_process_has_taken_over_is_not_written(open_desk):
    async with open_desk() as house, open_desk(clock=house.clock) as other:
        house.system.held, other.system.held = asyncio.Event(), asyncio.Event()
        await write(house, "oi")
        house.system.answers = [PermanentSendError("no")]
        async with running(house), running(other):
            house.worker.wake.set()
            await until(lambda: house.system.calls or other.system.calls)
            first, second = (house, other) if house.system.calls else (other, house)
            first.system.answers = [PermanentSendError("no")]
            house.clock.advance(3600)
            second.worker.wake.set()
            await until(lambda: second.system.calls)
            first.system.held.set()
            await until(lambda: not first.worker._calls)  # noqa: SLF001  # nothing tells it
            assert [each.state for each in await deliveries(house)] == ["pending"]
            second.system.answers = []
            second.system.held.set()
            await until(lambda: second.system.taken)
            await until(lambda: not second.worker._calls)  # noqa: SLF001  # as above
        assert [each.state for each in await deliveries(house)] == ["delivered"]
        assert second.system.repeats == [True]


async def test_replayed_delivery_does_not_run_beside_one_of_its_thread(desk):
    desk.system.refusing = {"first": PermanentSendError("no")}
    await write(desk, "first")
    await desk.settle()
    desk.system.refusing = {}
    desk.system.held = asyncio.Event()
    await write(desk, "second")
    async with running(desk):
        await until(lambda: len(desk.system.calls) == 2)
        assert (await desk.engine.sinks.replay("desk")).replayed == 1
        await write(desk, "other", BIA)
        desk.worker.wake.set()
        await until(lambda: len(desk.system.calls) == 3)
        await asyncio.sleep(0.05)
        desk.system.held.set()
        await until(lambda: len(desk.system.taken) == 2)
    assert desk.system.texts == ["second", "other"]
    await desk.advance(71)
    assert desk.system.texts == ["second", "other", "first"]


async def test_replayed_delivery_is_at_the_beginning_of_its_attempts(desk):
    desk.system.refusing = {"poison": NEVER}
    await write(desk, "poison")
    for _ in range(8):
        await desk.advance(601)
    assert len(await deliveries(desk, "dead")) == 1
    await desk.engine.sinks.replay("desk")
    assert [(row["attempts"], row["failing_since"]) for row in await raw(desk)] == [(0, None)]
    await desk.settle()
    (delivery,) = await deliveries(desk)
    assert (delivery.state, delivery.attempts) == ("pending", 1)


async def test_event_whose_message_is_gone_is_given_up(open_desk):
    async with open_desk(events=EVERY) as house:
        await write(house, "oi")

        async def purge(connection):
            await connection.execute(sa.delete(schema.messages))

        await house.database.write(purge)
        await house.settle()
        assert house.system.calls == []
        (dead,) = await deliveries(house, "dead")
        assert "no longer in the store" in dead.error
        assert await told(house) == []
