"""How a dispatch ends in the store, whether the provider answered or was asked afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.account import Account
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import Change, apply
from recado_core.engine.store.statements import messages
from recado_core.engine.suppressions.suppressing import Suppressing


class Endings:
    """Writes what became of a dispatch's messages, and what the provider's answer taught."""

    def __init__(self, suppressing: Suppressing, telling: Telling) -> None:
        self._suppressing = suppressing
        self._telling = telling

    async def change_own(
        self,
        connection: AsyncConnection,
        dispatch: tuple[str, str],
        changes: Sequence[Change],
        now: datetime,
    ) -> list[Change]:
        """Write what became of messages that are still a dispatch's; return what was written.

        Args:
            connection: The transaction's.
            dispatch: Its id, and the account.
            changes: What shall become of the messages.
            now: The time.
        """
        dispatch_id, account = dispatch
        standing = await messages.lock_dispatch(connection, dispatch_id)
        done = await apply(connection, standing, changes, now, self._telling)
        await self._suppressing.learn(connection, account, done, now)
        return done


def first_poll(account: Account | None, delays: Sequence[float], now: datetime) -> datetime | None:
    """Return when the provider is first asked for a dispatch's DLRs, or None if it can't be."""
    if account is None or not account.kind.capabilities.poll_statuses or not delays:
        return None
    return now + timedelta(seconds=delays[0])
