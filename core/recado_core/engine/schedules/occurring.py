"""What schedules bring by the clock: messages and campaigns, each occurrence once.

An occurrence is sent under a name of its own, as whose only one it is stored, and then the schedule
moves on, if nobody else has moved it meanwhile. Whoever is killed in between, or does the same at
the same time as another node, sends nothing twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.accepting import Accept
from recado_core.engine.clients.idempotency import IdempotencyKey
from recado_core.engine.failures import IdempotencyRunningError
from recado_core.engine.schedules.requests import Misfire, ScheduleKind
from recado_core.engine.schedules.schedules import message_of, name_of
from recado_core.engine.schedules.timetables import next_of
from recado_core.engine.store.database import Database, is_down
from recado_core.engine.store.statements import schedules as store
from recado_core.errors import RecadoError

log = logging.getLogger(__name__)

Row = dict[str, Any]

RunCampaign = Callable[[str, str, datetime], Awaitable[object]]
"""Starts a campaign anew for an occurrence of a schedule; the same one again is the same run."""

AT_ONCE = 100
"""Schedules of which an occurrence is sent at the same time."""


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of what is due of a schedule: which occurrence is sent, if any is."""

    row: Row
    occurrence: datetime | None
    skipped: int
    next_at: datetime | None
    error: str | None = None


class Occurring:
    """Sends what is due.

    Args:
        accept: Takes the messages.
        run_campaign: Starts the campaigns.
        grace: How late an occurrence may be.
        database: The store.
        now: The clock.
    """

    def __init__(
        self,
        accept: Accept,
        run_campaign: RunCampaign,
        grace: timedelta,
        database: Database,
        now: Callable[[], datetime],
    ) -> None:
        self._accept = accept
        self._run_campaign = run_campaign
        self._grace = grace
        self._database = database
        self._now = now
        self._broken: set[str] = set()

    async def run_due(self) -> int:
        """Send the occurrences that are due; return how many schedules have moved on."""
        moved = 0
        while True:
            now = self._now()
            async with self._database.read() as connection:
                rows = await store.due(connection, now, AT_ONCE)
            if not rows:
                return moved
            done = await asyncio.gather(
                *(self._run(row, now) for row in rows), return_exceptions=True
            )
            plans = [plan for plan in done if isinstance(plan, _Plan)]
            some = await self._move_on(plans) if plans else 0
            for each in done:
                if isinstance(each, BaseException):
                    raise each
            moved += some
            if some < AT_ONCE:
                return moved

    async def _run(self, row: Row, now: datetime) -> _Plan | None:
        """Send what is due of one schedule; None where it is to be tried again."""
        # A rule may take its time, which must not be everybody's.
        plan = await asyncio.to_thread(make_plan, row, self._grace, now)
        if plan.occurrence is None:
            return plan
        try:
            await self._send(row, plan.occurrence)
        except IdempotencyRunningError:  # another round is at it
            return None
        except Exception as error:
            if is_down(error):
                raise
            if isinstance(error, RecadoError):
                return msgspec.structs.replace(plan, error=str(error))
            if row["id"] not in self._broken:
                log.exception("an occurrence broke", extra={"schedule": row["id"]})
            self._broken.add(row["id"])
            if now - row["next_at"] <= self._grace:
                return None
            return msgspec.structs.replace(plan, error=f"internal error: {type(error).__name__}")
        self._broken.discard(row["id"])
        return plan

    async def _send(self, row: Row, occurrence: datetime) -> None:
        if row["kind"] == ScheduleKind.CAMPAIGN:
            await self._run_campaign(row["request"]["campaign_id"], row["id"], occurrence)
            return
        name = name_of(occurrence)
        # The fingerprint is no digest of the message: a change of it makes no other occurrence.
        key = IdempotencyKey(owner=f"schedule:{row['id']}", key=name, fingerprint=name)
        await self._accept.message(message_of(row, occurrence), key)

    async def _move_on(self, plans: Sequence[_Plan]) -> int:
        ordered = sorted(plans, key=lambda plan: str(plan.row["id"]))  # in one order everywhere

        async def work(connection: AsyncConnection) -> list[_Plan]:
            return [plan for plan in ordered if await _note(connection, plan)]

        moved = await self._database.write(work)
        for plan in moved:
            _tell(plan)
        return len(moved)


def make_plan(row: Row, grace: timedelta, now: datetime) -> _Plan:
    """Return what becomes of what is due of a schedule."""
    due_at: datetime = row["next_at"]
    if now - due_at <= grace:
        return _Plan(row=row, occurrence=due_at, skipped=0, next_at=next_of(row, due_at))
    missed, latest, coming = 0, due_at, row["next_at"]
    while coming is not None and coming <= now:
        missed, latest, coming = missed + 1, coming, next_of(row, coming)
    sent = row["misfire"] == Misfire.SEND
    return _Plan(
        row=row, occurrence=latest if sent else None, skipped=missed - sent, next_at=coming
    )


async def _note(connection: AsyncConnection, plan: _Plan) -> bool:
    ran = plan.occurrence is not None and plan.error is None
    return await store.move_on(
        connection,
        plan.row,
        next_at=plan.next_at,
        last_at=plan.occurrence,
        runs=int(ran),
        skipped=plan.skipped,
        error=plan.error,
    )


def _tell(plan: _Plan) -> None:
    about = {"schedule": plan.row["id"]}
    if plan.skipped:
        log.warning("occurrences came too late", extra=about | {"skipped": plan.skipped})
    if plan.error is not None:
        log.warning("an occurrence was refused", extra=about | {"reason": plan.error})
