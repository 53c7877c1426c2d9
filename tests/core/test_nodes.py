import asyncio
import os
from datetime import timedelta

import pytest
from recado_core.engine.dispatch.nodes import host_name
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import accounts, dispatches, outbox

from .conftest import accept_all

pytestmark = pytest.mark.whole

ELSEWHERE = "another-machine"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


class OtherProcess:
    """What the store holds of another process: its row, its signs of life, its open calls."""

    def __init__(self, database, clock, *, host, pid):
        self.id = new_id()
        self.dispatch_id = new_id()
        self._database = database
        self._clock = clock
        self._row = {"id": self.id, "host": host, "pid": pid}

    async def join(self, *, clock_off=0.0):
        at = self._clock.now() + timedelta(seconds=clock_off)
        row = self._row | {"started_at": at, "heartbeat_at": at}
        await self._database.write(lambda connection: accounts.insert_node(connection, row))

    async def beat(self):
        at = self._clock.now()
        await self._database.write(lambda connection: accounts.beat(connection, self.id, at))

    async def claim(self):
        """Claim what is due, and never come back with an answer."""
        now = self._clock.now()

        async def work(connection):
            rows = await outbox.claim(connection, "main", self.dispatch_id, 10, now)
            dispatch = {
                "id": self.dispatch_id,
                "account": "main",
                "node_id": self.id,
                "size": len(rows),
                "started_at": now,
            }
            await dispatches.insert(connection, [dispatch])

        await self._database.write(work)


@pytest.fixture
async def database(database_url):
    """Another process's connection to the house's database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def other(house, database):
    """Make another process: ``other(host=..., pid=...)``."""

    def make(*, host=ELSEWHERE, pid=1):
        return OtherProcess(database, house.clock, host=host, pid=pid)

    return make


async def state(house, message_id):
    """Return where a message and its last call stand."""
    shown = await house.show(message_id)
    return (str(shown.status), shown.attempts[-1].outcome)


async def nodes_of(database):
    async with database.read() as connection:
        return [row["id"] for row in await accounts.list_nodes(connection)]


async def ended_pid():
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    return process.pid


async def test_what_a_process_left_open_that_died_here_is_asked_about_at_once(
    house, other, database
):
    dead = other(host=host_name(), pid=await ended_pid())
    await dead.join()
    message_id = await house.accept()
    await dead.claim()
    house.vendor.known[dead.dispatch_id] = []
    assert await state(house, message_id) == ("sending", "open")
    await house.engine.run_once()
    assert house.vendor.lookups == [dead.dispatch_id]
    assert dead.id not in await nodes_of(database)


@on_sqlite
async def test_what_the_dead_process_did_send_is_recorded_and_not_sent_again(house, other):
    dead = other(host=host_name(), pid=await ended_pid())
    await dead.join()
    message_id = await house.accept()
    await dead.claim()

    async def lookup(batch):
        house.vendor.known[batch.reference] = accept_all(batch)
        return await type(house.vendor).lookup(house.vendor, batch)

    house.vendor.lookup = lookup
    await house.settle()
    assert await state(house, message_id) == ("sent", "found")
    assert house.vendor.batches == []


@on_sqlite
async def test_what_the_dead_process_did_not_send_is_sent_once_that_is_sure(house, other):
    dead = other(host=host_name(), pid=await ended_pid())
    await dead.join()
    message_id = await house.accept()
    await dead.claim()
    await house.settle()
    assert house.vendor.batches == []
    await house.advance(60)
    assert await house.status(message_id) == "sent"
    assert [message.id for message in house.vendor.sent] == [message_id]


@on_sqlite
async def test_a_process_that_bears_our_own_number_lived_before_us(house, other):
    before = other(host=host_name(), pid=os.getpid())
    await before.join()
    message_id = await house.accept()
    await before.claim()
    await house.engine.run_once()
    assert (await state(house, message_id))[1] == "doubt"


@on_sqlite
async def test_a_process_that_lives_here_is_left_alone_until_it_dies(house, other):
    process = await asyncio.create_subprocess_exec("sleep", "600")
    living = other(host=host_name(), pid=process.pid)
    await living.join()
    message_id = await house.accept()
    await living.claim()
    await house.advance(29)
    assert await state(house, message_id) == ("sending", "open")
    process.kill()
    await process.wait()
    await house.engine.run_once()
    assert await state(house, message_id) == ("sending", "doubt")


async def test_a_process_elsewhere_is_dead_after_30_silent_seconds(house, other):
    silent = other()
    await silent.join()
    message_id = await house.accept()
    await silent.claim()
    await house.settle()
    await house.advance(29)
    assert await state(house, message_id) == ("sending", "open")
    await house.advance(2)
    assert await state(house, message_id) == ("sending", "doubt")


@on_sqlite
async def test_a_process_elsewhere_that_gives_signs_of_life_is_left_alone(house, other):
    busy = other()
    await busy.join()
    message_id = await house.accept()
    await busy.claim()
    for _ in range(4):
        await house.advance(29)
        await busy.beat()
    assert await state(house, message_id) == ("sending", "open")


@on_sqlite
@pytest.mark.parametrize("clock_off", [-3600.0, 3600.0])
async def test_another_machines_clock_does_not_matter(house, other, clock_off):
    silent = other()
    await silent.join(clock_off=clock_off)
    message_id = await house.accept()
    await silent.claim()
    await house.settle()
    await house.advance(29)
    assert await state(house, message_id) == ("sending", "open")
    await house.advance(2)
    assert await state(house, message_id) == ("sending", "doubt")


@on_sqlite
async def test_the_number_of_a_dead_process_means_nothing_elsewhere(house, other):
    living = other(pid=await ended_pid())
    await living.join()
    message_id = await house.accept()
    await living.claim()
    await house.settle()
    assert await state(house, message_id) == ("sending", "open")


@on_sqlite
async def test_what_a_process_left_open_when_it_went_is_asked_about(house, other):
    gone = other()  # it never joined, or has left
    message_id = await house.accept()
    await gone.claim()
    await house.settle()
    assert await state(house, message_id) == ("sending", "doubt")


@on_sqlite
async def test_a_process_is_on_the_list_while_it_works(open_house, database):
    async with open_house() as house:
        assert await nodes_of(database) == []
        await house.engine.start()
        (node_id,) = await nodes_of(database)
        await house.engine.stop()
        assert await nodes_of(database) == []
        await house.settle()
        assert await nodes_of(database) == [node_id]
    assert await nodes_of(database) == []


@on_sqlite
async def test_a_process_that_others_took_for_dead_joins_again(house, database):
    await house.settle()
    (node_id,) = await nodes_of(database)
    await database.write(lambda connection: accounts.delete_node(connection, node_id))
    message_id = await house.accept()
    await house.settle()
    assert await nodes_of(database) == [node_id]
    assert await house.status(message_id) == "sent"


def test_the_name_of_this_host_fits_its_column_and_stays():
    assert 0 < len(host_name()) <= 255
    assert host_name() == host_name()
