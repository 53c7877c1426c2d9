"""Taking due messages out of the outbox, each batch for a dispatch of its own."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.account import Account
from recado_core.engine.store.database import Database, until_done
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import accounts as nodes
from recado_core.engine.store.statements import dispatches, outbox
from recado_core.engine.store.vendor_words import clip_code, clip_text
from recado_core.errors import SendError
from recado_core.messages import Category

Row = dict[str, Any]

LONGEST_ROW = 10
"""Batches of categories that go first, after which one of the others goes."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of one dispatch, and when it was claimed, by both clocks, before the commit.

    ``is_full`` is that there may be more of its kind.
    """

    dispatch_id: str
    rows: list[Row]
    at: datetime
    monotonic: float
    is_full: bool = False


class Claims:
    """The claims of one account.

    Args:
        node_id: This process.
        account: Whose messages are claimed.
        timezone: The zone in which a day begins, for the daily limit.
        database: The store.
        carried: The dispatches that this process carries; a new one is added before its claim.
        now: The clock on the wall.
        monotonic: The clock that never jumps, in seconds.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # as above
        self,
        node_id: str,
        account: Account,
        timezone: str,
        database: Database,
        carried: set[str],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._node_id = node_id
        self._account = account
        self._zone = ZoneInfo(timezone)
        self._database = database
        self._carried = carried
        self._now = now
        self._monotonic = monotonic
        self._in_a_row = 0
        self._apart = account.kind.capabilities.own_batches

    async def take(self) -> Claimed | None:
        """Claim the next batch for a new dispatch, if there is one and it may go today."""
        dispatch_id = new_id()
        self._carried.add(dispatch_id)  # before the time that the dispatch bears
        now, monotonic = self._now(), self._monotonic()
        rows: list[Row] = []
        try:
            if self._database.sqlite and self._account.settings.daily_limit is None:
                rows, is_full = await self._take_at_once(dispatch_id, now)
            else:
                rows, is_full = await self._take_in_turn(dispatch_id, now)
        finally:
            if not rows:
                self._carried.discard(dispatch_id)
        if not rows:
            return None
        self._account.budget.spend(self._monotonic())
        return Claimed(
            dispatch_id=dispatch_id, rows=rows, at=now, monotonic=monotonic, is_full=is_full
        )

    async def _take_at_once(self, dispatch_id: str, now: datetime) -> tuple[list[Row], bool]:
        """Claim as ``_take_in_turn`` does, in one visit to the one writer; all else only reads."""
        name = self._account.name
        row = {"id": dispatch_id, "account": name, "node_id": self._node_id, "started_at": now}
        for only, size in self._turns(self._account.batch_size):
            async with self._database.glance() as connection:
                if not await outbox.any_due(connection, name, now, only=only, without=self._apart):
                    continue
            claim = outbox.claimed(name, dispatch_id, size, now, only=only, without=self._apart)
            if not await self._database.write_at_once(
                [nodes.is_held(self._node_id), claim, dispatches.claimed(row)]
            ):
                return [], False  # others took us for dead; the next beat says otherwise
            rows = await self._read(dispatch_id, now)
            if rows:
                self._in_a_row = self._in_a_row + 1 if only else 0
                return rows, len(rows) >= size
        self._in_a_row = 0
        return [], False

    async def _read(self, dispatch_id: str, now: datetime) -> list[Row]:
        """Return what was claimed; what can't be read is given back, for nobody was called."""
        try:
            async with self._database.glance() as connection:
                return await outbox.rows_of_claim(connection, dispatch_id)
        except Exception:
            back = partial(self._give_back, dispatch_id=dispatch_id, now=now)
            await until_done(lambda: self._database.write(back))
            raise

    async def _give_back(
        self, connection: AsyncConnection, dispatch_id: str, now: datetime
    ) -> None:
        await outbox.give_back(connection, dispatch_id, now)
        await dispatches.finish(connection, dispatch_id, outcome="held", now=now)

    async def _take_in_turn(self, dispatch_id: str, now: datetime) -> tuple[list[Row], bool]:
        name = self._account.name

        async def work(connection: AsyncConnection) -> tuple[list[Row], bool]:
            if not await nodes.hold(connection, self._node_id):
                return [], False  # others took us for dead; the next beat says otherwise
            limit = await self._allowance(connection, now)
            if limit <= 0:
                return [], False
            rows, is_full = await self._take(connection, dispatch_id, limit, now)
            if rows:
                row = dispatch_row(dispatch_id, name, self._node_id, len(rows), now)
                await dispatches.insert(connection, [row])
            return rows, is_full

        return await self._database.write(work)

    async def reaffirm(self, claimed: Claimed) -> bool:
        """Say that the call is made only at ``claimed.at``; tell whether the claim still holds."""
        return await self._database.write(
            lambda connection: dispatches.reopen(
                connection, claimed.dispatch_id, self._node_id, claimed.at
            )
        )

    async def split(
        self,
        dispatch_id: str,
        parts: Sequence[tuple[str, list[Row]]],
        error: SendError,
        now: datetime,
    ) -> bool:
        """Give a refused batch's messages to new dispatches; tell whether it was still ours.

        Args:
            dispatch_id: The refused batch's dispatch.
            parts: The new dispatches' ids, and their messages.
            error: Why it was refused.
            now: The time.
        """

        async def work(connection: AsyncConnection) -> bool:
            if not await dispatches.reopen(connection, dispatch_id, self._node_id, now):
                return False  # others thought us dead and took it over
            await dispatches.finish(
                connection,
                dispatch_id,
                outcome="permanent",
                now=now,
                code=clip_code(error.code),
                text=clip_text(error.text),
            )
            for part_id, part in parts:
                row = dispatch_row(part_id, self._account.name, self._node_id, len(part), now)
                await dispatches.insert(connection, [row])
                ids = [row["id"] for row in part]
                await outbox.hand_over(connection, ids, dispatch_id, part_id)
            return True

        return await self._database.write(work)

    async def _take(
        self, connection: AsyncConnection, dispatch_id: str, limit: int, now: datetime
    ) -> tuple[list[Row], bool]:
        """Claim messages that may share a call, those of a category with its own calls first.

        Returns:
            They, and whether they are as many as may share it.
        """
        name = self._account.name
        for only, size in self._turns(limit):
            rows = await outbox.claim(
                connection, name, dispatch_id, size, now, only=only, without=self._apart
            )
            if rows:
                self._in_a_row = self._in_a_row + 1 if only else 0
                return rows, len(rows) >= size
        self._in_a_row = 0
        return [], False

    def _turns(self, limit: int) -> list[tuple[Category | None, int]]:
        """Return what to claim, what first, and how many of each; None is what goes together."""
        turns = [(only, min(limit, most)) for only, most in self._apart.items()]
        if self._in_a_row >= LONGEST_ROW:  # the others wait as well
            return [(None, limit), *turns]
        return [*turns, (None, limit)]

    async def _allowance(self, connection: AsyncConnection, now: datetime) -> int:
        """Return how many messages the next batch may hold, the daily limit considered."""
        daily = self._account.settings.daily_limit
        if daily is None:
            return self._account.batch_size
        midnight = now.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        await nodes.hold_account(connection, self._account.name)  # one node's claim after another's
        sent = await dispatches.sent_since(connection, self._account.name, midnight)
        return min(self._account.batch_size, daily - sent)


def dispatch_row(dispatch_id: str, account: str, node_id: str, size: int, now: datetime) -> Row:
    """Return the row of a dispatch whose call this process is about to make."""
    return {
        "id": dispatch_id,
        "account": account,
        "node_id": node_id,
        "size": size,
        "started_at": now,
    }
