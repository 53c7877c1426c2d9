"""Schedules as the API shows them: made, found, changed, paused, resumed, deleted."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from recado_core.engine.accept.composing import Composing
from recado_core.engine.clients.cursors import make_cursor, read_cursor
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey, Once
from recado_core.engine.failures import ConflictError, DraftError, Fault, NotFoundError
from recado_core.engine.messages.drafts import Draft
from recado_core.engine.schedules.requests import (
    Misfire,
    NewSchedule,
    ScheduleChange,
    ScheduleKind,
    ScheduleStatus,
    latest_of,
    read_change,
    read_new,
)
from recado_core.engine.schedules.timetables import INSTANT, coming, next_of, read_zone
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import schedules as store

Row = dict[str, Any]

MOST_OCCURRENCES = 100


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent when; ``starts_at``, ``next_at`` and ``last_at`` are in its own zone.

    ``starts_at`` of a schedule without a rule is its one time. ``skipped`` are the occurrences that
    an outage made too late; ``error`` is why the last one was refused, if it was.
    """

    id: str
    name: str | None
    kind: ScheduleKind
    message: Draft | None
    campaign_id: str | None
    rrule: str | None
    starts_at: datetime
    timezone: str
    misfire: Misfire
    status: ScheduleStatus
    next_at: datetime | None
    last_at: datetime | None
    runs: int
    skipped: int
    error: str | None
    created_at: datetime
    updated_at: datetime


class ScheduleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which schedules are wanted; what is None does not matter."""

    status: ScheduleStatus | None = None
    kind: ScheduleKind | None = None


class SchedulePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some schedules, and the cursor for those that follow."""

    items: list[ScheduleView]
    next_cursor: str | None


class OccurrencePage(msgspec.Struct, frozen=True, kw_only=True):
    """The occurrences that come next, all that were asked for on one page."""

    items: list[datetime]
    next_cursor: None = None


class Schedules:
    """Keeps the schedules.

    Args:
        composing: Makes messages, and so finds what is wrong with one.
        timezone: The zone of a schedule that names none.
        database: The store.
        once: The idempotency keys.
        now: The clock.
    """

    def __init__(
        self,
        composing: Composing,
        timezone: str,
        database: Database,
        once: Once,
        now: Callable[[], datetime],
    ) -> None:
        self._composing = composing
        self._timezone = timezone
        self._database = database
        self._once = once
        self._now = now

    async def add(self, new: NewSchedule, key: IdempotencyKey | None = None) -> Answer:
        """Make a schedule.

        Raises:
            DraftError: It can't be one, or its message can't be accepted; nothing was stored.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            now = self._now()
            row = {
                "id": new_id(),
                "status": ScheduleStatus.ACTIVE,
                "last_at": None,
                "runs": 0,
                "skipped": 0,
                "error": None,
                "created_at": now,
                "updated_at": now,
            } | await asyncio.to_thread(read_new, new, self._timezone, now)
            await self._check(row)
            answer = Answer(body=msgspec.json.encode(_view(row)), status=201)
            return await self._once.keep(key, answer, partial(store.insert, row=row))

    async def get(self, schedule_id: str) -> ScheduleView:
        """Return one schedule, or raise ``NotFoundError``."""
        return _view(await self._find(schedule_id))

    async def list(
        self, wanted: ScheduleFilter, limit: int = 50, cursor: str | None = None
    ) -> SchedulePage:
        """Return schedules, the newest first.

        Args:
            wanted: Which.
            limit: How many at the most, from 1 to 500.
            cursor: What the page before gave.

        Raises:
            DraftError: The cursor is not one of ours.
        """
        equal = {
            name: str(value)
            for name in ("status", "kind")
            if (value := getattr(wanted, name)) is not None
        }
        before = read_cursor(cursor) if cursor else None
        async with self._database.read() as connection:
            rows = await store.page(connection, equal, before, limit + 1)
        return SchedulePage(
            items=[_view(row) for row in rows[:limit]],
            next_cursor=make_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None,
        )

    async def change(self, schedule_id: str, change: ScheduleChange) -> ScheduleView:
        """Change a schedule; where that is about its times, its next one is after now.

        Raises:
            NotFoundError: There is no such schedule.
            DraftError: It can't be so; nothing was changed.
        """

        async def decide(row: Row) -> Row:
            values = await asyncio.to_thread(read_change, row, change, self._now())
            if "next_at" in values and row["status"] == ScheduleStatus.FINISHED:
                values["status"] = ScheduleStatus.ACTIVE
            if "request" in values or ("next_at" in values and row["rrule"] is None):
                await self._check(row | values)
            return values

        return await self._turn(schedule_id, decide)

    async def pause(self, schedule_id: str) -> ScheduleView:
        """Let the occurrences of a schedule pass until it is resumed.

        Raises:
            NotFoundError: There is no such schedule.
            ConflictError: It is finished.
        """

        async def decide(row: Row) -> Row:
            _refuse_finished(row)
            return {} if _is(row, ScheduleStatus.PAUSED) else {"status": ScheduleStatus.PAUSED}

        return await self._turn(schedule_id, decide)

    async def resume(self, schedule_id: str) -> ScheduleView:
        """Let a schedule go on, with its next occurrence after now.

        Raises:
            NotFoundError: There is no such schedule.
            ConflictError: It is finished, or nobody can say any more when it occurs.
        """

        async def decide(row: Row) -> Row:
            _refuse_finished(row)
            if _is(row, ScheduleStatus.ACTIVE):
                return {}
            try:
                next_at = await asyncio.to_thread(next_of, row, latest_of(row, self._now()))
            except ValueError as error:
                raise ConflictError(f"when the schedule occurs can't be told: {error}") from error
            status = ScheduleStatus.ACTIVE if next_at else ScheduleStatus.FINISHED
            return {"status": status, "next_at": next_at}

        return await self._turn(schedule_id, decide)

    async def delete(self, schedule_id: str) -> None:
        """Delete a schedule, or raise ``NotFoundError``; what it has sent stays."""
        key = schedule_id.replace("\0", "")
        if not await self._database.write(lambda connection: store.delete(connection, key)):
            raise _not_found(schedule_id)

    async def occurrences(self, schedule_id: str, limit: int = 10) -> OccurrencePage:
        """Return the next occurrences in the schedule's zone; of a paused one, from now on.

        They may be fewer where they are far apart: one looks some decades ahead. There are none
        where the rule can't be read any more, as when its zone was given up.

        Args:
            schedule_id: Whose.
            limit: How many at the most, from 1 to 100.

        Raises:
            NotFoundError: There is no such schedule.
        """
        row = await self._find(schedule_id)
        if _is(row, ScheduleStatus.FINISHED):
            return OccurrencePage(items=[])
        after = self._now()
        if _is(row, ScheduleStatus.ACTIVE):
            after = min(after, row["next_at"] - INSTANT)  # one may be about to be sent
        try:
            found = await asyncio.to_thread(lambda: [*islice(coming(row, after), limit)])
        except ValueError:
            return OccurrencePage(items=[])
        zone = _zone_of(row)
        return OccurrencePage(items=[at.astimezone(zone) for at in found])

    async def _turn(
        self, schedule_id: str, decide: Callable[[Row], Awaitable[Row]]
    ) -> ScheduleView:
        """Change a schedule as is decided, once more where somebody else was quicker."""
        while True:
            row = await self._find(schedule_id)
            values = await decide(row)
            if not values:
                return _view(row)
            values |= {"updated_at": max(self._now(), row["updated_at"] + INSTANT)}
            changed = await self._database.write(partial(store.change, row=row, values=values))
            if changed is not None:
                return _view(changed)

    async def _find(self, schedule_id: str) -> Row:
        async with self._database.read() as connection:
            row = await store.get(connection, schedule_id.replace("\0", ""))
        if row is None:
            raise _not_found(schedule_id)
        return row

    async def _check(self, row: Row) -> None:
        """Raise ``DraftError`` for a message that can't be accepted, or a campaign there is not."""
        request = row["request"]
        if row["kind"] == ScheduleKind.CAMPAIGN:
            campaign_id = request["campaign_id"].replace("\0", "")
            async with self._database.read() as connection:
                if not await store.campaign_exists(connection, campaign_id):
                    detail = f"there is no campaign {campaign_id!r}"
                    raise DraftError([Fault(pointer="/campaign_id", detail=detail)])
            return
        at = row["next_at"] or row["starts_at"]
        try:
            await self._composing.row(message_of(row, at), at)
        except DraftError as error:
            raise DraftError(
                [
                    Fault(pointer=f"/message{fault.pointer}", detail=fault.detail)
                    for fault in error.faults
                ]
            ) from error


def message_of(row: Row, occurrence: datetime) -> Draft:
    """Return the message of a schedule's occurrence, whose metadata tell of both."""
    draft = msgspec.convert(row["request"]["message"], Draft)
    mark = {"schedule_id": row["id"], "occurrence": name_of(occurrence)}
    return msgspec.structs.replace(draft, metadata=(draft.metadata or {}) | mark)


def name_of(occurrence: datetime) -> str:
    """Return an occurrence as messages and idempotency keys name it."""
    return f"{occurrence:%Y-%m-%dT%H:%M:%SZ}"


def _is(row: Row, status: ScheduleStatus) -> bool:
    return str(row["status"]) == status


def _refuse_finished(row: Row) -> None:
    if _is(row, ScheduleStatus.FINISHED):
        raise ConflictError("the schedule is finished: it has no occurrence left")


def _not_found(schedule_id: str) -> NotFoundError:
    return NotFoundError(f"there is no schedule {schedule_id!r}")


def _zone_of(row: Row) -> tzinfo:
    """Return the zone in which a schedule's times are told: its own, while there is such a one."""
    try:
        return read_zone(row["timezone"])
    except ValueError:
        return UTC


def _view(row: Row) -> ScheduleView:
    zone = _zone_of(row)
    times = {
        name: row[name] and row[name].astimezone(zone)
        for name in ("starts_at", "next_at", "last_at")
    }
    if not _is(row, ScheduleStatus.ACTIVE):
        times["next_at"] = None
    what = {"message": None, "campaign_id": None} | row["request"]
    known = row | times | what
    # Not of the row itself: the names of its columns are no plain texts to msgspec.
    return msgspec.convert(
        {name: known[name] for name in ScheduleView.__struct_fields__}, ScheduleView
    )
