"""Statements on ``consents``."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import consents, messages
from recado_core.engine.store.statements.among import among
from recado_core.engine.store.statements.many import rows_of

Row = dict[str, Any]

C = consents.c


async def append(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Append to the history; every row has the same columns."""
    if rows:
        await connection.execute(sa.insert(consents), rows)


async def confirmed_since(
    connection: AsyncConnection, addresses: Collection[str], since: datetime
) -> set[str]:
    """Return the acts of one person, at any of these addresses, answered since then."""
    statement = (
        sa.select(C.act)
        .join_from(consents, messages, messages.c.id == C.confirmation_id)
        .where(among(connection, C.address, addresses), messages.c.created_at >= since)
    )
    return set((await connection.execute(statement)).scalars())


async def sources_since(
    connection: AsyncConnection,
    addresses: Collection[str],
    channel: str,
    act: str,
    since: datetime,
) -> set[str]:
    """Return by whom one person, at any of these addresses, did this act after that time."""
    statement = sa.select(C.source).where(
        among(connection, C.address, addresses),
        C.channel.in_(["", channel]),
        C.act == act,
        C.time > since,
    )
    return set((await connection.execute(statement)).scalars())


async def page(
    connection: AsyncConnection, addresses: Collection[str], before: str | None, limit: int
) -> list[Row]:
    """Return what was consented to at these addresses, or at all, the newest first."""
    statement = sa.select(consents).order_by(C.id.desc()).limit(limit)
    if addresses:
        statement = statement.where(C.address.in_(addresses))
    if before is not None:
        statement = statement.where(C.id < before)
    return rows_of(await connection.execute(statement))
