from datetime import timedelta

import pytest
from recado_core.engine.failures import ConflictError
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import outbox

pytestmark = pytest.mark.whole

HOUR = timedelta(hours=1)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


async def test_a_scheduled_message_waits_for_its_time(house):
    at = house.clock.now() + HOUR
    message_id = await house.accept(scheduled_at=at)
    await house.advance(3599)
    assert await house.status(message_id) == "scheduled"
    assert house.vendor.batches == []
    await house.advance(1)
    shown = await house.show(message_id)
    assert (str(shown.status), shown.scheduled_at) == ("sent", at)
    steps = [(event.type, event.to_status) for event in shown.events]
    assert steps == [
        ("message.accepted", "scheduled"),
        ("message.queued", "queued"),
        ("message.sent", "sent"),
    ]
    assert shown.events[1].from_status == "scheduled"
    assert shown.events[1].time == at


@on_sqlite
async def test_a_time_that_has_come_is_at_once(house):
    ids = [await house.accept(scheduled_at=house.clock.now() - early) for early in (0 * HOUR, HOUR)]
    for message_id in ids:
        shown = await house.show(message_id)
        assert str(shown.status) == "queued"
        assert shown.events[0].to_status == "queued"
    await house.settle()
    assert await house.statuses(ids) == ["sent", "sent"]


@on_sqlite
async def test_more_than_a_round_of_scheduled_messages_all_go(house):
    at = (house.clock.now() + HOUR).isoformat()
    await house.accept_many(1100, scheduled_at=at)
    await house.advance(3600)
    assert sum(house.vendor.sizes) == 1100


async def test_what_can_t_be_sent_in_time_expires(house):
    now = house.clock.now()
    await house.engine.accounts.pause("main")
    queued = await house.accept(expires_at=now + HOUR)
    scheduled = await house.accept(scheduled_at=now + HOUR / 2, expires_at=now + HOUR)
    lasting = await house.accept(expires_at=now + 2 * HOUR)
    await house.advance(3599)
    assert await house.statuses([queued, scheduled, lasting]) == ["queued"] * 3
    await house.advance(1)
    assert await house.statuses([queued, scheduled, lasting]) == ["expired", "expired", "queued"]
    shown = await house.show(queued)
    assert (shown.code, shown.events[-1].type) == ("expires_at", "message.expired")
    await house.engine.accounts.resume("main")
    await house.settle()
    assert [message.id for message in house.vendor.sent] == [lasting]
    assert house.vendor.sent[0].expires_at == now + 2 * HOUR


@on_sqlite
async def test_a_time_and_an_expiry_that_were_both_slept_through_end_in_expiry(house):
    now = house.clock.now()
    message_id = await house.accept(scheduled_at=now + HOUR, expires_at=now + 2 * HOUR)
    await house.advance(3 * 3600)
    assert await house.status(message_id) == "expired"
    assert house.vendor.batches == []


async def test_what_has_expired_is_not_claimed_before_the_next_look_at_the_clock(
    house, database_url
):
    at = house.clock.now() + HOUR
    await house.accept(expires_at=at)
    lasting = await house.accept()
    other_process = Database(database_url)
    rows = await other_process.write(
        lambda connection: outbox.claim(connection, "main", new_id(), 10, at)
    )
    await other_process.close()
    assert [row["id"] for row in rows] == [lasting]


@on_sqlite
async def test_an_expiry_changes_nothing_of_what_was_sent(house):
    message_id = await house.accept(expires_at=house.clock.now() + HOUR)
    await house.settle()
    await house.advance(3600)
    assert await house.status(message_id) == "sent"


@on_sqlite
async def test_a_scheduled_message_can_be_cancelled_until_it_goes(house):
    at = house.clock.now() + HOUR
    early, late = await house.accept(scheduled_at=at), await house.accept(scheduled_at=at)
    assert str((await house.engine.messages.cancel(early)).status) == "canceled"
    await house.advance(3600)
    assert await house.statuses([early, late]) == ["canceled", "sent"]
    with pytest.raises(ConflictError, match="sent"):
        await house.engine.messages.cancel(late)


@on_sqlite
async def test_a_scheduled_message_follows_its_route_when_its_account_is_paused(open_house):
    async with open_house(accounts={"main": {}, "backup": {}}) as house:
        message_id = await house.accept(scheduled_at=house.clock.now() + HOUR)
        await house.engine.accounts.pause("main")
        await house.advance(3600)
        shown = await house.show(message_id)
        assert (str(shown.status), shown.account) == ("sent", "backup")


async def test_messages_of_an_account_that_was_removed_follow_their_route(open_house):
    async with open_house(accounts={"main": {}, "second": {}, "third": {}}) as house:
        message_id = await house.accept()
    async with open_house(accounts={"third": {}}, clock=house.clock) as house:
        await house.settle()
        shown = await house.show(message_id)
        assert (str(shown.status), shown.account) == ("sent", "third")
