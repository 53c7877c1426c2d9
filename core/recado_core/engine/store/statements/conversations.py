"""Statements on ``conversations``."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import Instant, conversations
from recado_core.engine.store.statements.among import (
    among,
    among_named,
    json_of,
    json_of_map,
)
from recado_core.engine.store.statements.many import (
    insert_many,
    insert_new,
    rows_of,
)
from recado_core.engine.store.statements.paging import newest_first
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Step

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
    values = {"addresses": json_of(addresses)}
    rows = await _known(connection.dialect.name).rows(connection, values)
    return {(row["account"], row["channel"], row["address"]) for row in rows}


@cache
def _known(dialect: str) -> Prepared:
    return Prepared(
        sa.select(C.account, C.channel, C.address).where(
            among_named(dialect, C.address, "addresses")
        )
    )


def opened(account: str, channel: str, ids: Mapping[str, str], now: datetime) -> Step:
    """Return SQLite's step that opens conversations, but for those that are there.

    Args:
        account: Whose.
        channel: Of which channel.
        ids: Their ids by their addresses.
        now: The time.
    """
    values = {"account_": account, "channel_": channel, "ids": json_of_map(ids), "now_": now}
    return _OPENING.step(values)


_GIVEN = sa.func.json_each(sa.bindparam("ids", type_=sa.Text)).table_valued("key", "value").c
_OPENED = {
    "id": _GIVEN.value,
    "account": sa.bindparam("account_", type_=C.account.type),
    "channel": sa.bindparam("channel_", type_=C.channel.type),
    "address": _GIVEN.key,
    "status": sa.literal_column("'new'"),
    "unread": sa.literal_column("0"),
    "opened_at": sa.bindparam("now_", type_=Instant()),
    "last_activity": sa.bindparam("now_", type_=Instant()),
}
# Without a WHERE, SQLite takes what follows for the condition of a join.
_OPENING = Prepared(
    sqlite.insert(conversations)
    .from_select(list(_OPENED), sa.select(*_OPENED.values()).where(sa.text("true")))
    .on_conflict_do_nothing(index_elements=[C.address, C.account, C.channel])
)


async def insert(connection: AsyncConnection, rows: Sequence[Row]) -> list[Row]:
    """Insert conversations that ``known`` does not name; return those that nobody else has."""
    if not rows:
        return []
    if connection.dialect.name == "sqlite":  # no other transaction can have got ahead of this one
        await insert_many(connection, conversations, rows)
        return list(rows)
    new = await insert_new(connection, conversations, rows)
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
