"""What comes back from providers, by webhook or when they are asked: DLRs, MOs, late refusals."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine import policy
from recado_core.engine.messages import conversing
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import (
    Change,
    apply,
    carry_out,
    plan_changes,
)
from recado_core.engine.receive.foreseeing import (
    AS_SENT,
    Foreseen,
    change_of,
    foresee_at_once,
    plan_at_once,
)
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import dispatches, events, messages
from recado_core.engine.store.vendor_words import (
    LONGEST_CHANNEL,
    clip_address,
    clip_reference,
    id_in,
    storable,
)
from recado_core.engine.suppressions.consents import Consents
from recado_core.messages import (
    BatchRejected,
    Category,
    InboundMessage,
    Status,
    StatusUpdate,
    WebhookItem,
)
from recado_core.segments import count_segments

Row = dict[str, Any]
Key = tuple[str, str]
"""The message's id and the vendor's reference that a DLR names, empty where it names none."""

_SENT: Final = Status.SENT

ANSWERED_WITHIN = timedelta(hours=168)
"""How far back the MT is looked for that an MO answers, where the vendor does not name it."""


class Arrivals:
    """The one way in of what providers say."""

    def __init__(self, consents: Consents, telling: Telling) -> None:
        self._consents = consents
        self._telling = telling

    async def foresee(
        self, connection: AsyncConnection, account: str, items: Sequence[WebhookItem], now: datetime
    ) -> Foreseen | None:
        """Make ready what ``take`` is most likely to write; None where that can't be told.

        It can where all that is told is DLRs about messages that are *sent* and have the vendor's
        reference: such a message changes by nothing but its status.

        Args:
            connection: One of SQLite's that reads.
            account: Whose provider speaks.
            items: What it says.
            now: The time.
        """
        updates = [item for item in items if isinstance(item, StatusUpdate)]
        if len(updates) < len(items):
            return None
        at_once = await foresee_at_once(connection, account, updates, now, self._telling)
        if at_once is not None:
            return at_once
        keys = _keys_of(updates)
        standing = await _standing_of(connection, account, keys)
        read = await _read_updates(connection, account, updates, keys, standing)
        if read.strangers or any(
            row["status"] != _SENT or row["provider_ref"] is None for row in standing.values()
        ):
            return None
        dialect = connection.dialect.name
        plan = plan_changes(dialect, standing, read.changes, now, self._telling, expected=AS_SENT)
        left = standing.keys() - {change.message_id for change in plan.done}
        return Foreseen(left=left, plan=plan)

    def wake(self, foreseen: Foreseen) -> None:
        """Wake the sinks that what was foreseen, and is written, is told to."""
        self._telling.wake(foreseen.plan.told)

    async def take(
        self, connection: AsyncConnection, account: str, items: Sequence[WebhookItem], now: datetime
    ) -> set[int]:
        """Write what a provider says; return the ``id()`` of items about messages not known here.

        Such an item may be early: a DLR can overtake the answer to the send.
        """
        updates = [item for item in items if isinstance(item, StatusUpdate)]
        strangers = await self._take_updates(connection, account, updates, now)
        for item in items:
            if isinstance(item, BatchRejected) and not await _take_rejection(
                connection, account, item, now, self._telling
            ):
                strangers.add(id(item))
        inbound = [item for item in items if isinstance(item, InboundMessage)]
        if inbound:
            answered = await _take_inbound(connection, account, inbound, now)
            new = [row for row, _ in answered]
            conversations = await conversing.note_received(connection, new, now, self._telling)
            told = [_received_event(row, conversations[row["id"]], now) for row in new]
            about = {
                event["id"]: row | _counted_for(mt)
                for event, (row, mt) in zip(told, answered, strict=True)
            }
            await self._telling.tell(connection, told, about)
            await self._consents.take(connection, new, now)
        return strangers

    async def _take_updates(
        self,
        connection: AsyncConnection,
        account: str,
        updates: Sequence[StatusUpdate],
        now: datetime,
    ) -> set[int]:
        keys = _keys_of(updates)
        standing = await _standing_of(connection, account, keys)
        dialect = connection.dialect.name
        plan = plan_at_once(dialect, account, updates, standing, now, self._telling)
        if plan is not None:
            await carry_out(connection, plan, self._telling)
            return set()
        read = await _read_updates(connection, account, updates, keys, standing)
        await apply(connection, standing, read.changes, now, self._telling)
        return read.strangers


class _Read(msgspec.Struct, frozen=True):
    """What DLRs say of messages that are known here, and the ``id()`` of those about others."""

    changes: list[Change]
    strangers: set[int]


def _keys_of(updates: Sequence[StatusUpdate]) -> list[Key]:
    """Return by what each DLR names its message."""
    return [(id_in(item.message_id), clip_reference(item.provider_ref) or "") for item in updates]


async def _read_updates(
    connection: AsyncConnection,
    account: str,
    updates: Sequence[StatusUpdate],
    keys: Sequence[Key],
    standing: Mapping[str, Row],
) -> _Read:
    unnamed = {reference for named, reference in keys if reference and named not in standing}
    by_reference = _by_reference(standing.values(), account, unnamed) if unnamed else {}
    waiting = sorted({row["dispatch_id"] for row in standing.values() if _waits_again(row)})
    attempts = await dispatches.account_of(connection, waiting) if waiting else {}
    changes: list[Change] = []
    strangers: set[int] = set()
    for item, (named, reference) in zip(updates, keys, strict=True):
        row = standing.get(named) or by_reference.get(reference)
        if row is None:
            strangers.add(id(item))
        elif _concerns(row, account, item.status, reference, attempts):
            changes.append(change_of(item, row["id"], account, reference or None))
    return _Read(changes, strangers)


def _by_reference(
    rows: Iterable[Row], account: str, references: AbstractSet[str]
) -> dict[str, Row]:
    """Return an account's messages in flight by the vendor's references, which are among these.

    Of those that share one it is the newest.
    """
    return {
        row["provider_ref"]: row
        for row in sorted(rows, key=itemgetter("id"))
        if row["provider_ref"] in references
        and row["account"] == account
        and row["status"] in policy.IN_FLIGHT
    }


async def _standing_of(
    connection: AsyncConnection, account: str, keys: Sequence[Key]
) -> dict[str, Row]:
    """Return where the messages stand that DLRs name, locked.

    Args:
        connection: The transaction's.
        account: Whose provider speaks.
        keys: Those of each DLR. The reference is looked for where no message has the id.
    """
    named = {key for key, _ in keys if key}
    unnamed = {reference for key, reference in keys if reference and not key}
    standing = await messages.lock_reported(connection, account, named, unnamed)
    missed = {reference for key, reference in keys if reference and key not in standing} - unnamed
    if missed:
        standing |= await messages.lock_reported(connection, account, (), missed)
    return standing


_WAITING = (Status.QUEUED, Status.SCHEDULED)


def _waits_again(row: Row) -> bool:
    return row["status"] in _WAITING and row["dispatch_id"] is not None


def _concerns(
    row: Row, account: str, status: Status, reference: str, attempts: Mapping[str, str]
) -> bool:
    """Tell whether a DLR is about the message's latest attempt, at this account.

    A message that waits again was not taken, we thought; a DLR may say that it was.
    """
    if status not in policy.DLR_STATUSES:
        return False
    if row["status"] in _WAITING:
        return status in policy.TAKEN and attempts.get(row["dispatch_id"] or "") == account
    named = row["provider_ref"]
    return row["account"] == account and (named is None or not reference or named == reference)


async def _take_rejection(
    connection: AsyncConnection,
    account: str,
    item: BatchRejected,
    now: datetime,
    telling: Telling,
) -> bool:
    dispatch_id = id_in(item.batch_reference)
    if not await dispatches.exists(connection, dispatch_id, account):
        return False
    standing = await messages.lock_dispatch(connection, dispatch_id)
    changes = [
        Change(message_id=key, status=Status.REJECTED, code=item.code, text=item.text)
        for key in standing
    ]
    await apply(connection, standing, changes, now, telling)
    return True


async def _take_inbound(
    connection: AsyncConnection, account: str, items: Sequence[InboundMessage], now: datetime
) -> list[tuple[Row, Row | None]]:
    """Store the MOs that are not there yet; return their rows, and the MTs that they answer."""
    references = [_reference_of(item) for item in items]
    known = await messages.known_inbound(connection, account, references)
    items = [item for item, key in zip(items, references, strict=True) if key not in known]
    named = [id_in(item.answers_message_id) for item in items]
    answered = await messages.outbound_by_id(connection, account, filter(None, named))
    answers: list[tuple[Row, Row | None]] = []
    for item in items:
        mt, sender = answered.get(item.answers_message_id or ""), clip_address(item.sender)
        if mt is None and item.answers_provider_ref:
            reference = clip_reference(item.answers_provider_ref) or ""
            mt = await messages.outbound_by_ref(connection, account, sender, reference)
        if mt is None:
            since = now - ANSWERED_WITHIN
            mt = await messages.last_outbound(connection, account, sender, since)
        answers.append((_inbound_row(account, item, mt, now), mt))
    inserted = await messages.insert_inbound(connection, [row for row, _ in answers])
    return [(row, mt) for row, mt in answers if row["id"] in inserted]


def _counted_for(mt: Row | None) -> Row:
    """Return for what an MO counts in the statistics: what the MT was for that it answers."""
    return {name: mt and mt[name] for name in ("campaign_id", "cost_centre")}


def _received_event(row: Row, conversation: Row, now: datetime) -> Row:
    return events.new_event(
        "message.received",
        now,
        message_id=row["id"],
        account=row["account"],
        to_status=Status.RECEIVED,
        data={"answers_id": row["answers_id"], "conversation_id": conversation["id"]},
    )


def _reference_of(item: InboundMessage) -> str:
    """Return what makes a repeat of an MO known: the vendor's reference, or else all it says."""
    if item.provider_ref:
        return clip_reference(item.provider_ref) or ""
    content = repr((item.sender, item.recipient, item.text, item.received_at))
    return "sha256:" + hashlib.sha256(content.encode(errors="replace")).hexdigest()


def _inbound_row(account: str, item: InboundMessage, mt: Row | None, now: datetime) -> Row:
    named = mt is not None and mt["id"] == item.answers_message_id
    text = storable(item.text)
    segments = count_segments(text)
    return {
        "id": new_id(),
        "direction": "in",
        "channel": storable(item.channel[:LONGEST_CHANNEL]),
        "account": account,
        # The vendor may write the number in a form of its own; the MT that it names has ours.
        "address": mt["address"] if mt is not None and named else clip_address(item.sender),
        "sender_id": clip_address(item.recipient) if item.recipient else None,
        "text": text,
        "media": list(item.media) or None,
        "category": Category.TRANSACTIONAL,
        "priority": 0,
        "reference": mt["reference"] if mt else None,
        "segments": segments.count,
        "encoding": segments.encoding,
        "status": Status.RECEIVED,
        "status_at": now,
        "provider_ref": _reference_of(item),
        "answers_id": mt["id"] if mt else None,
        "created_at": _aware(item.received_at) or now,
        "due_at": now,
    }


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
