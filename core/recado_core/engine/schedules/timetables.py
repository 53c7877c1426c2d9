"""When a schedule's occurrences are: one time, or those of a rule, in its own zone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from recado_core.engine.policy import YEARS
from recado_core.engine.schedules.recurrences import (
    Recurrence,
    gap_at,
    moment_of,
    read_recurrence,
)

Row = dict[str, Any]

LONGEST_ZONE = 64
INSTANT = timedelta(microseconds=1)
"""The least that two moments in the store are apart."""

_NO_ZONE = "is no time zone such as America/Sao_Paulo"
_NOT_THE_SAME_EVERYWHERE = {"localtime", "posixrules", "Factory"}


def read_zone(name: str) -> ZoneInfo:
    """Return a time zone, or raise ``ValueError``."""
    try:
        if len(name) <= LONGEST_ZONE:
            return ZoneInfo(name)
    # A directory such as America; another OSError would be of the machine, not of the name.
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError, NotADirectoryError):
        pass
    raise ValueError(_NO_ZONE)


def read_named_zone(name: str) -> ZoneInfo:
    """Return a time zone that is the same on every machine, or raise ``ValueError``."""
    if name not in _names():
        raise ValueError(_NO_ZONE)
    return read_zone(name)


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_THE_SAME_EVERYWHERE


def read_time(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a time, which is one of the zone where it has no offset.

    Raises:
        ValueError: It is so early or late that it has none.
    """
    if at.year not in YEARS:
        raise ValueError(f"must be in the years {YEARS.start} to {YEARS.stop - 1}")
    moment = at.astimezone(UTC) if at.tzinfo else moment_of(at, zone)
    return moment.replace(microsecond=0)


def read_start(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment from which a rule counts, at a local time that there is.

    Raises:
        ValueError: There is none: the rule would begin at one time of day, and go on at another.
    """
    if at.tzinfo is None and gap_at(at, zone):
        raise ValueError(f"is no time in {zone.key}: the clocks go forward over it")
    return read_time(at, zone)


def local_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a moment as a clock in the zone shows it, without the offset."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def recurrence_of(row: Row) -> Recurrence | None:
    """Return the rule of a schedule; None for one time.

    Raises:
        ValueError: It can't be read.
    """
    if row["rrule"] is None:
        return None
    zone = read_zone(row["timezone"])
    return read_recurrence(row["rrule"], local_of(row["starts_at"], zone), zone)


def coming(row: Row, after: datetime) -> Iterator[datetime]:
    """Yield the occurrences of a schedule after a moment, in UTC."""
    recurrence = recurrence_of(row)
    if recurrence is not None:
        # Its local time may be that of an earlier moment too, where the clocks go back.
        yield from recurrence.after(max(after, row["starts_at"] - INSTANT))
    elif row["starts_at"] > after:
        yield row["starts_at"]


def next_of(row: Row, after: datetime) -> datetime | None:
    """Return the next occurrence of a schedule after a moment."""
    return next(coming(row, after), None)
