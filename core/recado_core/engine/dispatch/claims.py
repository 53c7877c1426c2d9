"""Taking due messages out of the outbox, each batch for a dispatch of its own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.account import Account
from recado_core.engine.store.database import Database, is_down, until_done
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import accounts as nodes
from recado_core.engine.store.statements import dispatches, outbox
from recado_core.engine.store.steps import Guard, Step
from recado_core.engine.store.vendor_words import clip_code, clip_text
from recado_core.errors import SendError
from recado_core.messages import Category

Row = dict[str, Any]

LONGEST_ROW = 10
"""Batches of categories that go first, after which one of the others goes."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of one dispatch, and when it was claimed, by both clocks, before the commit.

    ``rows`` are its messages, None as long as they have not been read; ``is_full`` is that there
    may be more of its kind.
    """

    dispatch_id: str
    size: int
    at: datetime
    monotonic: float
    is_full: bool = False
    rows: list[Row] | None = None


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
        self._untold: dict[str, datetime] = {}  # claims that may be committed, or not
        self._apart = account.kind.capabilities.own_batches

    async def take(self, most: int = 1) -> list[Claimed]:
        """Claim what is due and may go today, in one transaction.

        Args:
            most: How many batches at the most, each for a new dispatch. Who asks for more than one
                knows that there is something to do; for one it is looked for before.
        """
        ids = [new_id() for _ in range(most)]
        self._carried |= {*ids}  # before the time that the dispatches bear
        now, monotonic = self._now(), self._monotonic()
        batches: list[Claimed] = []
        try:
            if self._database.sqlite and self._account.settings.daily_limit is None:
                batches = await self._take_at_once(ids, now, monotonic)
            else:
                batches = await self._take_in_turn(ids, now, monotonic)
        except BaseException as error:
            # Where this is cancelled, as the engine stops, the claim went to its end before.
            if is_down(error) or isinstance(error, asyncio.CancelledError):
                self._untold |= dict.fromkeys(ids, now)
            raise
        finally:
            for dispatch_id in {*ids} - {batch.dispatch_id for batch in batches}:
                self.end(dispatch_id)
        return batches

    @property
    def is_untold(self) -> bool:
        """Whether there are claims to give back, which may be committed or not."""
        return bool(self._untold)

    async def settle_untold(self) -> None:
        """Give back what may have been claimed, and for which nobody was called.

        A database went away, or whoever was to carry it was cancelled. Until it is given back it is
        carried, or it would be taken for a call that was broken off.
        """
        if untold := self._untold.copy():
            await self._database.write(partial(_give_back, claims=untold))
            for dispatch_id in untold:
                self._untold.pop(dispatch_id, None)
            self._carried.difference_update(untold)

    async def read(self, claimed: Claimed) -> list[Row]:
        """Return what was claimed; what can't be read is given back, for nobody was called."""
        if claimed.rows is not None:
            return claimed.rows
        try:
            async with self._database.glance() as connection:
                return await outbox.rows_of_claim(connection, claimed.dispatch_id)
        except asyncio.CancelledError:
            self.forgo(claimed.dispatch_id, claimed.at)
            raise
        except Exception:
            self.forgo(claimed.dispatch_id, claimed.at)
            await until_done(self.settle_untold)
            raise

    def forgo(self, dispatch_id: str, at: datetime) -> None:
        """Leave a claim to be given back: nobody was called for it, and nobody will be."""
        self._untold[dispatch_id] = at

    def end(self, dispatch_id: str) -> None:
        """Carry a dispatch no longer, unless it is to be given back."""
        if dispatch_id not in self._untold:
            self._carried.discard(dispatch_id)

    async def _take_at_once(
        self, ids: Sequence[str], now: datetime, monotonic: float
    ) -> list[Claimed]:
        """Claim as ``_take_in_turn`` does, in one visit to the one writer; all else only reads."""
        name, limit = self._account.name, self._account.batch_size
        if len(ids) == 1 and not await self._any_due(now):
            return []
        row = {"account": name, "node_id": self._node_id, "started_at": now}
        turns = [
            (dispatch_id, only, size)
            for number, dispatch_id in enumerate(ids)
            for only, size in self._turns(limit, self._in_a_row_after(number))
        ]
        steps: list[Step | Guard] = [nodes.is_held(self._node_id)]
        for dispatch_id, only, size in turns:
            values = (name, dispatch_id, size, now)
            steps.append(outbox.claimed(*values, only=only, without=self._apart))
            steps.append(dispatches.claimed(row | {"id": dispatch_id}))
        counts = await self._database.count_at_once(steps)
        if counts is None:
            return []  # others took us for dead; the next beat says otherwise
        batches = []
        for (dispatch_id, only, size), count in zip(turns, counts[::2], strict=True):
            if count:
                batches.append(
                    Claimed(
                        dispatch_id=dispatch_id,
                        size=count,
                        at=now,
                        monotonic=monotonic,
                        is_full=count >= size,
                    )
                )
                self._note_turn(only)
        if not batches:
            self._in_a_row = 0
        return batches

    async def _any_due(self, now: datetime) -> bool:
        """Tell whether there is anything to claim."""
        name = self._account.name
        async with self._database.glance() as connection:
            for only in (*self._apart, None):
                if await outbox.any_due(connection, name, now, only=only, without=self._apart):
                    return True
        self._in_a_row = 0
        return False

    async def _take_in_turn(
        self, ids: Sequence[str], now: datetime, monotonic: float
    ) -> list[Claimed]:
        name = self._account.name

        async def work(connection: AsyncConnection) -> list[Claimed]:
            batches: list[Claimed] = []
            if not await nodes.hold(connection, self._node_id):
                return batches  # others took us for dead; the next beat says otherwise
            for dispatch_id in ids:
                limit = await self._allowance(connection, now)
                if limit <= 0:
                    break
                rows, is_full = await self._take(connection, dispatch_id, limit, now)
                if not rows:
                    break
                row = dispatch_row(dispatch_id, name, self._node_id, len(rows), now)
                await dispatches.insert(connection, [row])
                batches.append(
                    Claimed(
                        dispatch_id=dispatch_id,
                        size=len(rows),
                        at=now,
                        monotonic=monotonic,
                        is_full=is_full,
                        rows=rows,
                    )
                )
            return batches

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
        for only, size in self._turns(limit, self._in_a_row):
            rows = await outbox.claim(
                connection, name, dispatch_id, size, now, only=only, without=self._apart
            )
            if rows:
                self._note_turn(only)
                return rows, len(rows) >= size
        self._in_a_row = 0
        return [], False

    def _turns(self, limit: int, in_a_row: int) -> list[tuple[Category | None, int]]:
        """Return what to claim, what first, and how many of each; None is what goes together.

        Args:
            limit: How many messages a batch may have.
            in_a_row: How many batches of categories that go first have gone one after another.
        """
        turns = [(only, min(limit, most)) for only, most in self._apart.items()]
        if in_a_row >= LONGEST_ROW:  # the others wait as well
            return [(None, limit), *turns]
        return [*turns, (None, limit)]

    def _in_a_row_after(self, batches: int) -> int:
        """Return what ``in_a_row`` is after more batches, where there are some of both."""
        return (min(self._in_a_row, LONGEST_ROW) + batches) % (LONGEST_ROW + 1)

    def _note_turn(self, only: Category | None) -> None:
        """Note that a batch was claimed, of a category with its own calls or of the others."""
        self._in_a_row = self._in_a_row + 1 if only else 0

    async def _allowance(self, connection: AsyncConnection, now: datetime) -> int:
        """Return how many messages the next batch may hold, the daily limit considered."""
        daily = self._account.settings.daily_limit
        if daily is None:
            return self._account.batch_size
        midnight = now.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        await nodes.hold_account(connection, self._account.name)  # one node's claim after another's
        sent = await dispatches.sent_since(connection, self._account.name, midnight)
        return min(self._account.batch_size, daily - sent)


async def _give_back(connection: AsyncConnection, claims: Mapping[str, datetime]) -> None:
    """Queue again what was claimed for these dispatches at that time, if anything was."""
    for dispatch_id, at in claims.items():
        await outbox.give_back(connection, dispatch_id, at)
        await dispatches.finish(connection, dispatch_id, outcome="held", now=at)


def dispatch_row(dispatch_id: str, account: str, node_id: str, size: int, now: datetime) -> Row:
    """Return the row of a dispatch whose call this process is about to make."""
    return {
        "id": dispatch_id,
        "account": account,
        "node_id": node_id,
        "size": size,
        "started_at": now,
    }
