"""DLRs that are taken at once: they come to what they come to one by one, and in turn."""

from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from recado_core.engine.receive import arrivals, foreseeing
from recado_core.engine.receive.arrivals import Arrivals
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import events, messages, stats_changes
from recado_core.engine.store.statements.many import update_many
from recado_core.testing.clock import MONDAY_NOON

pytestmark = pytest.mark.whole

EARLIER = MONDAY_NOON - timedelta(hours=1)  # the same in another way below
SAID = [
    {"status": "delivered", "code": "3", "text": "entregue"},
    {"status": "delivered", "code": "3", "text": "entregue", "at": EARLIER.isoformat()},
    {"status": "delivered", "code": "3", "text": "entregue", "at": "2026-01-05T08:00:00-03:00"},
    {"status": "read"},
    {"status": "undelivered", "code": "4", "text": "não entregue"},
    {"status": "undelivered", "code": "5", "text": "não entregue"},
    {"status": "undelivered", "code": "5", "text": "bloqueado"},
    {"status": "expired", "provider_ref": ""},
    {"status": "sent", "code": "2"},
    {"status": "unknown", "code": "99"},
    {"status": "failed"},
]
"""What providers say of one message after the other; all but the last three settle it."""
ROUND = 27
"""Of each of the first, as many as are written by a statement of their own, and more."""
COLUMNS = [
    column
    for column in messages.c
    if column.name not in {"id", "batch_id", "dispatch_id", "provider_ref", "address", "text"}
]
TOLD = [column for column in events.c if column.name not in {"id", "message_id", "dispatch_id"}]


async def nothing(*_arguments):
    return None


@pytest.fixture
def take_by(monkeypatch):
    """Return what lets DLRs be taken by one of the ways, and notes whether it was at once."""
    foresee = Arrivals.foresee
    noted = []

    async def foresee_at_once(*arguments):
        foreseen = await foreseeing.foresee_at_once(*arguments)
        noted.append(foreseen is not None)
        return foreseen

    def plan_at_once(*arguments):
        plan = foreseeing.plan_at_once(*arguments)
        noted.append(plan is not None)
        return plan

    def take_by(way):
        noted.clear()
        is_at_once = way == "at once"
        monkeypatch.setattr(arrivals, "foresee_at_once", foresee_at_once if is_at_once else nothing)
        monkeypatch.setattr(
            arrivals, "plan_at_once", plan_at_once if is_at_once else lambda *_arguments: None
        )
        monkeypatch.setattr(Arrivals, "foresee", nothing if way == "in turn" else foresee)
        return noted

    return take_by


async def write_codes(ids, connection):
    """Let a provider's answer have had codes."""
    await update_many(connection, messages, [{"id": key, "code": "3"} for key in ids])


async def told_of(house, ids):
    """Return the messages and their events, in the order of the ids, and sums of what counts."""
    async with house.database.read() as connection:

        async def read(statement):
            return [tuple(row) for row in await connection.execute(statement)]

        rows = await read(sa.select(*COLUMNS).where(messages.c.id.in_(ids)).order_by(messages.c.id))
        which = events.c.message_id.in_(ids)
        # The events' ids are in the order of what was said.
        log = await read(sa.select(*TOLD).where(which).order_by(events.c.id))
        by_metric = sa.select(stats_changes.c.metric, sa.func.sum(stats_changes.c.value))
        return rows, log, dict(await read(by_metric.group_by(stats_changes.c.metric)))


@pytest.mark.parametrize("count", [1, len(SAID), ROUND * len(SAID)])
async def test_every_way_comes_to_the_same(house, take_by, count):
    come_to, counted = [], {}
    for way in ("at once", "one by one", "in turn"):
        ids = sorted(await house.accept_many(count))
        await house.settle()
        await house.database.write(partial(write_codes, ids[::4]))
        noted = take_by(way)
        said = [SAID[place % len(SAID)] | {"message_id": key} for place, key in enumerate(ids)]
        said = [{"provider_ref": f"ref-{each['message_id']}"} | each for each in said]
        for some in (said[1::2], said[::2]):
            await house.webhook(*(["status", each] for each in some))
        await house.settle()
        assert noted == ([True] if way == "at once" else [])
        rows, log, sums = await told_of(house, ids)
        more = {metric: value - counted.get(metric, 0) for metric, value in sums.items()}
        come_to.append((rows, log, {metric: value for metric, value in more.items() if value}))
        counted = sums
    assert come_to[0] == come_to[1] == come_to[2]
    assert len(come_to[0][1]) == 2 * count + sum(
        place % len(SAID) < len(SAID) - 3 for place in range(count)
    )


async def of_another_account(house, ids):
    change = [{"id": ids[0], "account": "other"}]
    await house.database.write(lambda connection: update_many(connection, messages, change))
    return []


async def without_a_reference(house, ids):
    change = [{"id": ids[0], "provider_ref": None}]
    await house.database.write(lambda connection: update_many(connection, messages, change))
    return []


async def settled_already(house, ids):
    await house.deliver(ids[0], "undelivered")
    return []


async def said_twice(_house, ids):
    return [{"message_id": ids[0], "status": "read"}]


async def of_a_message_of_nobody(_house, _ids):
    return [{"message_id": new_id(), "status": "read"}]


async def by_the_reference_alone(house, _ids):
    (key,) = await house.accept_many(1)
    await house.settle()
    return [{"provider_ref": f"ref-{key}", "status": "read"}]


async def with_another_reference(house, _ids):
    (key,) = await house.accept_many(1)
    await house.settle()
    return [{"message_id": key, "provider_ref": "other", "status": "read"}]


async def with_an_end_that_no_id_has(house, _ids):
    (key,) = await house.accept_many(1)
    await house.settle()
    return [{"message_id": f"{key}\0", "status": "read"}]


ODD = [
    of_another_account,
    without_a_reference,
    settled_already,
    said_twice,
    of_a_message_of_nobody,
    by_the_reference_alone,
    with_another_reference,
    with_an_end_that_no_id_has,
]


@pytest.mark.parametrize("odd", ODD)
async def test_what_is_odd_is_left_to_the_other_ways(house, take_by, odd):
    ids = sorted(await house.accept_many(3))
    await house.settle()
    said = [{"message_id": key, "status": "delivered"} for key in ids]
    said += await odd(house, ids)
    noted = take_by("at once")
    await house.webhook(*(["status", each] for each in said))
    await house.engine.receive.process()
    assert {*noted} == {False}
    assert (await house.statuses(ids))[1:] == ["delivered", "delivered"]
