"""Statements on ``do_not_disturb`` and ``do_not_disturb_lists``."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import do_not_disturb, do_not_disturb_lists
from recado_core.engine.store.statements.among import among
from recado_core.engine.store.statements.many import rows_of

Row = dict[str, Any]

D = do_not_disturb.c
L = do_not_disturb_lists.c


async def protected(connection: AsyncConnection, addresses: Collection[str]) -> dict[str, str]:
    """Return those of the addresses that are on a list, and on which."""
    statement = (
        sa.select(D.address, L.name)
        .join_from(do_not_disturb_lists, do_not_disturb, D.version == L.version)
        .where(among(connection, D.address, addresses))
    )
    return {row.address: row.name for row in await connection.execute(statement)}


async def insert(connection: AsyncConnection, version: str, addresses: Collection[str]) -> int:
    """Add addresses to a version that does not count yet; return how many were not in it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    given: sa.ColumnElement[Any]
    if dialect is postgresql:
        texts = sa.literal(list(addresses), sa.ARRAY(sa.Text))
        given = sa.func.unnest(texts).column_valued("value")
    else:
        encoded = msgspec.json.encode(list(addresses)).decode()
        given = sa.func.json_each(encoded).table_valued("value").c.value
    # Without a WHERE, SQLite takes what follows for the condition of a join.
    rows = sa.select(sa.literal(version), given).where(sa.text("true"))
    statement = dialect.insert(do_not_disturb).from_select(["version", "address"], rows)
    statement = statement.on_conflict_do_nothing()
    return (await connection.execute(statement)).rowcount


async def count_kept(connection: AsyncConnection, name: str, version: str) -> int:
    """Count the addresses of a version that does not count yet and that are on the list now."""
    standing = sa.select(L.version).where(L.name == name).scalar_subquery()
    old = do_not_disturb.alias()
    statement = (
        sa.select(sa.func.count())
        .select_from(do_not_disturb)
        .join(old, sa.and_(old.c.version == standing, old.c.address == D.address))
        .where(D.version == version)
    )
    return (await connection.execute(statement)).scalar_one()


async def replace(
    connection: AsyncConnection, name: str, version: str, size: int, now: datetime
) -> str | None:
    """Let a version count in the place of another; return the other."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    found = sa.select(L.version).where(L.name == name).with_for_update()
    before = (await connection.execute(found)).scalar()
    row = {"version": version, "size": size, "imported_at": now}
    statement = dialect.insert(do_not_disturb_lists).values(name=name, **row)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
    return before


async def delete_list(connection: AsyncConnection, name: str) -> str | None:
    """Delete a list, so that no version of it counts; return the one that did."""
    statement = sa.delete(do_not_disturb_lists).where(L.name == name).returning(L.version)
    return (await connection.execute(statement)).scalar()


async def lists(connection: AsyncConnection) -> list[Row]:
    """Return every list, by name."""
    statement = sa.select(do_not_disturb_lists).order_by(L.name)
    return rows_of(await connection.execute(statement))


async def abandoned(connection: AsyncConnection, before: str) -> list[str]:
    """Return the versions that do not count and began before this id.

    From one version to the next in the index: DISTINCT would read every address.
    """
    counting = set((await connection.execute(sa.select(L.version))).scalars())
    found: list[str] = []
    last = ""
    while True:
        following = sa.select(sa.func.min(D.version)).where(D.version > last, D.version < before)
        version = (await connection.execute(following)).scalar()
        if version is None:
            return found
        last = version
        if version not in counting:
            found.append(version)


async def clear_away(connection: AsyncConnection, version: str, limit: int) -> int:
    """Delete addresses of a version that does not count; return how many."""
    some = sa.select(D.address).where(D.version == version).limit(limit)
    statement = sa.delete(do_not_disturb).where(D.version == version, D.address.in_(some))
    return (await connection.execute(statement)).rowcount
