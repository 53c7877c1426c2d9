"""Statements on ``schedules``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import campaigns, schedules
from recado_core.engine.store.statements.many import rows_of

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
    return rows_of(await connection.execute(statement))


async def change(connection: AsyncConnection, row: Row, values: Mapping[str, Any]) -> Row | None:
    """Change a schedule; return it, or None where somebody else has since this row was read."""
    statement = sa.update(schedules).where(*_is(row)).values(values).returning(schedules)
    found = (await connection.execute(statement)).mappings().first()
    return dict(found) if found else None


async def delete(connection: AsyncConnection, schedule_id: str) -> bool:
    """Delete a schedule; tell whether it was there."""
    statement = sa.delete(schedules).where(S.id == schedule_id)
    return (await connection.execute(statement)).rowcount > 0


async def due(
    connection: AsyncConnection, now: datetime, limit: int, after: Row | None = None
) -> list[Row]:
    """Return the schedules of which an occurrence has come, the one longest due first.

    Args:
        connection: The transaction's.
        now: The time.
        limit: How many at the most.
        after: Only those behind this one.
    """
    statement = (
        sa.select(schedules)
        .where(S.status == sa.literal_column("'active'"), S.next_at <= now)  # as the index has it
        .order_by(S.next_at, S.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(
            S.next_at >= after["next_at"],  # for the index
            sa.or_(S.next_at > after["next_at"], S.id > after["id"]),
        )
    return rows_of(await connection.execute(statement))


async def is_unchanged(connection: AsyncConnection, row: Row) -> bool:
    """Tell whether a schedule is as it was when this row was read."""
    return (await connection.execute(sa.select(S.id).where(*_is(row)))).first() is not None


async def move_on(  # noqa: PLR0913  # all that an occurrence leaves behind
    connection: AsyncConnection,
    row: Row,
    *,
    next_at: datetime | None,
    last_at: datetime | None,
    skipped: int,
    error: str | None,
) -> bool:
    """Note what became of what was due, if the schedule is as it was read; tell whether it was.

    Args:
        connection: The transaction's.
        row: The schedule, as it was read.
        next_at: The next occurrence; None: that was the last.
        last_at: The one that was sent or refused; None: those that were due were all skipped.
        skipped: How many were left out.
        error: Why it was refused, if it was.
    """
    values: Row = {"next_at": next_at, "skipped": S.skipped + skipped}
    if last_at is not None:
        values |= {"last_at": last_at, "error": error, "runs": S.runs + int(error is None)}
    if next_at is None:
        values["status"] = "finished"
    # Whoever holds the row is about to change it: it is not waited for, so that nodes that take
    # many at once don't wait crosswise.
    unheld = sa.select(S.id).where(*_is(row)).with_for_update(skip_locked=True)
    statement = (
        sa.update(schedules)
        .where(S.id == unheld.correlate(None).scalar_subquery())
        .values(values)
        .returning(S.id)
    )
    return (await connection.execute(statement)).first() is not None


async def campaign_exists(connection: AsyncConnection, campaign_id: str) -> bool:
    """Tell whether there is a campaign of this id."""
    statement = sa.select(campaigns.c.id).where(campaigns.c.id == campaign_id)
    return (await connection.execute(statement)).first() is not None


def _is(row: Row) -> tuple[sa.ColumnElement[bool], ...]:
    """Return what holds of a schedule that nobody has changed or moved on since it was read."""
    return (
        S.id == row["id"],
        S.status == row["status"],
        S.updated_at == row["updated_at"],
        S.next_at.is_not_distinct_from(row["next_at"]),
    )
