"""How often an account may call its provider."""

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


SHARES = {Purpose.SEND: 1.0, Purpose.ASK: 0.9, Purpose.REPORT: 0.5}
"""How much of the budget may be used once a call of this purpose is made; at least one call."""


class Told(msgspec.Struct):
    """What the provider says of its own limit: ``left`` of ``limit`` calls until ``resets_at``."""

    limit: int
    left: int
    resets_at: float


class CallBudget:
    """A sliding window over the calls made, which spreads what is left once half is used.

    The first half of the budget may go at once; after it the calls keep an even distance, so that
    a burst does not leave the rest of the window silent and batches have time to fill.

    A provider that tells how many calls it still takes is believed: others may use its account.

    Args:
        rate: How often it may be called, or None if no limit is known beforehand.
        fixed: The rate is the operator's: what the provider tells may lower it, never raise it.
    """

    def __init__(self, rate: Rate | None, *, fixed: bool = False) -> None:
        self._rate = rate
        self._fixed = fixed
        self._made: deque[float] = deque()
        self._told: Told | None = None
        self._closed_until = 0.0
        self.spent = 0

    def wait(self, now: float, purpose: Purpose = Purpose.SEND) -> float:
        """Return the seconds until a call may be made; 0 if it may be made at once."""
        return max(
            0.0,
            self._closed_until - now,
            self._wait_for_window(now, purpose),
            self._wait_for_provider(now, purpose),
        )

    def spend(self, now: float) -> None:
        """Note a call."""
        self.spent += 1
        if self._rate is not None:
            self._made.append(now)
        if self._told is not None:
            self._told.left -= 1

    def close(self, until: float) -> None:
        """Let no call be made until then, as the provider asks."""
        self._closed_until = max(self._closed_until, until)

    def learn(self, limit: int, left: int, spent: int, now: float) -> None:
        """Take over what the provider says in its answer to a call.

        Args:
            limit: How many calls it takes in its window, whose length it does not say.
            left: How many it still takes in this window.
            spent: The budget's ``spent`` once that call was noted; it may not know of later ones.
            now: The time by the clock that never jumps, in seconds.
        """
        told, seconds = self._told, self._rate.seconds if self._rate else WINDOW
        left -= self.spent - spent
        # More left than we know of: a new window has begun, or this is the first that we hear of.
        if told is None or told.resets_at <= now or left > told.left:
            self._told = Told(limit=limit, left=left, resets_at=now + seconds)
        else:
            told.limit, told.left = limit, left
        if not self._fixed:
            self._rate = Rate(calls=max(1, limit), seconds=seconds)

    def limit(self) -> int | None:
        """Return how many calls the window holds, if that is known."""
        told = self._told.limit if self._told is not None else None
        return min((n for n in (told, self._rate and self._rate.calls) if n), default=None)

    def left(self, now: float) -> int | None:
        """Return how many calls may still be made in the window, if that is known."""
        counts: list[int] = []
        if self._rate is not None:
            self._forget(self._rate, now)
            counts.append(self._rate.calls - len(self._made))
        if self._told is not None and self._told.resets_at > now:
            counts.append(self._told.left)
        return max(0, min(counts)) if counts else None

    def _forget(self, rate: Rate, now: float) -> None:
        # The same sum as in the waits below: by another, rounding would let a counted call pass.
        while self._made and self._made[0] + rate.seconds <= now:
            self._made.popleft()

    def _wait_for_window(self, now: float, purpose: Purpose) -> float:
        rate = self._rate
        if rate is None:
            return 0.0
        self._forget(rate, now)
        used, allowed = len(self._made), _share(rate.calls, purpose)
        if used >= allowed:
            return self._made[used - allowed] + rate.seconds - now
        if used < rate.calls / 2:
            return 0.0
        return self._made[-1] + rate.seconds / rate.calls - now

    def _wait_for_provider(self, now: float, purpose: Purpose) -> float:
        told = self._told
        if told is None or told.limit - told.left < _share(told.limit, purpose):
            return 0.0
        return told.resets_at - now


def _share(calls: int, purpose: Purpose) -> int:
    return max(1, int(calls * SHARES[purpose]))
