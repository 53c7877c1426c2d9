import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from recado_core import Category, ConfigurationError, TransientSendError
from recado_core.engine.store.statements import pushes
from recado_core.testing import Clock

from .pushing_house import (
    ANA,
    EVERY_REASON,
    add,
    add_all,
    failing,
    numbers,
    open_for_pushing,
    remove_all,
    say_nothing,
    sizes,
    until,
    waiting,
)

pytestmark = pytest.mark.whole

HOUR, DAY = 3600, 86_400

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


@pytest.fixture
def open_pushing(open_house):
    return partial(open_for_pushing, open_house)


@pytest.fixture
async def house(open_pushing):
    async with open_pushing() as opened:
        yield opened


async def test_two_nodes_share_the_work_and_tell_of_each_address_once(open_pushing):
    addresses = numbers(60)
    async with open_pushing() as house, open_pushing(clock=house.clock) as other:
        both = asyncio.Event()

        async def wait_for_the_other(_name, _addresses):
            if house.vendor.changes and other.vendor.changes:
                both.set()
            async with asyncio.timeout(60):
                await both.wait()

        house.vendor.before_change = other.vendor.before_change = wait_for_the_other
        await add_all(house, addresses)
        await asyncio.gather(house.settle(), other.settle())
        told = house.vendor.changes + other.vendor.changes
        assert sorted(address for _, some in told for address in some) == addresses
        assert await waiting(house) == 0


async def test_what_a_node_took_and_left_another_takes_when_its_time_is_over(open_pushing):
    async with open_pushing() as house, open_pushing(clock=house.clock) as other:
        house.vendor.before_change = say_nothing
        await add(house)
        dying = asyncio.create_task(house.engine.run_once())
        await until(lambda: house.vendor.changes)
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
        await other.advance(300)
        assert other.vendor.changes == []
        await other.advance(91)
        assert other.vendor.suppressed == {ANA}
        assert await waiting(house) == 0


@pytest.mark.parametrize("error", [None, TransientSendError("down")])
async def test_node_that_comes_back_late_takes_nothing_from_another(open_pushing, error):
    async with open_pushing() as house, open_pushing(clock=house.clock) as other:
        late, on_time = asyncio.Event(), asyncio.Event()

        async def wait_long(_name, _addresses):
            await late.wait()
            if error is not None:
                raise error

        async def wait_a_little(_name, _addresses):
            await on_time.wait()

        house.vendor.before_change, other.vendor.before_change = wait_long, wait_a_little
        await add(house)
        first = asyncio.create_task(house.engine.run_once())
        await until(lambda: house.vendor.changes)
        house.clock.advance(HOUR)
        second = asyncio.create_task(other.engine.run_once())
        await until(lambda: other.vendor.changes)
        late.set()
        await first
        await remove_all(house, ANA)
        house.vendor.before_change = None
        await house.settle()
        assert len(house.vendor.changes) == 1  # the other is at it
        on_time.set()
        await second
        await other.settle()
        assert other.vendor.changes == [("suppress", [ANA]), ("unsuppress", [ANA])]
        assert await waiting(house) == 0


async def is_taken(house):
    now = house.clock.now()
    async with house.database.read() as connection:
        return not await pushes.any_due(connection, "main", now, now + timedelta(hours=1))


async def test_call_whose_turn_came_too_late_is_made_by_whoever_takes_it_anew(house):
    account = house.engine.accounts.find("main")
    turns = [await account.questions.acquire() for _ in range(3)]
    await add(house)
    told = asyncio.create_task(house.engine.run_once())
    await until(lambda: is_taken(house))
    house.clock.advance(301)
    for _ in turns:
        account.questions.release()
    await told
    assert house.vendor.changes == [("suppress", [ANA])]
    assert await waiting(house) == 0


async def test_account_that_is_paused_while_a_call_waits_for_its_turn_is_not_called(house):
    account = house.engine.accounts.find("main")
    turns = [await account.questions.acquire() for _ in range(3)]
    await add(house)
    told = asyncio.create_task(house.engine.run_once())
    await until(lambda: is_taken(house))
    await house.engine.accounts.pause("main")
    for _ in turns:
        account.questions.release()
    await told
    assert house.vendor.changes == []
    await house.engine.accounts.resume("main")
    await house.settle()
    assert house.vendor.suppressed == {ANA}


async def test_restart_in_between_loses_nothing(open_pushing):
    async with open_pushing() as house:
        house.vendor.before_change = failing(TransientSendError("down", code="503"))
        await add_all(house, numbers(8))
        await house.settle()
    async with open_pushing(clock=house.clock) as again:
        await again.advance(5)
        assert again.vendor.suppressed == set(numbers(8))
        assert await waiting(again) == 0


@on_sqlite
async def test_running_engine_tells_and_ends_what_it_is_telling_when_it_stops(open_pushing):
    async with open_pushing() as house:
        go_on = asyncio.Event()

        async def wait(_name, _addresses):
            await go_on.wait()

        house.vendor.before_change = wait
        await add_all(house, numbers(8))
        await house.engine.start()
        await until(lambda: house.vendor.changes)
        stopping = asyncio.create_task(house.engine.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        go_on.set()
        await stopping
        assert sizes(house.vendor) == [3]
        assert await waiting(house) == 5


@on_sqlite
async def test_engine_that_stops_waits_for_no_silent_provider(open_pushing):
    async with open_pushing() as house:
        house.vendor.before_change = say_nothing
        await add(house)
        await house.engine.start()
        await until(lambda: house.vendor.changes)
        await house.engine.stop(timeout=0.05)
        assert await waiting(house) == 1


async def test_what_a_wrong_clock_marked_is_told_all_the_same(open_pushing):
    ahead = Clock(Clock().now() + timedelta(days=30))
    async with open_pushing(clock=ahead) as house:
        await add(house)
    async with open_pushing(clock=Clock()) as house:
        await house.settle()
        assert house.vendor.suppressed == {ANA}


async def test_otp_still_goes_while_its_recipient_is_being_told_of(house):
    house.vendor.before_change = failing(TransientSendError("down", code="503"))
    reply = {"sender": ANA, "channel": "sms", "provider_ref": "1", "text": "Sair"}
    await house.webhook(["message", reply])
    await house.settle()
    message_id = await house.accept(to=ANA, category=Category.OTP)
    await house.settle()
    assert await house.status(message_id) == "sent"


async def test_reasons_need_a_provider_with_a_list_of_its_own(open_house):
    with pytest.raises(ConfigurationError, match=r"accounts\.main\.push_suppressions"):
        async with open_house(accounts={"main": EVERY_REASON}):
            pass
