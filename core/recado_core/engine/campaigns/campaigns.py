"""Campaigns: one text to many recipients, made, tried, started, held and told of."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.accepting import OvertakenError
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.campaigns.campaigning import Campaigning
from recado_core.engine.campaigns.jobs import CampaignJobs
from recado_core.engine.campaigns.rehearsing import Progress, Rehearsing
from recado_core.engine.campaigns.results import CampaignResults
from recado_core.engine.campaigns.rules import (
    check_request,
    let_go,
    new_campaign,
    refuse_unfinished,
    refuse_without_audience,
    request_of_run,
    templates_of,
)
from recado_core.engine.campaigns.steps import CampaignFaultError, CampaignSteps
from recado_core.engine.campaigns.telling import CampaignTelling
from recado_core.engine.campaigns.views import (
    CampaignFilter,
    CampaignPage,
    CampaignRecipient,
    CampaignRequest,
    CampaignStatus,
    CampaignTest,
    CampaignView,
    RecipientPage,
    Rehearsal,
)
from recado_core.engine.clients.cursors import make_cursor, read_cursor
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey, Once
from recado_core.engine.failures import ConflictError, DraftError, Fault, NotFoundError
from recado_core.engine.plugins import Plugins
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import campaigns as store

__all__ = [
    "CampaignFilter",
    "CampaignPage",
    "CampaignRecipient",
    "CampaignRequest",
    "CampaignStatus",
    "CampaignTest",
    "CampaignView",
    "Campaigns",
    "RecipientPage",
    "Rehearsal",
]

Row = dict[str, Any]

TRIED = 5
"""Recipients to whom a campaign is sent as a test."""
OVER = frozenset({CampaignStatus.FINISHED, CampaignStatus.CANCELED})
NOT_STARTED = frozenset({CampaignStatus.DRAFT, CampaignStatus.SCHEDULED})


class Campaigns:
    """Makes campaigns, turns them from one status to the next, and tells of them."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that a campaign passes
        self,
        settings: EngineSettings,
        plugins: Plugins,
        accounts: Accounts,
        database: Database,
        once: Once,
        steps: CampaignSteps,
        telling: CampaignTelling,
        campaigning: Campaigning,
        rehearsing: Rehearsing,
        jobs: CampaignJobs,
        now: Callable[[], datetime],
    ) -> None:
        self._region = settings.default_region
        self._channels = plugins.channels
        self._accounts = accounts
        self._database = database
        self._once = once
        self._steps = steps
        self._telling = telling
        self._campaigning = campaigning
        self._rehearsing = rehearsing
        self._jobs = jobs
        self._results = CampaignResults(database)
        self._now = now

    async def create(self, request: CampaignRequest, key: IdempotencyKey | None = None) -> Answer:
        """Make a campaign, which is a draft until it is started; the answer is its view.

        Raises:
            DraftError: No message of it could be sent; nothing was stored.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            now = self._now()
            async with self._database.read() as connection:
                known = await templates_of(connection, request)
            check_request(request, self._channels, self._accounts.by_name, self._region, now, known)
            row = new_campaign(request, now)
            (view,) = await self._telling.view([row])
            answer = Answer(body=msgspec.json.encode(view), status=201)
            return await self._once.keep(key, answer, partial(store.insert, row=row))

    async def list(
        self, wanted: CampaignFilter, limit: int = 50, cursor: str | None = None
    ) -> CampaignPage:
        """Return campaigns, the newest first.

        Args:
            wanted: Which.
            limit: How many at the most, from 1 to 500.
            cursor: What the page before gave.

        Raises:
            DraftError: The cursor is not one of ours.
        """
        equal = {
            name: str(value)
            for name in ("status", "name", "schedule_id")
            if (value := getattr(wanted, name)) is not None
        }
        before = read_cursor(cursor) if cursor else None
        if any("\0" in value for value in equal.values()):
            return CampaignPage(items=[], next_cursor=None)  # nothing stored has a zero byte
        async with self._database.read() as connection:
            rows = await store.page(connection, equal, before, limit + 1)
        more = len(rows) > limit
        return CampaignPage(
            items=await self._telling.view(rows[:limit]),
            next_cursor=make_cursor(rows[limit - 1]["id"]) if more else None,
        )

    async def get(self, campaign_id: str) -> CampaignView:
        """Return a campaign, or raise ``NotFoundError``."""
        return await self._view(await self._find(campaign_id))

    async def test(self, campaign_id: str) -> CampaignTest:
        """Send a campaign to the first five of its audience, who are not sent to again by start.

        Asked again, it tells of the same five.

        Raises:
            NotFoundError: There is no such campaign.
            ConflictError: It was started, or has no recipients.
            DraftError: No message of it can be sent.
        """
        while True:
            campaign = await self._find(campaign_id)
            if campaign["status"] not in NOT_STARTED:
                raise ConflictError(f"the campaign is {campaign['status']}; a test comes before")
            tried = await self._results.first(campaign, TRIED)
            if len(tried) >= TRIED:
                return CampaignTest(recipients=tried)
            try:
                step = await self._steps.take(campaign, TRIED - len(tried), NOT_STARTED)
            except OvertakenError:
                continue  # it was tried or started by another call just now
            except CampaignFaultError as error:
                raise DraftError([Fault(pointer="", detail=str(error))]) from error
            if step is None:
                break
        if not tried:
            raise ConflictError("the campaign has no recipients; import an audience first")
        return CampaignTest(recipients=tried)

    async def start(self, campaign_id: str) -> CampaignView:
        """Start a campaign, or schedule it if its time has not come; one that is started stays so.

        Raises:
            NotFoundError: There is no such campaign.
            ConflictError: It is paused or over, its audience is empty, or not imported to its end.
        """

        def decide(campaign: Row, now: datetime) -> Row:
            if campaign["status"] in {CampaignStatus.RUNNING, CampaignStatus.SCHEDULED}:
                return {}
            if campaign["status"] == CampaignStatus.PAUSED:
                raise ConflictError("the campaign is paused; resume it instead")
            _refuse_if_over(campaign)
            return let_go(campaign, now)

        kinds = {CampaignStatus.RUNNING: "started"}
        return await self._turn(campaign_id, decide, kinds, allow=refuse_without_audience)

    async def pause(self, campaign_id: str, reason: str | None = None) -> CampaignView:
        """Hold a campaign: of its messages, none is handed to a provider until it is resumed.

        Args:
            campaign_id: Which.
            reason: Why, for whoever looks at it.

        Raises:
            NotFoundError: There is no such campaign.
            ConflictError: It was not started, or is over.
        """

        def decide(campaign: Row, now: datetime) -> Row:  # noqa: ARG001  # as the others
            if campaign["status"] == CampaignStatus.PAUSED:
                return {}
            _refuse_if_over(campaign)
            if campaign["status"] == CampaignStatus.DRAFT:
                raise ConflictError("the campaign is a draft; nothing of it is sent")
            return {"status": CampaignStatus.PAUSED, "reason": reason}

        return await self._turn(campaign_id, decide, {CampaignStatus.PAUSED: "paused"}, hold=True)

    async def resume(self, campaign_id: str) -> CampaignView:
        """Let a paused campaign go on.

        Raises:
            NotFoundError: There is no such campaign.
            ConflictError: It was not started, is over, or an import into it is not at its end.
        """

        def decide(campaign: Row, now: datetime) -> Row:
            if campaign["status"] in {CampaignStatus.RUNNING, CampaignStatus.SCHEDULED}:
                return {}
            _refuse_if_over(campaign)
            if campaign["status"] == CampaignStatus.DRAFT:
                raise ConflictError("the campaign is a draft; start it")
            return let_go(campaign, now) | {"reason": None}

        kinds = {CampaignStatus.RUNNING: "started"}
        view = await self._turn(campaign_id, decide, kinds, hold=False, allow=refuse_unfinished)
        self._accounts.wake(set(self._accounts.by_name))  # what was left in the outbox may go
        return view

    async def cancel(self, campaign_id: str) -> CampaignView:
        """End a campaign: what has not gone is canceled, and nobody else gets a message.

        Raises:
            NotFoundError: There is no such campaign.
            ConflictError: It is finished.
        """

        def decide(campaign: Row, now: datetime) -> Row:  # noqa: ARG001  # as the others
            if campaign["status"] == CampaignStatus.CANCELED:
                return {}
            _refuse_if_over(campaign)
            return {"status": CampaignStatus.CANCELED}

        return await self._turn(campaign_id, decide, {}, hold=True)

    async def dry_run(self, campaign_id: str, progress: Progress | None = None) -> Rehearsal:
        """Return what a campaign would come to if it were sent now; nothing is sent or stored.

        Args:
            campaign_id: Which.
            progress: Is told how many recipients are done, and of how many.

        Raises:
            NotFoundError: There is no such campaign.
        """
        return await self._rehearsing.run(await self._find(campaign_id), progress)

    async def recipients(
        self,
        campaign_id: str,
        limit: int = 50,
        cursor: str | None = None,
        status: str | None = None,
    ) -> RecipientPage:
        """Return recipients of a campaign, with what became of their messages.

        Args:
            campaign_id: Which.
            limit: How many at the most, from 1 to 500.
            cursor: What the page before gave.
            status: That of those who are wanted: a message's, or a ``RecipientStatus``.

        Raises:
            NotFoundError: There is no such campaign.
            DraftError: The cursor is not one of ours.
        """
        return await self._results.page(await self._find(campaign_id), limit, cursor, status)

    async def export(self, campaign_id: str) -> AsyncIterator[Sequence[CampaignRecipient]]:
        """Yield all recipients of a campaign, some at a time, or raise ``NotFoundError``."""
        async for some in self._results.export(await self._find(campaign_id)):
            yield some

    async def run_of_schedule(
        self, campaign_id: str, schedule_id: str, occurrence: datetime
    ) -> str:
        """Start a campaign anew for an occurrence of a schedule; return the new one's id.

        The same occurrence again is the same run.

        Raises:
            NotFoundError: There is no such campaign.
            ConflictError: It was canceled, or has no audience, or not all of it yet.
        """
        campaign = await self._find(campaign_id)
        if campaign["status"] == CampaignStatus.CANCELED:
            raise ConflictError("the campaign was canceled")
        now = self._now()
        row = new_campaign(request_of_run(campaign, occurrence), now) | {
            "status": CampaignStatus.RUNNING,
            "audience_id": campaign["audience_id"],
            "schedule_id": schedule_id,
            "occurrence": occurrence,
            "scheduled_at": occurrence,
            "started_at": now,
        }

        async def work(connection: AsyncConnection) -> str:
            await refuse_without_audience(connection, campaign)
            run_id, new = await store.insert_run(connection, row)
            if new:
                await self._telling.tell(connection, "started", row, now)
            return run_id

        run_id = await self._database.write(work)
        self._campaigning.wake()
        return run_id

    async def _turn(
        self,
        campaign_id: str,
        decide: Callable[[Row, datetime], Row],
        kinds: dict[CampaignStatus, str],
        *,
        hold: bool | None = None,
        allow: Callable[[AsyncConnection, Row], Awaitable[None]] | None = None,
    ) -> CampaignView:
        """Change a campaign as is decided when nobody else can; tell of it, and hold its job.

        Args:
            campaign_id: Which.
            decide: Says what becomes of it; nothing: it stays as it is.
            kinds: What is told, by the status that it then has.
            hold: Whether its job is held, or released; None: neither.
            allow: Raises if its audience forbids the change.
        """
        now = self._now()

        async def work(connection: AsyncConnection) -> Row:
            campaign = await store.lock(connection, _clean(campaign_id))
            if campaign is None:
                raise _not_found(campaign_id)
            values = decide(campaign, now)
            if not values:
                return campaign
            if allow is not None:
                await allow(connection, campaign)
            await store.change(connection, campaign["id"], **values)
            campaign |= values
            if (kind := kinds.get(CampaignStatus(campaign["status"]))) is not None:
                await self._telling.tell(connection, kind, campaign, now)
            return campaign

        campaign = await self._database.write(work)
        self._campaigning.wake()
        if hold is not None:
            campaign = await self._jobs.follow(campaign, hold=hold)
        return await self._view(campaign)

    async def _find(self, campaign_id: str) -> Row:
        async with self._database.read() as connection:
            campaign = await store.get(connection, _clean(campaign_id))
        if campaign is None:
            raise _not_found(campaign_id)
        return campaign

    async def _view(self, campaign: Row) -> CampaignView:
        (view,) = await self._telling.view([campaign])
        return view


def _refuse_if_over(campaign: Row) -> None:
    if campaign["status"] in OVER:
        raise ConflictError(f"the campaign is {campaign['status']}")


def _clean(campaign_id: str) -> str:
    return campaign_id.replace("\0", "")  # nothing stored has a zero byte


def _not_found(campaign_id: str) -> NotFoundError:
    return NotFoundError(f"there is no campaign {campaign_id!r}")
