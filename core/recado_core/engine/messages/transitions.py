"""A message's way from one status to the next: the row, and the event that tells of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.checks import Deferral, Refusal
from recado_core.engine import policy
from recado_core.engine.messages.telling import Happened, Telling, Told
from recado_core.engine.statistics.tallies import Tallies, is_taken
from recado_core.engine.store.identifiers import new_ids
from recado_core.engine.store.statements import events, messages
from recado_core.engine.store.steps import Step
from recado_core.engine.store.vendor_words import clip_code, clip_reference, clip_text
from recado_core.messages import Status, SuppressionReason

Row = dict[str, Any]

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_QUEUED: Final = Status.QUEUED
_SCHEDULED: Final = Status.SCHEDULED
_SENDING: Final = Status.SENDING
MANY = 25
"""Messages from which on what is written alike is so by a statement of its own."""

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
        standing: Where the messages stand, locked (``messages.lock``).
        changes: What shall become of them, in order: several of one message follow each other.
            One for a message that is not in ``standing`` is passed over, and none may follow a
            retry of the same message.
        now: The time that the events bear.
        telling: Where the events go.
    """
    plan = plan_changes(connection.dialect.name, standing, changes, now, telling)
    await carry_out(connection, plan, telling)
    return plan.done


async def carry_out(connection: AsyncConnection, plan: Plan, telling: Telling) -> None:
    """Write what ``plan_changes`` has made ready."""
    await telling.write(connection, plan.told, plan.steps)


def plan_changes(  # noqa: PLR0913  # what ``apply`` takes, and on what it depends
    dialect: str,
    standing: Mapping[str, Row],
    changes: Iterable[Change],
    now: datetime,
    telling: Telling,
    *,
    expected: Row | None = None,
) -> Plan:
    """Make ready what ``apply`` writes, from what it is given.

    Args:
        dialect: The database's.
        standing: As in ``apply``.
        changes: As in ``apply``.
        now: As in ``apply``.
        telling: As in ``apply``.
        expected: What each message that is written has until then, by column, or SQLite's steps
            must not be: for one who has not locked them.
    """
    planning = _Planning(standing, now, telling.tallies)
    return planning.plan([*changes], dialect, telling, expected)


class _Alike(msgspec.Struct, frozen=True):
    """Changes that write and tell the same, but for the vendor's references."""

    new: Row
    told: Happened
    references: list[str]


class _Planning:
    """Finds what changes come to; of those that are alike, as in a batch, only once.

    Those that are not, or are of one message, are looked at one by one.
    """

    def __init__(self, standing: Mapping[str, Row], now: datetime, tallies: Tallies) -> None:
        self._standing = dict(standing)
        self._now = now
        self._tallies = tallies
        self._alike: dict[tuple[Any, ...], _Alike] = {}
        self._written: dict[str, Row] = {}
        self._told: list[Row] = []
        self._about: dict[str, Row] = {}

    def plan(
        self, changes: list[Change], dialect: str, telling: Telling, expected: Row | None
    ) -> Plan:
        """Return what they come to, made ready for the database."""
        repeated = _repeated(change.message_id for change in changes)
        done = []
        for change, event_id in zip(changes, new_ids(len(changes)), strict=True):
            row = self._standing.get(change.message_id)
            if row is None:
                continue
            if not policy.may_follow(row["status"], change.status):
                self._overtake(row, change)
                continue
            done.append(change)
            if (
                change.retry is not None
                or change.reasons
                or change.waits_on
                or change.account not in (None, row["account"])
                or change.message_id in repeated
            ):
                self._take_alone(row, change, event_id)
            else:
                self._take_alike(row, change, event_id)
        steps = self._steps(dialect, expected)
        alike = [each.told for each in self._alike.values()]
        told = telling.prepare(dialect, self._told, self._about, alike)
        return Plan(done=done, steps=steps, told=told)

    def _take_alike(self, row: Row, change: Change, event_id: str) -> None:
        reference, at = _new_reference(row, change), change.at
        key = (
            _alike_in(row),
            change.status,
            change.code,
            change.text,
            at,
            at and at.utcoffset(),  # one moment may be written in two ways
            reference is None,
        )
        alike = self._alike.get(key)
        if alike is None:
            new = _written(row, change, self._now, self._tallies)
            event = _event(row, change, new, self._now)
            self._alike[key] = alike = _Alike(new, Happened(event, [], []), [])
        alike.told.ids.append(event_id)
        alike.told.rows.append(row)
        if reference is not None:
            alike.references.append(reference)

    def _take_alone(self, row: Row, change: Change, event_id: str) -> None:
        new = _written(row, change, self._now, self._tallies)
        reference = _new_reference(row, change)
        if reference is not None:
            new["provider_ref"] = reference
        placed = {} if change.retry is None else _placed(change, change.retry, self._now)
        changed = self._write(row, new, placed)
        if not change.waits_on or "code" in new or "status_text" in new:
            event = _event(row, change, new, self._now)
            event["id"], event["message_id"] = event_id, row["id"]
            self._told.append(event)
            self._about[event_id] = changed

    def _overtake(self, row: Row, change: Change) -> None:
        """Learn the vendor's reference of a message whose DLR overtook the answer."""
        if change.provider_ref and row["provider_ref"] is None:
            self._write(row, {"provider_ref": clip_reference(change.provider_ref)}, {})

    def _write(self, row: Row, new: Row, placed: Row) -> Row:
        """Write columns of a message, and return where it stands then."""
        key = row["id"]
        earlier = self._written.get(key) or {"id": key}
        self._written[key] = {**earlier, **new, **placed}
        self._standing[key] = changed = row | new
        return changed

    def _steps(self, dialect: str, expected: Row | None) -> list[Step]:
        written = [*self._written.values()]
        steps: list[Step] = []
        for each in self._alike.values():
            ids = [row["id"] for row in each.told.rows]
            if len(ids) >= MANY:
                steps.append(
                    messages.written_alike(dialect, each.new, ids, each.references, expected)
                )
            elif each.references:
                named = zip(ids, each.references, strict=True)
                written += [{"id": key, **each.new, "provider_ref": ref} for key, ref in named]
            else:
                written += [{"id": key, **each.new} for key in ids]
        return [*messages.written(dialect, written, expected), *steps]


# What of a message decides on what a change writes and tells.
_alike_in: Callable[[Row], tuple[Any, ...]] = itemgetter(
    "status", "code", "status_text", "account", "dispatch_id", "segments"
)


def _repeated(ids: Iterable[str]) -> set[str]:
    """Return what is there more than once."""
    return {key for key, times in Counter(ids).items() if times > 1}


def _new_reference(row: Row, change: Change) -> str | None:
    """Return the vendor's reference of a message, if it is another than is known."""
    if change.provider_ref == row["provider_ref"]:  # as DLRs have it, cut already
        return None
    reference = clip_reference(change.provider_ref)
    return reference if reference and reference != row["provider_ref"] else None


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
