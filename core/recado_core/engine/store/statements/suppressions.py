"""Statements on ``suppressions``."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import suppressions
from recado_core.engine.store.statements.among import (
    among,
    among_named,
    json_of,
    named_values,
)
from recado_core.engine.store.statements.many import rows_of
from recado_core.engine.store.statements.prepared import Prepared

Row = dict[str, Any]

S = suppressions.c

KEY = ("address", "document_hash", "channel", "category", "reason")
"""What makes two entries the same one."""


async def concerning(
    connection: AsyncConnection, addresses: Collection[str], document_hashes: Collection[str] = ()
) -> list[Row]:
    """Return the entries of these addresses, and those of these documents at any address."""
    statement = _concerning(connection.dialect.name, with_documents=bool(document_hashes))
    values = {"addresses": json_of(set(addresses))}
    if document_hashes:
        values["documents"] = json_of(document_hashes)
    return await statement.rows(connection, values)


@cache
def _concerning(dialect: str, *, with_documents: bool) -> Prepared:
    wanted = among_named(dialect, S.address, "addresses")
    if dialect == "sqlite" and not with_documents:
        # Each looked up as it comes: for an IN, SQLite makes a table of them first.
        wanted = S.address == named_values(dialect, "addresses")
    if with_documents:
        of_person = among_named(dialect, S.document_hash, "documents")
        wanted = sa.or_(wanted, sa.and_(S.address == "", of_person))
    return Prepared(sa.select(suppressions).where(wanted))


async def upsert(connection: AsyncConnection, rows: Sequence[Row], now: datetime) -> list[Row]:
    """Insert entries; return them as they stand then, in any order.

    One that is there already keeps its id and lasts as long as the longer of both; its source is
    another's only once it is over. The database decides that: another node may have inserted it
    since this one looked. They are locked in one order everywhere.
    """
    if not rows:
        return []
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(suppressions)
    new = statement.excluded
    later = sa.case(  # what has no end is greater than nothing, and so ends up without one
        (S.expires_at >= new.expires_at, S.expires_at),
        (S.expires_at < new.expires_at, new.expires_at),
    )
    source = sa.case((S.expires_at <= now, new.source), else_=S.source)
    statement = statement.on_conflict_do_update(
        index_elements=KEY, set_={"source": source, "expires_at": later}
    )
    ordered = sorted(rows, key=key_of)
    found = await connection.execute(statement.returning(suppressions), ordered)
    return rows_of(found)


def key_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what makes an entry the one that it is."""
    return tuple(str(row[name]) for name in KEY)


async def delete(connection: AsyncConnection, ids: Collection[str]) -> list[Row]:
    """Delete entries; return those that were there."""
    statement = sa.delete(suppressions).where(among(connection, S.id, ids)).returning(suppressions)
    return rows_of(await connection.execute(statement))


async def expired(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Return the ids of entries whose time is over."""
    statement = (
        sa.select(S.id)
        .where(S.expires_at.is_not(None), S.expires_at <= now)
        .order_by(S.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list((await connection.execute(statement)).scalars())


async def page(  # noqa: PLR0913, PLR0917  # all that makes a page
    connection: AsyncConnection,
    addresses: Collection[str],
    equal: Mapping[str, str],
    now: datetime,
    before: str | None,
    limit: int,
) -> list[Row]:
    """Return entries that are not over, the newest first.

    Args:
        connection: The transaction's.
        addresses: Of one of which entries are wanted; if there are none, of any.
        equal: Columns and the values they must have.
        now: The time.
        before: Only ids below this one.
        limit: How many at the most.
    """
    statement = (
        sa.select(suppressions)
        .where(sa.or_(S.expires_at.is_(None), S.expires_at > now))
        .order_by(S.id.desc())
        .limit(limit)
    )
    if addresses:
        statement = statement.where(S.address.in_(addresses))
    for column, value in equal.items():
        statement = statement.where(S[column] == value)
    if before is not None:
        statement = statement.where(S.id < before)
    return rows_of(await connection.execute(statement))


async def listed(  # noqa: PLR0913  # all that tells one entry from another
    connection: AsyncConnection,
    addresses: Collection[str],
    reasons: Collection[str],
    channels: Collection[str],
    now: datetime,
    *,
    but_from: str | None = None,
    only_from: str | None = None,
) -> set[str]:
    """Return those of the addresses that have such an entry, for everybody there.

    Args:
        connection: The transaction's.
        addresses: Which are looked for.
        reasons: Of which an entry must have one.
        channels: The same; an entry of all channels counts too.
        now: The time.
        but_from: The source of entries that do not count.
        only_from: The source of those that count.
    """
    statement = sa.select(S.address).where(
        among(connection, S.address, addresses),
        S.document_hash == "",
        S.reason.in_(sorted(reasons)),
        S.channel.in_(["", *sorted(channels)]),
        sa.or_(S.expires_at.is_(None), S.expires_at > now),
    )
    if but_from is not None:
        statement = statement.where(S.source != but_from)
    if only_from is not None:
        statement = statement.where(S.source == only_from)
    return set((await connection.execute(statement)).scalars())
