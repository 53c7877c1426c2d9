"""Statements on ``links``."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import links
from recado_core.engine.store.statements.many import rows_of
from recado_core.engine.store.statements.paging import newest_first

Row = dict[str, Any]

L = links.c


async def insert(connection: AsyncConnection, row: Row) -> None:
    """Insert a link."""
    await connection.execute(sa.insert(links), [row])


async def insert_new(connection: AsyncConnection, row: Row) -> str:
    """Insert a link unless its code is taken; return where the link with this code leads."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    await connection.execute(dialect.insert(links).on_conflict_do_nothing(), [row])
    found: str = (
        await connection.execute(sa.select(L.url).where(L.code == row["code"]))
    ).scalar_one()
    return found


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
    statement = newest_first(sa.select(links), L.created_at, L.code, before, limit)
    return rows_of(await connection.execute(statement))
