"""What comes due by the clock: scheduled messages, expired ones, and those a pause strands."""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine import policy
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import Change, apply
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import messages, outbox, suppressions
from recado_core.engine.store.statements.due import Work
from recado_core.engine.suppressions.suppressing import Suppressing
from recado_core.messages import Status

AT_ONCE = 1000
"""Messages moved in one transaction."""
LOOK_AGAIN = timedelta(seconds=10)
"""How long a queue is left alone in which nothing could be moved."""


class Scheduling:
    """Moves messages whose time has come, one round at a time."""

    def __init__(
        self,
        accounts: Accounts,
        suppressing: Suppressing,
        telling: Telling,
        database: Database,
        now: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._suppressing = suppressing
        self._telling = telling
        self._database = database
        self._now = now
        self._looked_for: tuple[list[str], set[str]] = ([], set())
        self._looked_at = now()

    async def run_due(self, due: Collection[Work]) -> int:
        """Do what is due; return how many messages were moved, and entries ended."""
        done = 0
        if Work.SCHEDULED in due:
            done += await self.queue_due()
        if Work.EXPIRED in due:
            done += await self.expire_due()
        done += await self.rescue_stranded(any_queued=done > 0 or Work.QUEUED in due)
        if Work.SUPPRESSIONS in due:
            done += await self.end_suppressions()
        return done

    async def queue_due(self) -> int:
        """Queue the scheduled messages whose time has come; return how many."""
        return await self._every_round(self._queue_some)

    async def expire_due(self) -> int:
        """Expire the waiting messages whose time has run out; return how many."""
        return await self._every_round(self._expire_some)

    async def end_suppressions(self) -> int:
        """Take entries off the suppression list whose time is over; return how many."""
        return await self._every_round(self._end_some)

    async def orphans(self) -> list[str]:
        """Return the accounts for which messages wait and which are not configured."""
        async with self._database.read() as connection:
            holding = await outbox.accounts_with_queued(connection)
        return [name for name in holding if name not in self._accounts.by_name]

    async def rescue_stranded(self, *, any_queued: bool = True) -> int:
        """Move queued messages of paused or removed accounts to the next active one of their route.

        Args:
            any_queued: Whether there are queued messages at all.

        Returns:
            How many were moved.
        """
        holding: list[str] = []
        if any_queued:
            async with self._database.read() as connection:
                holding = await outbox.accounts_with_queued(connection)
        paused = self._accounts.paused()
        stranded = [name for name in holding if not self._is_active(name, paused)]
        now = self._now()
        if (stranded, paused) == self._looked_for and now < self._looked_at + LOOK_AGAIN:
            return 0
        moved = sum([await self._move_all(name, paused) for name in stranded])
        if moved == 0:
            self._looked_for, self._looked_at = (stranded, paused), now
        return moved

    async def _every_round(self, some: Callable[[AsyncConnection], Awaitable[int]]) -> int:
        done = 0
        while True:
            moved = await self._database.write(some)
            done += moved
            if moved < AT_ONCE:
                return done

    async def _queue_some(self, connection: AsyncConnection) -> int:
        now = self._now()
        ids = await outbox.scheduled_due(connection, now, AT_ONCE)
        standing = await messages.lock(connection, ids)
        changes = [
            Change(
                message_id=key,
                status=Status.QUEUED,
                retry=policy.Retry(
                    account=row["account"],
                    delay=(row["due_at"] - now).total_seconds(),  # it keeps its place in time
                    fallbacks=tuple(row["fallbacks"] or ()),
                    attempts=row["attempts"],
                ),
            )
            for key, row in standing.items()
        ]
        await apply(connection, standing, changes, now, self._telling)
        self._accounts.wake({row["account"] for row in standing.values()})
        return len(ids)

    async def _expire_some(self, connection: AsyncConnection) -> int:
        now = self._now()
        ids = await outbox.expired(connection, now, AT_ONCE)
        standing = await messages.lock(connection, ids)
        changes = [
            Change(
                message_id=key,
                status=Status.EXPIRED,
                code="expires_at",
                text="its time ran out before it could be sent",
            )
            for key in standing
        ]
        await apply(connection, standing, changes, now, self._telling)
        return len(ids)

    async def _end_some(self, connection: AsyncConnection) -> int:
        now = self._now()
        ids = await suppressions.expired(connection, now, AT_ONCE)
        await self._suppressing.drop(connection, ids, now, why="expired", learned=False)
        return len(ids)

    async def _move_all(self, name: str, paused: set[str]) -> int:
        """Move what can be moved of an account's queue."""
        async with self._database.read() as connection:
            plans = await outbox.fallbacks_of_queued(connection, name)
        moved = 0
        for plan in plans:
            active = [other for other in plan if self._is_active(other, paused)]
            if active:
                moved += await self._every_round(
                    partial(self._move_some, name=name, plan=plan, active=active)
                )
                self._accounts.wake({active[0]})
        return moved

    async def _move_some(
        self, connection: AsyncConnection, *, name: str, plan: list[str], active: list[str]
    ) -> int:
        return await outbox.move_queued(
            connection, name, plan, account=active[0], fallbacks=active[1:] or None, limit=AT_ONCE
        )

    def _is_active(self, name: str, paused: set[str]) -> bool:
        return name in self._accounts.by_name and name not in paused
