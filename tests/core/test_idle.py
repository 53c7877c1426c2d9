import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from recado_core import InDoubtError
from recado_core.engine import runtime
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import messages
from recado_core.engine.store.statements import inbox
from recado_core.engine.store.statements.many import update_many

from .resilience.troubles import until, until_status

pytestmark = pytest.mark.whole

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


@contextmanager
def noted_statements():
    noted = []

    def note(_connection, _cursor, statement, *_):
        noted.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield noted
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


@on_sqlite
async def test_where_nothing_is_due_one_transaction_reads_and_none_writes(house):
    await house.accept()
    await house.settle()
    with noted_statements() as noted:
        assert await house.engine.run_once() == 0
    assert len(noted) == 2
    assert all(statement.startswith("SELECT") for statement in noted)


async def test_what_comes_due_in_a_round_is_done_in_the_same_round(house):
    at = house.clock.now() + timedelta(seconds=60)
    message_id = await house.accept(scheduled_at=at)
    house.clock.advance(60)
    assert await house.engine.run_once() > 0
    assert await house.status(message_id) == "sent"


# ---------------------------------------------------------------- the worker


@pytest.fixture
def often(monkeypatch):
    """Let the worker look so often that no test waits for it."""
    monkeypatch.setattr(runtime, "TICK", 0.02)


def noted_rounds(receive):
    """Return a list that gets, of every round of webhooks that ends, how many it processed."""
    rounds, process = [], receive.process

    async def noting():
        count = await process()
        rounds.append(count)
        return count

    receive.process = noting
    return rounds


async def store_webhook(house, *items):
    """Store a webhook as another process does; nobody here is told."""
    now = house.clock.now()
    row = {
        "id": new_id(),
        "account": "main",
        "digest": b"another process".ljust(32),
        "received_at": now,
        "method": "POST",
        "url": "https://gateway.example.com/webhooks/main/***",
        "headers": {},
        "query": {},
        "body": json.dumps(items).encode(),
        "state": "pending",
        "due_at": now,
    }
    await house.database.write(lambda connection: inbox.insert(connection, [row]))


@on_sqlite
@pytest.mark.usefixtures("often")
async def test_worker_sees_within_a_tick_what_comes_due_by_the_clock(house):
    at = house.clock.now() + timedelta(seconds=60)
    await house.accept(scheduled_at=at)
    await house.engine.start()
    house.clock.advance(120)
    await until(lambda: house.vendor.sizes == [1])


@pytest.mark.usefixtures("often")
async def test_idle_worker_processes_the_webhook_that_another_process_stored(house):
    message_id = await house.accept()
    await house.settle()
    rounds = noted_rounds(house.engine.receive)
    await house.engine.start()
    await until(lambda: rounds == [0])  # from here on it looks when it is told to
    await store_webhook(house, ["status", {"message_id": message_id, "status": "delivered"}])
    await until_status(house, [message_id], "delivered")


@pytest.mark.usefixtures("often")
async def test_idle_worker_processes_the_webhook_that_was_put_off_when_its_time_comes(house):
    message_id = await house.accept()
    await house.settle()
    rounds = noted_rounds(house.engine.receive)
    await house.engine.start()
    await until(lambda: rounds == [0])
    await house.webhook(["status", {"provider_ref": "soon", "status": "delivered"}])
    await until(lambda: sum(rounds) == 1)  # it speaks of a message that is not known yet
    named = [{"id": message_id, "provider_ref": "soon"}]
    await house.database.write(lambda connection: update_many(connection, messages, named))
    house.clock.advance(3)
    await until_status(house, [message_id], "delivered")


@on_sqlite
@pytest.mark.usefixtures("often")
async def test_idle_worker_asks_about_a_dispatch_in_doubt(open_house):
    async with open_house(accounts={"main": {"lookup_settles": 30.0}}) as house:
        house.vendor.answers = [InDoubtError("silence")]
        message_id = await house.accept()
        await house.settle()
        asked = len(house.vendor.lookups)
        assert await house.status(message_id) == "sending"
        await house.engine.start()
        house.clock.advance(31)
        await until(lambda: len(house.vendor.lookups) > asked)
        await until_status(house, [message_id], "sent")


@on_sqlite
@pytest.mark.usefixtures("often")
async def test_idle_worker_asks_for_the_receipts_that_no_webhook_brought(open_house):
    async with open_house(poll_delays=(120.0,)) as house:
        await house.accept()
        await house.settle()
        await house.engine.start()
        house.clock.advance(121)
        await until(lambda: len(house.vendor.polled) == 1)
