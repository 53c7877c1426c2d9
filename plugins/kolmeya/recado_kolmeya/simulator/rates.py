"""The rate limit: so many calls in a fixed window, shared by all endpoints."""

from recado_kolmeya.simulator.switches import Switches

Headers = tuple[tuple[bytes, bytes], ...]


class RateLimit:
    """Counts calls; the window opens with the first call after the last one closed."""

    def __init__(self) -> None:
        self._opened = 0.0
        self._used = 0

    def take(self, switches: Switches, now: float) -> tuple[bool, Headers]:
        """Count one call; say whether it may pass, and give the headers of its answer."""
        limit, window = switches.rate_limit, switches.rate_window
        if not limit:
            return True, ()
        if not self._opened <= now < self._opened + window:
            self._opened, self._used = now, 0
        allowed = self._used < limit
        self._used += allowed
        headers: Headers = (
            (b"x-ratelimit-limit", b"%d" % limit),
            (b"x-ratelimit-remaining", b"%d" % (limit - self._used)),
        )
        if not allowed:
            closes = self._opened + window
            headers += (
                (b"retry-after", b"%d" % max(1, round(closes - now))),
                (b"x-ratelimit-reset", b"%d" % closes),
            )
        return allowed, headers
