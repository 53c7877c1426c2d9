"""Splits a span of time into what Kolmeya answers in one call, and joins the answers.

Kolmeya's minutes are those of its clock on the wall, and so are these: no window has an offset.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeVar

import msgspec
from recado_core import Progress

from recado_kolmeya.operations.rows import Row, Rows
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

    def seams(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the minutes that it shares with the windows before and after, in all notations."""
        start, end = (tuple(at.strftime(form) for form in _MINUTES) for at in self)
        return start, end

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

    def seams(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return no times: it shares no row with its neighbours."""
        return (), ()

    def halves(self) -> "tuple[DayWindow, ...]":
        """Return two windows in its place, or none if it is a single day."""
        if self.start >= self.end:
            return ()
        middle = self.start + (self.end - self.start) // 2
        return DayWindow(self.start, middle), DayWindow(middle + DAY, self.end)


Window = TypeVar("Window", MinuteWindow, DayWindow)


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
    found: Rows[Row],
    progress: Progress,
) -> None:
    """Read the rows of all windows, once each, those of the oldest window first.

    An answer with as many rows as were asked for is cut off, without a word: its window is asked
    for again in halves, until they can't be split.

    Args:
        ask_window: Asks for a window and at most so many rows.
        windows: The windows, the oldest first.
        most: How many rows Kolmeya gives in one answer.
        found: Takes the rows.
        progress: Is told of every call.
    """
    steps = Steps(progress)
    waiting = deque(windows)
    wanted = min(most, found.room)
    shared: Counter[bytes] = Counter()
    while waiting and found.room:
        window = waiting.popleft()
        rows = await ask_window(window, wanted)
        is_full = len(rows) >= wanted
        halves = window.halves() if is_full and found.most > most else ()
        waiting.extendleft(reversed(halves))
        if not halves:
            start, end = window.seams()
            await found.add(_leave_out(shared, rows, start))
            shared = Counter(identify(row) for row in rows if _is_sent_at(row, end))
            found.truncated |= is_full
        steps.count_call(len(waiting) if found.room else 0)
    found.truncated |= bool(waiting)


def _leave_out(shared: Counter[bytes], rows: list[object], seam: tuple[str, ...]) -> list[object]:
    """Return the rows but for those at the seam that the window before gave, as often as it did.

    Rows have no id, and what two windows share is one second's rows, each in both answers; what
    becomes of a message may have been told between the two.
    """
    fresh: list[object] = []
    for row in rows:
        identity = identify(row) if shared and _is_sent_at(row, seam) else b""
        if shared[identity]:
            shared[identity] -= 1
        else:
            fresh.append(row)
    return fresh


def identify(row: object) -> bytes:
    """Return a digest of what a row tells of its message, but for what becomes of it."""
    if isinstance(row, dict):
        row = {key: value for key, value in row.items() if key not in _CHANGING}
    return hashlib.sha256(msgspec.json.encode(row)).digest()


def _is_sent_at(row: object, seam: tuple[str, ...]) -> bool:
    return isinstance(row, dict) and str(row.get("enviada_em")).startswith(seam)
