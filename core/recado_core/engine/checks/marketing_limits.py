"""The check that nobody gets too much marketing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from recado_core.checks import Answer, OnFailure, Recipient, Refusal
from recado_core.engine.database import Database
from recado_core.engine.settings import LimitSettings
from recado_core.engine.store import messages
from recado_core.messages import Category

DAY = timedelta(days=1)
WEEK = timedelta(days=7)

NOT_STORED = "~"
"""Stands after every id, for a message that a program only asks about."""


class Sent(msgspec.Struct, frozen=True, order=True):
    """A marketing message in the order in which messages count: by time, then by id."""

    at: datetime
    id: str


class MarketingLimitCheck:
    """Refuses a marketing message that would be one too many for its recipient.

    Any 24 hours count as a day, any 7 days as a week. Of messages that are all on their way, the
    earlier ones count for the later ones, so that of several at once exactly as many go as may.
    """

    id = "marketing_limits"
    on_failure = OnFailure.HOLD
    time_limit = 10.0

    def __init__(self, database: Database, settings: LimitSettings) -> None:
        self._database = database
        self._limits = [
            (limit, span, f"{limit} marketing messages in {words} to one person")
            for limit, span, words in (
                (settings.marketing_per_day, DAY, "24 hours"),
                (settings.marketing_per_week, WEEK, "7 days"),
            )
            if limit is not None
        ]

    async def check(self, recipients: Sequence[Recipient]) -> list[Answer]:
        """Return a refusal for every marketing message that is one too many."""
        marketing = [each for each in recipients if each.category is Category.MARKETING]
        if not marketing or not self._limits:
            return [None] * len(recipients)
        since = min(each.at for each in marketing) - max(span for _, span, _ in self._limits)
        async with self._database.read() as connection:
            rows = await messages.marketing_since(
                connection, {each.address for each in marketing}, since
            )
        sent: dict[str, dict[str, Sent]] = {each.address: {} for each in marketing}
        for row in rows:
            sent[row["address"]][row["id"]] = Sent(row["due_at"], row["id"])
        return [
            self._judge(each, sent[each.address]) if each.category is Category.MARKETING else None
            for each in recipients
        ]

    def _judge(self, recipient: Recipient, sent: dict[str, Sent]) -> Refusal | None:
        """Judge one message; if it may go, it counts for those after it in the same call."""
        key = recipient.message_id or NOT_STORED
        own = sent.pop(key, None) or Sent(recipient.at, key)
        for limit, span, reason in self._limits:
            before = sorted(
                (each for each in sent.values() if own.at - span < each.at and each < own),
                reverse=True,
            )
            if len(before) >= limit:
                until = before[limit - 1].at + span
                return Refusal(check=self.id, reason=reason, until=until)
        if key != NOT_STORED:
            sent[key] = own
        return None
