"""Statements on ``accounts`` and ``nodes``."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import accounts, nodes
from recado_core.engine.store.statements.many import rows_of
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Guard

Row = dict[str, Any]

A = accounts.c
N = nodes.c


async def ensure(connection: AsyncConnection, name: str, webhook_token: str, now: datetime) -> Row:
    """Return the account's row, made with this token if it is new."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(accounts).values(
        name=name,
        webhook_token=webhook_token,
        replies_until=now,
        replies_due_at=now,
        balance_due_at=now,
    )
    await connection.execute(statement.on_conflict_do_nothing())
    found = await connection.execute(sa.select(accounts).where(A.name == name))
    return dict(found.mappings().one())


async def list_all(connection: AsyncConnection) -> dict[str, Row]:
    """Return every account's row by its name."""
    return {
        row["name"]: dict(row) for row in (await connection.execute(sa.select(accounts))).mappings()
    }


async def pause(connection: AsyncConnection, name: str, reason: str, now: datetime) -> bool:
    """Pause an account; tell whether it was active."""
    statement = (
        sa.update(accounts)
        .where(A.name == name, A.paused_at.is_(None))
        .values(paused_at=now, reason=reason)
    )
    return (await connection.execute(statement)).rowcount > 0


async def resume(connection: AsyncConnection, name: str) -> bool:
    """Resume an account; tell whether it was paused."""
    statement = (
        sa.update(accounts)
        .where(A.name == name, A.paused_at.is_not(None))
        .values(paused_at=None, reason=None)
    )
    return (await connection.execute(statement)).rowcount > 0


async def take_reply_round(
    connection: AsyncConnection, name: str, now: datetime, next_at: datetime
) -> datetime | None:
    """Return up to when MOs have been asked for, if it is this node's turn to ask; else None."""
    statement = (
        sa.update(accounts)
        .where(A.name == name, _is_due(A.replies_due_at, now, next_at))
        .values(replies_due_at=next_at)
        .returning(A.replies_until)
    )
    row = (await connection.execute(statement)).first()
    return row.replies_until if row is not None else None


async def end_reply_round(connection: AsyncConnection, name: str, until: datetime) -> None:
    """Note up to when MOs have been asked for."""
    statement = sa.update(accounts).where(A.name == name).values(replies_until=until)
    await connection.execute(statement)


async def take_balance_round(
    connection: AsyncConnection, name: str, now: datetime, next_at: datetime
) -> bool:
    """Tell whether it is this node's turn to ask for the balance."""
    statement = (
        sa.update(accounts)
        .where(A.name == name, _is_due(A.balance_due_at, now, next_at))
        .values(balance_due_at=next_at)
    )
    return (await connection.execute(statement)).rowcount > 0


async def note_balance(
    connection: AsyncConnection, name: str, balance: str, now: datetime, *, low: bool
) -> bool:
    """Write an account's balance; tell whether ``low`` is another than before."""
    was = sa.select(A.balance_low).where(A.name == name).with_for_update()
    before = (await connection.execute(was)).scalar_one()
    values = {"balance": balance, "balance_at": now, "balance_low": low}
    await connection.execute(sa.update(accounts).where(A.name == name).values(values))
    return bool(before) is not low


def _is_due(
    due_at: sa.ColumnElement[datetime], now: datetime, next_at: datetime
) -> sa.ColumnElement[bool]:
    # One further off than a whole round was set by a clock that was ahead, or for rarer rounds.
    return sa.or_(due_at <= now, due_at > next_at)


async def insert_node(connection: AsyncConnection, row: Row) -> None:
    """Add this process to those that share the store."""
    await connection.execute(sa.insert(nodes), [row])


async def beat(connection: AsyncConnection, node_id: str, now: datetime) -> bool:
    """Say that a node lives; tell whether the others still think so."""
    statement = sa.update(nodes).where(N.id == node_id).values(heartbeat_at=now)
    return (await connection.execute(statement)).rowcount > 0


_HOLDING = Prepared(sa.select(N.id).where(N.id == sa.bindparam("node")).with_for_update(read=True))


async def hold(connection: AsyncConnection, node_id: str) -> bool:
    """Tell whether a node is on the list, and keep it there until the commit."""
    return bool(await _HOLDING.rows(connection, {"node": node_id}))


def is_held(node_id: str) -> Guard:
    """Return SQLite's guard that a node is on the list."""
    return _COUNTING.guard({"node": node_id}, 1)


_COUNTING = Prepared(sa.select(sa.func.count()).where(N.id == sa.bindparam("node")))


async def hold_account(connection: AsyncConnection, account: str) -> None:
    """Keep others from holding an account until the commit."""
    await connection.execute(sa.select(A.name).where(A.name == account).with_for_update())


async def list_nodes(connection: AsyncConnection) -> list[Row]:
    """Return every node."""
    return rows_of(await connection.execute(sa.select(nodes)))


async def delete_node(connection: AsyncConnection, node_id: str) -> None:
    """Take a node off the list."""
    await connection.execute(sa.delete(nodes).where(N.id == node_id))
