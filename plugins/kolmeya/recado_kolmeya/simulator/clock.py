"""The simulator's time: a clock that can stand still, and what is due on it."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache

BRASILIA = timezone(timedelta(hours=-3))  # no summer time since 2019
TICK = 0.01  # due work is gathered over this many seconds: fewer wake-ups

Action = Callable[[], None]


class Clock:
    """Tells the time; in manual mode it moves only by ``advance``."""

    def __init__(self, source: Callable[[], float], *, manual: bool) -> None:
        self._source = source
        self._offset = 0.0
        self._frozen: float | None = None
        self.set_manual(manual=manual)

    @property
    def manual(self) -> bool:
        """Say whether time stands."""
        return self._frozen is not None

    def now(self) -> float:
        """Give the time in seconds since 1970."""
        return self._source() + self._offset if self._frozen is None else self._frozen

    def advance(self, seconds: float) -> None:
        """Move the time forwards."""
        if self._frozen is None:
            self._offset += seconds
        else:
            self._frozen += seconds

    def set_manual(self, *, manual: bool) -> None:
        """Stop the time, or let it run on from where it stands."""
        if manual and self._frozen is None:
            self._frozen = self.now()
        elif not manual and self._frozen is not None:
            self._offset = self._frozen - self._source()
            self._frozen = None

    def local(self, moment: float | None = None) -> datetime:
        """Give a moment (default: now) in Brasília's time."""
        return datetime.fromtimestamp(self.now() if moment is None else moment, BRASILIA)


@lru_cache(maxsize=1024)  # all messages of a request have the same
def stamp(moment: float) -> str:
    """Write a moment as the vendor does, ``dd/mm/yyyy HH:MM:SS``, without an offset."""
    return datetime.fromtimestamp(moment, BRASILIA).strftime("%d/%m/%Y %H:%M:%S")


class Schedule:
    """Carries out what is due, in order; one timer for everything."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due)

    def at(self, moment: float, action: Action) -> None:
        """Do something at a moment, at once if it is past and the clock runs."""
        heapq.heappush(self._due, (moment, next(self._numbers), action))
        self.arm()

    def arm(self) -> None:
        """See to it that a timer runs while something is due and the clock runs."""
        if self._timer is None and self._due and not self._clock.manual:
            delay = max(self._due[0][0] - self._clock.now(), TICK)
            self._timer = asyncio.get_running_loop().call_later(min(delay, 1.0), self._fire)
        elif self._timer is not None and self._due and not self._clock.manual:
            self._arm_earlier(self._timer)

    def _arm_earlier(self, timer: asyncio.TimerHandle) -> None:
        loop = asyncio.get_running_loop()
        wanted = loop.time() + max(self._due[0][0] - self._clock.now(), TICK)
        if wanted < timer.when() - TICK:
            timer.cancel()
            self._timer = loop.call_at(wanted, self._fire)

    def _fire(self) -> None:
        self._timer = None
        try:
            if not self._clock.manual:
                self.run_until(self._clock.now())
        finally:
            self.arm()

    def run_until(self, moment: float) -> None:
        """Do everything that is due by a moment."""
        while self._due and self._due[0][0] <= moment:
            heapq.heappop(self._due)[2]()

    def advance(self, seconds: float) -> None:
        """Move the clock forwards, stopping at everything that falls due on the way."""
        target = self._clock.now() + seconds
        while self._due and self._due[0][0] <= target:
            self._clock.advance(max(0.0, self._due[0][0] - self._clock.now()))
            heapq.heappop(self._due)[2]()
        self._clock.advance(max(0.0, target - self._clock.now()))
        self.arm()

    def clear(self) -> None:
        """Forget everything that was due."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
