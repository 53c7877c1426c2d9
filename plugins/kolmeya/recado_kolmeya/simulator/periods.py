"""The spans of time that reports take, each with its rules."""

from datetime import datetime, timedelta

from recado_kolmeya.simulator.calls import DATE, MINUTE, MONTH, Fields

DAY = timedelta(days=1)
Span = tuple[float, float]


def minutes(fields: Fields, now: datetime, most: timedelta) -> Span:
    """Read ``start_at`` and ``end_at`` to the minute; the end may be left out, not lie ahead."""
    fields.required("start_at")
    start = fields.moment("start_at", MINUTE)
    end = fields.moment("end_at", MINUTE)
    if end is not None and end > now:
        fields.fail("end_at", "The {name} field must be a date before or equal to now.")
    return _span(fields, start, end or now, most)


def days(fields: Fields, now: datetime, most: timedelta | None, *, needs_end: bool) -> Span:
    """Read ``start_at`` and ``end_at`` to the day, both inclusive; without an end, until today."""
    fields.required("start_at")
    if needs_end:
        fields.required("end_at")
    start = fields.moment("start_at", DATE)
    end = fields.moment("end_at", DATE) or now.replace(hour=0, minute=0, second=0, microsecond=0)
    first, last = _span(fields, start, end, most)
    return first, last + DAY.total_seconds()


def month(fields: Fields, now: datetime) -> Span:
    """Read ``period``, a month; without it, the present one."""
    start = fields.moment("period", MONTH) or now.replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    following = (start + 32 * DAY).replace(day=1)
    return start.timestamp(), following.timestamp()


def one_day(fields: Fields, name: str) -> Span:
    """Read one day."""
    fields.required(name)
    start = fields.moment(name, DATE)
    first = 0.0 if start is None else start.timestamp()
    return first, first + DAY.total_seconds()


def _span(fields: Fields, start: datetime | None, end: datetime, most: timedelta | None) -> Span:
    if start is None:
        return 0.0, 0.0
    if end < start:
        fields.fail("end_at", "The {name} field must be a date after or equal to start at.")
    if most is not None and end - start > most:
        fields.fail("end_at", f"The period must not be longer than {most.days} days.")
    return start.timestamp(), end.timestamp()
