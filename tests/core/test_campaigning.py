"""Campaigns reach everyone exactly once, whatever breaks and however many nodes feed them."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import pytest
from recado_core.engine.campaigns import campaigning

from .campaign_house import Campaigner, number
from .resilience.troubles import Statements, until

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
