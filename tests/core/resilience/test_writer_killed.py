"""SQLite's process of its own fails while the whole engine works."""

import asyncio
import random
from collections import Counter

import psutil
import pytest
from recado_core.engine.failures import UnavailableError
from recado_core.engine.store.writer import process

from .troubles import DEADLINE, until, writers

pytestmark = [
    pytest.mark.usefixtures("hurried"),
    pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True),
]

KILLS = 10


async def kill(draw):
    """Kill what writes, if it is there, in one half of the cases after it has stood still."""
    for child in writers():
        try:
            if draw.random() < 0.5:
                child.suspend()
                await asyncio.sleep(0.02)
            child.kill()
        except psutil.NoSuchProcess:
            continue
        return True
    return False


async def accept(house, draw, accepted, ended):
    """Accept messages and batches until it is over; what is refused may be tried again."""
    while not ended.is_set():
        try:
            accepted += await house.accept_many(draw.choice([1, 3, 20]))
        except UnavailableError:
            await asyncio.sleep(0.05)
        await asyncio.sleep(draw.random() * 0.05)


@pytest.mark.parametrize("seed", [1, 2])
async def test_each_message_is_sent_once_however_often_it_is_killed(open_house, monkeypatch, seed):
    monkeypatch.setattr(process, "PAUSE", 0.02)
    draw = random.Random(seed)  # noqa: S311  # moments, not secrets
    account = {"main": {"concurrency": 8, "batch_size": 5}}
    async with open_house(accounts=account, capabilities={"lookup": False}) as house:
        house.engine._database.write_apart()  # noqa: SLF001  # as `recado serve` does it
        await house.engine.start()
        accepted, ended = [], asyncio.Event()
        clients = [asyncio.create_task(accept(house, draw, accepted, ended)) for _ in range(3)]
        kills = 0
        while kills < KILLS:
            await asyncio.sleep(draw.random() * 0.3)
            kills += await kill(draw)
        ended.set()
        await asyncio.gather(*clients)

        async def all_sent():
            house.clock.advance(1)
            return {message.id for message in house.vendor.sent} >= {*accepted}

        await until(all_sent)
        await house.engine.stop()
        assert set(await house.statuses(accepted)) == {"sent"}
        assert set(Counter(message.id for message in house.vendor.sent).values()) == {1}


async def test_a_stop_waits_for_a_process_that_hangs_no_longer_than_need_be(
    open_house, monkeypatch
):
    monkeypatch.setattr(process, "LOOK", 0.02)
    monkeypatch.setattr(process, "HASTE", 0.1)
    async with open_house() as house:
        house.engine._database.write_apart()  # noqa: SLF001  # as above
        await until(lambda: house.engine._database._process.is_ready)  # noqa: SLF001  # as above
        await house.engine.start()
        (child,) = writers()
        child.suspend()
        accepting = asyncio.create_task(house.accept())
        await asyncio.sleep(0.1)
        async with asyncio.timeout(DEADLINE):
            await house.engine.stop(timeout=0.1)
        with pytest.raises(UnavailableError):
            await accepting
