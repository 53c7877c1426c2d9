"""Sending campaigns: started when they are due, fed to the outbox bit by bit, finished."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.accepting import OvertakenError
from recado_core.engine.campaigns.jobs import CampaignJobs
from recado_core.engine.campaigns.rules import UNFINISHED, is_unfinished, read_throttle
from recado_core.engine.campaigns.steps import CampaignFaultError, CampaignSteps
from recado_core.engine.campaigns.telling import CampaignTelling
from recado_core.engine.campaigns.views import CampaignStatus
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import Change, apply
from recado_core.engine.store.database import Database, is_down
from recado_core.engine.store.statements import campaigns as store
from recado_core.engine.store.statements import messages, recipients
from recado_core.messages import Status

log = logging.getLogger(__name__)

Row = dict[str, Any]

Unless = Callable[[AsyncConnection, Row], Awaitable[bool]]

PAUSE = 0.2
"""Seconds between two looks at the campaigns while any runs."""
IDLE = 0.5
"""Seconds between two looks while none does."""
AT_ONCE = 1000
"""Recipients whose messages are stored in one transaction."""
QUEUED = 10_000
"""Messages of one campaign that wait in the outbox at the most."""
AHEAD = 2.0
"""Seconds' worth of a throttled campaign that wait there at the most."""
LEAST = 0.1
"""Seconds' worth of a throttled campaign that are worth a step."""
LOOK_AGAIN = timedelta(seconds=5)
"""How often is looked for canceled campaigns of which messages are left."""


class Campaigning:
    """Feeds the campaigns that run, one round at a time; any number of nodes may do so at once.

    Args:
        steps: Takes a campaign forward.
        telling: Tells of campaigns.
        events: Tells of messages.
        jobs: Tells providers.
        database: The store.
        now: The clock on the wall.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # as above
        self,
        steps: CampaignSteps,
        telling: CampaignTelling,
        events: Telling,
        jobs: CampaignJobs,
        database: Database,
        now: Callable[[], datetime],
    ) -> None:
        self._steps = steps
        self._jobs = jobs
        self._telling = telling
        self._events = events
        self._database = database
        self._now = now
        self._wake = asyncio.Event()
        self._stopping = False
        self._any_active = False
        self._swept_at: datetime | None = None
        self._room: dict[str, int] = {}
        self._failing: set[str] = set()
        self._waiting: dict[str, str] = {}

    def wake(self) -> None:
        """Look at the campaigns at once."""
        self._swept_at = None
        self._wake.set()

    def stop(self) -> None:
        """End ``run`` after its round."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Feed what runs until ``stop`` is called."""
        self._stopping = False
        troubled = False
        while not self._stopping:
            self._wake.clear()
            done = 0
            try:
                done = await self.take_due()
                troubled = False
            except Exception:
                if not troubled:
                    log.exception("campaigns can't be fed; it is tried again")
                troubled = True
            if not done and not self._stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE if self._any_active else IDLE):
                        await self._wake.wait()

    @property
    def is_to_sweep(self) -> bool:
        """Whether it is time to look for canceled campaigns of which messages are left."""
        return self._swept_at is None or self._now() >= self._swept_at + LOOK_AGAIN

    async def take_due(self) -> int:
        """Do one round: start what is due, feed what runs, finish what is over, and so on.

        Returns:
            How much was done; 0: there is nothing to do now.
        """
        now = self._now()
        async with self._database.read() as connection:
            active = await store.active(connection, now)
        self._any_active = bool(active)
        done = 0
        for campaign in active:
            if self._stopping:
                break
            begins = campaign["status"] == CampaignStatus.SCHEDULED
            step = self._start if begins else self._feed
            done += await self._alone(campaign["id"], step(campaign, now))
        running = {row["id"] for row in active}
        self._room = {key: room for key, room in self._room.items() if key in running}
        self._waiting = {key: after for key, after in self._waiting.items() if key in running}
        return done + await self._sweep(now)

    async def _alone(self, campaign_id: str, work: Awaitable[int]) -> int:
        """Do something for one campaign, so that its failing, told of once, holds up no other."""
        try:
            done = await work
        except Exception as error:
            if is_down(error):
                raise
            if campaign_id not in self._failing:
                log.exception(
                    "a campaign can't be taken forward; it is tried again",
                    extra={"campaign": campaign_id},
                )
            self._failing.add(campaign_id)
            return 0
        self._failing.discard(campaign_id)
        return done

    async def _start(self, campaign: Row, now: datetime) -> int:
        """Start a campaign whose time has come, or say that it waits for all of its audience."""
        async with self._database.read() as connection:
            unfinished = await is_unfinished(connection, campaign)
        if unfinished:
            if campaign["reason"] != UNFINISHED:
                await self._database.write(
                    partial(store.change, campaign_id=campaign["id"], reason=UNFINISHED)
                )
            return 0
        begun: Row = {"status": CampaignStatus.RUNNING, "started_at": now, "reason": None}
        return await self._turn(campaign, "started", now, unless=is_unfinished, **begun)

    async def _feed(self, campaign: Row, now: datetime) -> int:
        """Take a running campaign a step forward, if there is room; tell whether that was done."""
        ends_at = campaign["request"].get("expires_at")
        if ends_at is not None and msgspec.convert(ends_at, datetime) <= now:
            return await self._finish(campaign, now, reason="its time ran out (expires_at)")
        credit = _credit(campaign, now)
        most = await self._fitting(campaign, credit)
        if most == 0:
            return 0
        try:
            step = await self._steps.take(campaign, most, {CampaignStatus.RUNNING}, credit)
        except OvertakenError:
            return 0  # another node was there before, or a person has paused it
        except CampaignFaultError as error:
            held: Row = {"status": CampaignStatus.PAUSED, "reason": str(error)}
            if await self._turn(campaign, "paused", now, **held):
                await self._jobs.follow(campaign | held, hold=True)
            return 1
        return await self._finish(campaign, now) if step is None else 1

    async def _fitting(self, campaign: Row, credit: float | None) -> int:
        """Return how many may be taken now; 0: too few to be worth a step.

        What waits already is counted when the room that was left may be used up.
        """
        campaign_id, room, least, most = campaign["id"], QUEUED, AT_ONCE, AT_ONCE
        if credit is not None:
            rate = read_throttle(campaign["throttle"])
            a_second = rate.calls / rate.seconds
            room = max(1, min(QUEUED, int(a_second * AHEAD)))
            least = max(1, min(AT_ONCE, int(a_second * LEAST)))
            most = min(AT_ONCE, int(credit))
        if most < least:
            return 0
        if self._room.get(campaign_id, 0) < most:
            async with self._database.read() as connection:
                waiting = await store.count_lately_waiting(connection, campaign_id, room)
            self._room[campaign_id] = room - waiting
        most = min(most, self._room[campaign_id])
        if most < least:
            return 0
        self._room[campaign_id] -= most
        return most

    async def _finish(self, campaign: Row, now: datetime, reason: str | None = None) -> int:
        """Say that a campaign is over whose audience has been walked, once none of it waits."""
        campaign_id = campaign["id"]
        # The reason of a run tells who was left out: the audience that it shares does not.
        why = reason or (campaign["reason"] if campaign["schedule_id"] else None)
        async with self._database.read() as connection:
            after = self._waiting.get(campaign_id, "")
            found = await store.waiting(connection, campaign_id, after, 1)
            if not found and after:  # what has gone may have come back
                found = await store.waiting(connection, campaign_id, "", 1)
        if found:
            self._waiting[campaign_id] = _before(found[0][0])
            return 0
        return await self._turn(
            campaign,
            "finished",
            now,
            status=CampaignStatus.FINISHED,
            finished_at=now,
            reason=why,
            unless=_is_longer if reason is None else None,
        )

    async def _turn(
        self,
        campaign: Row,
        kind: str,
        now: datetime,
        *,
        unless: Unless | None = None,
        **values: Any,  # noqa: ANN401  # of any column
    ) -> int:
        """Change a campaign that is as it was, and tell of it; return 1, or 0 if it is not.

        Args:
            campaign: As it was read.
            kind: What is told.
            now: The time.
            unless: Is asked, when nobody else can change it, whether it is to stay as it is.
            values: What becomes of it.
        """

        async def work(connection: AsyncConnection) -> int:
            if unless is not None:
                await store.lock(connection, campaign["id"])
                if await unless(connection, campaign):
                    return 0
            if not await store.move_on(connection, campaign, {campaign["status"]}, **values):
                return 0
            await self._telling.tell(connection, kind, campaign | values, now)
            return 1

        return await self._database.write(work)

    async def _sweep(self, now: datetime) -> int:
        """Cancel what still waits of canceled campaigns; return how many messages."""
        if not self.is_to_sweep:
            return 0
        self._swept_at = now
        async with self._database.read() as connection:
            canceled = await store.being_canceled(connection)
        return sum([await self._alone(each, self.clear(each)) for each in canceled])

    async def clear(self, campaign_id: str) -> int:
        """Cancel the messages of a canceled campaign that have not gone; return how many.

        What is being sent now is left; should it come back to the queue, a later round takes it.
        """
        after, cleared, left = "", 0, 0
        while not self._stopping:
            async with self._database.read() as connection:
                found = await store.waiting(connection, campaign_id, after, AT_ONCE)
            if not found:
                break
            after = found[-1][0]
            ids = [key for key, status in found if status != Status.SENDING]
            done = await self._cancel(ids) if ids else 0
            cleared += done
            left += len(found) - done
            await asyncio.sleep(0)
        if left == 0 and not self._stopping:
            cleared += await self._close(campaign_id)
        return cleared

    async def _cancel(self, ids: list[str]) -> int:
        now = self._now()

        async def work(connection: AsyncConnection) -> int:
            standing = await messages.lock(connection, ids)
            changes = [
                Change(
                    message_id=key,
                    status=Status.CANCELED,
                    code="campaign",
                    text="its campaign was canceled",
                )
                for key in standing
            ]
            return len(await apply(connection, standing, changes, now, self._events))

        return await self._database.write(work)

    async def _close(self, campaign_id: str) -> int:
        """Say that a canceled campaign is over, now that none of it waits."""
        now = self._now()

        async def work(connection: AsyncConnection) -> int:
            campaign = await store.lock(connection, campaign_id)
            if campaign is None or campaign["finished_at"] is not None:
                return 0
            await store.change(connection, campaign_id, finished_at=now)
            await self._telling.tell(connection, "finished", campaign | {"finished_at": now}, now)
            return 1

        return await self._database.write(work)


def _credit(campaign: Row, now: datetime) -> float | None:
    """Return how many messages a campaign's throttle lets go now; None: it has none.

    They are never more than it lets go in a second, so that what was paused makes no burst.
    """
    if campaign["throttle"] is None:
        return None
    rate = read_throttle(campaign["throttle"])
    since = campaign["fed_at"] or campaign["started_at"] or now
    a_second = rate.calls / rate.seconds
    grown = max(0.0, (now - since).total_seconds()) * a_second
    credit: float = campaign["credit"] + grown
    return min(max(1.0, a_second), credit)


async def _is_longer(connection: AsyncConnection, campaign: Row) -> bool:
    """Tell whether an audience has recipients whose turn is yet to come."""
    position: int = campaign["position"]
    return await recipients.last_position(connection, campaign["audience_id"]) > position


def _before(message_id: str) -> str:
    """Return what comes just before an id in the order of ids."""
    return message_id[:-1]
