"""Statements on ``messages``."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import IN_FLIGHT, messages
from recado_core.engine.store.statements.among import (
    among,
    among_named,
    json_of,
    named_values,
    within,
)
from recado_core.engine.store.statements.many import (
    insert_many,
    inserting,
    rows_of,
    updating,
    updating_alike,
)
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Guard, Step
from recado_core.messages import Status

Row = dict[str, Any]

M = messages.c

AT_ONCE = 5000
"""Values that one statement compares with at the most."""

_CLAIMED: Final = Status.SENDING

LONGEST_DELAY = timedelta(days=30)
"""How far back a message is found that has waited since then; within it, each read is short."""
YET_TO_GO = frozenset({Status.SCHEDULED, Status.QUEUED, Status.SENDING})
"""The statuses of a message that has not gone, as far as anybody knows."""
RAN_OUT = "expires_at"
"""The code of a message that expired before it could be sent."""

_NEVER_WENT = (
    Status.SUPPRESSED,
    Status.CANCELED,
    Status.REJECTED,
    Status.FAILED,
)

# What deciding on a transition needs of it.
STANDING = (
    M.id,
    M.account,
    M.status,
    M.code,
    M.status_text,
    M.provider_ref,
    M.dispatch_id,
    M.attempts,
    M.fallbacks,
    M.due_at,
    M.channel,
    M.address,
    M.origin,
    M.created_at,
    M.campaign_id,
    M.cost_centre,
    M.segments,
)

# What an MO takes over of the MT that it answers.
_ANSWERED = (M.id, M.address, M.reference, M.campaign_id, M.cost_centre)


def inserted(dialect: str, rows: Sequence[Row]) -> list[Step]:
    """Return the steps that insert messages; every row has the same columns."""
    return inserting(dialect, messages, rows)


async def insert(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Insert messages; every row has the same columns."""
    await insert_many(connection, messages, rows)


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


async def any_unsettled(connection: AsyncConnection, dispatch_id: str) -> bool:
    """Tell whether a message of this dispatch still waits for its DLR."""
    statement = sa.select(M.id).where(
        M.dispatch_id == dispatch_id, in_flight(), M.status != Status.SENDING
    )
    return (await connection.execute(statement.limit(1))).first() is not None


async def lock(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Row]:
    """Return where these MTs stand, by id, and keep others from changing them until the commit."""
    statement = _locking(connection.dialect.name)
    return _standing(await statement.rows(connection, {"ids": json_of(set(ids))}))


async def lock_reported(
    connection: AsyncConnection, account: str, ids: Iterable[str], references: Iterable[str]
) -> dict[str, Row]:
    """As ``lock``, also the account's messages in flight that the vendor calls so."""
    values = {
        "account_": account,
        "ids": json_of(set(ids)),
        "references": json_of(set(references)),
    }
    return _standing(await _locking_reported(connection.dialect.name).rows(connection, values))


async def of_sent(connection: AsyncConnection, account: str, ids: Sequence[str]) -> list[Row]:
    """Return from SQLite where those of these MTs stand that are *sent*.

    Args:
        connection: The transaction's.
        account: Of which they are.
        ids: They; what is found comes in their order, or who asks goes the long way.
    """
    known = {"account": account, "status": "sent"}
    return await _OF_SENT.rows(connection, {"account_": account, "ids": json_of(ids)}, known)


def are_sent(ids: Collection[str]) -> Guard:
    """Return SQLite's guard that these MTs are *sent*."""
    return _COUNTING_SENT.guard({"ids": json_of(ids)}, len(ids))


def as_claimed(dispatch_id: str) -> Row:
    """Return what a message has as long as nobody has touched it since it was claimed."""
    return {"dispatch_id": dispatch_id, "status": _CLAIMED, "provider_ref": None}


async def lock_untouched(connection: AsyncConnection, dispatch_id: str) -> set[str]:
    """Return the ids of a dispatch's messages that are as they were claimed; all are locked."""
    rows = await _LOCKING_MARKS.rows(connection, {"dispatch": dispatch_id})
    claimed = (row for row in rows if row["status"] == _CLAIMED and row["provider_ref"] is None)
    return {row["id"] for row in claimed}


async def lock_dispatch(connection: AsyncConnection, dispatch_id: str) -> dict[str, Row]:
    """As ``lock``, for the messages whose last dispatch this is."""
    return _standing(await _LOCKING_DISPATCH.rows(connection, {"dispatch": dispatch_id}))


def _standing(rows: Iterable[Row]) -> dict[str, Row]:
    return {row["id"]: row for row in rows}


# Each statement locks in one order, so that no two wait crosswise. Transactions may that have two
# (DLRs by id, then by reference): the one that PostgreSQL breaks off for that is repeated.
_LOCKING = sa.select(*STANDING).order_by(M.id).with_for_update()
_LOCKING_DISPATCH = Prepared(_LOCKING.where(M.dispatch_id == sa.bindparam("dispatch")))
_LOCKING_MARKS = Prepared(
    sa.select(M.id, M.status, M.provider_ref)
    .where(M.dispatch_id == sa.bindparam("dispatch"))
    .order_by(M.id)
    .with_for_update()
)


@cache
def _locking(dialect: str) -> Prepared:
    return Prepared(_LOCKING.where(among_named(dialect, M.id, "ids"), M.direction == "out"))


_COUNTING = sa.select(sa.func.count()).where(among_named("sqlite", M.id, "ids"))
_COUNTING_SENT = Prepared(_COUNTING.where(M.status == sa.literal_column("'sent'")))


# What deciding on a DLR needs of a message that is *sent*.
_KNOWN = {"account", "status", "attempts", "fallbacks", "due_at"}  # or needed by others
_SENT_STANDING = tuple(column for column in STANDING if column.name not in _KNOWN)
_REPORTED = sa.func.json_each(sa.bindparam("ids", type_=sa.Text())).table_valued("value").c
_OF_SENT = Prepared(
    sa.select(*_SENT_STANDING).where(
        M.id == _REPORTED.value,
        # With a sign, so that nothing leads to the rows but their ids.
        sa.literal_column("+messages.account") == sa.bindparam("account_"),
        sa.literal_column("+messages.status") == sa.literal_column("'sent'"),
    )
)


@cache
def _locking_reported(dialect: str) -> Prepared:
    referred = messages.alias("referred").c
    by_reference = sa.select(referred.id).where(
        referred.account == sa.bindparam("account_"),
        among_named(dialect, referred.provider_ref, "references"),
        in_flight(),
    )
    meant = sa.union_all(sa.select(named_values(dialect, "ids")), by_reference)
    # SQLite, which has no locks to be taken in an order, takes a third of the time to sort.
    locking = _LOCKING if dialect == "postgresql" else _LOCKING.order_by(None)
    return Prepared(locking.where(within(dialect, M.id, meant), M.direction == "out"))


async def last_outbound(
    connection: AsyncConnection, account: str, address: str, since: datetime
) -> Row | None:
    """Return the account's latest MT to an address that the provider has taken."""
    statement = (
        sa.select(*_ANSWERED)
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
    """Return the account's MTs among these ids, with what an answer takes over."""
    found: dict[str, Row] = {}
    for some in _chunks(sorted(set(ids))):
        statement = sa.select(*_ANSWERED).where(
            M.id.in_(some), M.account == account, M.direction == "out"
        )
        rows = (await connection.execute(statement)).mappings()
        found.update((row["id"], dict(row)) for row in rows)
    return found


async def addressed(connection: AsyncConnection, ids: Collection[str]) -> list[Row]:
    """Return id, address and channel of these messages."""
    statement = sa.select(M.id, M.address, M.channel).where(among(connection, M.id, ids))
    return rows_of(await connection.execute(statement))


async def marketing_since(
    connection: AsyncConnection, addresses: Collection[str], since: datetime
) -> list[Row]:
    """Return the marketing messages to these addresses that went since then, or have yet to go.

    Each with ``id``, ``address``, ``status`` and ``due_at``, the time at which it went or may go.
    """
    statement = sa.select(M.id, M.address, M.status, M.due_at).where(
        among(connection, M.address, addresses),
        # Spelled as in the partial index, so that both databases see that it applies.
        sa.text("category = 'marketing' AND direction = 'out'"),
        M.due_at > since - LONGEST_DELAY,
        sa.or_(M.due_at > since, M.status.in_(sorted(YET_TO_GO))),
        M.status.not_in(_NEVER_WENT),
        sa.or_(M.status != Status.EXPIRED, M.code.is_distinct_from(RAN_OUT)),
    )
    return rows_of(await connection.execute(statement))


async def outbound_by_ref(
    connection: AsyncConnection, account: str, address: str, provider_ref: str
) -> Row | None:
    """Return the account's MT to an address that the vendor knows by this reference."""
    statement = sa.select(*_ANSWERED).where(
        M.address == address,
        M.account == account,
        M.direction == "out",
        M.provider_ref == provider_ref,
    )
    row = (await connection.execute(statement.limit(1))).mappings().first()
    return dict(row) if row else None


def written(dialect: str, rows: Sequence[Row], expected: Row | None = None) -> list[Step]:
    """Return the steps that write over messages: each row has its ``id``, and what changes.

    With ``expected`` (``many.updating``) SQLite's are for one who has not locked the messages.
    """
    return updating(dialect, messages, rows, expected)


def written_alike(
    dialect: str,
    new: Row,
    ids: Sequence[str],
    references: Sequence[str],
    expected: Row | None = None,
) -> Step:
    """Return the step that writes the same over many messages.

    Args:
        dialect: The database's.
        new: What is written.
        ids: The messages'.
        references: The vendor's references, one for each, or none to leave them as they are.
        expected: As in ``written``.
    """
    own = {"id": ids, "provider_ref": references} if references else {"id": ids}
    return updating_alike(dialect, messages, new, own, expected)


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
    return rows_of(await connection.execute(statement))


def in_flight() -> sa.ColumnElement[bool]:
    """Return the condition that a message is in flight."""
    # Spelled as in the partial indexes, so that both databases see that they apply.
    return sa.text(IN_FLIGHT)  # type: ignore[return-value]


def _chunks(values: list[str]) -> Iterator[list[str]]:
    # PostgreSQL's protocol takes 32,767 parameters in one statement.
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))
