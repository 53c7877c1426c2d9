"""Claims that nobody carries: given back, for nobody was called, and never taken for calls."""

import asyncio

import pytest
from recado_core import PermanentSendError
from recado_core.engine.dispatch.dispatcher import Dispatcher
from recado_core.engine.failures import UnavailableError
from recado_core.engine.store.statements import outbox

from .resilience.troubles import locked, until, until_status

pytestmark = [
    pytest.mark.whole,
    pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True),
]

NO_LOOKUP = {"lookup": False}  # what is in doubt with such a provider is never sent again by itself


@pytest.fixture
def untold(monkeypatch):
    """Let a house's next claim be committed without anybody being told: waited for by its event.

    Until they are told of that an account may be paused.
    """

    def prepare(house, *, pausing=None):
        database, happened = house.engine._database, asyncio.Event()  # noqa: SLF001  # no other way
        write = database.count_at_once

        async def write_untold(steps):
            counts = await write(steps)
            if counts and any(counts) and not happened.is_set():
                happened.set()
                if pausing:
                    await house.engine.accounts.pause(pausing)
                raise UnavailableError("the database (gateway.database) can't be reached now")
            return counts

        monkeypatch.setattr(database, "count_at_once", write_untold)
        return happened

    return prepare


class Hanging:
    """Work that begins, and never ends."""

    def __init__(self):
        self.begun = asyncio.Event()

    async def __call__(self, *_):
        self.begun.set()
        await asyncio.Event().wait()


async def all_are_sent_once(house, heir, ids):
    await heir.settle()
    await heir.advance(120)
    assert set(await heir.statuses(ids)) == {"sent"}
    vendors = {house.vendor, heir.vendor}
    assert [message.id for vendor in vendors for message in vendor.sent] == ids


async def test_a_claim_that_nobody_was_told_of_is_given_back_at_a_stop(open_house, untold):
    async with open_house(capabilities=NO_LOOKUP) as house:
        ids = await house.accept_many(3)
        happened = untold(house)
        await house.engine.start()
        await happened.wait()
        await house.engine.stop()
        assert set(await house.statuses(ids)) == {"queued"}
    async with open_house(clock=house.clock, capabilities=NO_LOOKUP) as heir:
        await all_are_sent_once(house, heir, ids)


async def test_a_claim_that_nobody_was_told_of_is_given_back_while_the_account_is_paused(
    open_house, untold
):
    async with open_house(accounts={"main": {}, "second": {}}) as house:
        ids = await house.accept_many(3)
        untold(house, pausing="main")
        await house.engine.start()
        await until_status(house, ids, "sent")
        assert house.vendors["second"].sizes == [3]


async def test_a_claim_that_is_broken_off_is_given_back_at_the_stop(open_house, database_url):
    async with open_house(capabilities=NO_LOOKUP) as house:
        ids = await house.accept_many(3)
        await house.engine._node.join()  # noqa: SLF001  # as the engine does it
        async with locked(database_url):
            (dispatcher,) = house.engine._dispatchers  # noqa: SLF001  # as above
            claiming = asyncio.create_task(dispatcher.run())
            await until(lambda: dispatcher.carried)
            await asyncio.sleep(0.1)
            claiming.cancel()
        await asyncio.gather(claiming, return_exceptions=True)
    async with open_house(clock=house.clock, capabilities=NO_LOOKUP) as heir:
        await all_are_sent_once(house, heir, ids)


@pytest.mark.parametrize(
    ("where", "name"),
    [(outbox, "rows_of_claim"), (Dispatcher, "_without_refused")],
    ids=["read", "checked"],
)
async def test_what_is_not_read_or_checked_before_the_stop_is_given_back(
    open_house, monkeypatch, where, name
):
    hanging = Hanging()
    async with open_house(capabilities=NO_LOOKUP) as house:
        ids = await house.accept_many(3)
        with monkeypatch.context() as patch:
            patch.setattr(where, name, hanging)
            await house.engine.start()
            await hanging.begun.wait()
            await house.engine.stop(timeout=0.0)
        assert set(await house.statuses(ids)) == {"queued"}
    async with open_house(clock=house.clock, capabilities=NO_LOOKUP) as heir:
        await all_are_sent_once(house, heir, ids)


async def test_what_is_to_be_given_back_counts_as_carried_until_then(open_house, monkeypatch):
    hanging = Hanging()
    async with open_house(capabilities=NO_LOOKUP) as house:
        ids = await house.accept_many(3)
        with monkeypatch.context() as patch:
            patch.setattr(Dispatcher, "_without_refused", hanging)
            working = asyncio.create_task(house.engine.run_once())
            await hanging.begun.wait()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        house.clock.advance(6)  # for which the process gives a sign of life
        await all_are_sent_once(house, house, ids)


async def test_the_half_of_a_refused_batch_whose_turn_has_not_come_is_given_back(open_house):
    calls, begun = [], asyncio.Event()

    async def send(batch):
        calls.append([message.id for message in batch.messages])
        if len(calls) == 1:
            raise PermanentSendError("one of them is wrong", code="422")
        begun.set()
        await asyncio.Event().wait()

    async with open_house(capabilities=NO_LOOKUP) as house:
        ids = await house.accept_many(2)
        house.vendor.send = send
        await house.engine.start()
        await begun.wait()
        await house.engine.stop(timeout=0.0)
        assert calls == [ids, ids[:1]]
        assert await house.statuses(ids) == ["sending", "queued"]
