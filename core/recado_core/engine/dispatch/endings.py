"""How a dispatch ends in the store, whether the provider answered or was asked afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.account import Account
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import Change, Plan, apply, carry_out, plan_changes
from recado_core.engine.store.statements import messages
from recado_core.engine.suppressions.suppressing import Suppressing

Row = dict[str, Any]


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """What is written of messages if nobody has touched them since they were claimed."""

    ids: frozenset[str]
    plan: Plan

    @property
    def is_whole(self) -> bool:
        """Tell whether the plan is all: each message is written, and nothing else was learnt."""
        done = self.plan.done
        return len(done) == len(self.ids) and not any(change.suppression for change in done)


class Endings:
    """Writes what became of a dispatch's messages, and what the provider's answer taught.

    Args:
        suppressing: The way on to the suppression list.
        telling: The way into the event log.
        dialect: The database's.
    """

    def __init__(self, suppressing: Suppressing, telling: Telling, dialect: str) -> None:
        self._suppressing = suppressing
        self._telling = telling
        self._dialect = dialect

    def foresee(
        self, dispatch_id: str, rows: Sequence[Row], changes: Sequence[Change], now: datetime
    ) -> Foreseen:
        """Make ready before the transaction what ``change_own`` is most likely to write.

        Args:
            dispatch_id: The dispatch.
            rows: The messages as they were claimed.
            changes: What shall become of them.
            now: The time.
        """
        standing = {row["id"]: row for row in rows}
        claimed = messages.as_claimed(dispatch_id)
        plan = plan_changes(self._dialect, standing, changes, now, self._telling, expected=claimed)
        return Foreseen(ids=frozenset(change.message_id for change in changes), plan=plan)

    def wake(self, foreseen: Foreseen) -> None:
        """Wake the sinks that what was foreseen, and is written, is told to."""
        self._telling.wake(foreseen.plan.told)

    async def change_own(
        self,
        connection: AsyncConnection,
        dispatch: tuple[str, str],
        changes: Sequence[Change],
        now: datetime,
        foreseen: Foreseen | None = None,
    ) -> list[Change]:
        """Write what became of messages that are still a dispatch's; return what was written.

        Args:
            connection: The transaction's.
            dispatch: Its id, and the account.
            changes: What shall become of the messages.
            now: The time.
            foreseen: What is written if the messages are still as they were claimed.
        """
        dispatch_id, account = dispatch
        if foreseen and foreseen.ids <= await messages.lock_untouched(connection, dispatch_id):
            await carry_out(connection, foreseen.plan, self._telling)
            done = foreseen.plan.done
        else:
            standing = await messages.lock_dispatch(connection, dispatch_id)
            done = await apply(connection, standing, changes, now, self._telling)
        await self._suppressing.learn(connection, account, done, now)
        return done


def first_poll(account: Account | None, delays: Sequence[float], now: datetime) -> datetime | None:
    """Return when the provider is first asked for a dispatch's DLRs, or None if it can't be."""
    if account is None or not account.kind.capabilities.poll_statuses or not delays:
        return None
    return now + timedelta(seconds=delays[0])
