"""How a dispatch ends in the store, whether the provider answered or was asked afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.account import Account
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import (
    Alike,
    Change,
    Plan,
    Ready,
    apply,
    carry_out,
    places_alike,
    plan_alike,
    plan_changes,
    stands,
)
from recado_core.engine.store.identifiers import new_ids
from recado_core.engine.store.statements import messages
from recado_core.engine.suppressions.suppressing import Suppressing
from recado_core.messages import Status

Row = dict[str, Any]


_suppression_of = attrgetter("suppression")


class ForeseenEnding(msgspec.Struct, frozen=True, kw_only=True):
    """What is written of messages if nobody has touched them since they were claimed."""

    changes: Sequence[Change]
    plan: Plan

    @property
    def ids(self) -> set[str]:
        """The messages that are changed."""
        return {change.message_id for change in self.changes}

    @property
    def is_whole(self) -> bool:
        """Tell whether the plan is all: each message is written, and nothing else was learnt."""
        done = self.plan.done
        return len(done) == len(self.changes) and not any(map(_suppression_of, done))


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
    ) -> ForeseenEnding:
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
        return ForeseenEnding(changes=changes, plan=plan)

    def foresee_taken(
        self, dispatch_id: str, rows: Sequence[Row], references: Sequence[str], now: datetime
    ) -> Ready:
        """Make ready the same of a batch of which no more is said than that all is taken.

        Args:
            dispatch_id: The dispatch.
            rows: The messages as they were claimed.
            references: The vendor's, as the store takes them, one for each.
            now: The time.
        """
        alike = []
        for places in places_alike([[*map(stands, rows)]]):
            first = places[0]
            change = Change(message_id=rows[first]["id"], status=Status.SENT)
            alike.append(
                Alike(
                    change=change,
                    event_ids=new_ids(len(places)),
                    rows=[rows[place] for place in places],
                    references=[references[place] for place in places],
                )
            )
        claimed = messages.as_claimed(dispatch_id)
        return plan_alike(self._dialect, alike, now, self._telling, claimed)

    def wake(self, ready: Ready) -> None:
        """Wake the sinks that what was made ready, and is written, is told to."""
        self._telling.wake(ready.told)

    async def change_own(
        self,
        connection: AsyncConnection,
        dispatch: tuple[str, str],
        changes: Sequence[Change],
        now: datetime,
        foreseen: ForeseenEnding | None = None,
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
