"""Statements on ``recipients`` and ``audience_imports``."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import audience_imports, recipients
from recado_core.engine.store.statements.among import each_of
from recado_core.engine.store.statements.many import insert_many, rows_of

Row = dict[str, Any]

R = recipients.c
I = audience_imports.c  # noqa: E741  # as the other tables are abbreviated

LATER = b"\0" * 32
"""The digest of no file: the row that holds what was found to be wrong only later."""


async def insert(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Insert recipients; every row has the same columns."""
    await insert_many(connection, recipients, rows)


async def last_position(connection: AsyncConnection, audience_id: str) -> int:
    """Return the position of an audience's last row; 0: there is none."""
    statement = sa.select(sa.func.max(R.position)).where(R.audience_id == audience_id)
    return (await connection.execute(statement)).scalar() or 0


async def known(
    connection: AsyncConnection, audience_id: str, addresses: Collection[str]
) -> set[str]:
    """Return those of the addresses that an audience has."""
    asked = each_of(connection, addresses)
    # Looked up one by one, whatever the planner believes of the table: it has grown just now.
    there = (
        sa.select(sa.literal(1))
        .where(
            R.audience_id == audience_id,
            R.address == asked.c.value,
            sa.text("fault IS NULL"),  # spelled as in the partial index
        )
        .limit(1)
        .scalar_subquery()
    )
    statement = sa.select(asked.c.value).where(there.is_not(None))
    return set((await connection.execute(statement)).scalars())


async def following(
    connection: AsyncConnection, audience_id: str, after: int, limit: int
) -> list[Row]:
    """Return the rows of an audience that come after a position."""
    statement = (
        sa.select(recipients)
        .where(R.audience_id == audience_id, R.position > after)
        .order_by(R.position)
        .limit(limit)
    )
    return rows_of(await connection.execute(statement))


async def usable(
    connection: AsyncConnection, audience_id: str, after: int, limit: int
) -> list[Row]:
    """Return the rows of an audience after a position that have no fault."""
    statement = (
        sa.select(recipients)
        .where(R.audience_id == audience_id, R.position > after, R.fault.is_(None))
        .order_by(R.position)
        .limit(limit)
    )
    return rows_of(await connection.execute(statement))


async def faulty(  # noqa: PLR0913  # of which, from where to where, which
    connection: AsyncConnection,
    audience_id: str,
    after: int,
    limit: int,
    *,
    begins: str,
    so: bool,
    last: int | None = None,
) -> list[Row]:
    """Return the rows of an audience after a position that have a fault.

    Args:
        connection: The transaction's.
        audience_id: Of which.
        after: Only positions above this one.
        limit: How many at the most.
        begins: How their faults begin.
        so: Whether those are wanted that begin so, or the others.
        last: Only positions up to this one.
    """
    begin = R.fault.startswith(begins, autoescape=True)
    statement = (
        sa.select(recipients)
        .where(
            R.audience_id == audience_id,
            R.position > after,
            R.fault.is_not(None),
            begin if so else ~begin,
        )
        .order_by(R.position)
        .limit(limit)
    )
    if last is not None:
        statement = statement.where(R.position <= last)
    return rows_of(await connection.execute(statement))


async def at(
    connection: AsyncConnection, audience_id: str, positions: Collection[int]
) -> dict[int, Row]:
    """Return the rows of an audience at these positions."""
    statement = sa.select(recipients).where(
        R.audience_id == audience_id, R.position.in_(sorted(positions))
    )
    return {row["position"]: dict(row) for row in (await connection.execute(statement)).mappings()}


async def fault(
    connection: AsyncConnection, audience_id: str, faults: Mapping[int, str], now: datetime
) -> None:
    """Write why there is no message for some of an audience, by position, and count them so."""
    if not faults:
        return
    statement = (
        sa.update(recipients)
        .where(R.audience_id == audience_id, R.position == sa.bindparam("position_"))
        .values(fault=sa.bindparam("fault_"))
    )
    rows = [{"position_": position, "fault_": text} for position, text in sorted(faults.items())]
    await connection.execute(statement, rows)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    count = dialect.insert(audience_imports).values(
        audience_id=audience_id,
        digest=LATER,
        rows=0,
        accepted=-len(faults),
        duplicates=0,
        invalid=len(faults),
        started_at=now,
        finished_at=now,
    )
    count = count.on_conflict_do_update(
        index_elements=[I.audience_id, I.digest],
        set_={
            "accepted": I.accepted + count.excluded.accepted,
            "invalid": I.invalid + count.excluded.invalid,
        },
    )
    await connection.execute(count)


async def imported(connection: AsyncConnection, audience_id: str) -> list[Row]:
    """Return how far the files of an audience have been read, in the order in which they came."""
    statement = (
        sa.select(audience_imports)
        .where(I.audience_id == audience_id, I.digest != LATER)
        .order_by(I.started_at)
    )
    return rows_of(await connection.execute(statement))


async def write_import(connection: AsyncConnection, row: Row) -> None:
    """Write how far a file has been read."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(audience_imports)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[I.audience_id, I.digest],
        set_={
            name: new[name] for name in ("rows", "accepted", "duplicates", "invalid", "finished_at")
        },
    )
    await connection.execute(statement, [row])


async def counts(connection: AsyncConnection, audience_ids: Collection[str]) -> dict[str, Row]:
    """Return what of the rows of audiences can be used, by the audience's id."""
    unfinished = sa.func.sum(sa.case((I.finished_at.is_(None), 1), else_=0))
    statement = (
        sa.select(
            I.audience_id,
            *(
                # PostgreSQL's sum of an INTEGER is a BIGINT, and so is this
                sa.func.sum(I[name]).label(name)
                for name in ("rows", "accepted", "duplicates", "invalid")
            ),
            unfinished.label("unfinished"),
        )
        .where(I.audience_id.in_(sorted(audience_ids)))
        .group_by(I.audience_id)
    )
    rows = (await connection.execute(statement)).mappings()
    return {row["audience_id"]: dict(row) for row in rows}
