"""Statements on ``deliveries``."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import (
    Instant,
    conversations,
    deliveries,
    events,
    messages,
)
from recado_core.engine.store.statements.among import among, json_of_map
from recado_core.engine.store.statements.many import inserting, rows_of
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Step

Row = dict[str, Any]

D = deliveries.c

# Written out, because a parameter would keep the planners from the partial indexes.
_PENDING: sa.ColumnElement[str] = sa.literal_column("'pending'")
_DELIVERED: sa.ColumnElement[str] = sa.literal_column("'delivered'")
_DEAD: sa.ColumnElement[str] = sa.literal_column("'dead'")
_STATES = {"pending": _PENDING, "delivered": _DELIVERED, "dead": _DEAD}

OUTCOME, NOTE = "/o", "/n"
"""How the threads end that are not of the conversation itself."""
LOOKED_AT = 1000
"""Deliveries that are looked at, at the most, to see whether others fare as one does."""


def inserted(dialect: str, rows: Sequence[Row]) -> list[Step]:
    """Return the steps that insert deliveries; every row has the same columns."""
    return inserting(dialect, deliveries, rows)


def inserted_if_told(like: Row, prefix: str, ids: Mapping[str, str]) -> Step:
    """Return SQLite's step that inserts deliveries of conversations' events that are there.

    Args:
        like: What all of them have: ``sink``, ``background``, ``now`` and the thread's ``ending``.
        prefix: How their threads begin, up to the address.
        ids: The events' ids by the deliveries'.
    """
    values = {f"{name}_": value for name, value in like.items()}
    return _IF_TOLD.step(values | {"prefix_": prefix, "ids": json_of_map(ids)})


_GIVEN = sa.func.json_each(sa.bindparam("ids", type_=sa.Text)).table_valued("key", "value").c
_ADDRESS = (
    sa.select(sa.func.json_extract(events.c.data, "$.address"))
    .where(events.c.id == _GIVEN.value)
    .scalar_subquery()
)
_NOW = sa.bindparam("now_", type_=Instant())
_TOLD = {
    "id": _GIVEN.key,
    "sink": sa.bindparam("sink_", type_=sa.String()),
    "event_id": _GIVEN.value,
    "thread": sa.bindparam("prefix_", type_=sa.String())
    + _ADDRESS
    + sa.bindparam("ending_", type_=sa.String()),
    "background": sa.bindparam("background_", type_=sa.Boolean()),
    "created_at": _NOW,
    "due_at": _NOW,
}
_IF_TOLD = Prepared(
    sa.insert(deliveries).from_select(
        list(_TOLD),
        sa.select(*_TOLD.values()).where(sa.exists().where(events.c.id == _GIVEN.value)),
    )
)


async def due(
    connection: AsyncConnection, sink: str, now: datetime, limit: int, *, background: bool = False
) -> list[str]:
    """Return the ids of deliveries that may be taken: due, and the first of their threads."""
    statement = (
        sa.select(D.id)
        .where(
            D.sink == sink,
            D.state == _PENDING,
            D.background == background,
            D.due_at <= now,
            D.id == _first(sink),
        )
        .order_by(D.due_at, D.id)
        .limit(limit)
    )
    return list((await connection.execute(statement)).scalars())


async def take(
    connection: AsyncConnection, sink: str, ids: Collection[str], now: datetime, until: datetime
) -> list[Row]:
    """Take those of these deliveries that still may be, and keep others from them till ``until``.

    Returns:
        The deliveries as they were before, with ``until``; the longest due first, notes last.
    """
    statement = (
        sa.select(deliveries)
        .where(
            among(connection, D.id, ids),
            D.state == _PENDING,
            D.due_at <= now,
            D.id == _first(sink),
        )
        .order_by(D.background, D.due_at, D.id)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    rows = rows_of(await connection.execute(statement))
    if rows:
        taken = (
            sa.update(deliveries)
            .where(among(connection, D.id, [row["id"] for row in rows]))
            .values(due_at=until, repeated=True)
        )
        await connection.execute(taken)
    return [row | {"until": until} for row in rows]


def _first(sink: str) -> sa.ScalarSelect[str]:
    """Return the id of the first delivery that waits in the thread of the one at hand.

    Sought from the thread on, not in it: only one index has this order, so that no planner can take
    another, and none can make a join of all that waits out of it.
    """
    first = deliveries.alias("first")
    return (
        sa.select(first.c.id)
        .where(first.c.sink == sink, first.c.thread >= D.thread, first.c.state == _PENDING)
        .order_by(first.c.thread, first.c.id)
        .limit(1)
        .correlate(deliveries)
        .scalar_subquery()
    )


async def is_poison(connection: AsyncConnection, sink: str, row: Row, tried: datetime) -> bool:
    """Tell whether the fault is that of this event, and not the sink's.

    It is the event's if no other person's fails as well, or if the sink has taken those of as many
    others since ``tried``, when this one failed before: a few are taken by a broken system too.
    Notes are compared with notes, and the rest with the rest, as notes may go by a way of their
    own. Only the latest deliveries and those that are due last are looked at, which an index has in
    their order: what fails waits for longer than what was never tried.
    """
    latest = (
        sa.select(D.settled_at, D.thread, D.background)
        .where(D.sink == sink, D.state == _DELIVERED, D.error.is_(None))
        .order_by(D.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    last = (
        sa.select(D.thread, D.failing_since)
        .where(
            D.sink == sink,
            D.state == _PENDING,
            D.background == row["background"],
            D.due_at >= row["failing_since"],
        )
        .order_by(D.due_at.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    taken = sa.select(latest.c.thread).where(
        latest.c.settled_at >= tried, latest.c.background == row["background"]
    )
    failing = sa.select(last.c.thread).where(last.c.failing_since.is_not(None))
    own = {_person(row["thread"])}
    others = {_person(each) for each in (await connection.execute(failing)).scalars()} - own
    if not others:
        return True
    served = {_person(each) for each in (await connection.execute(taken)).scalars()} - own
    return len(served) >= len(others)


def _person(thread: str) -> str:
    """Return a thread without its lane."""
    return thread.removesuffix(OUTCOME).removesuffix(NOTE)


async def settle(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write how calls ended; of one that another process has taken since, nothing.

    Each row: ``id_``, ``until_`` (as it was taken), ``state_``, ``attempts_``, ``repeated_``,
    ``due_at_``, ``settled_at_``, ``error_``, ``failing_since_``.
    """
    if rows:
        statement = (
            sa.update(deliveries)
            .where(
                D.id == sa.bindparam("id_"),
                D.state == _PENDING,
                D.due_at == sa.bindparam("until_"),
            )
            .values(
                state=sa.bindparam("state_"),
                attempts=sa.bindparam("attempts_"),
                repeated=sa.bindparam("repeated_"),
                due_at=sa.bindparam("due_at_"),
                settled_at=sa.bindparam("settled_at_"),
                error=sa.bindparam("error_"),
                failing_since=sa.bindparam("failing_since_"),
            )
        )
        await connection.execute(statement, sorted(rows, key=lambda row: str(row["id_"])))


async def told(
    connection: AsyncConnection, event_ids: Collection[str]
) -> tuple[dict[str, Row], dict[str, Row]]:
    """Return events, and the messages that they are about, both by the events' ids.

    A message has the ``conversation_id`` that it had where the event happened, or None, and the
    ``first_id`` of those that were sent again before it: its own where it is no such.
    """
    found = await connection.execute(
        sa.select(events).where(among(connection, events.c.id, event_ids))
    )
    by_id = {row["id"]: dict(row) for row in found.mappings()}
    conversation = sa.and_(
        conversations.c.address == messages.c.address,
        conversations.c.account == events.c.account,
        conversations.c.channel == messages.c.channel,
    )
    statement = (
        sa.select(
            events.c.id.label("event_id"), messages, conversations.c.id.label("conversation_id")
        )
        .join_from(events, messages, messages.c.id == events.c.message_id)
        .outerjoin(conversations, conversation)
        .where(among(connection, events.c.id, event_ids))
    )
    found = await connection.execute(statement)
    about = {row["event_id"]: dict(row) for row in found.mappings()}
    firsts = await _firsts(connection, {row["resend_of"] for row in about.values()} - {None})
    for row in about.values():
        row["first_id"] = firsts.get(row["resend_of"], row["id"])
    return by_id, about


async def _firsts(connection: AsyncConnection, ids: Collection[str]) -> dict[str, str]:
    """Return of messages that were sent again which was the first, as far as they are stored."""
    firsts = {each: each for each in ids}
    while firsts:
        statement = sa.select(messages.c.id, messages.c.resend_of).where(
            among(connection, messages.c.id, set(firsts.values())),
            messages.c.resend_of.is_not(None),
        )
        earlier = {row.id: row.resend_of for row in await connection.execute(statement)}
        if not earlier:
            break
        firsts = {each: earlier.get(first, first) for each, first in firsts.items()}
    return firsts


async def sinks_with_pending(connection: AsyncConnection) -> list[str]:
    """Return the sinks for which deliveries wait.

    From one to the next in the index: DISTINCT would read all that waits.
    """
    found: list[str] = []
    while True:
        following = sa.select(sa.func.min(D.sink)).where(
            D.state == _PENDING, D.sink > (found[-1] if found else "")
        )
        sink = (await connection.execute(following)).scalar()
        if sink is None:
            return found
        found.append(sink)


async def state_of(connection: AsyncConnection, sink: str) -> Row:
    """Return how many deliveries wait, how many are dead, and since when the oldest waits."""
    waiting = sa.select(sa.func.count(), sa.func.min(D.created_at)).where(
        D.sink == sink, D.state == _PENDING
    )
    pending, oldest = (await connection.execute(waiting)).one()
    given_up = sa.select(sa.func.count()).where(D.sink == sink, D.state == _DEAD)
    dead = (await connection.execute(given_up)).scalar_one()
    return {
        "pending": pending,
        "oldest": oldest,
        "dead": dead,
        "delivered_at": await last_delivered(connection, sink),
    }


async def last_delivered(
    connection: AsyncConnection, sink: str, *, without_notes: bool = False
) -> datetime | None:
    """Return when the latest event that a sink was told was delivered; others have an error."""
    statement = (
        sa.select(D.settled_at)
        .where(D.sink == sink, D.state == _DELIVERED, D.error.is_(None))
        .order_by(D.id.desc())
        .limit(1)
    )
    if without_notes:
        statement = statement.where(D.background == sa.false())
    found: datetime | None = (await connection.execute(statement)).scalar()
    return found


async def page(
    connection: AsyncConnection, sink: str, state: str | None, before: str | None, limit: int
) -> list[Row]:
    """Return a sink's deliveries with their events' types, the newest first."""
    statement = (
        sa.select(deliveries, events.c.type, events.c.message_id)
        .join_from(deliveries, events, events.c.id == D.event_id)
        .where(D.sink == sink)
        .order_by(D.id.desc())
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(D.state == _STATES[state])
    if before is not None:
        statement = statement.where(D.id < before)
    return rows_of(await connection.execute(statement))


async def replay(
    connection: AsyncConnection, sink: str, ids: Collection[str] | None, now: datetime
) -> int:
    """Let deliveries that were given up, or these of any state, be made again; return how many.

    One goes before what waits in its thread, but not beside it: a call may be under way.
    """
    wanted = D.state == _DEAD if ids is None else among(connection, D.id, ids)
    chosen = (
        sa.select(D.id, D.thread)
        .where(D.sink == sink, D.state != _PENDING, wanted)
        .order_by(D.id)
        .with_for_update()
    )
    threads = {row.id: row.thread for row in await connection.execute(chosen)}
    busy = await _lock_waiting(connection, sink, set(threads.values()))
    again = (
        sa.update(deliveries)
        .where(D.id == sa.bindparam("id_"))
        .values(
            state="pending",
            attempts=0,
            due_at=sa.bindparam("due_at_"),
            settled_at=None,
            error=None,
            repeated=sa.or_(D.repeated, D.state == _DELIVERED),
            failing_since=None,
        )
    )
    rows = [
        {"id_": key, "due_at_": max(now, busy.get(thread, now))} for key, thread in threads.items()
    ]
    if rows:
        await connection.execute(again, rows)
    return len(rows)


async def _lock_waiting(
    connection: AsyncConnection, sink: str, threads: Collection[str]
) -> dict[str, datetime]:
    """Let nobody take what waits in these threads; return when the last of each is due."""
    statement = (
        sa.select(D.thread, D.due_at)
        .where(D.sink == sink, among(connection, D.thread, threads), D.state == _PENDING)
        .order_by(D.thread, D.id)
        .with_for_update()
    )
    last: dict[str, datetime] = {}
    for thread, due_at in await connection.execute(statement):
        last[thread] = max(due_at, last.get(thread, due_at))
    return last
