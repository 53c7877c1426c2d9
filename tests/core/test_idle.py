import asyncio
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from recado_core.engine import runtime

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
    assert len(noted) == 3
    assert noted[0] == "BEGIN"  # that of readers: writers begin with BEGIN IMMEDIATE


async def test_what_comes_due_in_a_round_is_done_in_the_same_round(house):
    at = house.clock.now() + timedelta(seconds=60)
    message_id = await house.accept(scheduled_at=at)
    house.clock.advance(60)
    assert await house.engine.run_once() > 0
    assert await house.status(message_id) == "sent"


@on_sqlite
async def test_worker_sees_within_a_tick_what_comes_due_by_the_clock(house, monkeypatch):
    monkeypatch.setattr(runtime, "TICK", 0.02)
    at = house.clock.now() + timedelta(seconds=60)
    await house.accept(scheduled_at=at)
    await house.engine.start()
    house.clock.advance(120)
    async with asyncio.timeout(20):
        while house.vendor.sizes != [1]:  # noqa: ASYNC110  # the worker tells nobody
            await asyncio.sleep(0.02)
