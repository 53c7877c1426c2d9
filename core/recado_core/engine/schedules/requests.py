"""What a client says of a schedule, read into what is stored of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType

from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.messages.drafts import Draft
from recado_core.engine.schedules.recurrences import tidy
from recado_core.engine.schedules.timetables import (
    local_of,
    next_of,
    read_named_zone,
    read_start,
    read_time,
    read_zone,
)
from recado_core.engine.templates.contents import is_storable

Row = dict[str, Any]
T = TypeVar("T")

LONGEST_NAME = 120
NOT_KEPT = {
    "scheduled_at": "the schedule says when it goes",
    "document": "documents are not stored; send such a message itself, with its scheduled_at",
}
"""Fields of a message that a schedule can't take, and why."""

Local = Annotated[datetime, msgspec.Meta(description="Without an offset, a time of `timezone`.")]


class ScheduleKind(StrEnum):
    """What is sent."""

    MESSAGE = "message"  # the same message each time
    CAMPAIGN = "campaign"  # the campaign anew each time, to its own audience


class ScheduleStatus(StrEnum):
    """Whether anything is sent."""

    ACTIVE = "active"  # its next occurrence is waited for
    PAUSED = "paused"  # a person said so
    FINISHED = "finished"  # no occurrence is left


class Misfire(StrEnum):
    """What becomes of the occurrences that an outage made too late."""

    SEND = "send"  # the latest of them is sent, once
    SKIP = "skip"  # none of them is


class NewSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be sent when: the body of ``POST /v1/schedules``.

    Either a message or a campaign; either once, at ``scheduled_at``, or by a rule (RFC 5545) that
    counts from ``starts_at`` on.
    """

    name: str | None = None
    message: Draft | None = None
    campaign_id: str | None = None
    scheduled_at: Local | None = None
    rrule: str | None = None
    starts_at: Local | None = None
    until: Local | None = None
    timezone: str | None = None
    misfire: Misfire = Misfire.SKIP


class ScheduleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall change of a schedule: the body of ``PATCH /v1/schedules/{id}``.

    In another ``timezone`` it keeps its local time.
    """

    name: str | UnsetType | None = UNSET
    message: Draft | UnsetType = UNSET
    scheduled_at: Local | UnsetType = UNSET
    rrule: str | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    misfire: Misfire | UnsetType = UNSET


def read_new(new: NewSchedule, zone_name: str, now: datetime) -> Row:
    """Return the columns of a new schedule that its request says.

    Args:
        new: The request.
        zone_name: The zone where it names none.
        now: The time.

    Raises:
        DraftError: With every fault found, but for those of the message itself.
    """
    faults = _check_name(new.name)
    if (new.message is None) == (new.campaign_id is None):
        faults.append(Fault(pointer="/message", detail="give either message or campaign_id"))
    row: Row = {
        "name": new.name,
        "kind": ScheduleKind.CAMPAIGN if new.message is None else ScheduleKind.MESSAGE,
        "misfire": new.misfire,
    }
    row["request"] = (
        {"campaign_id": new.campaign_id}
        if new.message is None
        else {"message": msgspec.to_builtins(new.message)}
    )
    try:
        row |= _read_times(new, zone_name, now)
    except DraftError as error:
        faults += error.faults
    if new.message is not None:
        faults += check_message(new.message, recurring=new.rrule is not None)
    if faults:
        raise DraftError(faults)
    return row


def read_change(row: Row, change: ScheduleChange, now: datetime) -> Row:
    """Return the columns of a schedule that change.

    Raises:
        DraftError: With every fault found, but for those of the message itself.
    """
    faults: list[Fault] = []
    values: Row = {}
    if change.name is not UNSET:
        faults += _check_name(change.name)
        values["name"] = change.name
    if change.misfire is not UNSET:
        values["misfire"] = change.misfire
    if change.message is not UNSET:
        if row["kind"] == ScheduleKind.CAMPAIGN:
            faults.append(Fault(pointer="/message", detail="the schedule is of a campaign"))
        faults += check_message(change.message, recurring=row["rrule"] is not None)
        values["request"] = {"message": msgspec.to_builtins(change.message)}
    if (change.scheduled_at, change.rrule, change.timezone) != (UNSET, UNSET, UNSET):
        try:
            values |= _change_times(row, change, latest_of(row, now))
        except DraftError as error:
            faults += error.faults
    if faults:
        raise DraftError(faults)
    return values


def latest_of(row: Row, now: datetime) -> datetime:
    """Return the moment after which a schedule's next occurrence lies: now, by whichever clock.

    A node whose clock is ahead may have sent what another one believes is still to come.
    """
    return max(now, row["last_at"] or now)


def check_message(draft: Draft, *, recurring: bool) -> list[Fault]:
    """Return what a message has that a schedule can't take."""
    refused = dict(NOT_KEPT)
    if recurring:
        refused["expires_at"] = "it would be over before later occurrences"
    return [
        Fault(pointer=f"/message/{name}", detail=why)
        for name, why in refused.items()
        if getattr(draft, name) is not None
    ]


def _check_name(name: str | None) -> list[Fault]:
    if name is None or (1 <= len(name) <= LONGEST_NAME and is_storable(name)):
        return []
    return [Fault(pointer="/name", detail=f"must have 1 to {LONGEST_NAME} characters")]


# ---------------------------------------------------------------- times


def _read_times(new: NewSchedule, zone_name: str, now: datetime) -> Row:
    zone = _zone(zone_name) if new.timezone is None else _named_zone(new.timezone)
    if (new.scheduled_at is None) == (new.rrule is None):
        detail = "give either scheduled_at, for one time, or rrule"
        raise DraftError([Fault(pointer="/scheduled_at", detail=detail)])
    if new.scheduled_at is not None:
        refused = [name for name in ("starts_at", "until") if getattr(new, name) is not None]
        if refused:
            raise DraftError([Fault(pointer=f"/{refused[0]}", detail="goes with rrule alone")])
        return _once(new.scheduled_at, zone, now)
    start = new.starts_at or now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    starts_at = _pointed("/starts_at", lambda: read_start(start, zone))
    rule = tidy(new.rrule or "")
    if new.until is not None:
        until = new.until
        end = _pointed("/until", lambda: read_time(until, zone))
        rule += f";UNTIL={end:%Y%m%dT%H%M%SZ}"
    return _by_rule(rule, starts_at, zone, now)


def _change_times(row: Row, change: ScheduleChange, now: datetime) -> Row:
    name = change.timezone
    zone = _zone(row["timezone"]) if name is UNSET else _named_zone(name)
    try:
        old = read_zone(row["timezone"])
    except ValueError:  # it was given up since: what its local time was, nobody knows
        old = zone
    start = local_of(row["starts_at"], old)
    if row["rrule"] is None:
        if change.rrule is not UNSET:
            raise DraftError([Fault(pointer="/rrule", detail="the schedule is for one time")])
        return _once(start if change.scheduled_at is UNSET else change.scheduled_at, zone, now)
    if change.scheduled_at is not UNSET:
        raise DraftError([Fault(pointer="/scheduled_at", detail="the schedule has a rule")])
    starts_at = row["starts_at"]
    if zone is not old:
        starts_at = _pointed("/timezone", lambda: read_start(start, zone))
    rule = row["rrule"] if change.rrule is UNSET else tidy(change.rrule)
    return _by_rule(rule, starts_at, zone, now)


def _once(at: datetime, zone: ZoneInfo, now: datetime) -> Row:
    moment = _pointed("/scheduled_at", lambda: read_time(at, zone))
    if moment <= now:
        raise DraftError([Fault(pointer="/scheduled_at", detail="must be in the future")])
    return {"rrule": None, "starts_at": moment, "timezone": zone.key, "next_at": moment}


def _by_rule(rule: str, starts_at: datetime, zone: ZoneInfo, now: datetime) -> Row:
    row: Row = {"rrule": rule, "starts_at": starts_at, "timezone": zone.key}
    row["next_at"] = _pointed("/rrule", lambda: next_of(row, now))
    if row["next_at"] is None:
        detail = "never occurs from now on, or only in decades"
        raise DraftError([Fault(pointer="/rrule", detail=detail)])
    return row


def _zone(name: str) -> ZoneInfo:
    return _pointed("/timezone", lambda: read_zone(name))


def _named_zone(name: str) -> ZoneInfo:
    return _pointed("/timezone", lambda: read_named_zone(name))


def _pointed(pointer: str, read: Callable[[], T]) -> T:
    """Return what is read, or say where what is wrong with it stands."""
    try:
        return read()
    except ValueError as error:
        raise DraftError([Fault(pointer=pointer, detail=str(error))]) from error
