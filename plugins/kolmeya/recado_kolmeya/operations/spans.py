"""The spans of time that requests name, checked and put into the vendor's clock and calendar."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Meta
from recado_core import PermanentSendError

from recado_kolmeya.operations.windows import MINUTE
from recado_kolmeya.provider import KolmeyaProvider

Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339, with its offset")]
Month = Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$(?!\n)", description="YYYY-MM")]

VendorNumber = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""A number that Kolmeya gives to a thing, or a count of rows."""

FIRST_DAY = date(2015, 1, 1)
"""Before which no report is asked for: each of its windows would be a call for nothing."""

_BEHIND = timedelta(seconds=5)  # the vendor's clock may be, and refuses a minute not yet begun
_FIRST_INSTANT = datetime.combine(FIRST_DAY, time(), UTC)


def check_instants(start_at: datetime, end_at: datetime | None) -> None:
    """Raise ``ValueError`` where ``start_at`` and ``end_at`` make no span."""
    if start_at < _FIRST_INSTANT:
        raise ValueError(f"start_at: it lies before {FIRST_DAY}")
    if end_at is not None and end_at < start_at:
        raise ValueError("end_at: it lies before start_at")


def check_days(first_name: str, first: date | None, last_name: str, last: date | None) -> None:
    """Raise ``ValueError`` where two days make no span."""
    if first is not None and first < FIRST_DAY:
        raise ValueError(f"{first_name}: it lies before {FIRST_DAY}")
    if last is not None and last < (first or FIRST_DAY):
        raise ValueError(f"{last_name}: it lies before {first_name if first else FIRST_DAY}")


class ClockSpan(NamedTuple):
    """A span of the clock on the wall; ``truncated`` if it can't be asked for to its end."""

    start: datetime
    end: datetime
    truncated: bool


def clock_span(provider: KolmeyaProvider, start_at: datetime, end_at: datetime | None) -> ClockSpan:
    """Return a span in full minutes of the account's clock on the wall, until now at most.

    Where the clock is put back, an hour comes twice, and the wall does not tell which is meant:
    a span that begins or ends in it gets it whole.

    Raises:
        PermanentSendError: It reaches into the future.
    """
    now = provider.now()
    _refuse_future("start_at", start_at, now)
    if end_at is not None:
        _refuse_future("end_at", end_at, now)
    zone = provider.zone
    latest = (now - _BEHIND).astimezone(zone)
    last_full = _floor(latest.replace(tzinfo=None))
    start = _floor(start_at.astimezone(zone).replace(tzinfo=None))
    end = (end_at or latest).astimezone(zone).replace(tzinfo=None)
    end = _floor(end + MINUTE - timedelta.resolution)
    while _comes_twice(start, zone) and _comes_twice(start - MINUTE, zone):
        start -= MINUTE
    while _comes_twice(end, zone):
        end += MINUTE
    is_cut = end > last_full and bool(latest.fold)  # the vendor takes the rest for the future
    end = min(end, last_full)
    return ClockSpan(min(start, end), end, is_cut)


def calendar_span(
    provider: KolmeyaProvider, names: tuple[str, str], first: date | None, last: date | None
) -> tuple[date, date]:
    """Return a span of days of the account's calendar; without an end until today.

    Without a beginning it is its last day.

    Raises:
        PermanentSendError: It reaches into the future.
    """
    today = today_of(provider)
    for name, day in zip(names, (first, last), strict=True):
        if day is not None:
            _refuse_future(name, day, today)
    end = today if last is None else last
    return (end if first is None else first), end


def today_of(provider: KolmeyaProvider) -> date:
    """Return the day that it is in the account's zone."""
    return provider.now().astimezone(provider.zone).date()


def _refuse_future(name: str, point: date, now: date) -> None:
    if point > now:
        raise PermanentSendError(f"{name}: it lies in the future")


def _floor(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _comes_twice(wall: datetime, zone: ZoneInfo) -> bool:
    first, second = (zone.utcoffset(wall.replace(fold=fold)) for fold in (0, 1))
    return first is not None and second is not None and first > second
