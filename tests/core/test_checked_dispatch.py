"""What the checks of a claimed batch do to its dispatch."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from recado_core import Category, ConfigurationError, Deferral, OnFailure, Refusal
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.checks.checking import Checking
from recado_core.engine.dispatch import endings
from recado_core.engine.store.schema import dispatches, nodes
from recado_core.engine.suppressions.suppressions import NewSuppression

pytestmark = pytest.mark.whole

ANA = "+5511900000001"
CUT = "\ud800"


class Each:
    """A check that does what the test says, once it is switched on."""

    def __init__(self, answer, on_failure=OnFailure.HOLD, time_limit=1.0, name="each"):
        self.id, self.on_failure, self.time_limit = name, on_failure, time_limit
        self.answer, self.on = answer, False

    async def check(self, recipients):
        if not self.on:
            return [None] * len(recipients)
        said = self.answer(recipients)
        return await said if asyncio.iscoroutine(said) else said


def putting_off(clock_of, seconds):
    """Return an answer that puts everybody off by some seconds."""

    def answer(recipients):
        until = clock_of().now() + timedelta(seconds=seconds)
        return [Deferral(check="each", reason="waits", until=until) for _ in recipients]

    return answer


async def queued_events(house, message_id):
    return [e for e in (await house.show(message_id)).events if e.type == "message.queued"]


@pytest.mark.parametrize(
    "answer",
    [
        Deferral(check="each", reason="never", until=datetime.max.replace(tzinfo=UTC)),
        Refusal(check="each", reason="never", until=datetime.max.replace(tzinfo=UTC)),
    ],
)
async def test_answer_beyond_all_times_is_a_failed_check(open_house, answer):
    check = Each(lambda asked: [answer if i == 3 else None for i in range(len(asked))])
    async with open_house(checks=[check], capabilities={"lookup": False}) as house:
        ids = await house.accept_many(10)
        check.on = True
        await house.settle()
        assert await house.statuses(ids) == ["queued"] * 10
        check.on = False
        await house.advance(61)
        assert await house.statuses(ids) == ["sent"] * 10


async def test_what_breaks_before_the_call_puts_the_batch_back(open_house, monkeypatch, caplog):
    async with open_house(capabilities={"lookup": False}) as house:
        ids = await house.accept_many(3)
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr(Checking, "judge", _broken)
            for _ in range(3):
                await house.advance(61)
        assert await house.statuses(ids) == ["queued"] * 3
        shown = await house.show(ids[0])
        assert shown.status_text == "it could not be made ready to be sent"
        assert len([each for each in caplog.records if "made ready" in each.message]) == 1
        await house.advance(61)
        assert await house.statuses(ids) == ["sent"] * 3


async def _broken(_self, _recipients):
    raise MemoryError


async def test_check_may_take_longer_than_a_claim_lasts(open_house):
    box = {}

    def slow(recipients):
        box["house"].clock.advance(12)
        return [None] * len(recipients)

    check = Each(slow, time_limit=30.0)
    async with open_house(checks=[check]) as house:
        box["house"] = house
        message_id = await house.accept()
        check.on = True
        await house.engine.run_once()
        assert await house.status(message_id) == "sent"


async def test_hanging_check_that_allows_lets_its_messages_go(open_house):
    box = {}

    async def hang(_recipients):
        box["house"].clock.advance(61)
        await asyncio.sleep(60)

    check = Each(hang, OnFailure.ALLOW, time_limit=0.05)
    async with open_house(checks=[check]) as house:
        box["house"] = house
        message_id = await house.accept()
        check.on = True
        await house.engine.run_once()
        assert await house.status(message_id) == "sent"


async def test_batch_that_others_took_over_during_the_checks_is_not_sent(open_house):
    box = {}

    async def slow(recipients):
        box["house"].clock.advance(60)
        async with box["house"].database.transaction() as connection:
            await connection.execute(sa.delete(nodes))  # another node took us for dead
        return [None] * len(recipients)

    check = Each(slow, time_limit=30.0)
    async with open_house(checks=[check]) as house:
        box["house"] = house
        message_id = await house.accept()
        await house.engine.run_once()
        second = await house.accept()
        check.on = True
        await house.engine.run_once()
        assert await house.status(message_id) == "sent"
        assert second not in [message.id for message in house.vendor.sent]


async def test_suppressed_messages_do_not_use_up_the_daily_limit(open_house):
    async with open_house(accounts={"main": {"daily_limit": 10, "batch_size": 10}}) as house:
        ids = await house.accept_many(20)
        for message_id in ids[:9]:
            to = (await house.show(message_id)).to
            await house.engine.suppressions.add(NewSuppression(address=to))
        await house.settle()
        assert (await house.statuses(ids)).count("sent") == 10
        async with house.database.read() as connection:
            sizes = (await connection.execute(sa.select(dispatches.c.size))).scalars()
            assert sorted(sizes) == [1, 9]


async def test_two_nodes_keep_to_one_daily_limit(open_house):
    accounts = {"main": {"daily_limit": 10, "batch_size": 10}}
    async with open_house(accounts=accounts) as one, open_house(accounts=accounts) as two:
        ids = await one.accept_many(40)
        await asyncio.gather(one.engine.run_once(), two.engine.run_once())
        await asyncio.gather(one.engine.run_once(), two.engine.run_once())
        assert (await one.statuses(ids)).count("sent") == 10


async def test_check_that_raises_cancelled_has_failed(open_house):
    def cancel(_recipients):
        raise asyncio.CancelledError

    check = Each(cancel, OnFailure.ALLOW)
    check.on = True
    async with open_house(checks=[check]) as house, asyncio.timeout(30):
        message_id = await house.accept()
        await house.settle()
        assert await house.status(message_id) == "sent"


async def test_cancelled_question_is_not_taken_for_a_failed_check():
    check = Each(lambda _: asyncio.sleep(60), OnFailure.ALLOW, time_limit=120.0)
    check.on = True
    asking = asyncio.create_task(Checking([check], {}).judge([None]))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize(
    "answer",
    [
        Refusal(check="each\0" * 30, reason=f"no\0{CUT}" + "x" * 5000),
        Deferral(
            check="each\0" * 30,
            reason=f"no\0{CUT}" + "x" * 5000,
            until=datetime(2030, 1, 1, tzinfo=UTC),
        ),
    ],
)
async def test_words_of_a_check_are_cut_to_what_the_store_takes(open_house, answer):
    check = Each(lambda asked: [answer] * len(asked))
    async with open_house(checks=[check]) as house:
        late = await house.accept()
        check.on = True
        early = await house.accept()
        await house.settle()
        for message_id in (early, late):
            shown = await house.show(message_id)
            assert len(shown.code) == 64
            assert len(shown.status_text) == 2000
            assert str(shown.status) in {"suppressed", "scheduled"}


async def test_check_whose_id_is_too_long_is_refused():
    with pytest.raises(ConfigurationError, match="is longer than 64"):
        Checking([Each(None, name="x" * 65)], {})


async def test_what_is_put_off_for_a_moment_is_not_asked_again_at_once(open_house):
    box = {}
    check = Each(putting_off(lambda: box["house"].clock, 0.001))
    async with open_house(checks=[check]) as house:
        box["house"] = house
        message_id = await house.accept()
        check.on = True
        for _ in range(50):
            await house.engine.run_once()
            house.clock.advance(0.002)
        async with house.database.read() as connection:
            made = (await connection.execute(sa.select(sa.func.count(dispatches.c.id)))).scalar()
        assert made == 1
        assert await house.status(message_id) == "queued"


async def test_what_is_put_off_for_long_leaves_the_queue_until_then(open_house):
    box = {}
    check = Each(putting_off(lambda: box["house"].clock, 3600))
    async with open_house(checks=[check]) as house:
        box["house"] = house
        message_id = await house.accept(category=Category.MARKETING)
        check.on = True
        until = house.clock.now() + timedelta(hours=1)
        await house.settle()
        shown = await house.show(message_id)
        assert (str(shown.status), shown.scheduled_at) == ("scheduled", until)
        told = shown.events[-1]
        assert (told.type, told.to_status, told.code) == ("message.queued", "scheduled", "each")
        await house.engine.messages.cancel(message_id)
        assert await house.status(message_id) == "canceled"


async def test_same_reason_is_told_once(open_house):
    box = {}
    check = Each(putting_off(lambda: box["house"].clock, 30))
    async with open_house(checks=[check]) as house:
        box["house"] = house
        message_id = await house.accept()
        check.on = True
        for _ in range(10):
            await house.advance(61)
        assert len(await queued_events(house, message_id)) == 1
        check.answer = lambda _: 1 / 0
        for _ in range(10):
            await house.advance(61)
        told = await queued_events(house, message_id)
        assert [each.text for each in told] == ["waits", "the check each can't answer now"]


async def test_what_a_check_holds_is_looked_at_soon_and_then_each_minute(open_house):
    asked = []

    def answer(recipients):
        asked.append(recipients)
        raise ConnectionError

    check = Each(answer)
    async with open_house(checks=[check]) as house:
        await house.accept()
        check.on = True
        found = []
        for _ in range(3):
            await house.settle()
            await house.advance(6)
            found.append(len(asked))
        await house.advance(61)
        assert [*found, len(asked)] == [2, 2, 2, 3]


async def test_receipt_of_an_earlier_attempt_counts_for_what_is_put_off(open_house):
    box = {}
    check = Each(putting_off(lambda: box["house"].clock, 3600))
    async with open_house(checks=[check]) as house:
        box["house"] = house
        told = json.loads((await house.engine.accept.message(Draft(to=ANA, text="oi"))).body)
        check.on = True
        await house.settle()
        assert await house.status(told["id"]) == "scheduled"
        await house.deliver(told["id"])
        assert await house.status(told["id"]) == "delivered"


async def test_messages_whose_refusal_could_not_be_recorded_are_judged_again(
    open_house, monkeypatch
):
    def forbid(recipients):
        refused = Refusal(check="each", reason="no")
        return [refused if index == 1 else None for index in range(len(recipients))]

    check = Each(forbid)
    change = endings.Endings.change_own

    async def fail(*_):
        monkeypatch.setattr(endings.Endings, "change_own", change)
        raise ZeroDivisionError

    async with open_house(checks=[check], capabilities={"lookup": False}) as house:
        ids = await house.accept_many(3)
        check.on = True
        monkeypatch.setattr(endings.Endings, "change_own", fail)
        await house.engine.run_once()
        for seconds in (61, 61, 61, 4000):
            await house.advance(seconds)
        assert sorted(await house.statuses(ids)) == ["sent", "sent", "suppressed"]
