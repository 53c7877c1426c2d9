"""Splits a span of time into what Kolmeya answers in one call, and joins the answers.

Kolmeya's minutes are those of its clock on the wall, and so are these: no window has an offset.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeVar

import msgspec

from recado_kolmeya.operations.steps import Steps

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

_MINUTES = ("%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
"""How a minute may be written; the first is how it was seen."""

_CHANGING = frozenset({"status", "broker", "api"})


class MinuteWindow(NamedTuple):
    """From one minute's beginning to another's.

    Its neighbours share its bounds: the vendor's end is a second, ``10:00`` being ``10:00:00``, so
    that windows with a minute between them would lose all that was sent in it.
    """

    start: datetime
    end: datetime

    def begins_with(self, row: object) -> bool:
        """Tell whether a row is of the minute that this window shares with the one before it."""
        sent_at = row.get("enviada_em") if isinstance(row, dict) else None
        minute = tuple(self.start.strftime(form) for form in _MINUTES)
        return str(sent_at or "").startswith(minute)

    def halves(self) -> "tuple[MinuteWindow, ...]":
        """Return two windows in its place, or none if it can't be split."""
        if self.end - self.start <= MINUTE:
            return ()
        middle = self.start + (self.end - self.start) // MINUTE // 2 * MINUTE
        return MinuteWindow(self.start, middle), MinuteWindow(middle, self.end)


class DayWindow(NamedTuple):
    """From one day to another, both with all their hours; neighbours share no day."""

    start: date
    end: date

    def begins_with(self, _row: object) -> bool:
        """Tell that it shares no row with the window before it."""
        return False

    def halves(self) -> "tuple[DayWindow, ...]":
        """Return two windows in its place, or none if it is a single day."""
        if self.start >= self.end:
            return ()
        middle = self.start + (self.end - self.start) // 2
        return DayWindow(self.start, middle), DayWindow(middle + DAY, self.end)


Window = TypeVar("Window", MinuteWindow, DayWindow)


class Joined(NamedTuple):
    """The rows of several answers; ``truncated`` if there are, or may be, more."""

    rows: list[object]
    truncated: bool


def split_minutes(start: datetime, end: datetime, longest: timedelta) -> list[MinuteWindow]:
    """Return the windows of a span, each but the last of the greatest length."""
    windows = []
    while end - start > longest:
        windows.append(MinuteWindow(start, start + longest))
        start += longest
    return [*windows, MinuteWindow(start, end)]


def split_days(start: date, end: date, most: int) -> list[DayWindow]:
    """Return the windows of a span, each but the last of the greatest number of days."""
    windows = []
    while (end - start).days >= most:
        windows.append(DayWindow(start, start + (most - 1) * DAY))
        start += most * DAY
    return [*windows, DayWindow(start, end)]


async def gather_windows(
    ask_window: Callable[[Window, int], Awaitable[list[object]]],
    windows: Sequence[Window],
    most: int,
    limit: int | None,
    steps: Steps,
) -> Joined:
    """Return the rows of all windows, once each, those of the oldest window first.

    An answer with as many rows as were asked for is cut off, without a word: its window is asked
    for again in halves, until they can't be split.

    Args:
        ask_window: Asks for a window and at most so many rows.
        windows: The windows, the oldest first.
        most: How many rows Kolmeya gives in one answer.
        limit: How many rows are wanted; None for all.
        steps: Is told of every call.
    """
    waiting = deque(windows)
    wanted = most if limit is None else min(most, limit)
    rows: list[object] = []
    before: list[object] = []
    truncated = False
    while waiting and (limit is None or len(rows) < limit):
        window = waiting.popleft()
        found = await ask_window(window, wanted)
        is_full = len(found) >= wanted
        halves = window.halves() if is_full and (limit is None or limit > most) else ()
        steps.count_call(len(halves))
        if halves:
            waiting.extendleft(reversed(halves))
            continue
        rows += leave_shared(window, found, before)
        before = found
        truncated = truncated or is_full
    steps.drop_rest()
    kept = rows[:limit]
    return Joined(kept, truncated or bool(waiting) or len(kept) < len(rows))


def join(parts: Iterable[Joined]) -> Joined:
    """Return the rows of all parts, in their order."""
    kept = list(parts)
    rows = [row for part in kept for row in part.rows]
    return Joined(rows, any(part.truncated for part in kept))


def leave_shared(
    window: MinuteWindow | DayWindow, rows: list[object], before: list[object]
) -> list[object]:
    """Return the rows without those of the window's first instant that the one before it had too.

    Rows have no id, and what two windows share is one second's rows, each in both answers; what
    becomes of a message may have been told between the two.
    """
    known = Counter(identify(row) for row in before if window.begins_with(row))
    if not known:
        return rows
    fresh: list[object] = []
    for row in rows:
        if window.begins_with(row) and known[identify(row)]:
            known[identify(row)] -= 1
        else:
            fresh.append(row)
    return fresh


def identify(row: object) -> bytes:
    """Return what a row tells of its message, but for what becomes of it."""
    if isinstance(row, dict):
        row = {key: value for key, value in row.items() if key not in _CHANGING}
    return msgspec.json.encode(row)
