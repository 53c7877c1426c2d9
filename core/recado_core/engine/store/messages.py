"""Statements on ``messages``."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine import policy
from recado_core.engine.schema import messages
from recado_core.messages import Category, Status

Row = dict[str, Any]

M = messages.c

AT_ONCE = 5000
"""Values that one statement compares with at the most."""

# What a dispatch needs of a message.
_CLAIMED = (
    M.id,
    M.channel,
    M.account,
    M.address,
    M.sender_id,
    M.text,
    M.media,
    M.category,
    M.priority,
    M.reference,
    M.metadata,
    M.segments,
    M.attempts,
    M.fallbacks,
    M.due_at,
    M.expires_at,
)
# What deciding on a transition needs of it.
_STANDING = (
    M.id,
    M.account,
    M.status,
    M.provider_ref,
    M.dispatch_id,
    M.attempts,
    M.fallbacks,
    M.due_at,
)


async def insert(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Insert messages; every row has the same columns."""
    if rows:
        await connection.execute(sa.insert(messages), rows)


async def known_inbound(
    connection: AsyncConnection, account: str, references: Iterable[str]
) -> set[str]:
    """Return those of the vendor's references by which an account's MOs are there already."""
    known: set[str] = set()
    for some in _chunks(sorted(set(references))):
        statement = sa.select(M.provider_ref).where(
            M.account == account,
            M.direction == sa.literal_column("'in'"),
            M.provider_ref.in_(some),
        )
        known.update((await connection.execute(statement)).scalars())
    return known


async def insert_inbound(connection: AsyncConnection, rows: Sequence[Row]) -> set[str]:
    """Insert MOs that are not there yet; return the ids of those that were new."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new: set[str] = set()
    for row in rows:
        statement = dialect.insert(messages).values(row).on_conflict_do_nothing().returning(M.id)
        new.update((await connection.execute(statement)).scalars())
    return new


async def claim(  # noqa: PLR0913  # whose, for what, how many, which
    connection: AsyncConnection,
    account: str,
    dispatch_id: str,
    limit: int,
    now: datetime,
    *,
    only: Category | None = None,
    without: Collection[Category] = (),
) -> list[Row]:
    """Take up to ``limit`` due messages of an account for a dispatch, the most urgent first.

    Args:
        connection: The transaction's.
        account: Whose messages.
        dispatch_id: For which dispatch.
        limit: How many at the most.
        now: The time.
        only: The one category to take, if it travels in calls of its own.
        without: The categories to leave.
    """
    due = (
        sa.select(M.id)
        .where(
            M.account == account,
            M.status == sa.literal_column("'queued'"),
            M.due_at <= now,
            sa.or_(M.expires_at.is_(None), M.expires_at > now),
        )
        .order_by(M.priority.desc(), M.due_at, M.id)
        .limit(limit)
    )
    if only is not None:  # spelled out, so that a partial index applies
        due = due.where(M.category == sa.literal_column(f"'{only.value}'"))
    elif without:
        due = due.where(M.category.not_in(sorted(without)))
    taken = (
        sa.update(messages)
        .where(_within(connection, due.with_for_update(skip_locked=True)))
        .values(
            status=Status.SENDING,
            status_at=now,
            dispatch_id=dispatch_id,
            attempts=M.attempts + 1,
            provider_ref=None,
        )
        .returning(*_CLAIMED)
    )
    rows = [dict(row) for row in (await connection.execute(taken)).mappings()]
    rows.sort(key=lambda row: (-row["priority"], row["due_at"], row["id"]))
    return rows


async def of_dispatch(connection: AsyncConnection, dispatch_id: str) -> list[Row]:
    """Return the messages of a dispatch that are still in flight, as a claim returns them."""
    statement = (
        sa.select(*_CLAIMED, M.status)
        .where(M.dispatch_id == dispatch_id, _in_flight())
        .order_by(M.priority.desc(), M.due_at, M.id)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def any_unsettled(connection: AsyncConnection, dispatch_id: str) -> bool:
    """Tell whether a message of this dispatch still waits for its DLR."""
    statement = sa.select(M.id).where(
        M.dispatch_id == dispatch_id, _in_flight(), M.status != Status.SENDING
    )
    return (await connection.execute(statement.limit(1))).first() is not None


async def lock(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Row]:
    """Return where these MTs stand, by id, and keep others from changing them until the commit."""
    standing: dict[str, Row] = {}
    for some in _chunks(sorted(set(ids))):
        statement = (
            sa.select(*_STANDING)
            .where(M.id.in_(some), M.direction == "out")
            .order_by(M.id)
            .with_for_update()
        )
        rows = (await connection.execute(statement)).mappings()
        standing.update((row["id"], dict(row)) for row in rows)
    return standing


async def lock_dispatch(connection: AsyncConnection, dispatch_id: str) -> dict[str, Row]:
    """As ``lock``, for the messages of a dispatch that are in flight."""
    statement = (
        sa.select(*_STANDING)
        .where(M.dispatch_id == dispatch_id, _in_flight())
        .order_by(M.id)
        .with_for_update()
    )
    return {row["id"]: dict(row) for row in (await connection.execute(statement)).mappings()}


async def ids_by_provider_ref(
    connection: AsyncConnection, account: str, references: Iterable[str]
) -> dict[str, str]:
    """Return our ids of the account's messages in flight, by the vendor's."""
    found: dict[str, str] = {}
    for some in _chunks(sorted(set(references))):
        statement = sa.select(M.provider_ref, M.id).where(
            M.account == account, M.provider_ref.in_(some), _in_flight()
        )
        found.update((row.provider_ref, row.id) for row in await connection.execute(statement))
    return found


async def last_outbound(
    connection: AsyncConnection, account: str, address: str, since: datetime
) -> Row | None:
    """Return the account's latest MT to an address that the provider has taken."""
    statement = (
        sa.select(M.id, M.address, M.reference)
        .where(
            M.address == address,
            M.account == account,
            M.direction == "out",
            M.created_at >= since,
            M.dispatch_id.is_not(None),
        )
        .order_by(M.id.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def outbound_by_id(
    connection: AsyncConnection, account: str, ids: Iterable[str]
) -> dict[str, Row]:
    """Return id, address and reference of the account's MTs among these ids."""
    found: dict[str, Row] = {}
    for some in _chunks(sorted(set(ids))):
        statement = sa.select(M.id, M.address, M.reference).where(
            M.id.in_(some), M.account == account, M.direction == "out"
        )
        rows = (await connection.execute(statement)).mappings()
        found.update((row["id"], dict(row)) for row in rows)
    return found


async def outbound_by_ref(
    connection: AsyncConnection, account: str, address: str, provider_ref: str
) -> Row | None:
    """Return the account's MT to an address that the vendor knows by this reference."""
    statement = sa.select(M.id, M.address, M.reference).where(
        M.address == address,
        M.account == account,
        M.direction == "out",
        M.provider_ref == provider_ref,
    )
    row = (await connection.execute(statement.limit(1))).mappings().first()
    return dict(row) if row else None


async def settle(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write new statuses.

    Each row: ``id_``, ``status``, ``status_at``, ``code``, ``status_text``, ``provider_ref``.
    """
    if rows:
        statement = (
            sa.update(messages)
            .where(M.id == sa.bindparam("id_"))
            .values(
                status=sa.bindparam("status"),
                status_at=sa.bindparam("status_at"),
                code=sa.bindparam("code"),
                status_text=sa.bindparam("status_text"),
                provider_ref=sa.bindparam("provider_ref"),
            )
        )
        await connection.execute(statement, rows)


async def requeue(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put claimed messages back into the queue.

    Each row: ``id_``, ``status_at``, ``code``, ``status_text``, ``account``, ``attempts``,
    ``fallbacks``, ``due_at``.
    """
    if rows:
        statement = (
            sa.update(messages)
            .where(M.id == sa.bindparam("id_"))
            .values(
                status=Status.QUEUED,
                status_at=sa.bindparam("status_at"),
                code=sa.bindparam("code"),
                status_text=sa.bindparam("status_text"),
                account=sa.bindparam("account_"),
                attempts=sa.bindparam("attempts_"),
                fallbacks=sa.bindparam("fallbacks_"),
                due_at=sa.bindparam("due_at_"),
                provider_ref=None,
            )
        )
        await connection.execute(statement, rows)


async def hand_over(
    connection: AsyncConnection, ids: Sequence[str], from_id: str, to_id: str
) -> None:
    """Move claimed messages from one dispatch to another."""
    statement = (
        sa.update(messages)
        .where(M.id.in_(ids), M.dispatch_id == from_id, M.status == sa.literal_column("'sending'"))
        .values(dispatch_id=to_id)
    )
    await connection.execute(statement)


async def name(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write the vendor's references of messages: ``id_``, ``provider_ref``."""
    if rows:
        statement = (
            sa.update(messages)
            .where(M.id == sa.bindparam("id_"))
            .values(provider_ref=sa.bindparam("provider_ref"))
        )
        await connection.execute(statement, rows)


async def scheduled_due(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Lock the ids of scheduled messages whose time has come."""
    statement = (
        sa.select(M.id)
        .where(M.status == sa.literal_column("'scheduled'"), M.due_at <= now)
        .order_by(M.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list((await connection.execute(statement)).scalars())


async def expired(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Lock the ids of waiting messages whose time has run out."""
    statement = (
        sa.select(M.id)
        .where(
            M.expires_at.is_not(None),
            M.expires_at <= now,
            M.status.in_([sa.literal_column("'scheduled'"), sa.literal_column("'queued'")]),
        )
        .order_by(M.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list((await connection.execute(statement)).scalars())


async def accounts_with_queued(connection: AsyncConnection) -> list[str]:
    """Return the accounts that hold queued messages.

    From one account to the next in the index: DISTINCT would read the whole queue.
    """
    found: list[str] = []
    while True:
        following = sa.select(sa.func.min(M.account)).where(
            M.status == sa.literal_column("'queued'"), M.account > (found[-1] if found else "")
        )
        account = (await connection.execute(following)).scalar()
        if account is None:
            return found
        found.append(account)


async def fallbacks_of_queued(connection: AsyncConnection, account: str) -> list[list[str]]:
    """Return the different lists of fallbacks that an account's queued messages have."""
    statement = (
        sa.select(_fallbacks_text())
        .where(
            M.account == account,
            M.status == sa.literal_column("'queued'"),
            M.fallbacks.is_not(None),
        )
        .distinct()
    )
    found = (await connection.execute(statement)).scalars()
    return [msgspec.json.decode(text) for text in found]


async def move_queued(  # noqa: PLR0913  # from where, to where, how many
    connection: AsyncConnection,
    from_account: str,
    plan: list[str],
    *,
    account: str,
    fallbacks: list[str] | None,
    limit: int,
) -> int:
    """Give queued messages that have this list of fallbacks to another account."""
    some = (
        sa.select(M.id)
        .where(
            M.account == from_account,
            M.status == sa.literal_column("'queued'"),
            _fallbacks_text() == msgspec.json.encode(plan).decode(),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        sa.update(messages)
        .where(M.id.in_(some))
        .values(account=account, fallbacks=fallbacks, attempts=0)
    )
    return (await connection.execute(statement)).rowcount


async def get(connection: AsyncConnection, message_id: str) -> Row | None:
    """Return one message, whole."""
    statement = sa.select(messages).where(M.id == message_id)
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def page(  # noqa: PLR0913, PLR0917  # what a list can be narrowed by
    connection: AsyncConnection,
    equal: Mapping[str, str],
    since: datetime | None,
    until: datetime | None,
    before: str | None,
    limit: int,
) -> list[Row]:
    """Return messages, the newest first.

    Args:
        connection: The transaction's.
        equal: Columns and the values they must have.
        since: Not older than this.
        until: Older than this.
        before: Only ids below this one.
        limit: How many at the most.
    """
    statement = sa.select(messages).order_by(M.id.desc()).limit(limit)
    for column, value in equal.items():
        statement = statement.where(M[column] == value)
    if since is not None:
        statement = statement.where(M.created_at >= since)
    if until is not None:
        statement = statement.where(M.created_at < until)
    if before is not None:
        statement = statement.where(M.id < before)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def count_queued(connection: AsyncConnection) -> dict[str, int]:
    """Count the queued messages of each account."""
    statement = (
        sa.select(M.account, sa.func.count())
        .where(M.status == sa.literal_column("'queued'"))
        .group_by(M.account)
    )
    return {row[0]: row[1] for row in await connection.execute(statement)}


def _in_flight() -> sa.ColumnElement[bool]:
    # Spelled as in the partial indexes, so that both databases see that they apply.
    return sa.text(f"status IN ({', '.join(repr(str(s)) for s in _IN_FLIGHT)})")  # type: ignore[return-value]


_IN_FLIGHT = sorted(policy.IN_FLIGHT)


def _fallbacks_text() -> sa.ColumnElement[str]:
    return sa.cast(M.fallbacks, sa.Text)


def _chunks(values: list[str]) -> Iterator[list[str]]:
    # PostgreSQL's protocol takes 32,767 parameters in one statement.
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))


def _within(connection: AsyncConnection, ids: sa.Select[tuple[str]]) -> sa.ColumnElement[bool]:
    # PostgreSQL plans `= ANY(ARRAY(...))` as a few index look-ups; `IN (...)` may become a join.
    if connection.dialect.name == "postgresql":
        return M.id == sa.any_(sa.func.array(ids.scalar_subquery()))
    return M.id.in_(ids)
