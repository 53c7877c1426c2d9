"""How often an account may call its provider."""

import re
from collections import deque

import msgspec

from recado_core.errors import ConfigurationError

_RATE = re.compile(r"(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


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


class CallBudget:
    """A sliding window over the calls made, which spreads what is left once half is used.

    The first half of the budget may go at once; after it the calls keep an even distance, so that
    a burst does not leave the rest of the window silent and batches have time to fill.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._made: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Return the seconds until a call may be made; 0 if it may be made at once."""
        rate = self._rate
        if rate is None:
            return 0.0
        # The same sum as in the wait below: by another, rounding would let a counted call pass.
        while self._made and self._made[0] + rate.seconds <= now:
            self._made.popleft()
        used = len(self._made)
        if used < rate.calls / 2:
            return 0.0
        if used >= rate.calls:
            return self._made[0] + rate.seconds - now
        return max(0.0, self._made[-1] + rate.seconds / rate.calls - now)

    def spend(self, now: float) -> None:
        """Note a call."""
        if self._rate is not None:
            self._made.append(now)
