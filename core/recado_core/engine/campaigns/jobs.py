"""Jobs that campaigns have at a provider: held and released with them."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from recado_core.contract import SupportsJobs
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.accounts.asking import Unanswered, ask_in_turn
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import campaigns as store

log = logging.getLogger(__name__)

Row = dict[str, Any]

PATIENCE = 15.0
"""Seconds that whoever pauses a campaign waits for its job."""


class CampaignJobs:
    """Tells providers what becomes of the campaigns whose jobs they have."""

    def __init__(
        self, accounts: Accounts, database: Database, monotonic: Callable[[], float]
    ) -> None:
        self._accounts = accounts
        self._database = database
        self._monotonic = monotonic

    async def follow(self, campaign: Row, *, hold: bool) -> Row:
        """Hold or release a campaign's job, if it has one; return the campaign as it is then.

        Where that fails, its reason says so; the campaign itself is what it is.

        Args:
            campaign: As it is now.
            hold: Whether the job is held; else it is released.
        """
        job = campaign["request"].get("job")
        if job is None:
            return campaign
        why = await self._call(campaign["request"]["account"], job, hold=hold)
        if why is None:
            return campaign
        verb = "paused" if hold else "resumed"
        fault = f"its job {job} could not be {verb} at the provider: {why}"
        log.warning("job of a campaign is not as it should be", extra={"reason": fault})
        said = [part for part in (campaign["reason"], fault) if part]
        reason = "; ".join(dict.fromkeys(said))
        await self._database.write(partial(store.change, campaign_id=campaign["id"], reason=reason))
        return campaign | {"reason": reason}

    async def _call(self, name: str, job: str, *, hold: bool) -> str | None:
        """Ask the provider; return what went wrong."""
        account = self._accounts.by_name.get(name)
        if account is None or not account.kind.capabilities.jobs:
            return f"the account {name} knows no jobs"
        provider: SupportsJobs = account.provider  # type: ignore[assignment]  # declared
        call = provider.hold_job if hold else provider.release_job
        try:
            async with asyncio.timeout(PATIENCE):
                done = await ask_in_turn(account, partial(call, job), type(None), self._monotonic)
        except TimeoutError:
            return "no answer in time"
        return done.why if isinstance(done, Unanswered) else None
