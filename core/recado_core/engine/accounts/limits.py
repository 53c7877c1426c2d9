"""How often an account may call its provider."""

import math
import re
from collections import deque
from enum import StrEnum

import msgspec

from recado_core.errors import ConfigurationError

_RATE = re.compile(r"(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}

WINDOW = 60.0
"""Seconds that a provider's window is taken for where no rate says it."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """So many calls in so many seconds."""

    calls: int
    seconds: float


def parse_rate(text: str, key: str) -> Rate:
    """Read ``500/60s``, ``10/s`` or ``3000/1h``.

    Args:
        text: As configured.
        key: The configuration's key, for the error.

    Raises:
        ConfigurationError: It is not written so, or allows nothing.
    """
    found = _RATE.fullmatch(text.strip())
    rate = found and Rate(calls=int(found[1]), seconds=float(found[2] or 1) * _SECONDS[found[3]])
    if not rate or rate.calls < 1 or rate.seconds <= 0:
        raise ConfigurationError(f"{key}: write calls/time, such as 500/60s, not {text!r}")
    return rate


class Purpose(StrEnum):
    """Why a provider is called; where calls are scarce, the first goes before the others."""

    SEND = "send"  # handing messages over
    ASK = "ask"  # what became of them: look-ups, DLRs, MOs, the balance
    REPORT = "report"  # what a person or a program wants to know


SHARES = {Purpose.ASK: 0.9, Purpose.REPORT: 0.5}
"""How much of the budget may be used, by all, when a call of this purpose is made."""

KEPT = {Purpose.ASK: 0.05, Purpose.REPORT: 0.02}
"""How much of it is kept for a purpose that has lately been made to wait; at least one call."""

PRESSING = 0.1
"""For which part of a window, after sending was held back, others have only what is kept."""

KEPT_FROM = 4
"""Calls in a window from which on any are kept: of fewer, sending needs them all."""


class Told(msgspec.Struct):
    """What the provider says of its own limit: ``left`` of ``limit`` calls until ``resets_at``."""

    limit: int
    left: int
    resets_at: float


class CallBudget:
    """A sliding window over the calls made, which spreads the sending that comes after half of it.

    The first half of the budget may go at once; after it sending keeps an even distance, so that
    a burst does not leave the rest of the window silent and batches have time to fill.

    A provider that tells how many calls it still takes is believed: others may use its account.

    Args:
        rate: How often it may be called, or None if no limit is known beforehand.
        fixed: The rate is the operator's: what the provider tells never raises it.
    """

    def __init__(self, rate: Rate | None, *, fixed: bool = False) -> None:
        self._rate = rate
        self._fixed = fixed
        self._made: deque[tuple[float, Purpose]] = deque()
        self._told: Told | None = None
        self._closed_until = 0.0
        self._wanted: dict[Purpose, float] = {}
        self._refused_until: dict[Purpose, float] = {}
        self._sent_at = -math.inf
        self._spent = 0
        self._departed = 0

    @property
    def _seconds(self) -> float:
        return self._rate.seconds if self._rate else WINDOW

    def wait(self, now: float, purpose: Purpose = Purpose.SEND) -> float:
        """Return the seconds until a call may be made; 0 if it may be made at once."""
        wait = self._wait(now, purpose)
        if wait > 0:
            self._wanted[purpose] = now
            self._refused_until[purpose] = now + wait
        return wait

    def _wait(self, now: float, purpose: Purpose) -> float:
        self._forget(now)
        return max(
            0.0,
            self._closed_until - now,
            self._wait_for_window(now, purpose),
            self._wait_for_provider(now, purpose),
            self._wait_to_spread(now) if purpose is Purpose.SEND else 0.0,
        )

    def at_once(self, now: float, most: int) -> int:
        """Return how many calls for sending may be made now, ``most`` at the most."""
        sent_at, count = self._sent_at, 0
        while count < most and self._wait(now, Purpose.SEND) <= 0:
            self.spend(now)
            count += 1
        for _ in range(count):
            self.refund()
        self._sent_at = sent_at
        return count

    def refuses(self, now: float, purpose: Purpose) -> bool:
        """Tell whether a call was refused, and would be again."""
        return self._refused_until.get(purpose, 0.0) > now

    def spend(self, now: float, purpose: Purpose = Purpose.SEND) -> None:
        """Note a call that is about to be made."""
        self._spent += 1
        self._made.append((now, purpose))
        if purpose is Purpose.SEND:
            self._sent_at = now
        else:
            self._wanted.pop(purpose, None)
        if self._told is not None:
            self._told.left -= 1

    def refund(self) -> None:
        """Note that the latest call for sending is not made after all."""
        self._spent -= 1
        for index in reversed(range(len(self._made))):
            if self._made[index][1] is Purpose.SEND:
                del self._made[index]
                break
        if self._told is not None:
            self._told.left += 1

    def depart(self) -> int:
        """Note that a call leaves, and return its number."""
        self._departed += 1
        return self._departed

    def close(self, until: float) -> None:
        """Let no call be made until then, as the provider asks."""
        self._closed_until = max(self._closed_until, until)

    def learn(
        self, limit: int, left: int, number: int, now: float, resets_in: float | None = None
    ) -> None:
        """Take over what the provider says in its answer to a call.

        Args:
            limit: How many calls it takes in its window.
            left: How many it still takes in this window.
            number: Which call it answers; it may not know of later ones.
            now: The time by the clock that never jumps, in seconds.
            resets_in: Seconds until the next window, if it says so.
        """
        told, limit = self._told, max(1, limit)  # a limit of nothing is not to be believed
        left -= self._spent - number
        resets_at = now + (self._seconds if resets_in is None else resets_in)
        if told is None or told.resets_at <= now or left > told.left + _slack(limit):
            self._told = Told(limit=limit, left=left, resets_at=resets_at)
        else:
            told.limit, told.left = limit, left
            told.resets_at = told.resets_at if resets_in is None else resets_at
        if self._rate is not None and not self._fixed:
            self._rate = Rate(calls=limit, seconds=self._rate.seconds)

    def limit(self) -> int | None:
        """Return how many calls the window holds, if that is known."""
        told = self._told.limit if self._told is not None else None
        return min((n for n in (told, self._rate and self._rate.calls) if n), default=None)

    def left(self, now: float) -> int | None:
        """Return how many calls the window still holds, if that is known."""
        self._forget(now)
        counts: list[int] = []
        if self._rate is not None:
            counts.append(self._rate.calls - len(self._made))
        if self._told is not None and self._told.resets_at > now:
            counts.append(self._told.left)
        if self._closed_until > now:
            counts.append(0)
        return max(0, min(counts)) if counts else None

    def _forget(self, now: float) -> None:
        # The same sum as in the waits below: by another, rounding would let a counted call pass.
        while self._made and self._made[0][0] + self._seconds <= now:
            self._made.popleft()

    def _wait_for_window(self, now: float, purpose: Purpose) -> float:
        rate = self._rate
        if rate is None:
            return 0.0
        used, allowed = len(self._made), self._allowed(rate.calls, now, purpose)
        if used < allowed:
            return 0.0
        return self._made[used - allowed][0] + rate.seconds - now

    def _wait_to_spread(self, now: float) -> float:
        rate = self._rate
        if rate is None or len(self._made) < rate.calls / 2:
            return 0.0
        return self._sent_at + rate.seconds / rate.calls - now

    def _wait_for_provider(self, now: float, purpose: Purpose) -> float:
        told = self._told
        if told is None or told.limit - told.left < self._allowed(told.limit, now, purpose):
            return 0.0
        return told.resets_at - now

    def _allowed(self, calls: int, now: float, purpose: Purpose) -> int:
        """Return how many calls may have been made once a further one of this purpose is."""
        if purpose is not Purpose.SEND:
            if self._unused(calls, purpose):
                return max(1, calls)
            if self._wanted.get(Purpose.SEND, -math.inf) > now - PRESSING * self._seconds:
                return 1
            return max(1, int(calls * SHARES[purpose]))
        since = now - self._seconds
        lately = [other for other in KEPT if self._wanted.get(other, -math.inf) > since]
        return max(1, calls - sum(self._unused(calls, other) for other in lately))

    def _unused(self, calls: int, purpose: Purpose) -> int:
        """Return how many of the calls kept for a purpose it has not made."""
        if calls < KEPT_FROM:
            return 0
        made = sum(1 for _, made_for in self._made if made_for is purpose)
        return max(0, max(1, int(calls * KEPT[purpose])) - made)


def _slack(limit: int) -> int:
    # Answers overtake one another: only many more calls left than we know of are a new window's.
    return max(1, min(16, limit // 4))
