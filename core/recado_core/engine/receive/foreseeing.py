"""What DLRs come to, told of all that are alike at once; on SQLite before the transaction."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine import policy
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import (
    STANDS,
    Alike,
    Change,
    Ready,
    offsets_of,
    places_alike,
    plan_alike,
    stands,
)
from recado_core.engine.store.identifiers import new_ids
from recado_core.engine.store.statements import messages
from recado_core.engine.store.steps import Guard, Step
from recado_core.messages import Status, StatusUpdate

Row = dict[str, Any]
Columns = Mapping[str, Sequence[Any]]

SENT: Row = {"status": Status.SENT.value}
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
    found = await messages.of_sent(connection, account, ids)
    references = found.pop("provider_ref")
    if found["id"] != ids or not _are_referred_to(references, updates):
        return None
    own = {name: values for name, values in found.items() if values.count(values[0]) < len(ids)}
    like = {name: values[0] for name, values in found.items()} | {"account": account} | SENT
    rows = _rows_of(like, own, len(ids))
    stand = [own[name] for name in STANDS if name in own]
    left, alike = _judge(updates, rows, [*_said_in(updates), *stand])
    return Foreseen(left=left, plan=plan_alike("sqlite", alike, now, telling, SENT))


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
        standing: Where the messages stand, by id (``messages.lock``).
        now: The time.
        telling: Where the events go.
    """
    ids = _named_in(updates)
    if ids is None or not standing.keys() >= {*ids}:
        return None
    rows = [standing[key] for key in ids]
    if not all(row["status"] == _SENT and row["account"] == account for row in rows):
        return None
    if not _are_referred_to([row["provider_ref"] for row in rows], updates):
        return None
    stand = zip(*map(stands, rows), strict=True)
    _, alike = _judge(updates, rows, [*_said_in(updates), *stand])
    return plan_alike(dialect, alike, now, telling, SENT)


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


def _judge(
    updates: Sequence[StatusUpdate], rows: Sequence[Row], columns: Iterable[Sequence[Any]]
) -> tuple[list[str], list[Alike]]:
    """Return what is left as it is, and what becomes of the others.

    Args:
        updates: The DLRs.
        rows: The message of each.
        columns: In what those are alike that come to the same.
    """
    event_ids = new_ids(len(rows))
    left: list[str] = []
    alike: list[Alike] = []
    for places in places_alike(columns):
        first, its_rows = places[0], [rows[place] for place in places]
        change = change_of(updates[first], rows[first]["id"], rows[first]["account"])
        if change.status not in _WRITTEN:
            left += [row["id"] for row in its_rows]
            continue
        its_events = [event_ids[place] for place in places]
        alike.append(Alike(change=change, event_ids=its_events, rows=its_rows))
    return left, alike


def _are_referred_to(known: Sequence[str | None], updates: Sequence[StatusUpdate]) -> bool:
    """Tell whether DLRs bear the references that are known of their messages, or none."""
    given = [update.provider_ref for update in updates]
    return None not in known and (
        given == known
        or all(not each or each == its for each, its in zip(given, known, strict=True))
    )


def _said_in(updates: Sequence[StatusUpdate]) -> Iterator[Sequence[Any]]:
    """Yield in what DLRs are alike that come to the same for messages that stand alike."""
    yield [update.status for update in updates]
    yield [update.code for update in updates]
    yield [update.text for update in updates]
    times = [update.at for update in updates]
    if any(times):
        yield times
        yield offsets_of(times)


def _rows_of(like: Row, own: Columns, count: int) -> list[Row]:
    """Return rows of what all of them have, and of what each has of its own."""
    rows = [like.copy() for _ in range(count)]
    for name, values in own.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return rows
