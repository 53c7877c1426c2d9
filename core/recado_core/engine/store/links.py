"""Statements on ``links``."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.schema import links

Row = dict[str, Any]

L = links.c


async def insert(connection: AsyncConnection, row: Row) -> None:
    """Insert a link."""
    await connection.execute(sa.insert(links), [row])


async def click(connection: AsyncConnection, code: str, now: datetime) -> str | None:
    """Count a click; return where the link leads, or None if there is no such link."""
    statement = (
        sa.update(links)
        .where(L.code == code)
        .values(clicks=L.clicks + 1, last_click_at=now)
        .returning(L.url)
    )
    found: str | None = (await connection.execute(statement)).scalar()
    return found


async def page(
    connection: AsyncConnection, before: tuple[datetime, str] | None, limit: int
) -> list[Row]:
    """Return links, the newest first.

    Args:
        connection: The transaction's.
        before: The time and the code with which the page before ended.
        limit: How many at the most.
    """
    statement = sa.select(links).order_by(L.created_at.desc(), L.code.desc()).limit(limit)
    if before is not None:
        at, code = before
        statement = statement.where(
            sa.or_(L.created_at < at, sa.and_(L.created_at == at, L.code < code))
        )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
