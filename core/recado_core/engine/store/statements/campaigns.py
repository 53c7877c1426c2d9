"""Statements on ``campaigns``, and on the messages that are theirs."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import campaigns, messages
from recado_core.engine.store.statements.among import among
from recado_core.engine.store.statements.many import rows_of
from recado_core.messages import Status

Row = dict[str, Any]

C = campaigns.c
M = messages.c

NOT_GONE = (Status.SCHEDULED, Status.QUEUED, Status.SENDING)
"""The statuses of a message that its campaign still waits for."""

# What a recipient's status is told by.
_TOLD = (
    M.id,
    M.recipient,
    M.account,
    M.address,
    M.text,
    M.segments,
    M.status,
    M.status_at,
    M.code,
    M.status_text,
    M.cost,
)


async def insert(connection: AsyncConnection, row: Row) -> None:
    """Insert a campaign."""
    await connection.execute(sa.insert(campaigns), [row])


async def insert_run(connection: AsyncConnection, row: Row) -> tuple[str, bool]:
    """Insert a run of a schedule unless it is there; return its id, and whether it is new."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(campaigns).on_conflict_do_nothing().returning(C.id)
    new: str | None = (await connection.execute(statement, [row])).scalar()
    if new is not None:
        return new, True
    there = sa.select(C.id).where(
        C.schedule_id == row["schedule_id"], C.occurrence == row["occurrence"]
    )
    found: str = (await connection.execute(there)).scalar_one()
    return found, False


async def get(connection: AsyncConnection, campaign_id: str) -> Row | None:
    """Return one campaign."""
    row = (await connection.execute(sa.select(campaigns).where(C.id == campaign_id))).mappings()
    found = row.first()
    return dict(found) if found else None


async def lock(connection: AsyncConnection, campaign_id: str) -> Row | None:
    """Return one campaign, kept from others until the commit."""
    statement = sa.select(campaigns).where(C.id == campaign_id).with_for_update()
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def page(
    connection: AsyncConnection, equal: Mapping[str, str], before: str | None, limit: int
) -> list[Row]:
    """Return campaigns, the newest first.

    Args:
        connection: The transaction's.
        equal: Columns and the values they must have, an empty one for none.
        before: Only ids below this one.
        limit: How many at the most.
    """
    statement = sa.select(campaigns).order_by(C.id.desc()).limit(limit)
    for column, value in equal.items():
        statement = statement.where(C[column] == value if value else C[column].is_(None))
    if before is not None:
        statement = statement.where(C.id < before)
    return rows_of(await connection.execute(statement))


async def active(connection: AsyncConnection, now: datetime) -> list[Row]:
    """Return the campaigns that are running, and those that are to start by now."""
    due = sa.and_(C.status == "scheduled", C.scheduled_at <= now)
    statement = (
        sa.select(campaigns)
        .where(
            # Spelled as in the partial index, so that SQLite sees that it applies.
            sa.text("status IN ('scheduled', 'running', 'paused')"),
            sa.or_(C.status == "running", due),
        )
        .order_by(C.id)
    )
    return rows_of(await connection.execute(statement))


async def being_canceled(connection: AsyncConnection) -> list[str]:
    """Return the ids of the canceled campaigns of which messages may still wait."""
    statement = sa.select(C.id).where(C.status == "canceled", C.finished_at.is_(None))
    return list((await connection.execute(statement.order_by(C.id))).scalars())


async def change(connection: AsyncConnection, campaign_id: str, **values: Any) -> None:  # noqa: ANN401  # of any column
    """Write columns of a campaign."""
    await connection.execute(sa.update(campaigns).where(C.id == campaign_id).values(values))


async def move_on(
    connection: AsyncConnection,
    campaign: Row,
    statuses: Collection[str],
    **values: Any,  # noqa: ANN401  # of any column
) -> bool:
    """Write columns of a campaign if it is where it was, and in one of these statuses.

    Returns:
        Whether it was.
    """
    statement = (
        sa.update(campaigns)
        .where(
            C.id == campaign["id"],
            C.position == campaign["position"],
            C.status.in_(sorted(statuses)),
        )
        .values(values)
    )
    return (await connection.execute(statement)).rowcount == 1


async def count_lately_waiting(connection: AsyncConnection, campaign_id: str, lately: int) -> int:
    """Count those that are queued or put off among the ``lately`` newest messages of a campaign.

    That many are looked at, however large the campaign and the queue are.
    """
    newest = (
        sa.select(M.status)
        .where(M.campaign_id == campaign_id)
        .order_by(M.id.desc())
        .limit(lately)
        .subquery()
    )
    statement = sa.select(sa.func.count()).where(
        newest.c.status.in_([Status.SCHEDULED, Status.QUEUED])
    )
    count: int = (await connection.execute(statement)).scalar_one()
    return count


async def waiting(
    connection: AsyncConnection, campaign_id: str, after: str, limit: int
) -> list[tuple[str, str]]:
    """Return id and status of a campaign's messages that have not gone, the oldest first.

    Args:
        connection: The transaction's.
        campaign_id: Whose.
        after: Only ids above this one.
        limit: How many at the most.
    """
    statement = (
        sa.select(M.id, M.status)
        .where(M.campaign_id == campaign_id, M.id > after, M.status.in_(NOT_GONE))
        .order_by(M.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await connection.execute(statement)]


async def messages_of(
    connection: AsyncConnection, campaign_id: str, addresses: Collection[str]
) -> dict[int, Row]:
    """Return a campaign's messages to these addresses, by the position of the recipient."""
    statement = sa.select(*_TOLD).where(
        among(connection, M.address, addresses),
        # So that no planner thinks of reading all of the campaign instead.
        sa.func.coalesce(M.campaign_id, "") == campaign_id,
    )
    rows = (await connection.execute(statement)).mappings()
    return {row["recipient"]: dict(row) for row in rows if row["recipient"] is not None}


async def messages_in(
    connection: AsyncConnection, campaign_id: str, status: str, after: str, limit: int
) -> list[Row]:
    """Return the messages of a campaign's recipients that are in a status, the oldest first."""
    statement = (
        sa.select(*_TOLD)
        .where(
            M.campaign_id == campaign_id,
            M.recipient.is_not(None),
            M.status == status,
            M.id > after,
        )
        .order_by(M.id)
        .limit(limit)
    )
    return rows_of(await connection.execute(statement))


async def oldest_messages(connection: AsyncConnection, campaign_id: str, limit: int) -> list[Row]:
    """Return the first messages of a campaign's recipients."""
    statement = (
        sa.select(*_TOLD)
        .where(M.campaign_id == campaign_id, M.recipient.is_not(None))
        .order_by(M.id)
        .limit(limit)
    )
    return rows_of(await connection.execute(statement))
