"""What every account's provider is asked now and then: for MO messages, and for the balance."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import SupportsBalance, SupportsPollReplies
from recado_core.engine import arrivals
from recado_core.engine.account import Account
from recado_core.engine.accounts import Accounts
from recado_core.engine.asking import Unanswered, ask
from recado_core.engine.database import Database
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store import accounts as store
from recado_core.messages import InboundMessage

log = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
"""How much further back MOs are asked for than last time: a vendor may tell of one late."""


class Rounds:
    """What one account is asked; among the nodes, only one asks at a time."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that know of an account
        self,
        account: Account,
        accounts: Accounts,
        settings: EngineSettings,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._account = account
        self._accounts = accounts
        self._database = database
        self._now = now
        self._monotonic = monotonic
        can = account.kind.capabilities
        self._reply_poll = timedelta(seconds=settings.reply_poll if can.poll_replies else 0)
        self._balance_poll = timedelta(seconds=settings.balance_poll if can.balance else 0)
        self._replies_at = self._balance_at = now()
        self._silent: set[str] = set()

    async def take_due(self) -> int:
        """Ask what is due; return how many rounds were taken."""
        return await self._ask_for_replies() + await self._ask_for_balance()

    async def _ask_for_replies(self) -> int:
        now = self._now()
        if not self._reply_poll or now < self._replies_at:
            return 0
        name, next_at = self._account.name, now + self._reply_poll
        until = await self._database.write(
            lambda connection: store.take_reply_round(connection, name, now, next_at)
        )
        self._replies_at = next_at
        if until is None:
            return 0
        if await self._take_pages(until - OVERLAP):
            await self._database.write(
                lambda connection: store.end_reply_round(connection, name, now)
            )
        return 1

    async def _take_pages(self, since: datetime) -> bool:
        """Take over page by page what people have written; tell whether that was all of it."""
        provider: SupportsPollReplies = self._account.provider  # type: ignore[assignment]  # declared
        pages = provider.poll_replies(since)
        while True:
            page = await ask(self._account, partial(_next, pages), list, self._monotonic())
            if isinstance(page, Unanswered):
                self._note_silence("replies", page.why)
                return False
            self._note_answer("replies")
            if not page:
                return True
            await self._database.write(partial(self._take_page, page[0]))

    async def _take_page(self, page: Sequence[InboundMessage], connection: AsyncConnection) -> None:
        await arrivals.take(connection, self._account.name, page, self._now())

    async def _ask_for_balance(self) -> int:
        now = self._now()
        if not self._balance_poll or now < self._balance_at:
            return 0
        name, next_at = self._account.name, now + self._balance_poll
        mine = await self._database.write(
            lambda connection: store.take_balance_round(connection, name, now, next_at)
        )
        self._balance_at = next_at
        if not mine:
            return 0
        provider: SupportsBalance = self._account.provider  # type: ignore[assignment]  # declared
        balance = await ask(self._account, provider.balance, Decimal, self._monotonic())
        if isinstance(balance, Unanswered):
            self._note_silence("balance", balance.why)
        else:
            self._note_answer("balance")
            await self._accounts.note_balance(self._account, balance)
        return 1

    def _note_silence(self, what: str, why: str) -> None:
        if what not in self._silent:
            self._silent.add(what)
            log.warning(
                "provider can't be asked now",
                extra={"account": self._account.name, "what": what, "reason": why},
            )

    def _note_answer(self, what: str) -> None:
        if what in self._silent:
            self._silent.discard(what)
            log.info("provider answers again", extra={"account": self._account.name, "what": what})


async def _next(
    pages: AsyncIterator[Sequence[InboundMessage]],
) -> list[Sequence[InboundMessage]]:
    """Return the next page, alone in a list, or an empty list after the last."""
    async for page in pages:
        return [page]
    return []
