"""Statements on ``deliveries``."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.schema import deliveries, events, messages
from recado_core.engine.store.among import among

Row = dict[str, Any]

D = deliveries.c

_PENDING: sa.ColumnElement[str] = sa.literal_column("'pending'")


async def insert(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Insert deliveries; every row has the same columns."""
    if rows:
        await connection.execute(sa.insert(deliveries), rows)


async def take(
    connection: AsyncConnection, sink: str, now: datetime, until: datetime, limit: int
) -> list[Row]:
    """Take the first delivery of each thread, if it is due, and keep others from it till ``until``.

    Returns:
        The deliveries as they were before, the longest due first.
    """
    earlier = deliveries.alias("earlier")
    due = (
        sa.select(deliveries)
        .where(
            D.sink == sink,
            D.state == _PENDING,
            D.due_at <= now,
            ~sa.exists().where(
                earlier.c.sink == sink,
                earlier.c.thread == D.thread,
                earlier.c.state == _PENDING,
                earlier.c.id < D.id,
            ),
        )
        .order_by(D.due_at, D.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    rows = [dict(row) for row in (await connection.execute(due)).mappings()]
    if rows:
        taken = (
            sa.update(deliveries)
            .where(among(connection, D.id, [row["id"] for row in rows]))
            .values(due_at=until, repeated=True)
        )
        await connection.execute(taken)
    return rows


async def settle(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write how calls ended.

    Each row: ``id_``, ``state_``, ``attempts_``, ``repeated_``, ``due_at_``, ``settled_at_``,
    ``error_``.
    """
    if rows:
        statement = (
            sa.update(deliveries)
            .where(D.id == sa.bindparam("id_"), D.state == _PENDING)
            .values(
                state=sa.bindparam("state_"),
                attempts=sa.bindparam("attempts_"),
                repeated=sa.bindparam("repeated_"),
                due_at=sa.bindparam("due_at_"),
                settled_at=sa.bindparam("settled_at_"),
                error=sa.bindparam("error_"),
            )
        )
        await connection.execute(statement, rows)


async def told(
    connection: AsyncConnection, event_ids: Collection[str]
) -> tuple[dict[str, Row], dict[str, Row]]:
    """Return events by their ids, and the messages that they are about by theirs."""
    found = await connection.execute(
        sa.select(events).where(among(connection, events.c.id, event_ids))
    )
    by_id = {row["id"]: dict(row) for row in found.mappings()}
    ids = {row["message_id"] for row in by_id.values() if row["message_id"]}
    if not ids:
        return by_id, {}
    found = await connection.execute(
        sa.select(messages).where(among(connection, messages.c.id, ids))
    )
    return by_id, {row["id"]: dict(row) for row in found.mappings()}


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
    given_up = sa.select(sa.func.count()).where(
        D.sink == sink, D.state == sa.literal_column("'dead'")
    )
    dead = (await connection.execute(given_up)).scalar_one()
    last = (
        sa.select(D.settled_at)
        .where(D.sink == sink, D.state == sa.literal_column("'delivered'"))
        .order_by(D.id.desc())
        .limit(1)
    )
    delivered_at = (await connection.execute(last)).scalar()
    return {"pending": pending, "oldest": oldest, "dead": dead, "delivered_at": delivered_at}


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
        statement = statement.where(D.state == state)
    if before is not None:
        statement = statement.where(D.id < before)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def replay(
    connection: AsyncConnection, sink: str, ids: Collection[str] | None, now: datetime
) -> int:
    """Let deliveries that were given up, or these of any state, be made again; return how many."""
    statement = sa.update(deliveries).where(D.sink == sink, D.state != _PENDING)
    if ids is None:
        statement = statement.where(D.state == sa.literal_column("'dead'"))
    else:
        statement = statement.where(among(connection, D.id, ids))
    statement = statement.values(
        state="pending", attempts=0, due_at=now, settled_at=None, error=None, repeated=True
    )
    return (await connection.execute(statement)).rowcount
