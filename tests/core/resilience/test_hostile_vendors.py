"""What vendors and their plugins do wrong: it delays at the worst, and only what it is about."""

import asyncio
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from recado_core import (
    InDoubtError,
    LookupResult,
    Outcome,
    PermanentSendError,
    SendResult,
    Status,
    TransientSendError,
)
from recado_core.engine.accounts.outage import Outage
from recado_core.engine.store.schema import dispatches
from recado_core.messages import StatusUpdate

from ..conftest import accept_all
from .troubles import until_status, works

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
NONSENSE = {
    "nothing": lambda _: None,
    "a number": lambda _: 7,
    "no results": lambda _: [None],
    "an outcome of its own": lambda batch: [
        SendResult(message_id=message.id, outcome="perhaps") for message in batch.messages
    ],
    "a number for a reference": lambda batch: [
        SendResult(message_id=message.id, outcome=Outcome.ACCEPTED, provider_ref=7)
        for message in batch.messages
    ],
}
ONE_BY_ONE = {"main": {"batch_size": 1, "timeout": 0.05}}


def taken_and_silent(house):
    def answer(batch):
        house.vendor.known[batch.reference] = accept_all(batch)
        raise InDoubtError("no answer after sending")

    return answer


async def hang():
    await asyncio.Event().wait()


async def explode():
    raise ZeroDivisionError


def say(answer):
    """Return what answers so, whatever it is asked."""
    return lambda: asyncio.sleep(0, answer)


def spoilt(ask, batches, troubles):
    """Return ``ask``, but with trouble about the first batches, one trouble for each."""
    by_reference = {batch.reference: way for batch, way in zip(batches, troubles, strict=False)}

    async def asked(about):
        way = by_reference.get(getattr(about, "reference", about))
        return await (way() if way else ask(about))

    return asked


def test_a_provider_that_fails_for_ever_is_left_alone_a_minute_each_time():
    outage = Outage(SimpleNamespace(name="main", trouble=None))
    for now in range(1100):
        outage.go_on(InDoubtError("silence"), now)
        assert 1 <= outage.wait(now) <= 60
    assert outage.wait(1099) == 60


@on_sqlite
async def test_a_dispatch_that_was_asked_about_a_thousand_times_is_asked_about_again(house, caplog):
    house.vendor.answers = [taken_and_silent(house)]
    house.vendor.lookup_error = TransientSendError("down", code="503")
    message_id = await house.accept()
    await house.settle()
    async with house.database.transaction() as connection:
        await connection.execute(sa.update(dispatches).values(lookups=1100))
    asked = len(house.vendor.lookups)
    await house.advance(301)
    await house.advance(301)
    assert len(house.vendor.lookups) == asked + 2
    assert not [record for record in caplog.records if record.exc_info]
    house.vendor.lookup_error = None
    await house.advance(301)
    assert await house.status(message_id) == "sent"


@on_sqlite
async def test_retry_after_nothing_is_a_second_all_the_same(open_house):
    async with open_house(accounts=ONE_BY_ONE) as house:
        house.vendor.answers = [
            TransientSendError("busy", code="429", retry_after=asked, throttled=True)
            for asked in (0.0, -5.0, 0.0)
        ]
        ids = await house.accept_many(2)
        for calls in (1, 2, 3):
            await house.settle()
            assert len(house.vendor.batches) == calls
            await house.advance(0.5)
            assert len(house.vendor.batches) == calls
            house.clock.advance(0.6)
        await house.settle()
        assert await house.statuses(ids) == ["sent"] * 2


@on_sqlite
async def test_retry_after_for_ever_is_an_hour(house):
    message_id = await house.accept()
    for asked in (1e14, float("inf")):
        house.vendor.answers = [TransientSendError("busy", code="503", retry_after=asked)]
        await house.settle()
        assert house.vendor.answers == []
        await house.advance(3599)
        assert await house.status(message_id) == "queued"
        house.clock.advance(1)
    await house.settle()
    assert await house.status(message_id) == "sent"


@on_sqlite
@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("name", NONSENSE)
async def test_an_answer_that_makes_no_sense_is_in_doubt_and_settles(house, name):
    async def lookup(batch):
        return LookupResult(found=True, results=tuple(accept_all(batch)))

    house.vendor.answers = [NONSENSE[name]]
    house.vendor.lookup = lookup
    ids = await house.accept_many(2)
    await house.engine.start()
    await until_status(house, ids, "sent")
    assert house.vendor.sizes == [2]
    assert (await house.show(ids[0])).attempts[-1].outcome == "found"
    assert await works(house)


async def test_a_reference_of_any_length_is_kept_as_far_as_it_goes(house):
    reference = "r" * 300

    def answer(batch):
        (message,) = batch.messages
        return [SendResult(message_id=message.id, outcome=Outcome.ACCEPTED, provider_ref=reference)]

    house.vendor.answers = [answer]
    message_id = await house.accept()
    await house.settle()
    await house.webhook(["status", {"provider_ref": reference, "status": "delivered"}])
    await house.settle()
    assert await house.status(message_id) == "delivered"


async def test_not_found_is_believed_when_it_is_long_enough_since_the_call_ended(open_house):
    async with open_house(accounts={"main": {"lookup_settles": 30.0}}) as house:
        send = house.vendor.send

        async def slow(batch):
            house.clock.advance(40)
            house.vendor.send = send
            house.vendor.batches.append(batch)
            raise InDoubtError("read timeout")

        house.vendor.send = slow
        message_id = await house.accept()
        await house.settle()
        await house.advance(29)
        assert await house.status(message_id) == "sending"
        (batch,) = house.vendor.batches
        house.vendor.known[batch.reference] = accept_all(batch)  # now only it has read the batch
        await house.advance(2)
        assert await house.status(message_id) == "sent"
        assert house.vendor.batches == [batch]


@on_sqlite
async def test_lookups_that_hang_break_or_make_no_sense_hold_up_no_other(open_house):
    troubles = [hang, explode, say(None), say(LookupResult(found=True, results=(None,)))]
    async with open_house(accounts=ONE_BY_ONE) as house:
        house.vendor.answers = [taken_and_silent(house)] * 5
        house.vendor.lookup_error = TransientSendError("down", code="503")
        ids = await house.accept_many(5)
        for _ in ids:
            await house.engine.run_once()
            house.clock.advance(20)
        lookup, house.vendor.lookup_error = house.vendor.lookup, None
        house.vendor.lookup = spoilt(lookup, house.vendor.batches, troubles)
        await house.advance(301)
        assert await house.statuses(ids) == ["sending"] * 4 + ["sent"]
        house.vendor.lookup = lookup
        await house.advance(301)
        assert await house.statuses(ids) == ["sent"] * 5
        assert house.vendor.sizes == [1] * 5


@on_sqlite
async def test_polls_that_hang_break_or_make_no_sense_hold_up_no_other(open_house):
    troubles = [hang, explode, say(None), say([None])]
    async with open_house(accounts=ONE_BY_ONE, poll_delays=(120.0,)) as house:
        ids = await house.accept_many(5)
        await house.settle()
        batches = {batch.reference: batch for batch in house.vendor.batches}

        async def poll(reference):
            (message,) = batches[reference].messages
            return [StatusUpdate(status=Status.DELIVERED, message_id=message.id)]

        house.vendor.poll_statuses = spoilt(poll, house.vendor.batches, troubles)
        await house.advance(121)
        assert await house.statuses(ids) == ["sent"] * 4 + ["delivered"]
        house.vendor.poll_statuses = poll
        await house.advance(301)
        assert await house.statuses(ids) == ["delivered"] * 5


@on_sqlite
async def test_a_lookup_that_hangs_holds_up_no_other_account(open_house):
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        for vendor in house.vendors.values():
            vendor.answers = [taken_and_silent(house)]
        ids = [await house.accept(account=name) for name in house.vendors]
        house.vendors["other"].lookup = house.vendors["main"].lookup
        house.vendors["main"].lookup = lambda _: hang()
        await house.engine.run_once()
        asking = asyncio.create_task(house.engine.run_once())
        await until_status(house, ids[1:], "sent")
        assert not asking.done()
        asking.cancel()
        await asyncio.wait([asking])


@on_sqlite
async def test_many_bad_messages_in_a_batch_reject_no_good_one(house):
    def answer(batch):
        if any(message.text.endswith(tuple("02468")) for message in batch.messages):
            raise PermanentSendError("one of them is wrong", code="422")
        return accept_all(batch)

    house.vendor.answers = [answer] * 500
    ids = await house.accept_many(70)  # every other is bad: halved more often than MAX_SPLITS
    await house.settle()
    assert await house.statuses(ids) == ["rejected", "sent"] * 35
    taken = [result.message_id for results in house.vendor.known.values() for result in results]
    assert sorted(taken) == sorted(ids[1::2])
