"""Statements on ``dispatches``."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import Instant, dispatches, events, messages, nodes
from recado_core.engine.store.statements.many import insert_many, rows_of
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Step

Row = dict[str, Any]

D = dispatches.c

AT_ONCE = 5000
"""Values that one statement compares with at the most."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Which dispatches a node takes to ask about, and until when the others leave them.

    ``without`` are accounts whose earlier questions are still under way.
    """

    node_id: str
    now: datetime
    hold_until: datetime
    limit: int
    without: Collection[str] = ()


async def insert(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Insert dispatches: ``id``, ``account``, ``node_id``, ``size``, ``started_at``."""
    await insert_many(connection, dispatches, [{**row, "state": "open"} for row in rows])


def claimed(row: Row) -> Step:
    """Return the step of SQLite's that inserts a dispatch of as many as the step before changed.

    Args:
        row: As in ``insert``, without the ``size``; of no messages there is no dispatch.
    """
    return _CLAIMED.step({f"{name}_": value for name, value in row.items()})


_CLAIMED = Prepared(
    sa.insert(dispatches).from_select(
        ["id", "account", "node_id", "started_at", "state", "size"],
        sa.select(
            *(sa.bindparam(f"{name}_", type_=D[name].type)
              for name in ("id", "account", "node_id", "started_at")),
            sa.literal_column("'open'"),
            sa.func.changes(),
        ).where(sa.func.changes() > sa.literal_column("0")),
    )
)  # fmt: skip


async def finish(  # noqa: PLR0913  # the columns it writes
    connection: AsyncConnection,
    dispatch_id: str,
    *,
    outcome: str,
    now: datetime,
    code: str | None = None,
    text: str | None = None,
    poll_at: datetime | None = None,
) -> bool:
    """Close a dispatch that is open or in doubt; tell whether it still was."""
    values = _ending(dispatch_id, outcome, now, code, text, poll_at)
    return await _FINISHING.run(connection, values) > 0


def finished(dispatch_id: str, outcome: str, now: datetime, poll_at: datetime | None) -> Step:
    """Return the step of SQLite's that closes a dispatch that the provider took."""
    return _FINISHING.step(_ending(dispatch_id, outcome, now, None, None, poll_at))


def _ending(  # noqa: PLR0913, PLR0917  # the columns
    dispatch_id: str,
    outcome: str,
    now: datetime,
    code: str | None,
    text: str | None,
    poll_at: datetime | None,
) -> Row:
    return {
        "dispatch": dispatch_id,
        "outcome_": outcome,
        "finished_at_": now,
        "code_": code,
        "text_": text,
        "poll_at_": poll_at,
    }


_FINISHING = Prepared(
    sa.update(dispatches)
    .where(D.id == sa.bindparam("dispatch"), D.state != "done")
    .values(
        state="done",
        node_id="",
        outcome=sa.bindparam("outcome_"),
        finished_at=sa.bindparam("finished_at_"),
        code=sa.bindparam("code_"),
        text=sa.bindparam("text_"),
        due_at=None,
        poll_at=sa.bindparam("poll_at_"),
    )
)


async def lessen(connection: AsyncConnection, dispatch_id: str, by: int) -> None:
    """Note that so many messages of a dispatch are not handed over."""
    await connection.execute(
        sa.update(dispatches).where(D.id == dispatch_id).values(size=D.size - by)
    )


async def mark_doubt(  # noqa: PLR0913  # the columns it writes
    connection: AsyncConnection,
    dispatch_id: str,
    *,
    now: datetime,
    due_at: datetime,
    code: str | None,
    text: str | None,
    counts: bool = True,
) -> None:
    """Note that nobody knows how this dispatch ended; it is asked about at ``due_at``.

    ``counts`` is false where it could not be asked about this time.
    """
    statement = (
        sa.update(dispatches)
        .where(D.id == dispatch_id, D.state != "done")
        .values(
            state="doubt",
            node_id="",
            doubt_at=sa.func.coalesce(D.doubt_at, sa.literal(now, Instant())),
            due_at=due_at,
            code=code,
            text=text,
            lookups=D.lookups + int(counts),
            poll_at=None,
        )
    )
    await connection.execute(statement)


async def doubtful(connection: AsyncConnection, turn: Turn) -> list[Row]:
    """Take the dispatches in doubt that are due."""
    doubt = D.state == sa.literal_column("'doubt'")
    return await _take(connection, D.due_at, doubt, turn)


async def to_poll(connection: AsyncConnection, turn: Turn) -> list[Row]:
    """Take the dispatches whose DLRs are to be asked for."""
    planned = D.poll_at.is_not(None)
    return await _take(connection, D.poll_at, planned, turn)


async def plan_poll(
    connection: AsyncConnection, dispatch_id: str, poll_at: datetime | None, *, counts: bool
) -> None:
    """Set when a dispatch's DLRs are next asked for; None: never again.

    ``counts`` is false where they could not be asked for this time.
    """
    statement = (
        sa.update(dispatches)
        .where(D.id == dispatch_id)
        .values(poll_at=poll_at, polls=D.polls + int(counts), node_id="")
    )
    await connection.execute(statement)


async def reopen(
    connection: AsyncConnection, dispatch_id: str, node_id: str, now: datetime
) -> bool:
    """Say that the call is made only now; tell whether the dispatch is still this node's."""
    statement = (
        sa.update(dispatches)
        .where(
            D.id == dispatch_id,
            D.state == "open",
            D.node_id == node_id,
            D.node_id.in_(sa.select(nodes.c.id)),
        )
        .values(started_at=now)
    )
    return (await connection.execute(statement)).rowcount > 0


async def doubt_dropped(
    connection: AsyncConnection, node_id: str, carried: Sequence[str], now: datetime
) -> int:
    """Put in doubt a node's open dispatches that it does not carry; return how many there were.

    ``now`` was read before ``carried``, so that one that began since is left alone.
    """
    statement = (
        sa.update(dispatches)
        .where(
            D.state == sa.literal_column("'open'"),
            D.node_id == node_id,
            D.started_at <= now,
            D.id.not_in(carried),
        )
        .values(state="doubt", doubt_at=now, due_at=now, node_id="", text="the call was broken off")
    )
    return (await connection.execute(statement)).rowcount


async def doubt_abandoned(connection: AsyncConnection, now: datetime, ended_at: datetime) -> int:
    """Put in doubt what nodes that are gone left open, and free what they were asking about.

    Args:
        connection: The transaction's.
        now: The time.
        ended_at: When the last of their calls has surely ended.
    """
    gone = sa.and_(D.node_id != "", D.node_id.not_in(sa.select(nodes.c.id)))
    asking = sa.update(dispatches).where(D.state == sa.literal_column("'doubt'"), gone)
    await connection.execute(asking.values(due_at=now, node_id=""))
    asking = sa.update(dispatches).where(D.poll_at.is_not(None), gone)
    await connection.execute(asking.values(poll_at=now, node_id=""))
    calling = sa.update(dispatches).where(D.state == sa.literal_column("'open'"), gone)
    values = {"state": "doubt", "doubt_at": ended_at, "due_at": now, "node_id": ""}
    left = await connection.execute(
        calling.values(values | {"text": "the process that called is gone"})
    )
    return left.rowcount


async def exists(connection: AsyncConnection, dispatch_id: str, account: str) -> bool:
    """Tell whether the account made such a dispatch."""
    statement = sa.select(D.id).where(D.id == dispatch_id, D.account == account)
    return (await connection.execute(statement)).first() is not None


async def attempts_of(connection: AsyncConnection, message_id: str) -> list[Row]:
    """Return the dispatches that a message was part of, oldest first."""
    of_events = sa.select(events.c.dispatch_id).where(
        events.c.message_id == message_id, events.c.dispatch_id.is_not(None)
    )
    current = sa.select(messages.c.dispatch_id).where(messages.c.id == message_id)
    statement = (
        sa.select(dispatches).where(sa.or_(D.id.in_(of_events), D.id.in_(current))).order_by(D.id)
    )
    return rows_of(await connection.execute(statement))


async def sent_since(connection: AsyncConnection, account: str, since: datetime) -> int:
    """Count the messages that the account has handed over, or is handing over, since then."""
    statement = sa.select(sa.func.coalesce(sa.func.sum(D.size), 0)).where(
        D.account == account,
        D.started_at >= since,
        sa.or_(D.outcome.is_(None), D.outcome.in_(["accepted", "found"])),
    )
    return int((await connection.execute(statement)).scalar_one())


async def _take(
    connection: AsyncConnection,
    due: sa.ColumnElement[datetime],
    condition: sa.ColumnElement[bool],
    turn: Turn,
) -> list[Row]:
    ids = (
        sa.select(D.id)
        .where(condition, due <= turn.now, D.account.not_in(turn.without))
        .order_by(due)
        .limit(turn.limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        sa.update(dispatches)
        .where(D.id.in_(ids))
        .values({due: turn.hold_until, D.node_id: turn.node_id})
        .returning(dispatches)
    )
    return rows_of(await connection.execute(statement))


async def account_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """Return at which account each of these dispatches was made."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), AT_ONCE):
        statement = sa.select(D.id, D.account).where(D.id.in_(ids[start : start + AT_ONCE]))
        found.update({row.id: row.account for row in await connection.execute(statement)})
    return found
