"""A message's way from one status to the next: the row, and the event that tells of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.checks import Deferral, Refusal
from recado_core.engine import policy
from recado_core.engine.messages.telling import Telling, Told
from recado_core.engine.statistics.tallies import Tallies, is_taken
from recado_core.engine.store.identifiers import new_ids
from recado_core.engine.store.statements import events, messages
from recado_core.engine.store.statements.many import Step
from recado_core.engine.store.vendor_words import clip_code, clip_reference, clip_text
from recado_core.messages import Status, SuppressionReason

Row = dict[str, Any]

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_QUEUED: Final = Status.QUEUED
_SCHEDULED: Final = Status.SCHEDULED
_SENDING: Final = Status.SENDING
_KINDS = {status: f"message.{status}" for status in Status}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What shall become of one message.

    ``status`` *queued* and *scheduled* need ``retry``, whose delay counts from now unless
    ``due_at`` says when. ``waits_on`` is that nothing happened but that the message still waits:
    that is told only where the reason is another than before. ``account`` is the one whose provider
    took a message that has gone on to another since. ``at`` is when the provider says that it
    happened. ``reasons`` are the checks', ``suppression`` is why the provider never sends
    to this address.
    """

    message_id: str
    status: Status
    code: str | None = None
    text: str | None = None
    provider_ref: str | None = None
    account: str | None = None
    at: datetime | None = None
    retry: policy.Retry | None = None
    due_at: datetime | None = None
    waits_on: bool = False
    reasons: tuple[Refusal | Deferral, ...] = ()
    suppression: SuppressionReason | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What changes come to, made ready for the database: the messages' columns, and the events."""

    done: list[Change]
    steps: list[Step]
    told: Told


async def apply(
    connection: AsyncConnection,
    standing: Mapping[str, Row],
    changes: Iterable[Change],
    now: datetime,
    telling: Telling,
) -> list[Change]:
    """Write the changes that the policy allows, with their events; return those.

    Args:
        connection: The transaction's.
        standing: Where the messages stand, locked (``messages.lock``); kept current here, so
            that several changes of one message follow each other.
        changes: What shall become of them, in order; one for a message that is not in ``standing``
            is passed over, and none may follow a retry of the same message.
        now: The time that the events bear.
        telling: Where the events go.
    """
    plan = plan_changes(connection.dialect.name, standing, changes, now, telling)
    await carry_out(connection, plan, telling)
    return plan.done


async def carry_out(connection: AsyncConnection, plan: Plan, telling: Telling) -> None:
    """Write what ``plan_changes`` has made ready."""
    await telling.write(connection, plan.told, plan.steps)


def plan_changes(
    dialect: str,
    standing: Mapping[str, Row],
    changes: Iterable[Change],
    now: datetime,
    telling: Telling,
) -> Plan:
    """Make ready what ``apply`` writes, from what it is given."""
    written: dict[str, Row] = {}
    told: list[Row] = []
    subjects: list[Row] = []
    done: list[Change] = []
    outcomes = _Outcomes(now, telling.tallies)
    for change in changes:
        row = standing.get(change.message_id)
        if row is None:
            continue
        new: Row = {}
        placed: Row = {}
        if policy.may_follow(row["status"], change.status):
            new, event = outcomes.take(row, change)
            if not change.waits_on or "code" in new or "status_text" in new:
                told.append(event)
                subjects.append(row)
            if change.retry is not None:
                placed = _placed(change, change.retry, now)
            done.append(change)
        elif change.provider_ref and row["provider_ref"] is None:  # a DLR overtook the answer
            new["provider_ref"] = clip_reference(change.provider_ref)
        if new:
            row |= new
            earlier = written.get(row["id"])
            written[row["id"]] = {**(earlier or {"id": row["id"]}), **new, **placed}
    return Plan(
        done=done,
        steps=messages.written(dialect, list(written.values())),
        told=telling.prepare(dialect, told, _named(told, subjects)),
    )


def _named(told: Sequence[Row], subjects: Sequence[Row]) -> dict[str, Row]:
    """Give events their ids, and the messages that they are about; return these by the ids."""
    about: dict[str, Row] = {}
    for event, row, event_id in zip(told, subjects, new_ids(len(told)), strict=True):
        event["id"], event["message_id"] = event_id, row["id"]
        about[event_id] = row
    return about


class _Outcomes:
    """Says what changes write and tell; of those that are alike, as in a batch, only once."""

    def __init__(self, now: datetime, tallies: Tallies) -> None:
        self._now = now
        self._tallies = tallies
        self._known: dict[tuple[Any, ...], tuple[Row, Row]] = {}

    def take(self, row: Row, change: Change) -> tuple[Row, Row]:
        """Return the columns that a change writes of its message, and its event, of none yet."""
        if change.retry is not None or change.reasons:
            new, event = self._find(row, change)
        else:
            key = (
                row["status"],
                row["code"],
                row["status_text"],
                row["account"],
                row["dispatch_id"],
                row["segments"],
                change.status,
                change.code,
                change.text,
                change.account,
                change.at,
                change.at and change.at.utcoffset(),  # one moment may be written in two ways
            )
            known = self._known.get(key)
            if known is None:
                self._known[key] = known = self._find(row, change)
            new, event = known[0].copy(), known[1].copy()
        provider_ref = clip_reference(change.provider_ref)
        if provider_ref and provider_ref != row["provider_ref"]:
            new["provider_ref"] = provider_ref
        return new, event

    def _find(self, row: Row, change: Change) -> tuple[Row, Row]:
        new = _written(row, change, self._now, self._tallies)
        return new, _event(row, change, new, self._now)


def _written(row: Row, change: Change, now: datetime, tallies: Tallies) -> Row:
    """Return the columns that a change writes: no others, for each may stand in an index.

    The vendor's reference is not among them.
    """
    new: Row = {"status": change.status, "status_at": now}
    code = clip_code(change.code)
    text = clip_text(change.text)
    if code != row["code"]:
        new["code"] = code
    if text != row["status_text"]:
        new["status_text"] = text
    account = change.account or row["account"]
    if account != row["account"]:
        new["account"] = account
    if is_taken(row["status"], change.status):
        new["cost"] = tallies.cost_of(account, row["segments"])
    if row["status"] == _SENDING:
        # The limits of marketing count by it, and a pause or an outage may have been long.
        new["due_at"] = now
    return new


def _placed(change: Change, retry: policy.Retry, now: datetime) -> Row:
    due_at = _due_at(change, retry, now)
    placed = {
        "account": retry.account,
        "attempts": retry.attempts,
        "fallbacks": list(retry.fallbacks) or None,
        "due_at": due_at,
        "provider_ref": None,
    }
    if change.status is _SCHEDULED:
        placed["scheduled_at"] = due_at
    return placed


def _due_at(change: Change, retry: policy.Retry, now: datetime) -> datetime:
    return change.due_at or now + timedelta(seconds=retry.delay)


def _event(row: Row, change: Change, new: Row, now: datetime) -> Row:
    """Return a change's event, of no message yet."""
    data: dict[str, Any] = {}
    if change.at is not None:
        data["provider_time"] = change.at
    if change.reasons:
        data["reasons"] = list(change.reasons)
    if change.retry is not None:
        data["next_attempt"] = {
            "account": change.retry.account,
            "at": _due_at(change, change.retry, now),
        }
    # One that is put off waits in the queue, too, as far as the events' names go.
    kind = _QUEUED if change.status is _SCHEDULED else change.status
    return events.new_event(
        _KINDS[kind],
        now,
        account=change.account or row["account"],
        dispatch_id=row["dispatch_id"],
        from_status=row["status"],
        to_status=change.status,
        code=new.get("code", row["code"]),
        text=new.get("status_text", row["status_text"]),
        data=data or None,
    )
