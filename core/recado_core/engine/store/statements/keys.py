"""Statements on ``api_keys`` and ``idempotency_keys``."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import Instant, api_keys, idempotency_keys
from recado_core.engine.store.statements.among import among_named, json_of
from recado_core.engine.store.statements.many import inserting, rows_of
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Step

Row = dict[str, Any]

K = api_keys.c
P = idempotency_keys.c


async def insert_api_key(connection: AsyncConnection, row: Row) -> None:
    """Insert an API key."""
    await connection.execute(sa.insert(api_keys), [row])


async def api_key_by_hash(connection: AsyncConnection, digest: str) -> Row | None:
    """Return the API key with this hash unless it is revoked."""
    statement = sa.select(api_keys).where(K.hash == digest, K.revoked_at.is_(None))
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def list_api_keys(connection: AsyncConnection) -> list[Row]:
    """Return the API keys that are not revoked, the oldest first."""
    statement = sa.select(api_keys).where(K.revoked_at.is_(None)).order_by(K.id)
    return rows_of(await connection.execute(statement))


async def revoke_api_key(connection: AsyncConnection, key_id: str, now: datetime) -> bool:
    """Revoke an API key; tell whether there was one."""
    statement = (
        sa.update(api_keys).where(K.id == key_id, K.revoked_at.is_(None)).values(revoked_at=now)
    )
    return (await connection.execute(statement)).rowcount > 0


async def note_use(connection: AsyncConnection, uses: Sequence[Row]) -> None:
    """Note when API keys were last used; each row: ``id_``, ``used_at``."""
    statement = (
        sa.update(api_keys)
        .where(K.id == sa.bindparam("id_"))
        .values(last_used_at=sa.bindparam("used_at"))
    )
    await connection.execute(statement, uses)


async def reserve(connection: AsyncConnection, rows: Sequence[Row]) -> set[tuple[str, str]]:
    """Insert idempotency keys; return (owner, key) of those that were not there before."""
    if not rows:
        return set()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(idempotency_keys).on_conflict_do_nothing().returning(P.owner, P.key)
    return {(row.owner, row.key) for row in await connection.execute(statement, rows)}


def reserving(rows: Sequence[Row], until: datetime) -> list[Step]:
    """Return the steps by which SQLite inserts idempotency keys; one that is there fails them.

    Args:
        rows: The keys.
        until: Those that are as old as this or older are there no more.
    """
    return [_FORGETTING.step({"until": until}), *inserting("sqlite", idempotency_keys, rows)]


_FORGETTING = Prepared(
    sa.delete(idempotency_keys).where(P.created_at <= sa.bindparam("until", type_=Instant()))
)


async def find_reserved(
    connection: AsyncConnection, names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Row]:
    """Return the idempotency keys with their answers, by (owner, key), of those that are there."""
    by_owner: dict[str, list[str]] = {}
    for owner, key in names:
        by_owner.setdefault(owner, []).append(key)
    found: dict[tuple[str, str], Row] = {}
    statement = _finding(connection.dialect.name)
    for owner, some in by_owner.items():  # SQLite would look for pairs by reading the whole table
        values = {"owner_": owner, "keys": json_of(some)}
        rows = await statement.rows(connection, values)
        found.update(((row["owner"], row["key"]), row) for row in rows)
    return found


@cache
def _finding(dialect: str) -> Prepared:
    wanted = P.owner == sa.bindparam("owner_"), among_named(dialect, P.key, "keys")
    return Prepared(sa.select(idempotency_keys).where(*wanted))


async def forget_reserved(connection: AsyncConnection, until: datetime) -> int:
    """Delete idempotency keys that are as old as this or older; return how many."""
    return await _FORGETTING.run(connection, {"until": until})
