"""Statements on ``accounts`` and ``nodes``."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.schema import accounts, nodes

Row = dict[str, Any]

A = accounts.c
N = nodes.c


async def ensure(connection: AsyncConnection, name: str, webhook_token: str) -> Row:
    """Return the account's row, made with this token if it is new."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(accounts).values(name=name, webhook_token=webhook_token)
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


async def insert_node(connection: AsyncConnection, row: Row) -> None:
    """Add this process to those that share the store."""
    await connection.execute(sa.insert(nodes), [row])


async def beat(connection: AsyncConnection, node_id: str, now: datetime) -> bool:
    """Say that a node lives; tell whether the others still think so."""
    statement = sa.update(nodes).where(N.id == node_id).values(heartbeat_at=now)
    return (await connection.execute(statement)).rowcount > 0


async def hold(connection: AsyncConnection, node_id: str) -> bool:
    """Tell whether a node is on the list, and keep it there until the commit."""
    statement = sa.select(N.id).where(N.id == node_id).with_for_update(read=True)
    return (await connection.execute(statement)).first() is not None


async def list_nodes(connection: AsyncConnection) -> list[Row]:
    """Return every node."""
    return [dict(row) for row in (await connection.execute(sa.select(nodes))).mappings()]


async def delete_node(connection: AsyncConnection, node_id: str) -> None:
    """Take a node off the list."""
    await connection.execute(sa.delete(nodes).where(N.id == node_id))
