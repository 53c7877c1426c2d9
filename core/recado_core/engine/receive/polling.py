"""Asking providers for the DLRs that no webhook brought."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import SupportsPollStatuses
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.accounts.asking import Unanswered, ask, check_items
from recado_core.engine.accounts.inquiry import Inquiry
from recado_core.engine.receive.arrivals import Arrivals
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import dispatches, messages
from recado_core.messages import StatusUpdate

log = logging.getLogger(__name__)

Row = dict[str, Any]

GIVEN_UP = timedelta(hours=168)
"""How long after a dispatch its DLRs are asked for; vendors forget after about a week."""


class Polling:
    """The safety net under the webhooks; ``inquiry`` has its rounds."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that know of a dispatch
        self,
        node_id: str,
        accounts: Accounts,
        settings: EngineSettings,
        arrivals: Arrivals,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._arrivals = arrivals
        self._settings = settings
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self.inquiry = Inquiry(
            dispatches.to_poll, self._poll, node_id, accounts, database, now, monotonic
        )

    async def _poll(self, dispatch: Row) -> None:
        account = self._accounts.by_name.get(dispatch["account"])
        async with self._database.read() as connection:
            unsettled = await messages.any_unsettled(connection, dispatch["id"])
        updates: list[StatusUpdate] = []
        asked = True
        delay = self._delay(dispatch["polls"])
        if account is not None and account.kind.capabilities.poll_statuses and unsettled:
            provider: SupportsPollStatuses = account.provider  # type: ignore[assignment]  # declared
            question = partial(provider.poll_statuses, dispatch["id"])
            answer = await ask(account, question, list, self._monotonic())
            if not isinstance(answer, Unanswered):
                answer = check_items(account, answer, StatusUpdate)
            if isinstance(answer, Unanswered):
                asked = answer.wait is None
                delay = delay if answer.wait is None else timedelta(seconds=answer.wait)
                log.info(
                    "provider can't be asked for receipts now",
                    extra={"account": account.name, "reason": answer.why},
                )
            else:
                updates = answer
        now = self._now()

        async def work(connection: AsyncConnection) -> None:
            await self._arrivals.take(connection, dispatch["account"], updates, now)
            unsettled = await messages.any_unsettled(connection, dispatch["id"])
            again = unsettled and now < dispatch["started_at"] + GIVEN_UP
            poll_at = now + delay if again else None
            await dispatches.plan_poll(connection, dispatch["id"], poll_at, counts=asked)

        await self._database.write(work)

    def _delay(self, polls: int) -> timedelta:
        delays = self._settings.poll_delays
        return timedelta(seconds=delays[min(polls + 1, len(delays) - 1)])
