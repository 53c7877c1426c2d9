"""A message's way from one status to the next: the row, and the event that tells of it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from recado_core.messages import Status, StatusUpdate, SuppressionReason

Row = dict[str, Any]

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_QUEUED: Final = Status.QUEUED
_SCHEDULED: Final = Status.SCHEDULED
_SENDING: Final = Status.SENDING
MANY = 25
"""Messages from which on what is written alike is so by a statement of its own."""

STANDS = ("status", "code", "status_text", "account", "dispatch_id", "segments")
"""What of a message decides on what a change writes and tells."""
stands: Callable[[Row], tuple[Any, ...]] = itemgetter(*STANDS)
"""Returns it of a message."""

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


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that stand alike, and what becomes of all of them.

    ``change`` is that of any of them. ``event_ids`` and ``rows`` are in one order, and so are
    ``references``, the vendor's where they are new: of all of them, or of none.
    """

    change: Change
    event_ids: list[str]
    rows: list[Row]
    references: list[str] = []


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What changes come to, made ready for the database: the messages' columns, and the events."""

    steps: list[Step]
    told: Told


class Plan(Ready, frozen=True, kw_only=True):
    """It, and the changes that the policy allows."""

    done: list[Change]


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


async def carry_out(connection: AsyncConnection, plan: Ready, telling: Telling) -> None:
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
    done = planning.take(changes)
    steps, told = planning.end(dialect, telling, expected)
    return Plan(done=done, steps=steps, told=told)


def plan_alike(
    dialect: str, alike: Iterable[Alike], now: datetime, telling: Telling, expected: Row
) -> Ready:
    """Do the same with changes that the policy allows, each of another message, put together.

    Args:
        dialect: As in ``plan_changes``.
        alike: The messages, and what shall become of them: nothing that takes a look at each.
        now: As in ``plan_changes``.
        telling: As in ``plan_changes``.
        expected: As in ``plan_changes``.
    """
    planning = _Planning({}, now, telling.tallies)
    for each in alike:
        planning.take_alike(each)
    steps, told = planning.end(dialect, telling, expected)
    return Ready(steps=steps, told=told)


def places_alike(columns: Iterable[Sequence[Any]]) -> list[Sequence[int]]:
    """Return the places at which columns have the same, together: mostly it is all of them.

    Args:
        columns: One or more, all equally long and not empty; their values can be keys.
    """
    differing: list[Sequence[Any]] = []
    for column in columns:
        places = range(len(column))
        if column.count(column[0]) < len(column):
            differing.append(column)
    if not differing:
        return [places]
    together: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, values in zip(places, zip(*differing, strict=True), strict=True):
        together[values].append(place)
    return [*together.values()]


def said_in(items: Sequence[Change | StatusUpdate]) -> Iterator[Sequence[Any]]:
    """Yield in what changes, or the DLRs that ask for them, are alike that say the same."""
    yield [item.status for item in items]
    yield [item.code for item in items]
    yield [item.text for item in items]
    times = [item.at for item in items]
    if any(times):
        yield times
        # One moment may be written in two ways.
        yield [None if at is None else at.utcoffset() for at in times]


class _Written(msgspec.Struct, frozen=True):
    """What messages that are alike write and tell, with the vendor's references."""

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
        self._alike: list[_Written] = []
        self._written: dict[str, Row] = {}
        self._told: list[Row] = []
        self._about: dict[str, Row] = {}

    def take(self, asked: Iterable[Change]) -> list[Change]:
        """Take changes as they are asked for; return those that the policy allows."""
        changes = [change for change in asked if change.message_id in self._standing]
        if not changes:
            return []
        rows = [self._standing[change.message_id] for change in changes]
        references = _new_references(changes, rows)
        event_ids = new_ids(len(changes))
        alone = _alone(changes, rows)
        refused: set[int] = set()
        for every in places_alike(_alike_in(changes, rows, references)):
            places = [place for place in every if place not in alone] if alone else every
            if not places:
                continue
            first = places[0]
            if not policy.may_follow(rows[first]["status"], changes[first].status):
                refused.update(places)
                continue
            named = () if references[first] is None else places
            self.take_alike(
                Alike(
                    change=changes[first],
                    event_ids=[event_ids[place] for place in places],
                    rows=[rows[place] for place in places],
                    references=[references[place] or "" for place in named],
                )
            )
        for place in refused:
            self._overtake(rows[place], changes[place])
        for place in sorted(alone):
            if not self._take_alone(changes[place], event_ids[place]):
                refused.add(place)
        return [change for place, change in enumerate(changes) if place not in refused]

    def take_alike(self, alike: Alike) -> None:
        """Take changes that are allowed, and come to the same."""
        row = alike.rows[0]
        new = _written(row, alike.change, self._now, self._tallies)
        event = _event(row, alike.change, new, self._now)
        told = Happened(event, alike.event_ids, alike.rows)
        self._alike.append(_Written(new, told, alike.references))

    def end(self, dialect: str, telling: Telling, expected: Row | None) -> tuple[list[Step], Told]:
        """Return what all of them come to, made ready for the database."""
        told = telling.prepare(
            dialect, self._told, self._about, [each.told for each in self._alike]
        )
        return self._steps(dialect, expected), told

    def _take_alone(self, change: Change, event_id: str) -> bool:
        """Take a change, if it is allowed; return whether it is."""
        row = self._standing[change.message_id]  # as an earlier change has left it
        if not policy.may_follow(row["status"], change.status):
            self._overtake(row, change)
            return False
        new = _written(row, change, self._now, self._tallies)
        (reference,) = _new_references([change], [row])
        if reference is not None:
            new["provider_ref"] = reference
        placed = {} if change.retry is None else _placed(change, change.retry, self._now)
        changed = self._write(row, new, placed)
        if not change.waits_on or "code" in new or "status_text" in new:
            event = _event(row, change, new, self._now)
            event["id"], event["message_id"] = event_id, row["id"]
            self._told.append(event)
            self._about[event_id] = changed
        return True

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
        for each in self._alike:
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


def _alone(changes: Sequence[Change], rows: Sequence[Row]) -> set[int]:
    """Return the places of changes that are looked at one by one."""
    repeated = _repeated([change.message_id for change in changes])
    return {
        place
        for place, change in enumerate(changes)
        if change.retry is not None
        or change.reasons
        or change.waits_on
        or (change.account is not None and change.account != rows[place]["account"])
        or change.message_id in repeated
    }


def _repeated(ids: Sequence[str]) -> set[str]:
    """Return what is there more than once."""
    if len(set(ids)) == len(ids):
        return set()
    return {key for key, times in Counter(ids).items() if times > 1}


def _alike_in(
    changes: Sequence[Change], rows: Sequence[Row], references: Sequence[str | None]
) -> Iterator[Sequence[Any]]:
    """Yield in what those have to be alike that write and tell the same."""
    yield [*map(stands, rows)]
    yield from said_in(changes)
    yield [reference is None for reference in references]


def _new_references(changes: Sequence[Change], rows: Sequence[Row]) -> list[str | None]:
    """Return the vendor's reference of each message, if it is another than is known."""
    given = [change.provider_ref for change in changes]
    known = [row["provider_ref"] for row in rows]
    if given == known:  # as DLRs have it, cut already
        return [None] * len(given)
    return [
        reference if reference and reference != before else None
        for reference, before in zip(map(clip_reference, given), known, strict=True)
    ]


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
