"""Statements on ``templates``."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import templates
from recado_core.engine.store.statements.among import among
from recado_core.engine.store.statements.many import rows_of
from recado_core.engine.store.statements.paging import newest_first

Row = dict[str, Any]

T = templates.c


async def insert_new(connection: AsyncConnection, row: Row) -> bool:
    """Insert a template, unless there is one of this name; tell whether it was inserted."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(templates).on_conflict_do_nothing().returning(T.name)
    return (await connection.execute(statement, [row])).first() is not None


async def update(connection: AsyncConnection, row: Row) -> Row | None:
    """Write a template anew but for the time at which it was made; return it, if there is one."""
    statement = (
        sa.update(templates)
        .where(T.name == row["name"])
        .values({name: row[name] for name in ("description", "variants", "updated_at")})
        .returning(templates)
    )
    found = (await connection.execute(statement)).mappings().first()
    return dict(found) if found else None


async def delete(connection: AsyncConnection, name: str) -> bool:
    """Delete a template; tell whether it was there."""
    statement = sa.delete(templates).where(T.name == name)
    return (await connection.execute(statement)).rowcount > 0


async def get(connection: AsyncConnection, name: str) -> Row | None:
    """Return one template."""
    statement = sa.select(templates).where(T.name == name)
    found = (await connection.execute(statement)).mappings().first()
    return dict(found) if found else None


async def named(connection: AsyncConnection, names: Collection[str]) -> list[Row]:
    """Return the templates of these names."""
    statement = sa.select(templates).where(among(connection, T.name, names))
    return rows_of(await connection.execute(statement))


async def page(
    connection: AsyncConnection, before: tuple[datetime, str] | None, limit: int
) -> list[Row]:
    """Return templates, the newest first.

    Args:
        connection: The transaction's.
        before: The time and the name with which the page before ended.
        limit: How many at the most.
    """
    statement = newest_first(sa.select(templates), T.created_at, T.name, before, limit)
    return rows_of(await connection.execute(statement))
