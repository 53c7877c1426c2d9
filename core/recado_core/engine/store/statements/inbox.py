"""Statements on ``inbox``."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import Instant, inbox
from recado_core.engine.store.statements.among import among_named, json_of
from recado_core.engine.store.statements.many import inserting
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Step

Row = dict[str, Any]

I = inbox.c  # noqa: E741  # the table's initial, as in the other rooms


async def insert(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Store webhooks; one whose account and digest are there already is not stored again.

    Where that one could not be processed so far it is tried at once, as its sender does.
    """
    await connection.execute(_storing(connection.dialect.name), rows)


def inserted(rows: Sequence[Row]) -> list[Step]:
    """Return the steps by which SQLite does what ``insert`` does."""
    return inserting("sqlite", inbox, rows, _AGAIN)


@cache
def _storing(dialect: str) -> sa.Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(inbox)
    again = {
        "state": sa.literal_column("'pending'"),
        "attempts": sa.literal_column("0"),
        "due_at": statement.excluded.due_at,
    }
    return statement.on_conflict_do_update(
        index_elements=[I.account, I.digest],
        set_=again,
        where=I.state != sa.literal_column("'done'"),
    )


_AGAIN = (
    " ON CONFLICT"
    + str(_storing("sqlite").compile(dialect=sqlite.dialect())).partition(" ON CONFLICT")[2]
)


async def lock_pending(connection: AsyncConnection, now: datetime, limit: int) -> list[Row]:
    """Return the webhooks to process, the oldest first, and keep other nodes off them."""
    return await _PENDING.rows(connection, {"now": now, "limit": limit})


_DUE = I.state == sa.literal_column("'pending'"), I.due_at <= sa.bindparam("now", type_=Instant())
_PENDING = Prepared(
    sa.select(inbox)
    .where(*_DUE)
    .order_by(I.due_at)
    .limit(sa.bindparam("limit", type_=sa.Integer()))
    .with_for_update(skip_locked=True)
)


async def pending(connection: AsyncConnection, now: datetime, limit: int) -> list[Row]:
    """Return ``id``, ``account`` and the body's ``size`` of what ``lock_pending`` returns whole.

    Nobody is kept off.
    """
    return await _WAITING.rows(connection, {"now": now, "limit": limit})


_WAITING = Prepared(
    sa.select(I.id, I.account, sa.func.length(I.body).label("size"))
    .where(*_DUE)
    .order_by(I.due_at)
    .limit(sa.bindparam("limit", type_=sa.Integer()))
)


async def whole(connection: AsyncConnection, ids: Sequence[str]) -> list[Row]:
    """Return these webhooks."""
    values = {"ids": json_of(ids)}
    return await _whole(connection.dialect.name).rows(connection, values)


@cache
def _whole(dialect: str) -> Prepared:
    return Prepared(sa.select(inbox).where(among_named(dialect, I.id, "ids")))


async def finish(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Mark webhooks as processed."""
    if ids:
        values = {"ids": json_of(ids)}
        await _finishing(connection.dialect.name).run(connection, values)


def finished(ids: Sequence[str]) -> Step:
    """Return the step of SQLite's that marks webhooks as processed: all must still wait for it."""
    return _finishing("sqlite").exactly({"ids": json_of(ids)}, len(ids))


@cache
def _finishing(dialect: str) -> Prepared:
    waiting = among_named(dialect, I.id, "ids"), I.state == sa.literal_column("'pending'")
    return Prepared(sa.update(inbox).where(*waiting).values(state="done"))


async def postpone(
    connection: AsyncConnection, webhook_id: str, due_at: datetime | None, error: str
) -> None:
    """Try a webhook again at ``due_at``; None: give it up."""
    values: dict[str, Any] = {"attempts": I.attempts + 1, "error": error}
    values |= {"state": "failed"} if due_at is None else {"due_at": due_at}
    await connection.execute(sa.update(inbox).where(I.id == webhook_id).values(values))
