"""Quiet hours: when a message may go, and if not now, from when on.

All is judged by whole minutes, in the time of the person: a minute is open or it is not, and an
opening is the start of one. ``look`` tells how a zone's clock stands and until when it surely stays
so; the clocks' changes are among those moments, so that hours that come twice or never need no rule
of their own.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from recado_core.engine.checks.zones import country_of, subdivision_of, zones_of
from recado_core.engine.settings import HoursSettings, QuietHoursSettings
from recado_core.errors import ConfigurationError
from recado_core.messages import Category

Windows = tuple[tuple[int, int], ...]
"""The open parts of a day: from which minute, and to which it is not any more."""

DAY: Final = 24 * 60
SATURDAY: Final = 5
MINUTE: Final = timedelta(minutes=1)

PATIENCE: Final = timedelta(days=14)
"""For how long a moment is sought that suits all zones in which a person may be."""
HORIZON: Final = timedelta(days=366)
"""How far ahead one zone is searched: what is closed for so long is judged again then."""
PLACES: Final = 1024
"""Places that are kept, so that all their people are judged together."""
REMEMBERED: Final = 64
"""Minutes and stretches of time of which a place's answers are kept."""

_read_window = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})").fullmatch


class Calendar(msgspec.Struct, frozen=True):
    """Whose holidays count: a country's and, of one of its parts, that part's as well.

    With no part named they are those of the part where the person is.
    """

    country: str
    part: str | None = None


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """The windows of each kind of day, and what makes a day a holiday."""

    weekdays: Windows
    saturday: Windows
    sunday: Windows
    holiday: Windows
    calendars: tuple[Calendar, ...] = ()

    def on(self, day: date, calendars: Iterable[Calendar]) -> Windows:
        """Return the windows of one day, where these are the calendars that count."""
        for calendar in calendars:
            if day in _holidays(calendar.country, calendar.part, day.year):
                return self.holiday
        weekday = day.weekday()
        if weekday < SATURDAY:
            return self.weekdays
        return self.saturday if weekday == SATURDAY else self.sunday


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The hours of one category on one channel, and how long what has waited is spread over."""

    hours: Hours
    spread: timedelta


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """From when on a message may go that may not go yet.

    ``closes`` is when that ends, but not later than the spread. ``reason`` names the zone that
    makes it wait, and tells the opening in that zone's time.
    """

    at: datetime
    closes: datetime
    reason: str

    def spread(self, draw: Callable[[], float]) -> datetime:
        """Return a moment from the opening on, before it closes; ``draw`` is from [0, 1)."""
        room = (self.closes - self.at) // timedelta.resolution
        return self.at + timedelta(microseconds=max(0, min(int(draw() * room), room - 1)))


class QuietHours:
    """Tells of every message whether its hours are open.

    Args:
        settings: By channel.
        timezone: The gateway's, for whom nothing tells where they are.

    Raises:
        ConfigurationError: A key can't be read, or the hours of a channel never open.
    """

    def __init__(self, settings: Mapping[str, QuietHoursSettings], timezone: str) -> None:
        self._rules = read_rules(settings)
        self._timezone = timezone
        self._place = lru_cache(maxsize=PLACES)(self._place_of)

    def opening(
        self, address: str, channel: str, category: Category, at: datetime
    ) -> Opening | None:
        """Return from when on a message may go; None if it may go at that time.

        Who may be in several zones gets it when it suits all of them. If that is at no time in the
        14 days after it suits the gateway's zone, or the first where they can't be in that one, it
        is enough that it suits this one.
        """
        rule = self._rules.get((channel, category))
        if rule is None:
            return None
        zones = zones_of(address, self._timezone)
        country = country_of(address) if rule.hours.calendars else None
        subdivision = subdivision_of(address) if country is not None else None
        minute = at.astimezone(UTC).replace(second=0, microsecond=0)
        return self._place(rule, zones, country, subdivision).opening(minute)

    def _place_of(
        self, rule: Rule, zones: tuple[str, ...], country: str | None, subdivision: str | None
    ) -> "_Place":
        calendars = _calendars_for(rule.hours, country, subdivision)
        main = self._timezone if self._timezone in zones else zones[0]
        return _Place(rule, calendars, zones, main)


def read_rules(
    settings: Mapping[str, QuietHoursSettings],
) -> dict[tuple[str, Category], Rule]:
    """Return the rules by channel and category; there are none for one-time codes.

    Raises:
        ConfigurationError: A key can't be read, or the hours of a channel never open.
    """
    rules = {}
    for channel, given in settings.items():
        key = f"quiet_hours.{channel}"
        spread = timedelta(seconds=given.spread)
        rules[channel, Category.MARKETING] = Rule(hours=read_hours(given, key), spread=spread)
        if given.transactional is not None:
            hours = read_hours(given.transactional, f"{key}.transactional")
            rules[channel, Category.TRANSACTIONAL] = Rule(hours=hours, spread=spread)
    return rules


def read_hours(settings: HoursSettings, key: str) -> Hours:
    """Read the hours of one table of the configuration, of this key.

    Raises:
        ConfigurationError: One of its keys can't be read, or it never opens.
    """
    hours = Hours(
        weekdays=read_windows(settings.weekdays, f"{key}.weekdays"),
        saturday=read_windows(settings.saturday, f"{key}.saturday"),
        sunday=read_windows(settings.sunday, f"{key}.sunday"),
        holiday=read_windows(settings.holiday, f"{key}.holiday"),
        calendars=read_calendars(settings.holidays, f"{key}.holidays"),
    )
    if not (hours.weekdays or hours.saturday or hours.sunday):
        raise ConfigurationError(
            f"{key}: weekdays, saturday and sunday are all closed, so that messages would wait for "
            "ever; open one of them"
        )
    return hours


def read_windows(text: str, key: str) -> Windows:
    """Read ``open``, ``closed`` or windows such as ``09:00-12:00, 14:00-24:00``.

    Windows that touch become one.

    Raises:
        ConfigurationError: It is not written so, or a window is empty, reversed or in another.
    """
    if text.strip() == "open":
        return ((0, DAY),)
    if text.strip() == "closed":
        return ()
    windows = sorted(_window(part.strip(), key) for part in text.split(","))
    joined = windows[:1]
    for (_, last), (start, end) in pairwise(windows):
        if start < last:
            raise ConfigurationError(
                f"{key}: the windows overlap: one ends at {_clock_time(last)}, the next starts at "
                f"{_clock_time(start)}"
            )
        if start == last:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def read_calendars(value: str | Sequence[str], key: str) -> tuple[Calendar, ...]:
    """Read ``BR``, ``BR-SP``, or several: with commas, or in a list.

    Raises:
        ConfigurationError: No holidays are known of a country or of its part.
    """
    if isinstance(value, str):
        value = [value] if value.strip() else []
    names = [part.strip() for text in value for part in text.split(",")]
    return tuple(dict.fromkeys(_calendar(name, key) for name in names))


class _Clock:
    """How the hours run in one zone, for people to whom these holidays are holidays."""

    def __init__(self, hours: Hours, calendars: tuple[Calendar, ...], zone: ZoneInfo) -> None:
        self._hours = hours
        self._calendars = calendars
        self.zone = zone

    def look(self, at: datetime) -> tuple[bool, datetime]:
        """Return whether it is open at a minute, and until when that surely stays so."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        is_open, change = False, DAY
        for start, end in self._hours.on(local.date(), self._calendars):
            if minute < end:
                is_open = start <= minute
                change = end if is_open else start
                break
        until = at + timedelta(minutes=change - minute)
        if until.astimezone(self.zone).utcoffset() != local.utcoffset():
            until = self._clock_change(at, until)
        return is_open, until

    def _clock_change(self, before: datetime, after: datetime) -> datetime:
        """Return the minute between the two in which the clock is put forward or back."""
        offset = before.astimezone(self.zone).utcoffset()
        while after - before > MINUTE:
            middle = before + (after - before) // MINUTE // 2 * MINUTE
            if middle.astimezone(self.zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return after


class _Clocks:
    """Clocks that count together: it is open when it is by all of them.

    Args:
        clocks: At least one.
        limit: Until when an open minute is sought that is sought from a moment on.
    """

    def __init__(self, clocks: Sequence[_Clock], limit: Callable[[datetime], datetime]) -> None:
        self._clocks = clocks
        self._limit = limit
        # Every minute of a closed stretch has the same answer, sought from the end of the stretch.
        self._seek = lru_cache(maxsize=REMEMBERED)(self._seek_open)

    def first_open(self, at: datetime) -> tuple[datetime, ZoneInfo]:
        """Return the first open minute, and by whose clock none was before it.

        A minute that is not before the limit may be closed.
        """
        for clock in self._clocks:
            is_open, until = clock.look(at)
            if not is_open:
                return self._seek(until, clock.zone)
        return at, self._clocks[0].zone

    def closing(self, at: datetime, limit: datetime) -> datetime:
        """Return when it closes that is open at a minute; if that is later, the limit."""
        while at < limit:
            looks = [clock.look(at) for clock in self._clocks]
            if not all(is_open for is_open, _ in looks):
                return at
            at = min(until for _, until in looks)
        return limit

    def _seek_open(self, at: datetime, zone: ZoneInfo) -> tuple[datetime, ZoneInfo]:
        limit = self._limit(at)
        while at < limit:
            for clock in self._clocks:
                is_open, until = clock.look(at)
                if not is_open:
                    at, zone = until, clock.zone
                    break
            else:
                break
        return at, zone


class _Place:
    """A rule as it is for the people of one place, who may be in several zones."""

    def __init__(
        self, rule: Rule, calendars: tuple[Calendar, ...], zones: Sequence[str], main: str
    ) -> None:
        clocks = {zone: _Clock(rule.hours, calendars, ZoneInfo(zone)) for zone in zones}
        self._spread = rule.spread
        self._main = _Clocks([clocks[main]], lambda at: at + HORIZON)
        self._all = _Clocks([*clocks.values()], self._patience)
        self.opening = lru_cache(maxsize=REMEMBERED)(self._opening)

    def _patience(self, at: datetime) -> datetime:
        return self._main.first_open(at)[0] + PATIENCE

    def _opening(self, minute: datetime) -> Opening | None:
        clocks = self._all
        at, zone = clocks.first_open(minute)
        if at >= self._patience(minute):
            clocks = self._main
            at, zone = clocks.first_open(minute)
        if at == minute:
            return None
        return Opening(
            at=at,
            closes=clocks.closing(at, at + self._spread),
            reason=f"quiet hours in {zone.key} until {at.astimezone(zone):%Y-%m-%d %H:%M}",
        )


def _calendars_for(
    hours: Hours, country: str | None, subdivision: str | None
) -> tuple[Calendar, ...]:
    """Return the calendars that count for the people of a place, each with its part."""
    part = subdivision.partition("-")[2] if subdivision else None
    return tuple(
        Calendar(country=calendar.country, part=calendar.part or part)
        for calendar in hours.calendars
        if calendar.country == country
    )


@lru_cache(maxsize=1024)
def _holidays(country: str, part: str | None, year: int) -> frozenset[date]:
    # It takes a tenth of a second, which most starts of the program need not spend.
    from holidays import country_holidays  # noqa: PLC0415

    return frozenset(country_holidays(country, subdiv=part, years=year))


def _calendar(name: str, key: str) -> Calendar:
    from holidays import country_holidays  # noqa: PLC0415  # as above
    from holidays.registry import EntityLoader  # noqa: PLC0415

    country, dash, part = name.partition("-")
    if country not in EntityLoader.get_country_codes():
        raise ConfigurationError(
            f"{key}: no holidays are known of the country {country!r}; write its two-letter code, "
            "such as BR, or with one of its states, such as BR-SP"
        )
    if not dash:
        return Calendar(country=country_holidays(country).country)
    if part in country_holidays(country).subdivisions:
        return Calendar(country=country_holidays(country).country, part=part)
    known = ", ".join(country_holidays(country).subdivisions) or "none at all"
    raise ConfigurationError(
        f"{key}: of {country} no holidays are known for {part!r}; for its parts: {known}"
    )


def _window(text: str, key: str) -> tuple[int, int]:
    found = _read_window(text)
    if found is None:
        raise ConfigurationError(
            f"{key}: write open, closed, or windows such as 09:00-12:00, 14:00-21:00, not {text!r}"
        )
    start, end = (_minute(found[first], found[first + 1], text, key) for first in (1, 3))
    if start == end:
        raise ConfigurationError(
            f"{key}: the window {text} is empty; write open for all day, closed for never"
        )
    if end == 0:
        raise ConfigurationError(f"{key}: the day ends at 24:00: write {_clock_time(start)}-24:00")
    if start > end:
        raise ConfigurationError(
            f"{key}: the window {text} runs over midnight: write two, "
            f"00:00-{_clock_time(end)}, {_clock_time(start)}-24:00"
        )
    return start, end


def _minute(hour: str, minute: str, text: str, key: str) -> int:
    value = int(hour) * 60 + int(minute)
    if int(minute) >= 60 or value > DAY:  # noqa: PLR2004  # minutes of an hour
        raise ConfigurationError(f"{key}: {hour}:{minute} in {text} is no time of the day")
    return value


def _clock_time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
