"""Statements on ``stats`` and ``stats_changes``."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import stats, stats_changes
from recado_core.engine.store.statements.among import among
from recado_core.engine.store.statements.many import inserting, rows_of
from recado_core.engine.store.steps import Step

Row = dict[str, Any]

KEY = tuple(column.name for column in stats.primary_key)

C = stats_changes.c


def noted(dialect: str, rows: Sequence[Row]) -> list[Step]:
    """Return the steps that insert changes; every row has the same columns."""
    return inserting(dialect, stats_changes, rows)


async def any_changes(connection: AsyncConnection) -> bool:
    """Tell whether there are changes that are not in ``stats`` yet."""
    return (await connection.execute(sa.select(C.id).limit(1))).first() is not None


async def take_changes(connection: AsyncConnection, limit: int) -> list[Row]:
    """Delete changes that no other transaction takes, the oldest first; return them."""
    oldest = sa.select(C.id).order_by(C.id).limit(limit).with_for_update(skip_locked=True)
    if connection.dialect.name == "postgresql":
        taken = C.id == sa.any_(sa.func.array(oldest.scalar_subquery()))
    else:
        taken = C.id.in_(oldest)
    statement = sa.delete(stats_changes).where(taken).returning(*(C[name] for name in KEY), C.value)
    return rows_of(await connection.execute(statement))


async def add(connection: AsyncConnection, sums: Mapping[tuple[str, ...], int]) -> None:
    """Add to ``stats``, by ``KEY``; in one order everywhere, so that no two wait crosswise."""
    if not sums:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(stats)
    statement = statement.on_conflict_do_update(
        index_elements=KEY, set_={"value": stats.c.value + statement.excluded.value}
    )
    rows = [dict(zip(KEY, key, strict=True)) | {"value": sums[key]} for key in sorted(sums)]
    await connection.execute(statement, rows)


async def sums(  # noqa: PLR0913, PLR0917  # by what, of when, of which, how many
    connection: AsyncConnection,
    by: Sequence[str],
    first: str,
    last: str,
    equal: Mapping[str, str],
    limit: int,
) -> list[Row]:
    """Sum what was counted and is not nothing, folded or not.

    Args:
        connection: The transaction's.
        by: The columns that are told apart, besides ``metric``.
        first: The first day.
        last: The last day.
        equal: Columns and the values they must have.
        limit: How many at the most.
    """
    both = sa.union_all(
        *(
            sa.select(*(table.c[name] for name in (*by, "metric", "value"))).where(
                table.c.day >= first,
                table.c.day <= last,
                *(table.c[name] == value for name, value in equal.items()),
            )
            for table in (stats, stats_changes)
        )
    ).subquery()
    return await _summed(connection, both, by, limit)


async def of_campaigns(connection: AsyncConnection, ids: Collection[str]) -> list[Row]:
    """Sum what was counted for each of these campaigns, by metric."""
    both = sa.union_all(
        *(
            sa.select(table.c.campaign_id, table.c.metric, table.c.value).where(
                # Spelled as in the partial index, so that both databases see that it applies.
                sa.text("campaign_id <> ''"),
                among(connection, table.c.campaign_id, ids),
            )
            for table in (stats, stats_changes)
        )
    ).subquery()
    return await _summed(connection, both, ("campaign_id",))


async def of_accounts(connection: AsyncConnection, all_time: str) -> list[Row]:
    """Sum what was counted for each account since there are statistics, by metric.

    Args:
        connection: The transaction's.
        all_time: The day of the sums over all days; what is not folded is not in them.
    """
    summed = sa.select(stats.c.account, stats.c.metric, stats.c.value)
    both = sa.union_all(
        summed.where(stats.c.day == all_time), sa.select(C.account, C.metric, C.value)
    ).subquery()
    return await _summed(connection, both, ("account",))


async def _summed(
    connection: AsyncConnection, both: sa.Subquery, by: Sequence[str], limit: int | None = None
) -> list[Row]:
    apart = [both.c[name] for name in (*by, "metric")]
    total = sa.func.sum(both.c.value)
    # PostgreSQL's sum of a BIGINT is a NUMERIC
    statement = sa.select(*apart, sa.cast(total, sa.BigInteger).label("value"))
    statement = statement.group_by(*apart).having(total != 0).limit(limit)
    return rows_of(await connection.execute(statement))
