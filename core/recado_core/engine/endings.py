"""How a dispatch ends in the store, whether the provider answered or was asked afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.account import Account
from recado_core.engine.store import messages
from recado_core.engine.transitions import Change, apply


async def change_own(
    connection: AsyncConnection, dispatch_id: str, changes: Sequence[Change], now: datetime
) -> list[Change]:
    """Write what became of messages that are still this dispatch's; return what was written."""
    standing = await messages.lock(connection, [change.message_id for change in changes])
    own = {key: row for key, row in standing.items() if row["dispatch_id"] == dispatch_id}
    return await apply(connection, own, changes, now)


def first_poll(account: Account | None, delays: Sequence[float], now: datetime) -> datetime | None:
    """Return when the provider is first asked for a dispatch's DLRs, or None if it can't be."""
    if account is None or not account.kind.capabilities.poll_statuses or not delays:
        return None
    return now + timedelta(seconds=delays[0])
