import asyncio
from datetime import timedelta

import pytest
from recado_core import Category, TransientSendError
from recado_core.engine.settings import LimitSettings
from recado_core.engine.suppressions.suppressions import AskedRecipient, CheckRequest

pytestmark = pytest.mark.whole

ANA, BIA = "+5511900000001", "+5511900000002"
HOUR = 3600


@pytest.fixture
def open_limited(open_house):
    def opened(per_day=None, per_week=None, **settings):
        limits = LimitSettings(marketing_per_day=per_day, marketing_per_week=per_week)
        return open_house(limits=limits, **settings)

    return opened


async def market(house, to=ANA, **fields):
    return await house.accept(to=to, category=Category.MARKETING, **fields)


async def test_one_too_many_in_a_day_is_suppressed_until_the_first_is_a_day_old(open_limited):
    async with open_limited(per_day=2) as house:
        began = house.clock.now()
        ids = []
        for _ in range(3):
            ids.append(await market(house))
            await house.settle()
            await house.advance(HOUR)
        assert await house.statuses(ids) == ["sent", "sent", "suppressed"]
        told = (await house.show(ids[2])).events[-1].data["reasons"]
        assert [each["check"] for each in told] == ["marketing_limits"]
        assert told[0]["until"] == (began + timedelta(days=1)).isoformat().replace("+00:00", "Z")
        await house.advance(21 * HOUR)
        assert await house.status(await market(house)) == "queued"


async def test_week_is_counted_beside_the_day(open_limited):
    async with open_limited(per_day=1, per_week=3) as house:
        found = []
        for _ in range(8):
            message_id = await market(house)
            await house.settle()
            found.append(await house.status(message_id))
            await house.advance(24 * HOUR)
        assert found == ["sent"] * 3 + ["suppressed"] * 4 + ["sent"]


async def test_others_and_other_categories_do_not_count(open_limited):
    async with open_limited(per_day=1) as house:
        ids = [
            await market(house),
            await market(house, to=BIA),
            await house.accept(to=ANA, category=Category.TRANSACTIONAL),
            await house.accept(to=ANA, category=Category.OTP),
        ]
        await house.settle()
        assert await house.statuses(ids) == ["sent"] * 4


async def test_of_many_in_one_batch_as_many_go_as_may(open_limited):
    async with open_limited(per_day=3) as house:
        ids = await house.accept_many(10, to=ANA, category="marketing")
        await house.settle()
        assert await house.statuses(ids) == ["sent"] * 3 + ["suppressed"] * 7


async def test_of_many_at_the_same_time_as_many_go_as_may(open_limited):
    async with open_limited(per_day=3) as house:
        ids = await asyncio.gather(*(market(house) for _ in range(10)))
        await house.settle()
        assert sorted(await house.statuses(ids)) == ["sent"] * 3 + ["suppressed"] * 7


async def test_message_that_never_went_does_not_count(open_limited):
    async with open_limited(per_day=1) as house:
        first = await market(house)
        await house.engine.messages.cancel(first)
        second = await market(house)
        await house.settle()
        assert await house.status(second) == "sent"


async def test_retry_of_a_message_is_no_second_message(open_limited):
    async with open_limited(per_day=1) as house:
        house.vendor.answers = [TransientSendError("busy", code="503")]
        message_id = await market(house)
        await house.settle()
        await house.advance(HOUR)
        assert await house.status(message_id) == "sent"


async def test_scheduled_messages_are_judged_by_the_day_that_they_go(open_limited):
    async with open_limited(per_day=1) as house:
        now = house.clock.now()
        ids = [
            await market(house),
            await market(house, scheduled_at=now + timedelta(hours=30)),
            await market(house, scheduled_at=now + timedelta(hours=31)),
        ]
        assert await house.statuses(ids) == ["queued", "scheduled", "suppressed"]


@pytest.mark.parametrize("per_week", [None, 5])
@pytest.mark.parametrize("batch_size", [1, 100])
async def test_limit_holds_after_a_long_pause(open_limited, per_week, batch_size):
    accounts = {"main": {"batch_size": batch_size}}
    async with open_limited(per_day=1, per_week=per_week, accounts=accounts) as house:
        await house.engine.accounts.pause("main", "test")
        ids = []
        for _ in range(3):
            ids.append(await market(house))
            await house.advance(25 * HOUR)
        await house.engine.accounts.resume("main")
        await house.settle()
        assert await house.statuses(ids) == ["sent", "suppressed", "suppressed"]


async def test_as_many_as_may_go_after_a_pause_whatever_their_priority(open_limited):
    async with open_limited(per_day=2) as house:
        await house.engine.accounts.pause("main", "test")
        ids = []
        for priority in (0, 5, 9):
            ids.append(await market(house, priority=priority))
            await house.advance(25 * HOUR)
        await house.engine.accounts.resume("main")
        await house.settle()
        assert await house.statuses(ids) == ["sent", "sent", "suppressed"]


async def test_message_that_went_late_counts_from_when_it_went(open_limited):
    async with open_limited(per_day=1) as house:
        await house.engine.accounts.pause("main", "test")
        ids = [await market(house)]
        await house.advance(25 * HOUR)
        await house.engine.accounts.resume("main")
        await house.settle()
        await house.advance(HOUR)
        ids.append(await market(house))
        await house.settle()
        assert await house.statuses(ids) == ["sent", "suppressed"]


async def test_message_that_ran_out_while_it_waited_does_not_count(open_limited):
    async with open_limited(per_day=1) as house:
        await house.engine.accounts.pause("main", "test")
        ids = [await market(house, expires_at=house.clock.now() + timedelta(hours=1))]
        await house.advance(2 * HOUR)
        await house.engine.accounts.resume("main")
        ids.append(await market(house))
        await house.settle()
        assert await house.statuses(ids) == ["expired", "sent"]


async def test_of_two_limits_the_one_that_ends_last_is_told(open_limited):
    async with open_limited(per_day=1, per_week=1) as house:
        began = house.clock.now()
        await market(house)
        await house.settle()
        shown = await house.show(await market(house))
        assert shown.status_text == "1 marketing messages in 7 days to one person"
        until = (began + timedelta(days=7)).isoformat().replace("+00:00", "Z")
        assert shown.events[-1].data["reasons"][0]["until"] == until


async def test_question_counts_as_no_message(open_limited):
    async with open_limited(per_day=1) as house:
        request = CheckRequest(
            recipients=[AskedRecipient(address=ANA)] * 2, category=Category.MARKETING
        )
        for _ in range(2):
            told = await house.engine.suppressions.check(request)
            assert [each.allowed for each in told.results] == [True, True]
        await market(house)
        told = await house.engine.suppressions.check(request)
        assert [each.allowed for each in told.results] == [False, False]
