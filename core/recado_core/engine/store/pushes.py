"""Statements on ``pushes``."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.identifiers import new_id
from recado_core.engine.schema import pushes
from recado_core.engine.store.among import among

Row = dict[str, Any]

P = pushes.c


async def mark(
    connection: AsyncConnection, account: str, addresses: Collection[str], now: datetime
) -> None:
    """Note that an account's provider may have to be told of these addresses."""
    if not addresses:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [
        {"account": account, "address": address, "version": new_id(), "due_at": now}
        for address in sorted(addresses)
    ]
    statement = dialect.insert(pushes)
    statement = statement.on_conflict_do_update(
        index_elements=["account", "address"],
        set_={"version": statement.excluded.version},  # one that waits for a retry goes on waiting
    )
    await connection.execute(statement, rows)


async def take(
    connection: AsyncConnection, account: str, now: datetime, until: datetime, limit: int
) -> list[Row]:
    """Take addresses that are due, and keep other nodes from them until ``until``."""
    due = (
        sa.select(P.address)
        .where(P.account == account, P.due_at <= now)
        .order_by(P.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    addresses = list((await connection.execute(due)).scalars())
    if not addresses:
        return []
    statement = (
        sa.update(pushes)
        .where(P.account == account, among(connection, P.address, addresses))
        .values(due_at=until)
        .returning(pushes)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def finish(connection: AsyncConnection, rows: Sequence[Row], now: datetime) -> None:
    """Delete what the provider was told of; what came up again meanwhile is due at once."""
    if not rows:
        return
    statement = sa.delete(pushes).where(
        P.account == sa.bindparam("account_"),
        P.address == sa.bindparam("address_"),
        P.version == sa.bindparam("version_"),
    )
    keys = [{"account_": row["account"], "address_": row["address"]} for row in rows]
    versions = [{"version_": row["version"]} for row in rows]
    await connection.execute(
        statement, [key | version for key, version in zip(keys, versions, strict=True)]
    )
    again = (
        sa.update(pushes)
        .where(P.account == sa.bindparam("account_"), P.address == sa.bindparam("address_"))
        .values(due_at=now, attempts=0)
    )
    await connection.execute(again, keys)


async def postpone(connection: AsyncConnection, rows: Sequence[Row], due_at: datetime) -> None:
    """Try again later."""
    if rows:
        statement = (
            sa.update(pushes)
            .where(P.account == sa.bindparam("account_"), P.address == sa.bindparam("address_"))
            .values(due_at=due_at, attempts=P.attempts + 1)
        )
        keys = [{"account_": row["account"], "address_": row["address"]} for row in rows]
        await connection.execute(statement, keys)


async def count(connection: AsyncConnection, account: str) -> int:
    """Count the addresses of which an account's provider has not been told yet."""
    statement = sa.select(sa.func.count()).select_from(pushes).where(P.account == account)
    return (await connection.execute(statement)).scalar_one()
