"""Statements on ``schedules``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import campaigns, schedules

Row = dict[str, Any]

S = schedules.c


async def insert(connection: AsyncConnection, row: Row) -> None:
    """Insert a schedule."""
    await connection.execute(sa.insert(schedules), [row])


async def get(connection: AsyncConnection, schedule_id: str) -> Row | None:
    """Return one schedule."""
    statement = sa.select(schedules).where(S.id == schedule_id)
    found = (await connection.execute(statement)).mappings().first()
    return dict(found) if found else None


async def page(
    connection: AsyncConnection, equal: Mapping[str, str], before: str | None, limit: int
) -> list[Row]:
    """Return schedules, the newest first.

    Args:
        connection: The transaction's.
        equal: Columns and the values they must have.
        before: Only ids below this one.
        limit: How many at the most.
    """
    statement = sa.select(schedules).order_by(S.id.desc()).limit(limit)
    for column, value in equal.items():
        statement = statement.where(S[column] == value)
    if before is not None:
        statement = statement.where(S.id < before)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def change(connection: AsyncConnection, row: Row, values: Mapping[str, Any]) -> Row | None:
    """Change a schedule; return it, or None where somebody else has since this row was read."""
    statement = (
        sa.update(schedules)
        .where(S.id == row["id"], S.status == row["status"], S.updated_at == row["updated_at"])
        .values(values)
        .returning(schedules)
    )
    found = (await connection.execute(statement)).mappings().first()
    return dict(found) if found else None


async def delete(connection: AsyncConnection, schedule_id: str) -> bool:
    """Delete a schedule; tell whether it was there."""
    statement = sa.delete(schedules).where(S.id == schedule_id)
    return (await connection.execute(statement)).rowcount > 0


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[Row]:
    """Return the schedules of which an occurrence has come, the one longest due first."""
    statement = (
        sa.select(schedules)
        .where(S.status == sa.literal_column("'active'"), S.next_at <= now)  # as the index has it
        .order_by(S.next_at)
        .limit(limit)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def move_on(  # noqa: PLR0913  # all that an occurrence leaves behind
    connection: AsyncConnection,
    row: Row,
    *,
    next_at: datetime | None,
    last_at: datetime | None,
    runs: int,
    skipped: int,
    error: str | None,
) -> bool:
    """Note what became of an occurrence, unless it is not the next any more; tell whether it was.

    Args:
        connection: The transaction's.
        row: The schedule, as it was when the occurrence was due.
        next_at: The next occurrence; None: that was the last.
        last_at: The one that was run, if one was.
        runs: How many were run.
        skipped: How many were left out.
        error: Why one was refused.
    """
    values: Row = {
        "next_at": next_at,
        "runs": S.runs + runs,
        "skipped": S.skipped + skipped,
        "error": error,
    }
    if last_at is not None:
        values["last_at"] = last_at
    if next_at is None:
        values["status"] = "finished"
    statement = (
        sa.update(schedules)
        .where(S.id == row["id"], S.next_at == row["next_at"])
        .values(values)
        .returning(S.id)
    )
    return (await connection.execute(statement)).first() is not None


async def campaign_exists(connection: AsyncConnection, campaign_id: str) -> bool:
    """Tell whether there is a campaign of this id."""
    statement = sa.select(campaigns.c.id).where(campaigns.c.id == campaign_id)
    return (await connection.execute(statement)).first() is not None
