"""Dry runs: what a campaign would come to, found out without sending anything."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from recado_core.addresses import mask
from recado_core.engine.accept.accepting import Accept
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.campaigns.rules import messages_to
from recado_core.engine.campaigns.views import (
    AccountShare,
    Rehearsal,
    RehearsalExample,
    RehearsalReason,
)
from recado_core.engine.checks.checking import Verdict
from recado_core.engine.failures import DraftError
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import recipients

Progress = Callable[[int, int], None]
"""Is told how many recipients are done, and of how many."""
Row = dict[str, Any]

AT_ONCE = 1000
EXAMPLES = 5
"""Recipients who are named for each reason."""
REASONS = 50
"""Different reasons that are told apart; what is rarer is told as one."""


class Rehearsing:
    """Walks audiences as if their campaigns were sent now."""

    def __init__(self, accept: Accept, accounts: Accounts, database: Database) -> None:
        self._accept = accept
        self._accounts = accounts
        self._database = database

    async def run(self, campaign: Row, progress: Progress | None = None) -> Rehearsal:
        """Return what the messages to all whose turn has not come would come to.

        Args:
            campaign: Which.
            progress: Is told how far it is.
        """
        first, after = campaign["position"], campaign["position"]
        async with self._database.read() as connection:
            last = await recipients.last_position(connection, campaign["audience_id"])
        sums = _Sums()
        while after < last:
            async with self._database.read() as connection:
                rows = await recipients.following(
                    connection, campaign["audience_id"], after, AT_ONCE
                )
            usable = [row for row in rows if row["fault"] is None]
            made = await self._accept.rehearse(*messages_to(campaign, usable))
            for row, found in zip(usable, made, strict=True):
                sums.add(row, found)
            after = rows[-1]["position"]
            if progress is not None:
                progress(after - first, last - first)
        return self._tell(sums)

    def _tell(self, sums: "_Sums") -> Rehearsal:
        shares = [
            AccountShare(
                account=account,
                messages=sums.messages[account],
                segments=segments,
                cost=self._cost(account, segments),
            )
            for account, segments in sorted(sums.segments.items())
        ]
        costs = [share.cost for share in shares if share.cost is not None]
        return Rehearsal(
            recipients=sums.recipients,
            messages=sums.messages.total(),
            deferred=sums.deferred,
            suppressed=sums.suppressed,
            faulty=sums.faulty,
            segments=sums.segments.total(),
            cost=sum(costs, Decimal(0)) if costs else None,
            accounts=shares,
            suppressions=sums.suppressions.tell(),
            deferrals=sums.deferrals.tell(),
            faults=sums.faults.tell(),
        )

    def _cost(self, account: str, segments: int) -> Decimal | None:
        price = self._accounts.by_name[account].settings.price
        return None if price is None else price * segments


class _Sums:
    """What has been found out so far."""

    def __init__(self) -> None:
        self.recipients = self.deferred = self.suppressed = self.faulty = 0
        self.messages: Counter[str] = Counter()
        self.segments: Counter[str] = Counter()
        self.suppressions, self.deferrals, self.faults = _Reasons(), _Reasons(), _Reasons()

    def add(self, row: Row, found: tuple[Row, Verdict] | DraftError) -> None:
        self.recipients += 1
        if isinstance(found, DraftError):
            self.faulty += 1
            self.faults.add(None, "; ".join(fault.detail for fault in found.faults), row)
            return
        message, verdict = found
        if verdict.refusals:
            self.suppressed += 1
            for refusal in verdict.refusals:
                self.suppressions.add(refusal.check, refusal.reason, row)
            return
        self.messages[message["account"]] += 1
        self.segments[message["account"]] += message["segments"]
        if verdict.deferrals:
            self.deferred += 1
            for deferral in verdict.deferrals:
                self.deferrals.add(deferral.check, deferral.reason, row)


class _Reasons:
    """Reasons, how often each was given, and the first to whom."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str | None, str]] = Counter()
        self._examples: dict[tuple[str | None, str], list[RehearsalExample]] = {}

    def add(self, check: str | None, reason: str, row: Row) -> None:
        key = (check, reason)
        if key not in self._counts and len(self._counts) >= REASONS:
            key = (check, "other reasons")
        self._counts[key] += 1
        examples = self._examples.setdefault(key, [])
        if len(examples) < EXAMPLES:
            examples.append(RehearsalExample(line=row["line"], address=mask(row["address"])))

    def tell(self) -> list[RehearsalReason]:
        return [
            RehearsalReason(
                check=check, reason=reason, count=count, examples=self._examples[check, reason]
            )
            for (check, reason), count in self._counts.most_common()
        ]
