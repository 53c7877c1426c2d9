"""Statements on the outbox: the ``messages`` that wait to be sent, or are being sent."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import Instant, campaigns, dispatches, encode_json, messages
from recado_core.engine.store.statements.among import among_named, json_of
from recado_core.engine.store.statements.many import rows_of
from recado_core.engine.store.statements.messages import STANDING, in_flight
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Step
from recado_core.messages import Category, Status

Row = dict[str, Any]

M = messages.c

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_SENDING: Final = Status.SENDING.value

_NUMBER: sa.ColumnClause[int] = sa.literal_column("messages.rowid", sa.Integer)
"""SQLite's own number of a message."""

_HELD: tuple[sa.ColumnClause[str], ...] = tuple(
    sa.literal_column(f"'{status}'", sa.String) for status in ("paused", "canceled")
)

# What a dispatch needs of a message: to send it, and to write down what became of it.
_CLAIMED = (
    *STANDING,
    M.sender_id,
    M.text,
    M.media,
    M.category,
    M.priority,
    M.reference,
    M.metadata,
    M.template,
    M.expires_at,
    M.document_hash,
    M.unchecked,
)


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

    An agent's message waits for the agents' earlier ones to the same person, which may be on their
    way or wait for another attempt: what is said in a conversation arrives in its order. Those of a
    campaign that is paused or canceled are left.

    Args:
        connection: The transaction's.
        account: Whose messages.
        dispatch_id: For which dispatch.
        limit: How many at the most.
        now: The time.
        only: The one category to take, if it travels in calls of its own.
        without: The categories to leave.
    """
    values = {"account_": account, "limit_": limit, "now_": now}
    known = {
        "account": account,
        "status": _SENDING,
        "dispatch_id": dispatch_id,
        "provider_ref": None,
    }
    rows = await _taking_all(only, tuple(sorted(without))).rows(connection, values, known)
    if connection.dialect.name == "postgresql" and any(row["origin"] for row in rows):
        asked = {"ids": json_of([row["id"] for row in rows]), "now_": now}
        found = await _overtaking(only, tuple(sorted(without))).rows(connection, asked)
        overtaking = {row["id"] for row in found}
        rows = [row for row in rows if row["id"] not in overtaking]
    if rows:
        ids = json_of([row["id"] for row in rows])
        values = {"ids": ids, "dispatch_": dispatch_id, "now_": now}
        await _taking(connection.dialect.name).run(connection, values)
    return rows


async def any_due(
    connection: AsyncConnection,
    account: str,
    now: datetime,
    *,
    only: Category | None = None,
    without: Collection[Category] = (),
) -> bool:
    """Tell whether there is anything that ``claim`` would take."""
    values = {"account_": account, "limit_": 1, "now_": now}
    return bool(await _finding(only, tuple(sorted(without))).rows(connection, values))


def claimed(  # noqa: PLR0913  # as above
    account: str,
    dispatch_id: str,
    limit: int,
    now: datetime,
    *,
    only: Category | None = None,
    without: Collection[Category] = (),
) -> Step:
    """Return the step by which SQLite claims for a dispatch, unless it has been claimed for."""
    values = {"account_": account, "limit_": limit, "now_": now, "dispatch_": dispatch_id}
    return _claiming(only, tuple(sorted(without))).step(values)


async def rows_of_claim(connection: AsyncConnection, dispatch_id: str) -> list[Row]:
    """Return what ``claimed`` has claimed for a dispatch, as ``claim`` does."""
    known = {"status": _SENDING, "dispatch_id": dispatch_id}
    rows = await _OF_CLAIM.rows(connection, {"dispatch_": dispatch_id}, known)
    # SQLite's sorter takes longer than all else that it does to read them. Least first.
    rows.sort(key=itemgetter("id"))
    rows.sort(key=itemgetter("due_at"))
    rows.sort(key=itemgetter("priority"), reverse=True)  # which keeps the order of equals
    return rows


async def give_back(connection: AsyncConnection, dispatch_id: str, now: datetime) -> None:
    """Queue again what was claimed for a dispatch, as if it had not been."""
    await _GIVING_BACK.run(connection, {"dispatch_": dispatch_id, "now_": now})


_GIVING_BACK = Prepared(
    sa.update(messages)
    .where(M.dispatch_id == sa.bindparam("dispatch_"), M.status == sa.literal_column("'sending'"))
    .values(
        status=sa.literal_column("'queued'"),
        status_at=sa.bindparam("now_", type_=Instant()),
        attempts=M.attempts - 1,
    )
)
_OF_CLAIM = Prepared(
    sa.select(
        *(column for column in _CLAIMED if column.name not in {"status", "dispatch_id"})
    ).where(M.dispatch_id == sa.bindparam("dispatch_"), M.status == sa.literal_column("'sending'"))
)


@cache
def _finding(only: Category | None, without: tuple[Category, ...]) -> Prepared:
    return Prepared(_due(only, without).with_only_columns(M.id))


@cache
def _taking_all(only: Category | None, without: tuple[Category, ...]) -> Prepared:
    known = {"account", "status", "dispatch_id", "provider_ref", "attempts"}
    asked = [column for column in _CLAIMED if column.name not in known]
    due = _due(only, without).with_only_columns(*asked, (M.attempts + 1).label("attempts"))
    return Prepared(due.with_for_update(skip_locked=True))


@cache
def _claiming(only: Category | None, without: tuple[Category, ...]) -> Prepared:
    # By their numbers they are found at once, by their ids through an index.
    due = _NUMBER.in_(_due(only, without).with_only_columns(_NUMBER).select_from(messages))
    there = sa.exists().where(dispatches.c.id == sa.bindparam("dispatch_"))
    return Prepared(_claim(due).where(~there))


@cache
def _taking(dialect: str) -> Prepared:
    return Prepared(_claim(among_named(dialect, M.id, "ids")))


def _claim(which: sa.ColumnElement[bool]) -> sa.Update:
    return (
        sa.update(messages)
        .where(which)
        .values(
            status=sa.literal_column("'sending'"),
            status_at=sa.bindparam("now_", type_=Instant()),
            dispatch_id=sa.bindparam("dispatch_"),
            attempts=M.attempts + 1,
            provider_ref=None,
        )
    )


@cache
def _due(only: Category | None, without: tuple[Category, ...]) -> sa.Select[Any]:
    """Return the statement that finds what to claim; its building takes longer than it does."""
    now = sa.bindparam("now_", type_=Instant())
    due = (
        sa.select(M.id)
        .where(
            M.account == sa.bindparam("account_"),
            M.status == sa.literal_column("'queued'"),
            M.due_at <= now,
            sa.or_(M.expires_at.is_(None), M.expires_at > now),
            sa.or_(M.origin.is_(None), ~_earlier_under_way()),
            sa.or_(
                M.campaign_id.is_(None),
                # The first alone would let through what is canceled; but it is what thousands of
                # held messages are left by, at less than half of the cost of the second.
                sa.and_(M.campaign_id.not_in(_paused()), _campaign_status().not_in(_HELD)),
            ),
        )
        .order_by(M.priority.desc(), M.due_at, M.id)
        .limit(sa.bindparam("limit_", type_=sa.Integer()))
    )
    return due.where(*_of_turn(M.category, only, without))


def _earlier_under_way() -> sa.ColumnElement[bool]:
    earlier = messages.alias("earlier")
    # One that would be claimed before is no obstacle; one that waits for longer is.
    waits = sa.and_(earlier.c.status == sa.literal_column("'queued'"), earlier.c.due_at > M.due_at)
    return sa.exists().where(
        earlier.c.address == M.address,
        earlier.c.id < M.id,
        earlier.c.account == M.account,
        earlier.c.origin.is_not(None),
        sa.or_(earlier.c.status == sa.literal_column("'sending'"), waits),
    )


@cache
def _overtaking(only: Category | None, without: tuple[Category, ...]) -> Prepared:
    """Return PostgreSQL's statement that finds who would overtake, among those to be claimed.

    It finds an agent's message before which stands another to the same person, which the same claim
    would have taken: another node is claiming that one.
    """
    earlier = messages.alias("earlier").c
    now = sa.bindparam("now_", type_=Instant())
    taken_before = sa.and_(
        earlier.status == sa.literal_column("'queued'"),
        earlier.due_at <= M.due_at,
        earlier.priority >= M.priority,
        sa.or_(earlier.expires_at.is_(None), earlier.expires_at > now),
        *_of_turn(earlier.category, only, without),
    )
    other_node_s = sa.exists().where(
        earlier.address == M.address,
        earlier.id < M.id,
        earlier.account == M.account,
        earlier.origin.is_not(None),
        sa.or_(earlier.status == sa.literal_column("'sending'"), taken_before),
        ~among_named("postgresql", earlier.id, "ids"),
    )
    found = sa.select(M.id).where(among_named("postgresql", M.id, "ids"), other_node_s)
    return Prepared(found.where(M.origin.is_not(None)))


def _of_turn(
    category: sa.ColumnElement[Any], only: Category | None, without: Collection[Category]
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a message is of the categories that a claim takes."""
    if only is not None:  # spelled out, so that a partial index applies
        return [category == sa.literal_column(f"'{only.value}'")]
    if without:
        return [category.not_in([sa.literal_column(f"'{each}'") for each in without])]
    return []


def _paused() -> sa.Select[tuple[str]]:
    # Spelled as in the partial index, so that SQLite sees that it applies.
    active = sa.text("campaigns.status IN ('scheduled', 'running', 'paused')")
    return sa.select(campaigns.c.id).where(active, campaigns.c.status == _HELD[0])


def _campaign_status() -> sa.ColumnElement[str]:
    # Looked up by the id for each message that has one: a join might read all campaigns.
    status = sa.select(campaigns.c.status).where(campaigns.c.id == M.campaign_id)
    return sa.func.coalesce(status.scalar_subquery(), "")


async def of_dispatch(connection: AsyncConnection, dispatch_id: str) -> list[Row]:
    """Return the messages of a dispatch that are still in flight, as a claim returns them."""
    statement = (
        sa.select(*_CLAIMED)
        .where(M.dispatch_id == dispatch_id, in_flight())
        .order_by(M.priority.desc(), M.due_at, M.id)
    )
    return rows_of(await connection.execute(statement))


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


async def count_queued(connection: AsyncConnection) -> dict[str, int]:
    """Count the queued messages of each account."""
    statement = (
        sa.select(M.account, sa.func.count())
        .where(M.status == sa.literal_column("'queued'"))
        .group_by(M.account)
    )
    return {row[0]: row[1] for row in (await connection.execute(statement)).all()}


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
            _fallbacks_text() == encode_json(plan),
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


def _fallbacks_text() -> sa.ColumnElement[str]:
    return sa.cast(M.fallbacks, sa.Text)
