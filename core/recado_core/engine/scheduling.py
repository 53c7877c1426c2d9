"""What comes due by the clock: scheduled messages, expired ones, and those a pause strands."""

from collections.abc import Callable
from datetime import datetime

from recado_core.engine import policy
from recado_core.engine.accounts import Accounts
from recado_core.engine.database import Database
from recado_core.engine.store import messages
from recado_core.engine.transitions import Change, apply
from recado_core.messages import Status

AT_ONCE = 1000
"""Messages moved in one transaction."""


class Scheduling:
    """Moves messages whose time has come, one round at a time."""

    def __init__(self, accounts: Accounts, database: Database, now: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._database = database
        self._now = now

    async def queue_due(self) -> int:
        """Queue the scheduled messages whose time has come; return how many."""
        now = self._now()
        async with self._database.write() as connection:
            ids = await messages.scheduled_due(connection, now, AT_ONCE)
            standing = await messages.lock(connection, ids)
            changes = [
                Change(
                    message_id=key,
                    status=Status.QUEUED,
                    retry=policy.Retry(
                        account=row["account"],
                        delay=0.0,
                        fallbacks=tuple(row["fallbacks"] or ()),
                        attempts=row["attempts"],
                    ),
                )
                for key, row in standing.items()
            ]
            await apply(connection, standing, changes, now)
        self._wake({row["account"] for row in standing.values()})
        return len(ids)

    async def expire_due(self) -> int:
        """Expire the waiting messages whose time has run out; return how many."""
        now = self._now()
        async with self._database.write() as connection:
            ids = await messages.expired(connection, now, AT_ONCE)
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
            await apply(connection, standing, changes, now)
        return len(ids)

    async def rescue_stranded(self) -> int:
        """Move queued messages of paused accounts to the next active account of their route."""
        moved = 0
        paused = self._accounts.paused()
        for name in paused:
            async with self._database.write() as connection:
                rows = await messages.queued_with_fallbacks(connection, name, AT_ONCE)
                moves = [
                    (row, active)
                    for row in rows
                    if (active := [n for n in row["fallbacks"] if self._is_active(n, paused)])
                ]
                await messages.move(
                    connection,
                    [
                        {"id_": row["id"], "account_": active[0], "fallbacks_": active[1:] or None}
                        for row, active in moves
                    ],
                )
            self._wake({active[0] for _, active in moves})
            moved += len(moves)
        return moved

    def _is_active(self, name: str, paused: set[str]) -> bool:
        return name in self._accounts.by_name and name not in paused

    def _wake(self, names: set[str]) -> None:
        for name in names & self._accounts.by_name.keys():
            self._accounts.by_name[name].wake.set()
