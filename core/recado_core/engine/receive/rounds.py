"""What every account's provider is asked now and then: for MO messages, and for the balance."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import SupportsPollReplies
from recado_core.engine.accounts.account import Account
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.accounts.asking import Unanswered, ask_in_turn, check_items
from recado_core.engine.receive.arrivals import Arrivals
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database, is_passing
from recado_core.engine.store.statements import accounts as store
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
        arrivals: Arrivals,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._account = account
        self._accounts = accounts
        self._arrivals = arrivals
        self._database = database
        self._now = now
        self._monotonic = monotonic
        can = account.kind.capabilities
        self._reply_poll = timedelta(seconds=settings.reply_poll if can.poll_replies else 0)
        self._balance_poll = timedelta(seconds=settings.balance_poll if can.balance else 0)
        self._replies_at = self._balance_at = 0.0
        self._silent: set[str] = set()
        self._stopping = False

    async def take_due(self) -> int:
        """Ask what is due; return how many rounds were taken."""
        self._stopping = False
        return await self._ask_for_replies() + await self._ask_for_balance()

    def stop(self) -> None:
        """Ask no more than what is being asked now."""
        self._stopping = True

    async def _ask_for_replies(self) -> int:
        monotonic = self._monotonic()
        if not self._reply_poll or monotonic < self._replies_at:
            return 0
        name, now = self._account.name, self._now()
        next_at = now + self._reply_poll
        until = await self._database.write(
            lambda connection: store.take_reply_round(connection, name, now, next_at)
        )
        self._replies_at = monotonic + self._reply_poll.total_seconds()
        if until is None:
            return 0
        if await self._take_pages(min(until, now) - OVERLAP):
            self._note_answer("replies")
            await self._database.write(
                lambda connection: store.end_reply_round(connection, name, now)
            )
        return 1

    async def _take_pages(self, since: datetime) -> bool:
        """Take over page by page what people have written; tell whether that was all of it."""
        provider: SupportsPollReplies = self._account.provider  # type: ignore[assignment]  # declared
        pages = provider.poll_replies(since)
        try:
            while not self._stopping:
                found = await self._next_page(pages)
                if isinstance(found, Unanswered):
                    self._note_silence("replies", found.why)
                    return False
                if not found:
                    return True
                await self._take_page(found[0])
            return False
        finally:
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()

    async def _next_page(
        self, pages: AsyncIterator[Sequence[InboundMessage]]
    ) -> list[list[InboundMessage]] | Unanswered:
        """Return the next page, alone in a list, an empty list after the last, or why not."""
        question = partial(_next, pages)
        found = await ask_in_turn(self._account, question, list, self._monotonic)
        if isinstance(found, Unanswered) or not found:
            return found
        page = check_items(self._account, found[0], InboundMessage)
        return page if isinstance(page, Unanswered) else [page]

    async def _take_page(self, page: list[InboundMessage]) -> None:
        try:
            await self._database.write(partial(self._take, page))
        except Exception as error:
            if is_passing(error):
                raise
            log.exception("a page of replies can't be stored; its replies are taken one by one")
            for item in page:
                await self._take_alone(item)

    async def _take_alone(self, item: InboundMessage) -> None:
        try:
            await self._database.write(partial(self._take, [item]))
        except Exception as error:
            if is_passing(error):
                raise
            log.exception("a reply can't be stored", extra={"account": self._account.name})

    async def _take(self, items: Sequence[InboundMessage], connection: AsyncConnection) -> None:
        await self._arrivals.take(connection, self._account.name, items, self._now())

    async def _ask_for_balance(self) -> int:
        monotonic = self._monotonic()
        if not self._balance_poll or self._stopping or monotonic < self._balance_at:
            return 0
        name, now = self._account.name, self._now()
        next_at = now + self._balance_poll
        mine = await self._database.write(
            lambda connection: store.take_balance_round(connection, name, now, next_at)
        )
        self._balance_at = monotonic + self._balance_poll.total_seconds()
        if not mine:
            return 0
        balance = await self._accounts.ask_balance(self._account)
        if isinstance(balance, Unanswered):
            self._note_silence("balance", balance.why)
        else:
            self._note_answer("balance")
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
