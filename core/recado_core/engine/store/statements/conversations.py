"""Statements on ``conversations``."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import conversations
from recado_core.engine.store.statements.among import among, among_named, values_of
from recado_core.engine.store.statements.many import Step, insert_many, inserting, rows_of
from recado_core.engine.store.statements.paging import newest_first
from recado_core.engine.store.statements.prepared import Prepared

Row = dict[str, Any]

C = conversations.c

WRITTEN = ("status", "agent", "unread", "opened_at", "last_activity", "last_received_at",
           "last_sent_at")  # fmt: skip
"""What changes of a conversation."""


async def known(
    connection: AsyncConnection, addresses: Collection[str]
) -> set[tuple[str, str, str]]:
    """Return the account, channel and address of the conversations with these addresses."""
    if not addresses:
        return set()
    values = {"addresses": values_of(connection, addresses)}
    rows = await _known(connection.dialect.name).rows(connection, values)
    return {(row["account"], row["channel"], row["address"]) for row in rows}


@cache
def _known(dialect: str) -> Prepared:
    return Prepared(
        sa.select(C.account, C.channel, C.address).where(
            among_named(dialect, C.address, "addresses")
        )
    )


def inserted(dialect: str, rows: Sequence[Row]) -> list[Step]:
    """Return the steps that insert conversations that nobody else can have."""
    return inserting(dialect, conversations, rows)


def inserted_if_new(rows: Sequence[Row]) -> list[Step]:
    """Return SQLite's steps that insert conversations, but for those that are there."""
    return _IF_NEW.steps([{f"{name}_": row[name] for name in row} for row in rows])


_IF_NEW = Prepared(
    sqlite.insert(conversations)
    .values({each.name: sa.bindparam(f"{each.name}_", type_=each.type) for each in C})
    .on_conflict_do_nothing(index_elements=[C.address, C.account, C.channel])
)


async def insert(connection: AsyncConnection, rows: Sequence[Row]) -> list[Row]:
    """Insert conversations that ``known`` does not name; return those that nobody else has."""
    if not rows:
        return []
    if connection.dialect.name == "sqlite":  # no other transaction can have got ahead of this one
        await insert_many(connection, conversations, rows)
        return list(rows)
    statement = postgresql.insert(conversations).on_conflict_do_nothing().returning(C.id)
    new = set((await connection.execute(statement, rows)).scalars())
    return [row for row in rows if row["id"] in new]


async def lock_addresses(connection: AsyncConnection, addresses: Collection[str]) -> list[Row]:
    """Return the conversations with these addresses, kept from others until the commit."""
    statement = (
        sa.select(conversations)
        .where(among(connection, C.address, addresses))
        .order_by(C.id)
        .with_for_update()
    )
    return rows_of(await connection.execute(statement))


async def lock(connection: AsyncConnection, conversation_id: str) -> Row | None:
    """Return one conversation, kept from others until the commit."""
    statement = sa.select(conversations).where(C.id == conversation_id).with_for_update()
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def get(connection: AsyncConnection, conversation_id: str) -> Row | None:
    """Return one conversation."""
    statement = sa.select(conversations).where(C.id == conversation_id)
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def write(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write what has changed of conversations."""
    if rows:
        statement = (
            sa.update(conversations)
            .where(C.id == sa.bindparam("id_"))
            .values({name: sa.bindparam(f"{name}_") for name in WRITTEN})
        )
        await connection.execute(
            statement,
            [{f"{name}_": row[name] for name in (*WRITTEN, "id")} for row in rows],
        )


async def page(
    connection: AsyncConnection,
    equal: Mapping[str, str],
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Row]:
    """Return conversations, those with the latest activity first.

    Args:
        connection: The transaction's.
        equal: Columns and the values they must have.
        before: The activity and the id with which the page before ended.
        limit: How many at the most.
    """
    statement = newest_first(sa.select(conversations), C.last_activity, C.id, before, limit)
    for column, value in equal.items():
        statement = statement.where(C[column] == value)
    return rows_of(await connection.execute(statement))
