"""What DLRs come to, told of all that are alike at once; on SQLite before the transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine import policy
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import (
    Alike,
    Change,
    Ready,
    places_alike,
    plan_alike,
    said_in,
    stands,
)
from recado_core.engine.store.identifiers import new_ids
from recado_core.engine.store.statements import messages
from recado_core.engine.store.steps import Guard, Step
from recado_core.messages import Status, StatusUpdate

Row = dict[str, Any]

AS_SENT: Row = {"status": Status.SENT.value}
"""What each message has that is written."""

_SENT: Final = Status.SENT
_WRITTEN = policy.TRANSITIONS[Status.SENT] & policy.DLR_STATUSES


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """What DLRs come to if the messages that they are about are *sent* until it is written.

    ``left`` are the ids of those that it leaves as they are.
    """

    left: Collection[str]
    plan: Ready

    @property
    def steps(self) -> list[Step | Guard]:
        """Return how SQLite writes it."""
        unless = [messages.are_sent(self.left)] if self.left else []
        return [*unless, *self.plan.steps, *self.plan.told.steps]


async def foresee_at_once(
    connection: AsyncConnection,
    account: str,
    updates: Sequence[StatusUpdate],
    now: datetime,
    telling: Telling,
) -> Foreseen | None:
    """Foresee DLRs that name each another message, all as they stand when they are *sent*.

    Nearly all do; what they say alike is looked at once. None where they don't.

    Args:
        connection: One of SQLite's that reads.
        account: Whose provider speaks.
        updates: What it says.
        now: The time.
        telling: Where the events go.
    """
    ids = _named_in(updates)
    if ids is None:
        return None
    rows = await messages.of_sent(connection, account, ids)
    if [row["id"] for row in rows] != ids or not _are_referred_to(rows, updates):
        return None
    left, alike = _judge(updates, rows)
    return Foreseen(left=left, plan=plan_alike("sqlite", alike, now, telling, AS_SENT))


def plan_at_once(  # noqa: PLR0913, PLR0917  # what ``foresee_at_once`` takes, and what it reads
    dialect: str,
    account: str,
    updates: Sequence[StatusUpdate],
    standing: Mapping[str, Row],
    now: datetime,
    telling: Telling,
) -> Ready | None:
    """Make ready what ``foresee_at_once`` foresees, of messages that are locked.

    Args:
        dialect: The database's.
        account: Whose provider speaks.
        updates: What it says.
        standing: Where the messages stand, by id (``messages.lock_reported``).
        now: The time.
        telling: Where the events go.
    """
    ids = _named_in(updates)
    if ids is None or not standing.keys() >= {*ids}:
        return None
    rows = [standing[key] for key in ids]
    if not all(row["status"] == _SENT and row["account"] == account for row in rows):
        return None
    if not _are_referred_to(rows, updates):
        return None
    _, alike = _judge(updates, rows)
    return plan_alike(dialect, alike, now, telling, AS_SENT)


def change_of(
    item: StatusUpdate, message_id: str, account: str, reference: str | None = None
) -> Change:
    """Return what shall become of the message that a DLR is about.

    Args:
        item: The DLR.
        message_id: Of which message.
        account: Whose provider speaks.
        reference: The vendor's, if it may be new.
    """
    return Change(
        message_id=message_id,
        status=item.status,
        code=item.code,
        text=item.text,
        provider_ref=reference,
        account=account,
        at=item.at,
    )


def _named_in(updates: Sequence[StatusUpdate]) -> list[str] | None:
    """Return the messages that DLRs name, if each names another."""
    ids = [update.message_id for update in updates if update.message_id]
    return None if not ids or len(set(ids)) < len(updates) else ids


def _judge(updates: Sequence[StatusUpdate], rows: Sequence[Row]) -> tuple[list[str], list[Alike]]:
    """Return which messages are left as they are, and what becomes of the others.

    Args:
        updates: The DLRs.
        rows: The message of each.
    """
    event_ids = new_ids(len(rows))
    left: list[str] = []
    alike: list[Alike] = []
    for places in places_alike([[*map(stands, rows)], *said_in(updates)]):
        first, its_rows = places[0], [rows[place] for place in places]
        change = change_of(updates[first], rows[first]["id"], rows[first]["account"])
        if change.status not in _WRITTEN:
            left += [row["id"] for row in its_rows]
            continue
        its_events = [event_ids[place] for place in places]
        alike.append(Alike(change=change, event_ids=its_events, rows=its_rows))
    return left, alike


def _are_referred_to(rows: Sequence[Row], updates: Sequence[StatusUpdate]) -> bool:
    """Tell whether DLRs bear the references that are known of their messages, or none."""
    known = [row["provider_ref"] for row in rows]
    given = [update.provider_ref for update in updates]
    return None not in known and (
        given == known
        or all(not each or each == its for each, its in zip(given, known, strict=True))
    )
