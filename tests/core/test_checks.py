import asyncio
import json
from datetime import timedelta

import pytest
from recado_core import Category, OnFailure, Recipient, Refusal
from recado_core.engine.accept import Draft
from recado_core.engine.checking import Hold, run_checks

ANA, BIA = "+5511900000001", "+5511900000002"


@pytest.fixture
def database_url(sqlite_url):
    """What a check decides does not depend on the database."""
    return sqlite_url


class Blacklist:
    """A check that a test can fill, break, delay and confuse."""

    def __init__(self, *addresses, name="blacklist", on_failure=OnFailure.HOLD):
        self.id = name
        self.on_failure = on_failure
        self.time_limit = 5.0
        self.addresses = set(addresses)
        self.error = None
        self.delay = 0.0
        self.extra = []
        self.until = None
        self.asked: list[list[Recipient]] = []

    async def check(self, recipients):
        self.asked.append(list(recipients))
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        reason = f"on the {self.id}"
        return [
            Refusal(check=self.id, reason=reason, until=self.until)
            if recipient.address in self.addresses
            else None
            for recipient in recipients
        ] + self.extra


def broken(**fields):
    check = Blacklist(ANA, name="broken", **fields)
    check.error = ConnectionError("the list can't be reached")
    return check


def late(**fields):
    check = Blacklist(ANA, name="late", **fields)
    check.time_limit, check.delay = 0.01, 60.0
    return check


def confused(**fields):
    check = Blacklist(ANA, name="confused", **fields)
    check.extra = [None]
    return check


def recipients(*addresses):
    return [
        Recipient(address=address, channel="sms", category=Category.TRANSACTIONAL)
        for address in addresses
    ]


async def verdicts(checks, *addresses):
    """Tell for every address who refused it, with a mark if it is only held, or None."""
    found = await run_checks(checks, recipients(*addresses))
    return [
        verdict and (f"{verdict.check}?" if isinstance(verdict, Hold) else verdict.check)
        for verdict in found
    ]


async def test_the_first_refusal_counts_and_the_next_check_is_not_asked():
    first, second = Blacklist(ANA, name="first"), Blacklist(ANA, BIA, name="second")
    assert await verdicts([first, second], ANA, BIA, "+5511900000003") == ["first", "second", None]
    assert [recipient.address for recipient in second.asked[0]] == [BIA, "+5511900000003"]


async def test_where_all_are_refused_no_other_check_is_asked():
    second = Blacklist(name="second")
    assert await verdicts([Blacklist(ANA), second], ANA) == ["blacklist"]
    assert second.asked == []


@pytest.mark.parametrize("make", [broken, late, confused])
async def test_a_check_that_can_t_answer_holds_or_allows(make):
    assert await verdicts([make(on_failure=OnFailure.ALLOW)], ANA, BIA) == [None, None]
    holding = make(on_failure=OnFailure.HOLD)
    assert await verdicts([holding], ANA, BIA) == [f"{holding.id}?"] * 2


async def test_a_refusal_is_stronger_than_a_hold():
    assert await verdicts([broken(), Blacklist(ANA)], ANA, BIA) == ["blacklist", "broken?"]
    assert await verdicts([Blacklist(ANA), broken()], ANA, BIA) == ["blacklist", "broken?"]


async def test_a_failing_check_is_logged_by_name_and_without_addresses(caplog):
    for check in (broken(), confused()):
        await run_checks([check], recipients(ANA))
    assert [record.check for record in caplog.records] == ["broken", "confused"]
    assert ANA not in caplog.text


async def test_no_recipients_no_questions():
    check = Blacklist()
    assert await run_checks([check], []) == []
    assert check.asked == []


async def test_what_is_refused_is_stored_as_suppressed_and_never_sent(open_house):
    check = Blacklist(ANA)
    async with open_house(checks=[check]) as house:
        check.until = house.clock.now() + timedelta(days=1)
        told = json.loads((await house.engine.accept.message(Draft(to=ANA, text="oi"))).body)
        assert (told["status"], told["reason"]) == ("suppressed", "on the blacklist")
        await house.settle()
        assert house.vendor.batches == []
        shown = await house.show(told["id"])
        assert str(shown.status) == "suppressed"
        assert (shown.code, shown.status_text) == ("blacklist", "on the blacklist")
        accepted, suppressed = shown.events
        assert (accepted.type, accepted.to_status) == ("message.accepted", "queued")
        assert (suppressed.type, suppressed.from_status) == ("message.suppressed", "queued")
        assert (suppressed.code, suppressed.text) == ("blacklist", "on the blacklist")
        assert suppressed.data["until"] == "2026-01-06T12:00:00Z"


async def test_a_scheduled_message_that_is_refused_was_never_queued(open_house):
    async with open_house(checks=[Blacklist(ANA)]) as house:
        at = house.clock.now() + timedelta(hours=1)
        shown = await house.show(await house.accept(to=ANA, scheduled_at=at))
        assert [event.to_status for event in shown.events] == ["scheduled", "suppressed"]
        assert shown.events[1].from_status == "scheduled"
        await house.advance(7200)
        assert house.vendor.batches == []


async def test_a_check_sees_what_it_may_decide_by(open_house):
    check = Blacklist()
    async with open_house(checks=[check]) as house:
        await house.accept(to=ANA, category=Category.MARKETING, document="123.456.789-09")
        await house.settle()
    seen = Recipient(
        address=ANA,
        channel="sms",
        category=Category.MARKETING,
        account="main",
        document="123.456.789-09",
    )
    at_accept, at_dispatch = check.asked
    assert at_accept == [seen]
    # The document is not stored.
    assert at_dispatch == [
        Recipient(address=ANA, channel="sms", category=Category.MARKETING, account="main")
    ]


async def test_an_opt_out_after_the_accept_still_counts(open_house):
    check = Blacklist()
    async with open_house(checks=[check]) as house:
        ids = [await house.accept(to=ANA), await house.accept(to=BIA)]
        check.addresses.add(ANA)
        await house.settle()
        assert await house.statuses(ids) == ["suppressed", "sent"]
        assert [message.to for message in house.vendor.sent] == [BIA]
        shown = await house.show(ids[0])
        assert (shown.code, shown.status_text) == ("blacklist", "on the blacklist")
        assert shown.events[-1].type == "message.suppressed"


async def test_an_opt_out_before_the_scheduled_time_still_counts(open_house):
    check = Blacklist()
    async with open_house(checks=[check]) as house:
        at = house.clock.now() + timedelta(hours=1)
        message_id = await house.accept(to=ANA, scheduled_at=at)
        check.addresses.add(ANA)
        await house.advance(3600)
        assert await house.status(message_id) == "suppressed"
        assert house.vendor.batches == []


async def test_what_a_check_holds_waits_until_it_answers(open_house):
    check = broken()
    async with open_house(checks=[check], retry_delays=()) as house:
        ids = [await house.accept(to=ANA), await house.accept(to=BIA)]
        assert await house.statuses(ids) == ["queued", "queued"]
        await house.settle()
        assert await house.statuses(ids) == ["queued", "queued"]
        assert (await house.show(ids[0])).code == "broken"
        await house.advance(61)
        assert house.vendor.batches == []
        check.error = None
        await house.advance(61)
        assert await house.statuses(ids) == ["suppressed", "sent"]


async def test_what_a_failing_check_allows_goes_out(open_house):
    async with open_house(checks=[broken(on_failure=OnFailure.ALLOW)]) as house:
        message_id = await house.accept(to=ANA)
        await house.settle()
        assert await house.status(message_id) == "sent"


async def test_a_message_that_is_held_too_long_expires(open_house):
    async with open_house(checks=[broken()]) as house:
        at = house.clock.now() + timedelta(seconds=90)
        message_id = await house.accept(to=ANA, expires_at=at)
        await house.settle()
        await house.advance(61)
        await house.advance(61)
        assert await house.status(message_id) == "expired"
        assert house.vendor.batches == []


async def test_a_batch_that_checks_keep_back_costs_no_call(open_house):
    check = Blacklist()
    async with open_house(checks=[check], accounts={"main": {"rate": "100/60s"}}) as house:
        await house.accept(to=ANA)
        check.addresses.add(ANA)
        await house.settle()
        assert house.vendor.sizes == []
        assert (await house.engine.accounts.get("main")).calls_left == 100
