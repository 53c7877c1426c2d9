from datetime import timedelta
from functools import partial

import pytest
from recado_core import Outcome, SendResult, Status, SuppressionReason, TransientSendError
from recado_core.engine.suppressions.suppressing import Entry, Suppressing

from .pushing_house import (
    ANA,
    BIA,
    CAIO,
    EVERY_REASON,
    add,
    add_all,
    entries_of,
    failing,
    numbers,
    open_for_pushing,
    remove_all,
    sizes,
    waiting,
)

pytestmark = pytest.mark.whole

HOUR, DAY = 3600, 86_400


@pytest.fixture
def open_pushing(open_house):
    return partial(open_for_pushing, open_house)


@pytest.fixture
async def house(open_pushing):
    async with open_pushing() as opened:
        yield opened


# ---------------------------------------------------------------- what is told


async def test_many_addresses_go_in_calls_as_great_as_the_provider_takes(house):
    await add_all(house, numbers(8))
    await house.settle()
    assert sizes(house.vendor) == [3, 3, 2]
    assert {name for name, _ in house.vendor.changes} == {"suppress"}
    assert house.vendor.suppressed == set(numbers(8))
    assert await waiting(house) == 0


async def test_who_comes_off_the_list_comes_off_the_providers(house):
    await add(house, ANA)
    await add(house, BIA)
    await house.settle()
    await remove_all(house, ANA)
    await house.settle()
    assert house.vendor.changes[1:] == [("unsuppress", [ANA])]
    assert house.vendor.suppressed == {BIA}


async def test_some_go_on_and_others_off_in_one_round(house):
    await add(house, ANA)
    await house.settle()
    await remove_all(house, ANA)
    await add(house, BIA)
    await house.settle()
    assert house.vendor.changes[1:] == [("suppress", [BIA]), ("unsuppress", [ANA])]


async def test_address_stays_on_the_providers_list_while_one_entry_is_left(house):
    await add(house, reason="manual")
    other = await add(house, reason="complaint")
    await house.settle()
    await house.engine.suppressions.remove(other)
    await house.settle()
    assert house.vendor.suppressed == {ANA}
    await remove_all(house, ANA)
    await house.settle()
    assert house.vendor.suppressed == set()


async def test_only_the_named_reasons_and_own_channels_are_told(open_pushing):
    async with open_pushing({"main": {"push_suppressions": ["opt_out"]}}) as house:
        await add(house, ANA, reason="manual")
        await add(house, BIA, reason="opt_out")
        await add(house, CAIO, reason="opt_out", channel="sms")
        suppressing = Suppressing(house.engine.settings, house.engine.plugins.provider_types)
        elsewhere = Entry(
            address=ANA, channel="fax", reason=SuppressionReason.OPT_OUT, source="import"
        )
        now = house.clock.now()
        await house.database.write(lambda connection: suppressing.put(connection, [elsewhere], now))
        await house.settle()
        assert house.vendor.changes == [("suppress", [BIA, CAIO])]


async def test_address_that_is_left_for_another_reason_or_channel_is_taken_off(open_pushing):
    async with open_pushing({"main": {"push_suppressions": ["opt_out"]}}) as house:
        told = await add(house, reason="opt_out")
        await add(house, reason="manual")
        suppressing = Suppressing(house.engine.settings, house.engine.plugins.provider_types)
        elsewhere = Entry(
            address=ANA, channel="fax", reason=SuppressionReason.OPT_OUT, source="import"
        )
        now = house.clock.now()
        await house.database.write(lambda connection: suppressing.put(connection, [elsewhere], now))
        await house.settle()
        await house.engine.suppressions.remove(told)
        await house.settle()
        assert house.vendor.changes == [("suppress", [ANA]), ("unsuppress", [ANA])]


async def test_entry_for_one_person_alone_is_told_to_nobody(house):
    await add(house, document="123.456.789-09")
    await house.settle()
    assert house.vendor.changes == []


async def test_account_without_push_suppressions_is_told_nothing(open_pushing):
    async with open_pushing({"main": EVERY_REASON, "other": {}}) as house:
        await add(house)
        await house.settle()
        assert house.vendors["main"].suppressed == {ANA}
        assert house.vendors["other"].changes == []


async def test_opt_out_by_reply_is_told_and_so_is_opt_in(house):
    reply = {"sender": ANA, "channel": "sms"}
    await house.webhook(["message", reply | {"provider_ref": "1", "text": "Sair"}])
    await house.settle()
    assert house.vendor.suppressed == {ANA}
    await house.webhook(["message", reply | {"provider_ref": "2", "text": "voltar"}])
    await house.settle()
    assert [name for name, _ in house.vendor.changes] == ["suppress", "unsuppress"]


async def opt_out(house):
    """Let Ana opt out while the provider takes no messages, so that her answer waits."""
    house.vendor.answers = [TransientSendError("down", code="503")] * 9
    reply = {"sender": ANA, "channel": "sms", "provider_ref": "1", "text": "Sair"}
    await house.webhook(["message", reply])
    await house.settle()
    assert len(await entries_of(house)) == 2


async def test_answer_to_an_opt_out_goes_before_the_provider_is_told(house):
    await opt_out(house)
    await add(house, BIA)
    await house.settle()
    assert house.vendor.changes == [("suppress", [BIA])]
    house.vendor.answers.clear()
    await house.advance(70)
    assert [message.to for message in house.vendor.sent][-1] == ANA
    await house.advance(5)
    assert house.vendor.suppressed == {ANA, BIA}
    assert await waiting(house) == 0


async def test_answer_to_an_opt_out_is_not_waited_for_longer_than_ten_minutes(house):
    await opt_out(house)
    for _ in range(11):
        assert house.vendor.changes == []
        await house.advance(58)
    assert house.vendor.suppressed == {ANA}


async def test_account_shows_of_how_many_addresses_its_provider_is_still_to_be_told(open_pushing):
    async with open_pushing({"main": EVERY_REASON, "other": {}}) as house:
        house.vendors["main"].before_change = failing(TransientSendError("down", code="503"))
        await add_all(house, numbers(8))
        await house.settle()
        shown = {
            each.name: each.suppressions_waiting for each in await house.engine.accounts.list()
        }
        assert shown == {"main": 8, "other": None}
        house.vendors["main"].before_change = None
        await house.advance(5)
        assert (await house.engine.accounts.get("main")).suppressions_waiting == 0


async def test_end_of_an_entrys_time_is_told(house):
    ends = (house.clock.now() + timedelta(days=1)).isoformat()
    await add(house, expires_at=ends)
    await house.settle()
    assert house.vendor.suppressed == {ANA}
    await house.advance(DAY + 1)
    assert house.vendor.suppressed == set()


# ---------------------------------------------------------------- what it has told us


async def learn(house, account="main", reason=SuppressionReason.BLACKLIST):
    """Let the provider say that it never sends to Ana."""

    def suppress_all(batch):
        return [
            SendResult(message_id=message.id, outcome=Outcome.SUPPRESSED, suppression=reason)
            for message in batch.messages
        ]

    house.vendors[account].answers = [suppress_all]
    message_id = await house.accept(to=ANA)
    await house.settle()
    assert await house.status(message_id) == Status.SUPPRESSED
    (entry,) = await entries_of(house)
    assert (entry.source, entry.reason) == (f"provider:{account}", reason)
    return entry


async def test_what_a_provider_has_told_us_is_not_told_back_to_it(house):
    await learn(house)
    assert house.vendor.changes == []
    assert await waiting(house) == 0


async def test_what_one_provider_has_told_us_is_told_to_the_other(open_pushing):
    async with open_pushing({"main": EVERY_REASON, "other": EVERY_REASON}) as house:
        await learn(house)
        assert house.vendors["main"].changes == []
        assert house.vendors["other"].changes == [("suppress", [ANA])]


async def test_end_of_what_a_provider_has_told_us_changes_nothing_there(open_pushing):
    async with open_pushing({"main": EVERY_REASON, "other": EVERY_REASON}) as house:
        await learn(house)
        await house.advance(91 * DAY)
        assert await entries_of(house) == []
        assert house.vendors["main"].changes == []
        assert house.vendors["other"].suppressed == set()


async def test_person_who_removes_what_a_provider_has_told_us_frees_the_address_there(house):
    entry = await learn(house)
    await house.engine.suppressions.remove(entry.id)
    await house.settle()
    assert house.vendor.changes == [("unsuppress", [ANA])]


@pytest.mark.parametrize("told", ["opt_out", "manual"])
async def test_what_a_provider_lists_of_its_own_accord_stays_on_its_list(house, told):
    learned = await learn(house)
    ours = await add(house, reason=told)
    await house.settle()
    await house.engine.suppressions.remove(ours)
    await house.settle()
    assert house.vendor.changes == [("suppress", [ANA])]
    assert await waiting(house) == 0
    await house.engine.suppressions.remove(learned.id)
    await house.settle()
    assert house.vendor.changes[1:] == [("unsuppress", [ANA])]


@pytest.mark.parametrize("reason", ["do_not_disturb", "invalid"])
async def test_public_list_that_a_provider_tells_of_is_not_its_own(house, reason):
    await learn(house, reason=SuppressionReason(reason))
    ours = await add(house)
    await house.settle()
    await house.engine.suppressions.remove(ours)
    await house.settle()
    assert house.vendor.changes == [("suppress", [ANA]), ("unsuppress", [ANA])]


# ---------------------------------------------------------------- the state is what counts


@pytest.mark.parametrize("steps", range(1, 6))
async def test_changes_in_quick_succession_end_in_the_right_state(house, steps):
    for step in range(steps):
        await (remove_all(house, ANA) if step % 2 else add(house, ANA))
    await house.settle()
    assert house.vendor.changes == [("suppress" if steps % 2 else "unsuppress", [ANA])]


@pytest.mark.parametrize("fails", [False, True])
async def test_change_while_the_provider_is_told_is_told_after_it(house, fails):
    async def change_mind(name, _):
        if name == "suppress":
            await remove_all(house, ANA)
            if fails:
                raise TransientSendError("down", code="503")

    house.vendor.before_change = change_mind
    await add(house, ANA)
    await house.settle()
    await house.advance(5)
    assert house.vendor.changes == [("suppress", [ANA]), ("unsuppress", [ANA])]
    assert house.vendor.suppressed == set()
    assert await waiting(house) == 0


async def test_change_while_it_waits_for_a_retry_goes_on_waiting(house):
    house.vendor.before_change = failing(TransientSendError("down", code="503"))
    await add(house, ANA)
    await house.settle()
    await remove_all(house, ANA)
    await house.settle()
    assert len(house.vendor.changes) == 1
    house.vendor.before_change = None
    await house.advance(5)
    assert house.vendor.changes[1:] == [("unsuppress", [ANA])]
