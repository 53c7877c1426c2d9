"""The check that nobody gets too much marketing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from recado_core.checks import Answer, OnFailure, Recipient, Refusal
from recado_core.engine.settings import LimitSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import messages
from recado_core.messages import Category

_MARKETING = Category.MARKETING  # looked up once: up to Python 3.11 each look-up is a call

DAY = timedelta(days=1)
WEEK = timedelta(days=7)

NOT_STORED = "~"
"""Stands after every id, for a message that a program only asks about."""


class Counted(msgspec.Struct, frozen=True, order=True):
    """A marketing message in the order in which messages count: by time, then by id.

    ``at`` is when it went, or else when it may go.
    """

    at: datetime
    id: str
    went: bool = False


class MarketingLimitCheck:
    """Refuses a marketing message that would be one too many for its recipient.

    Any 24 hours count as a day, any 7 days as a week. What went counts from when it went, however
    long it had waited. Of messages that have yet to go, the earlier ones count for the later ones,
    so that of several at once exactly as many go as may.
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
        answers: list[Answer] = [None] * len(recipients)
        marketing = [
            (index, each) for index, each in enumerate(recipients) if each.category is _MARKETING
        ]
        if not marketing or not self._limits:
            return answers
        since = min(each.at for _, each in marketing) - max(span for _, span, _ in self._limits)
        addresses = {each.address for _, each in marketing}
        async with self._database.read() as connection:
            rows = await messages.marketing_since(connection, addresses, since)
        known: dict[str, dict[str, Counted]] = {address: {} for address in addresses}
        for row in rows:
            went = row["status"] not in messages.YET_TO_GO
            known[row["address"]][row["id"]] = Counted(row["due_at"], row["id"], went)
        asked = []
        for index, each in marketing:
            key = each.message_id or NOT_STORED
            stored = known[each.address].get(key)
            asked.append((stored or Counted(each.at, key), index, stored is not None))
        for own, index, is_due in sorted(asked):
            each = recipients[index]
            answers[index] = self._judge(each, own, known[each.address], is_due=is_due)
        return answers

    def _judge(
        self, recipient: Recipient, own: Counted, known: dict[str, Counted], *, is_due: bool
    ) -> Refusal | None:
        """Judge one message; if it may go, it counts for those after it in the same call.

        One that ``is_due`` is about to be sent, and what may go before it may go now at last.
        """
        known.pop(own.id, None)
        at = recipient.at
        times = [each.at for each in known.values() if each.went]
        waiting = [each.at for each in known.values() if not each.went and each < own]
        times += [max(at, each) if is_due else each for each in waiting]
        times.sort(reverse=True)
        refusal, last = None, at
        for limit, span, reason in self._limits:
            within = [each for each in times if at - span < each]
            if len(within) >= limit and within[limit - 1] + span > last:
                last = within[limit - 1] + span
                refusal = Refusal(check=self.id, reason=reason, until=last)
        if refusal is None and own.id != NOT_STORED:
            known[own.id] = own
        return refusal
