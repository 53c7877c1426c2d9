"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

MONDAY_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""When a clock starts unless told otherwise: a working day, at noon in UTC."""


class Clock:
    """Time for whatever takes ``now`` as a function: pass ``clock.now``."""

    def __init__(self, start: datetime = MONDAY_NOON) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware time")
        self._now = start

    def now(self) -> datetime:
        """Return the time it is."""
        return self._now

    def advance(self, by: float | timedelta) -> datetime:
        """Move on by seconds or by a timedelta, never back, and return the time it is then."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta():
            raise ValueError("a clock never goes back")
        self._now += step
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Pass for ``asyncio.sleep``: move on at once instead of waiting."""
        self.advance(max(0.0, seconds))
