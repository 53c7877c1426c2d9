"""Statements on ``own_keys``."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import own_keys


async def keep(connection: AsyncConnection, name: str, key: bytes) -> bytes:
    """Return the key of this name; it is this one if there was none."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(own_keys).values(name=name, key=key).on_conflict_do_nothing()
    await connection.execute(statement)
    found = sa.select(own_keys.c.key).where(own_keys.c.name == name)
    kept: bytes = (await connection.execute(found)).scalar_one()
    return kept
