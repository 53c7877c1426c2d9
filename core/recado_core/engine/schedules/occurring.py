"""What schedules bring by the clock: messages and campaigns, each occurrence once.

A message is stored in one transaction with the schedule's next step, which is made only from where
the schedule was when it was read. So whoever is killed, or does the same at the same time as
another node, sends nothing twice, and what was paused, changed or deleted meanwhile is not sent.
The run of a campaign is the only one of its schedule and occurrence, and the step comes after it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.accepting import Accept, OvertakenError
from recado_core.engine.failures import DraftError
from recado_core.engine.grouping import Grouping
from recado_core.engine.schedules.requests import Misfire, ScheduleKind, ScheduleStatus
from recado_core.engine.schedules.schedules import message_of
from recado_core.engine.schedules.timetables import INSTANT, next_of
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
        self._steps = Grouping(self._move_on, is_fatal=is_down)
        self._broken: set[str] = set()

    async def run_due(self) -> int:
        """Send the occurrences that are due; return how many schedules have moved on."""
        now = self._now()
        moved = 0
        last: Row | None = None  # what stays due, because it breaks, is passed over
        broken: BaseException | None = None
        while True:
            async with self._database.read() as connection:
                rows = await store.due(connection, now, AT_ONCE, last)
            done = await asyncio.gather(
                *(self._run(row, now) for row in rows), return_exceptions=True
            )
            for each in done:
                if not isinstance(each, BaseException):
                    moved += each
                elif is_down(each):
                    raise each
                else:
                    broken = broken or each
            if len(rows) < AT_ONCE:
                break
            last = rows[-1]
        if broken is not None:
            raise broken
        return moved

    async def _run(self, row: Row, now: datetime) -> bool:
        """Send what is due of one schedule; tell whether it has moved on."""
        plan: _Plan | None = None
        try:
            # A rule may take its time, which must not be everybody's.
            plan = await asyncio.to_thread(make_plan, row, self._grace, now)
            moved = await self._take(plan)
        except OvertakenError:  # by another node, or by who paused, changed or deleted it
            return False
        except Exception as error:
            if is_down(error):
                raise
            return await self._fail(row, plan, error, now)
        self._broken.discard(row["id"])
        return moved

    async def _fail(self, row: Row, plan: _Plan | None, error: Exception, now: datetime) -> bool:
        """Note what went wrong with one schedule; tell whether it has moved on all the same."""
        if plan is None and isinstance(error, ValueError | OverflowError):
            return await self._stop(row, str(error))
        refused = isinstance(error, RecadoError)
        if not refused and row["id"] not in self._broken:
            log.error("an occurrence broke", exc_info=error, extra={"schedule": row["id"]})
            self._broken.add(row["id"])
        if plan is None or plan.occurrence is None:
            return False
        if not refused and now - plan.occurrence <= self._grace:
            return False
        reason = str(error) if refused else f"internal error: {type(error).__name__}"
        return await self._steps.submit(_refuse(plan, reason))

    async def _take(self, plan: _Plan) -> bool:
        """Send what is planned, and move the schedule on; tell whether it has moved.

        Raises:
            OvertakenError: The schedule is not as it was read; no message was stored.
        """
        row, occurrence = plan.row, plan.occurrence
        if occurrence is None:
            return await self._steps.submit(plan)
        if row["kind"] == ScheduleKind.CAMPAIGN:
            async with self._database.read() as connection:
                if not await store.is_unchanged(connection, row):
                    raise OvertakenError
            await self._run_campaign(row["request"]["campaign_id"], row["id"], occurrence)
            return await self._steps.submit(plan)

        def told(faults: Sequence[DraftError | None]) -> _Plan:
            return plan if faults[0] is None else _refuse(plan, str(faults[0]))

        async def move_on(connection: AsyncConnection, faults: Sequence[DraftError | None]) -> bool:
            return await _note(connection, told(faults))

        _tell(told(await self._accept.walk([message_of(row, occurrence)], [{}], move_on)))
        return True

    async def _move_on(self, plans: Sequence[_Plan]) -> list[bool]:
        async def work(connection: AsyncConnection) -> list[bool]:
            return [await _note(connection, plan) for plan in plans]

        moved = await self._database.write(work)
        for plan, done in zip(plans, moved, strict=True):
            if done:
                _tell(plan)
        return moved

    async def _stop(self, row: Row, reason: str) -> bool:
        """Pause a schedule of which nobody can say any more when it occurs."""
        values = {
            "status": ScheduleStatus.PAUSED,
            "error": reason,
            "updated_at": max(self._now(), row["updated_at"] + INSTANT),
        }
        stopped = await self._database.write(
            lambda connection: store.change(connection, row, values)
        )
        if stopped is not None:
            log.error("a schedule was paused", extra={"schedule": row["id"], "reason": reason})
        return stopped is not None


def make_plan(row: Row, grace: timedelta, now: datetime) -> _Plan:
    """Return what becomes of what is due of a schedule.

    Raises:
        ValueError: Its rule or its zone can't be read.
    """
    missed = 0
    latest: datetime | None = None
    coming: datetime | None = row["next_at"]
    while coming is not None and now - coming > grace:
        missed, latest, coming = missed + 1, coming, next_of(row, coming)
    if latest is not None and row["misfire"] == Misfire.SEND:
        return _Plan(row=row, occurrence=latest, skipped=missed - 1, next_at=coming)
    if coming is None or coming > now:
        return _Plan(row=row, occurrence=None, skipped=missed, next_at=coming)
    return _Plan(row=row, occurrence=coming, skipped=missed, next_at=next_of(row, coming))


def _refuse(plan: _Plan, reason: str) -> _Plan:
    return msgspec.structs.replace(plan, error=reason)


async def _note(connection: AsyncConnection, plan: _Plan) -> bool:
    return await store.move_on(
        connection,
        plan.row,
        next_at=plan.next_at,
        last_at=plan.occurrence,
        skipped=plan.skipped,
        error=plan.error,
    )


def _tell(plan: _Plan) -> None:
    about = {"schedule": plan.row["id"]}
    if plan.skipped:
        log.warning("occurrences came too late", extra=about | {"skipped": plan.skipped})
    if plan.error is not None:
        log.warning("an occurrence was refused", extra=about | {"reason": plan.error})
