"""The statement that tells which kinds of work the clock has brought."""

from datetime import datetime
from enum import StrEnum, auto

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import (
    Instant,
    campaigns,
    deliveries,
    dispatches,
    inbox,
    messages,
    nodes,
    schedules,
    stats_changes,
    suppressions,
)

M = messages.c
C = campaigns.c
D = dispatches.c


class Work(StrEnum):
    """Kinds of work."""

    SCHEDULED = auto()  # scheduled messages whose time has come
    EXPIRED = auto()  # waiting messages whose time has run out
    QUEUED = auto()  # messages in any queue, due or not
    SUPPRESSIONS = auto()  # entries of the suppression list whose time is over
    OCCURRENCES = auto()  # of schedules
    CAMPAIGNS = auto()  # that run, or are to start
    DOUBTS = auto()  # dispatches to ask about
    POLLS = auto()  # dispatches whose DLRs are to be asked for
    WEBHOOKS = auto()  # to be processed
    DELIVERIES = auto()  # of any sink, due or not
    COUNTS = auto()  # changes that are not in the statistics yet
    NODES = auto()  # others on the list, calls under way, or this node is not on the list


_NOW = sa.bindparam("now_", type_=Instant())
_NODE = sa.bindparam("node_", type_=sa.String())

# Each spelled as its partial index is, so that SQLite sees that it applies.
_SIGNS: dict[Work, sa.ColumnElement[bool]] = {
    Work.SCHEDULED: sa.exists().where(
        M.status == sa.literal_column("'scheduled'"), M.due_at <= _NOW
    ),
    Work.EXPIRED: sa.exists().where(
        M.expires_at.is_not(None),
        M.expires_at <= _NOW,
        M.status.in_([sa.literal_column("'scheduled'"), sa.literal_column("'queued'")]),
    ),
    Work.QUEUED: sa.exists().where(M.status == sa.literal_column("'queued'")),
    Work.SUPPRESSIONS: sa.exists().where(
        suppressions.c.expires_at.is_not(None), suppressions.c.expires_at <= _NOW
    ),
    Work.OCCURRENCES: sa.exists().where(
        schedules.c.status == sa.literal_column("'active'"), schedules.c.next_at <= _NOW
    ),
    Work.CAMPAIGNS: sa.exists().where(
        sa.text("campaigns.status IN ('scheduled', 'running', 'paused')"),
        sa.or_(
            C.status == sa.literal_column("'running'"),
            sa.and_(C.status == sa.literal_column("'scheduled'"), C.scheduled_at <= _NOW),
        ),
    ),
    Work.DOUBTS: sa.exists().where(D.state == sa.literal_column("'doubt'"), D.due_at <= _NOW),
    Work.POLLS: sa.exists().where(D.poll_at.is_not(None), D.poll_at <= _NOW),
    Work.WEBHOOKS: sa.exists().where(
        inbox.c.state == sa.literal_column("'pending'"), inbox.c.due_at <= _NOW
    ),
    Work.DELIVERIES: sa.exists().where(deliveries.c.state == sa.literal_column("'pending'")),
    # The least is found by the index; PostgreSQL would look for any in the rows deleted of late.
    Work.COUNTS: sa.select(sa.func.min(stats_changes.c.id)).scalar_subquery().is_not(None),
    Work.NODES: sa.or_(
        ~sa.exists().where(nodes.c.id == _NODE),
        sa.exists().where(nodes.c.id != _NODE),
        sa.exists().where(D.state == sa.literal_column("'open'")),
    ),
}
_LOOK = sa.select(*(sign.label(work.value) for work, sign in _SIGNS.items()))


async def look(connection: AsyncConnection, node_id: str, now: datetime) -> frozenset[Work]:
    """Return the kinds of work of which any is due.

    Args:
        connection: The transaction's.
        node_id: The node that asks.
        now: The time.
    """
    found = (await connection.execute(_LOOK, {"now_": now, "node_": node_id})).one()
    return frozenset(work for work, is_due in zip(_SIGNS, found, strict=True) if is_due)
