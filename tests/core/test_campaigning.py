"""Campaigns reach everyone exactly once, whatever breaks and however many nodes feed them."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from recado_core import AccountError, Deferral, OnFailure
from recado_core.engine.campaigns import campaigning
from recado_core.engine.store.statements import campaigns

from .campaign_house import Campaigner, number
from .resilience.troubles import Statements, until

pytestmark = pytest.mark.whole

SIZE = 12
TRIES = 1000


class BreakError(Exception):
    """Stands for whatever can go wrong."""


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    monkeypatch.setattr(campaigning, "AT_ONCE", 5)
    monkeypatch.setattr(campaigning, "QUEUED", 1000)


@pytest.fixture
def campaigner(house, tmp_path):
    return Campaigner(house, tmp_path)


async def get_through(house, broken_at):
    """Feed campaigns while a statement fails, and then until there is nothing to do."""

    def fail(count):
        if count == broken_at:
            raise BreakError

    feeder = house.engine.campaigning
    with Statements(fail) as statements, suppress(BreakError):
        while await feeder.take_due():
            continue
    while await feeder.take_due():
        continue
    return statements.count >= broken_at


async def test_everyone_gets_one_message_whichever_statement_of_the_feeding_fails(campaigner):
    broken_at = 0
    came = True
    while came:
        broken_at += random.randint(2, 6)  # noqa: S311  # no secret
        assert broken_at < TRIES, "the feeding never got through"
        campaign_id = await campaigner.running(SIZE)
        came = await get_through(campaigner.house, broken_at)
        page = await campaigner.campaigns.recipients(campaign_id)
        assert [each.status for each in page.items] == ["queued"] * SIZE, broken_at
        view = await campaigner.get(campaign_id)
        assert (view.position, view.stats.accepted) == (SIZE, SIZE), broken_at
        await campaigner.campaigns.cancel(campaign_id)
        await campaigner.house.engine.campaigning.take_due()


async def test_test_goes_to_five_whichever_of_its_statements_fails(campaigner):
    broken_at = 0
    came = True
    while came:
        broken_at += random.randint(2, 6)  # noqa: S311  # no secret
        assert broken_at < TRIES, "the test never got through"
        campaign_id = await campaigner.ready(SIZE)

        def fail(count, broken_at=broken_at):
            if count == broken_at:
                raise BreakError

        with Statements(fail) as statements, suppress(BreakError):
            await campaigner.campaigns.test(campaign_id)
        came = statements.count >= broken_at
        tried = await campaigner.campaigns.test(campaign_id)
        assert [each.address for each in tried.recipients] == [number(i) for i in range(5)]
        assert (await campaigner.get(campaign_id)).stats.accepted == 5


async def test_calls_for_a_test_at_the_same_time_send_one(campaigner):
    campaign_id = await campaigner.ready(SIZE)
    calls = [campaigner.campaigns.test(campaign_id) for _ in range(4)]
    told = await asyncio.gather(*calls)
    assert len({each.message_id for one in told for each in one.recipients}) == 5
    assert (await campaigner.get(campaign_id)).stats.accepted == 5


async def test_two_nodes_feed_the_same_campaigns_and_nobody_gets_two(open_house, tmp_path):
    async with open_house() as one, open_house(clock=one.clock) as other:
        campaigner = Campaigner(one, tmp_path)
        ids = [await campaigner.running(60) for _ in range(3)]

        async def feed(house):
            for _ in range(TRIES):
                await house.engine.run_once()
                views = [await campaigner.get(each) for each in ids]
                if all(view.status == "finished" for view in views):
                    return
            pytest.fail("the campaigns are never finished")

        await asyncio.gather(feed(one), feed(other))
        sent = Counter(message.to for house in (one, other) for message in house.vendor.sent)
        assert sent == {number(index): 3 for index in range(60)}
        for campaign_id in ids:
            kinds = [kind for kind, _ in await campaigner.told(campaign_id)]
            assert kinds == ["campaign.started", "campaign.finished"]


async def test_who_pauses_while_others_feed_finds_nothing_sent_after(open_house, tmp_path):
    async with open_house() as one, open_house(clock=one.clock) as other:
        campaigner = Campaigner(one, tmp_path)
        campaign_id = await campaigner.running(40)
        await asyncio.gather(one.engine.run_once(), other.engine.run_once())
        await campaigner.campaigns.pause(campaign_id)
        before = len(one.vendor.sent) + len(other.vendor.sent)
        position = (await campaigner.get(campaign_id)).position
        for house in (one, other):
            await house.settle()
        assert len(one.vendor.sent) + len(other.vendor.sent) == before
        assert (await campaigner.get(campaign_id)).position == position < 40
        await campaigner.campaigns.resume(campaign_id)
        while (await campaigner.get(campaign_id)).status != "finished":
            await asyncio.gather(one.engine.run_once(), other.engine.run_once())
        sent = Counter(message.to for house in (one, other) for message in house.vendor.sent)
        assert sent == {number(index): 1 for index in range(40)}


async def test_working_engine_feeds_at_once_what_is_started_and_finishes_it(campaigner):
    campaign_id = await campaigner.ready(SIZE)
    await campaigner.house.engine.start()
    await campaigner.campaigns.start(campaign_id)

    async def is_finished():
        return (await campaigner.get(campaign_id)).status == "finished"

    await until(is_finished)
    assert campaigner.sent_to() == [number(index) for index in range(SIZE)]


async def test_campaign_that_raises_holds_up_no_other_and_is_told_of_once(
    open_house, tmp_path, caplog
):
    def break_down(message):
        if message.text == "bad":
            raise BreakError

    async with open_house(kind={"check_message": break_down}) as house:
        campaigner = Campaigner(house, tmp_path)
        bad = await campaigner.running(5, text="bad")
        good = await campaigner.running(5, text="good")
        gone = await campaigner.running(5, text="gone")
        await campaigner.campaigns.cancel(gone)
        await house.settle()
        assert (await campaigner.get(bad)).status == "running"
        assert (await campaigner.get(good)).status == "finished"
        assert (await campaigner.get(gone)).finished_at is not None
        told = [record.campaign for record in caplog.records if hasattr(record, "campaign")]
        assert told == [bad]


class Night:
    """A check that puts everything off until a time."""

    id = "night"
    on_failure = OnFailure.ALLOW
    time_limit = 5.0
    until = None

    async def check(self, recipients):
        put_off = Deferral(check=self.id, reason="night", until=self.until)
        return [put_off if each.at < self.until else None for each in recipients]


async def test_campaign_of_the_night_does_not_all_wait_for_the_morning_nor_all_go_then(
    open_house, tmp_path, monkeypatch
):
    monkeypatch.setattr(campaigning, "AT_ONCE", 25)
    monkeypatch.setattr(campaigning, "QUEUED", 50)
    night = Night()
    async with open_house(checks=[night]) as house:
        night.until = house.clock.now() + timedelta(hours=1)
        campaigner = Campaigner(house, tmp_path)
        whole = await campaigner.running(120)
        slow = await campaigner.running(120, throttle="10/1s")
        for _ in range(20):
            await house.advance(1)
        assert (await campaigner.get(whole)).position == 50
        assert (await campaigner.get(slow)).position == 20
        await house.advance(3600)
        assert (await campaigner.get(whole)).status == "finished"
        assert (await campaigner.get(slow)).stats.sent <= 30, "two seconds' worth, and one more"
        for _ in range(12):
            await house.advance(1)
        assert (await campaigner.get(slow)).status == "finished"


async def test_throttled_campaign_makes_no_burst_after_its_account_was_paused(house, tmp_path):
    campaigner = Campaigner(house, tmp_path)
    campaign_id = await campaigner.running(200, throttle="10/1s")
    house.vendor.answers = [AccountError("stop", code="1")]
    for _ in range(60):
        await house.advance(1)
    assert (await campaigner.get(campaign_id)).position == 20
    await house.engine.accounts.resume("main")
    await house.settle()
    assert (await campaigner.get(campaign_id)).stats.sent == 30, "what waited, and a second's worth"


async def test_throttled_campaign_takes_a_step_only_when_it_is_worth_one(
    house, tmp_path, monkeypatch
):
    monkeypatch.setattr(campaigning, "AT_ONCE", 1000)
    campaigner = Campaigner(house, tmp_path)
    campaign_id = await campaigner.running(1000, throttle="100/1s")
    positions = []
    for _ in range(50):
        house.clock.advance(0.02)
        await house.engine.run_once()
        positions.append((await campaigner.get(campaign_id)).position)
    assert positions[-1] == 100
    assert len(set(positions)) <= 11, "ten a step"


async def test_campaign_to_which_people_are_added_just_before_its_end_does_not_end(
    campaigner, monkeypatch
):
    campaign_id = await campaigner.running(5)
    look = campaigns.waiting
    added = []

    async def look_while_people_are_added(connection, *args):
        found = await look(connection, *args)
        if not found and not added:
            added.append(True)
            await campaigner.campaigns.pause(campaign_id)
            await campaigner.take(campaign_id, f"phone\n{number(7)}\n{number(8)}")
            await campaigner.campaigns.resume(campaign_id)
        return found

    monkeypatch.setattr(campaigns, "waiting", look_while_people_are_added)
    await campaigner.house.settle()
    await campaigner.house.settle()
    view = await campaigner.get(campaign_id)
    assert added
    assert (view.status, view.position, view.stats.sent) == ("finished", 7, 7)
