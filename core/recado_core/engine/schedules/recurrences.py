"""Recurrence rules (RFC 5545, 3.3.10) in a named zone: values in, moments out.

A rule is one of local times. Each is then a moment as 3.3.5 of the RFC has it: what exists twice,
where the clocks go back, is the first of both; what does not exist, where they go forward, has the
offset from before.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import heappop, heappush
from itertools import dropwhile, islice, takewhile
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, WEEKLY, YEARLY, rrulestr

from recado_core.engine.policy import YEARS

LONGEST_RULE: Final = 255
MOST_TIMES: Final = 48
"""Times of a day that a rule may list; more of them are what HOURLY and MINUTELY are for."""
DAY: Final = timedelta(days=1)

_FREQUENCIES: Final = {
    "YEARLY": YEARLY,
    "MONTHLY": MONTHLY,
    "WEEKLY": WEEKLY,
    "DAILY": DAILY,
    "HOURLY": HOURLY,
    "MINUTELY": MINUTELY,
}
_LENGTHS: Final = {
    WEEKLY: timedelta(weeks=1),
    DAILY: DAY,
    HOURLY: timedelta(hours=1),
    MINUTELY: timedelta(minutes=1),
}
# How many periods are looked through for one occurrence: forty years, and of days as many.
_REACH: Final = {
    YEARLY: 100,
    MONTHLY: 1_200,
    WEEKLY: 2_500,
    DAILY: 15_000,
    HOURLY: 15_000,
    MINUTELY: 15_000,
}
# A day on which nothing occurs is passed over at once, but for these, which are looked for step by
# step, though quickly; that of MINUTELY with BYHOUR is a year.
_SLOWER: Final = {(HOURLY, "BYHOUR"): 24, (MINUTELY, "BYHOUR"): 40, (MINUTELY, "BYMINUTE"): 40}
_CREDIT: Final = 1_500
"""By which part of that more periods may be looked through for every occurrence that is found."""

_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NUMBERS: Final = {
    "INTERVAL": range(1, 10_000),
    "COUNT": range(1, 10_001),
    "BYMONTH": range(1, 13),
    "BYMONTHDAY": range(1, 32),
    "BYYEARDAY": range(1, 367),
    "BYWEEKNO": range(1, 54),
    "BYHOUR": range(24),
    "BYMINUTE": range(60),
    "BYSECOND": range(60),
    "BYSETPOS": range(1, 367),
}
_SINGLE: Final = {"INTERVAL", "COUNT"}
_FROM_THE_END: Final = {"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"}
_PARTS: Final = {"FREQ", "UNTIL", "WKST", "BYDAY", *_NUMBERS}
# What RFC 5545, 3.3.10 has no meaning for, though dateutil takes it.
_MISPLACED: Final = {
    "BYWEEKNO": {MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY},
    "BYYEARDAY": {MONTHLY, WEEKLY, DAILY},
    "BYMONTHDAY": {WEEKLY},
    "BYSETPOS": {HOURLY, MINUTELY},  # allowed there, and of no use
}

_is_number = re.compile(r"[+-]?[0-9]{1,5}").fullmatch
_is_day = re.compile(r"([+-]?(?:[1-9]|[1-4][0-9]|5[0-3]))?(?:MO|TU|WE|TH|FR|SA|SU)").fullmatch
_is_until = re.compile(r"[0-9]{8}T[0-9]{6}Z?").fullmatch

Parts = dict[str, str]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule without its end, as dateutil reads it; ``starts`` is local."""

    parsed: Any
    frequency: int
    interval: int
    week_starts: int
    reach: int
    starts: datetime

    def walk(self, target: datetime = datetime.min) -> Iterator[datetime]:  # noqa: DTZ901  # local
        """Yield local times as far as one sees, from the period on that a local time lies in."""
        steps = _Interval(self.interval)
        steps.left = self.reach
        times = iter(self.parsed.replace(dtstart=self._skip(target), interval=steps))
        try:
            for local in times:
                if local.year not in YEARS:
                    return
                yield local
                steps.left = min(steps.left + self.reach // _CREDIT + 1, self.reach)
        except (_OutOfReachError, ValueError):  # ValueError: the interval never meets BYHOUR
            return

    def _skip(self, target: datetime) -> datetime:
        """Return the beginning of the period of the rule that a local time lies in."""
        first = self._begin(self.starts)
        if self.frequency == YEARLY:
            periods = (target.year - first.year) // self.interval
        elif self.frequency == MONTHLY:
            months = (target.year - first.year) * 12 + target.month - first.month
            periods = months // self.interval
        else:
            periods = (target - first) // (_LENGTHS[self.frequency] * self.interval)
        if periods < 1:
            return self.starts
        if self.frequency == YEARLY:
            return first.replace(year=first.year + periods * self.interval)
        if self.frequency == MONTHLY:
            years, months = divmod(first.month - 1 + periods * self.interval, 12)
            return first.replace(year=first.year + years, month=months + 1)
        return first + periods * self.interval * _LENGTHS[self.frequency]

    def _begin(self, local: datetime) -> datetime:
        """Return the beginning of the year, month, week, day, hour or minute of a local time."""
        if self.frequency == MINUTELY:
            return local.replace(second=0)
        if self.frequency == HOURLY:
            return local.replace(minute=0, second=0)
        day = local.replace(hour=0, minute=0, second=0)
        if self.frequency == WEEKLY:
            return day - (day.weekday() - self.week_starts) % 7 * DAY
        if self.frequency == MONTHLY:
            return day.replace(day=1)
        return day.replace(month=1, day=1) if self.frequency == YEARLY else day


class Recurrence(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in a zone, with its end: the moment it names, or the last local time it counts."""

    rule: Rule
    zone: ZoneInfo
    until: datetime | None = None
    last: datetime = datetime.max  # noqa: DTZ901  # local

    def next(self, moment: datetime) -> datetime | None:
        """Return the first occurrence after a moment; None when none comes, as far as one sees."""
        return next(self.after(moment), None)

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the occurrences after a moment, in UTC, as far as one sees."""
        latest = moment
        for found in self._moments(moment):
            if self.until is not None and found > self.until:
                return
            if found > latest:  # two local times may be the same moment
                yield found
                latest = found

    def _moments(self, after: datetime) -> Iterator[datetime]:
        """Yield moments in their order, which is not that of local times that do not exist."""
        # Where the clocks went forward lately, a time that does not exist may be about to come.
        offset = min(offset_of(at, self.zone) for at in (after - DAY, after))
        target = after.astimezone(UTC).replace(tzinfo=None) + offset
        waiting: list[datetime] = []
        coming = dropwhile(lambda local: local < target, self.rule.walk(target))
        for local in takewhile(lambda local: local <= self.last, coming):
            moment = moment_of(local, self.zone)
            heappush(waiting, moment)
            while waiting and waiting[0] <= moment - gap_at(local, self.zone):
                yield heappop(waiting)
        while waiting:
            yield heappop(waiting)


class _Interval(int):
    """A rule's interval, and how many more periods may be looked through.

    dateutil adds it to go to the next period, and would go on to the year 9999 after what never
    occurs.
    """

    left: int

    def __radd__(self, other: int) -> int:
        """Go to the next period."""
        self.left -= 1
        if self.left < 0:
            raise _OutOfReachError
        return other + int(self)

    def __mul__(self, other: int) -> int:
        """Go to the next week, as dateutil does it."""
        return self.__radd__(0) * other


class _OutOfReachError(Exception):
    """Nothing was found in as many periods as are looked through."""


@lru_cache(maxsize=1024)
def read_recurrence(text: str, starts: datetime, zone: ZoneInfo) -> Recurrence:
    """Read a rule.

    Args:
        text: Such as ``FREQ=WEEKLY;BYDAY=MO``.
        starts: The local time from which it counts, and which says what the rule leaves open.
        zone: Whose local time.

    Raises:
        ValueError: It is none, or none that makes sense here.
    """
    parts = _split(text)
    frequency = _FREQUENCIES[parts["FREQ"]]
    _check_together(parts, frequency)
    bare = ";".join(f"{name}={it}" for name, it in parts.items() if name not in {"COUNT", "UNTIL"})
    try:
        parsed = rrulestr(bare, dtstart=starts)
    except ValueError as error:  # BYHOUR or BYMINUTE name what the INTERVAL never meets
        raise ValueError("never occurs") from error
    rule = Rule(
        parsed=parsed.replace(**_implied(parts, frequency, starts)),
        frequency=frequency,
        interval=int(parts.get("INTERVAL", "1")),
        reach=_REACH[frequency] * max(_SLOWER.get((frequency, name), 1) for name in parts),
        week_starts=_DAYS.index(parts.get("WKST", "MO")),
        starts=starts,
    )
    if "UNTIL" in parts:
        return Recurrence(rule=rule, zone=zone, until=_read_until(parts["UNTIL"], zone))
    if "COUNT" not in parts:
        return Recurrence(rule=rule, zone=zone)
    counted = list(islice(rule.walk(), int(parts["COUNT"])))
    if len(counted) < int(parts["COUNT"]):
        raise ValueError("has a COUNT that reaches further than is looked ahead")
    return Recurrence(rule=rule, zone=zone, last=counted[-1])


def tidy(text: str) -> str:
    """Return a rule as it is kept: in capitals, and without its name."""
    return text.strip().upper().removeprefix("RRULE:")


def moment_of(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time in UTC."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def gap_at(local: datetime, zone: ZoneInfo) -> timedelta:
    """Return by how much the clocks go forward over a local time; nothing where it exists."""
    before = local.replace(tzinfo=zone, fold=0).utcoffset() or timedelta()
    after = local.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    return max(after - before, timedelta())  # PEP 495: what ``fold`` says of such times


def offset_of(moment: datetime, zone: ZoneInfo) -> timedelta:
    """Return by how much local time is ahead of UTC at a moment."""
    return moment.astimezone(zone).utcoffset() or timedelta()


# ---------------------------------------------------------------- reading


def _split(text: str) -> Parts:
    """Return the parts of a rule by their names, each of them well formed."""
    if len(text) > LONGEST_RULE:
        raise ValueError(f"must have at most {LONGEST_RULE} characters")
    parts: Parts = {}
    for part in tidy(text).split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS:
            raise ValueError(f"has {name!r}, which is no part of a rule such as FREQ=DAILY")
        if name in parts:
            raise ValueError(f"has {name} twice")
        parts[name] = value
    if "FREQ" not in parts:
        raise ValueError("needs a FREQ, as in FREQ=DAILY")
    for name, value in parts.items():
        if not _is_good(name, value):
            raise ValueError(f"has a {name} that is none")
    return parts


def _is_good(name: str, value: str) -> bool:
    match name:
        case "FREQ":
            return value in _FREQUENCIES
        case "WKST":
            return value in _DAYS
        case "UNTIL":
            return bool(_is_until(value))
        case "BYDAY":
            return all(_is_day(day) for day in value.split(","))
        case _:
            numbers = value.split(",")
            return (len(numbers) == 1 or name not in _SINGLE) and all(
                _is_number(number) and _is_in_range(name, int(number)) for number in numbers
            )


def _is_in_range(name: str, number: int) -> bool:
    return (abs(number) if name in _FROM_THE_END else number) in _NUMBERS[name]


def _check_together(parts: Parts, frequency: int) -> None:
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("has both COUNT and UNTIL")
    for name, frequencies in _MISPLACED.items():
        if name in parts and frequency in frequencies:
            raise ValueError(f"has a {name}, which does not go with FREQ={parts['FREQ']}")
    if re.search("[0-9]", parts.get("BYDAY", "")) and (
        frequency not in {YEARLY, MONTHLY} or "BYWEEKNO" in parts
    ):
        raise ValueError("has a BYDAY with numbers, which goes with MONTHLY and YEARLY alone")
    if "BYSETPOS" in parts and not any(
        name.startswith("BY") and name != "BYSETPOS" for name in parts
    ):
        raise ValueError("has a BYSETPOS, and no other BY that it could choose from")
    times = [len(set(parts.get(name, "").split(","))) for name in ("BYHOUR", "BYMINUTE")]
    if "," in parts.get("BYSECOND", ""):
        raise ValueError("may not occur more than once a minute: name one BYSECOND")
    if frequency <= DAILY and times[0] * times[1] > MOST_TIMES:
        raise ValueError(f"has more than {MOST_TIMES} times a day: use FREQ=HOURLY or MINUTELY")


def _read_until(value: str, zone: ZoneInfo) -> datetime:
    try:
        local = datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007  # the zone follows
    except ValueError as error:
        raise ValueError("has an UNTIL that is no time") from error
    if local.year not in YEARS:
        raise ValueError(f"has an UNTIL outside the years {YEARS.start} to {YEARS.stop - 1}")
    return local.replace(tzinfo=UTC) if value.endswith("Z") else moment_of(local, zone)


def _implied(parts: Parts, frequency: int, starts: datetime) -> dict[str, Any]:
    """Return what the start says of a rule that leaves it open, so that it may begin later."""
    implied: dict[str, Any] = {"wkst": None if "WKST" in parts else 0}
    if "BYHOUR" not in parts and frequency < HOURLY:
        implied["byhour"] = starts.hour
    if "BYMINUTE" not in parts and frequency < MINUTELY:
        implied["byminute"] = starts.minute
    if "BYSECOND" not in parts:
        implied["bysecond"] = starts.second
    if not parts.keys() & {"BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY"}:
        if frequency == YEARLY and "BYMONTH" not in parts:
            implied["bymonth"] = starts.month
        if frequency in {YEARLY, MONTHLY}:
            implied["bymonthday"] = starts.day
        if frequency == WEEKLY:
            implied["byweekday"] = starts.weekday()
    return {name: it for name, it in implied.items() if it is not None}
