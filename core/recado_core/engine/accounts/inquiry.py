"""Taking the dispatches that are to be asked about, and asking: the part that all kinds share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements.dispatches import Turn

log = logging.getLogger(__name__)

Row = dict[str, Any]

AT_ONCE = 20
"""Dispatches taken in one round."""
HELD = timedelta(minutes=5)
"""How long other nodes leave a dispatch alone; what is not asked about by half of it is left."""


class Inquiry:
    """Settles dispatches: those of one account in turn, several accounts at once.

    One account whose provider is slow to answer holds up no other.

    Args:
        take: Takes the dispatches that are due; it is a statement of the store.
        settle: Asks about one of them, and writes what comes of it.
        node_id: This process.
        accounts: All of them.
        database: The store.
        now: The clock on the wall.
        monotonic: The clock that never jumps, in seconds.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # as above
        self,
        take: Callable[[AsyncConnection, Turn], Awaitable[list[Row]]],
        settle: Callable[[Row], Awaitable[None]],
        node_id: str,
        accounts: Accounts,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._take = take
        self._settle = settle
        self._node_id = node_id
        self._accounts = accounts
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def settle_due(self) -> int:
        """Ask about the dispatches that are due, and wait for the answers; return how many."""
        begun = await self.begin_due()
        await self.finish()
        return begun

    async def begin_due(self) -> int:
        """Begin to ask about the dispatches that are due, of accounts that are not being asked.

        Returns how many there are.
        """
        now = self._now()
        turn = Turn(
            node_id=self._node_id,
            now=now,
            hold_until=now + HELD,
            limit=AT_ONCE,
            without={*self._asked, *self._accounts.refused(self._monotonic())},
        )
        due = await self._database.write(lambda connection: self._take(connection, turn))
        until = self._monotonic() + HELD.total_seconds() / 2
        by_account: dict[str, list[Row]] = {}
        for row in due:
            by_account.setdefault(row["account"], []).append(row)
        for account, some in by_account.items():
            task = asyncio.create_task(self._settle_all(some, until))
            self._asked[account] = task
            task.add_done_callback(partial(self._end, account))
        return len(due)

    def resume(self) -> None:
        """Ask again after ``stop``."""
        self._stopping = False

    def stop(self) -> None:
        """Ask no more than what is being asked now."""
        self._stopping = True

    async def finish(self) -> None:
        """Wait until all that was begun is settled; if that is cancelled, so is what is begun."""
        try:
            while self._asked:
                await asyncio.wait(list(self._asked.values()))
        except asyncio.CancelledError:
            await self.cancel()
            raise

    async def cancel(self) -> None:
        """Break off what is being asked."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, account: str, _: asyncio.Task[None]) -> None:
        del self._asked[account]

    async def _settle_all(self, rows: Sequence[Row], until: float) -> None:
        # One that fails, or is left, stays taken until its hold ends, and is tried again then.
        for row in rows:
            if self._stopping or self._monotonic() > until:
                return
            try:
                await self._settle(row)
            except Exception:
                log.exception("a dispatch can't be settled now", extra={"dispatch": row["id"]})
