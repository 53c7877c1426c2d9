"""How long a provider that fails is left alone."""

import logging

from recado_core.engine.accounts.account import Account
from recado_core.engine.policy import LONGEST_ASKED
from recado_core.errors import SendError

log = logging.getLogger(__name__)

BACKOFF = (1.0, 60.0)
"""First and longest pause of an account whose provider fails, in seconds; it doubles."""


class Outage:
    """One account's run of failures: told in the log once when it begins, and once when it ends."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._failures = 0
        self._not_before = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until the provider may be called again."""
        return self._not_before - now

    def go_on(self, error: SendError, now: float, asked: float | None = None) -> None:
        """Note one more failure; ``asked`` are the seconds that the provider asked for."""
        self._account.trouble = error.text
        if self._failures == 0:
            log.warning(
                "provider fails, messages wait",
                extra={"account": self._account.name, "code": error.code, "reason": error.text},
            )
        first, longest = BACKOFF
        backoff = min(longest, first * 2.0 ** min(self._failures, 10))
        if asked is not None:
            backoff = max(first, min(asked, LONGEST_ASKED))
        self._failures += 1
        self._not_before = now + backoff

    def end(self) -> None:
        """Note that the provider works."""
        self._account.trouble = None
        if self._failures:
            log.info("provider is back", extra={"account": self._account.name})
        self._failures = 0
        self._not_before = 0.0
