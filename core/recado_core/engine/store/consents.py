"""Statements on ``consents``."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.schema import consents
from recado_core.engine.store.among import among

Row = dict[str, Any]

C = consents.c


async def append(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Append to the history; every row has the same columns."""
    if rows:
        await connection.execute(sa.insert(consents), rows)


async def confirmed_since(
    connection: AsyncConnection, addresses: Collection[str], since: datetime
) -> set[tuple[str, str]]:
    """Return the addresses and acts that have been answered since then."""
    statement = sa.select(C.address, C.act).where(
        among(connection, C.address, addresses),
        C.confirmation_id.is_not(None),
        C.time >= since,
    )
    return {(row.address, row.act) for row in await connection.execute(statement)}


async def page(
    connection: AsyncConnection, address: str | None, before: str | None, limit: int
) -> list[Row]:
    """Return what was consented to, the newest first."""
    statement = sa.select(consents).order_by(C.id.desc()).limit(limit)
    if address is not None:
        statement = statement.where(C.address == address)
    if before is not None:
        statement = statement.where(C.id < before)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
