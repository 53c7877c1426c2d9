"""The engine as one thing: opened, started, stopped, closed."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

from recado_core.engine.accept.accepting import Accept
from recado_core.engine.accept.composing import Composing
from recado_core.engine.accept.routes import check_routes
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.accounts.inquiry import Inquiry
from recado_core.engine.accounts.operations import Operations
from recado_core.engine.campaigns.audiences import Audiences
from recado_core.engine.campaigns.campaigning import Campaigning
from recado_core.engine.campaigns.campaigns import Campaigns
from recado_core.engine.campaigns.jobs import CampaignJobs
from recado_core.engine.campaigns.rehearsing import Rehearsing
from recado_core.engine.campaigns.steps import CampaignSteps
from recado_core.engine.campaigns.telling import CampaignTelling
from recado_core.engine.checks.checking import Checking
from recado_core.engine.checks.own import own_checks
from recado_core.engine.clients.idempotency import Once
from recado_core.engine.clients.keys import Keys
from recado_core.engine.conversations.conversations import Conversations
from recado_core.engine.conversations.desk import Desk
from recado_core.engine.deliver.sinks import Sinks
from recado_core.engine.dispatch.dispatcher import STALE_CLAIM, Dispatcher
from recado_core.engine.dispatch.doubts import Doubts
from recado_core.engine.dispatch.endings import Endings
from recado_core.engine.dispatch.nodes import BEAT, Node
from recado_core.engine.dispatch.scheduling import Scheduling
from recado_core.engine.failures import UnavailableError
from recado_core.engine.loops import Loops
from recado_core.engine.messages.links import Links
from recado_core.engine.messages.messages import Messages
from recado_core.engine.messages.telling import Telling
from recado_core.engine.plugins import Plugins
from recado_core.engine.readiness import Component, of_accounts, of_sinks
from recado_core.engine.receive.arrivals import Arrivals
from recado_core.engine.receive.polling import Polling
from recado_core.engine.receive.rounds import Rounds
from recado_core.engine.receive.webhooks import Receive
from recado_core.engine.schedules.occurring import Occurring
from recado_core.engine.schedules.schedules import Schedules
from recado_core.engine.settings import EngineSettings
from recado_core.engine.statistics.statistics import Statistics
from recado_core.engine.statistics.tallies import Tallies
from recado_core.engine.store.database import Database
from recado_core.engine.store.documents import Documents
from recado_core.engine.store.revisions import head
from recado_core.engine.store.statements.due import Work, look
from recado_core.engine.suppressions.consents import Consents
from recado_core.engine.suppressions.imports import Imports
from recado_core.engine.suppressions.pushing import Pushing
from recado_core.engine.suppressions.suppressing import Suppressing
from recado_core.engine.suppressions.suppressions import Suppressions
from recado_core.engine.templates.templates import Templates

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two looks at what the clock brings."""
FOLD = 5.0
"""Seconds between two rounds that sum what statistics have counted."""


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Engine:
    """Everything behind the API.

    Args:
        settings: What the configuration says.
        plugins: The loaded plugins.
        now: The clock on the wall.
        monotonic: The clock that never jumps, in seconds; rates and pauses go by it.
        writes_apart: Whether a process of its own writes to SQLite, which pays where much is
            written for long.

    Raises:
        ConfigurationError: The settings don't fit the plugins; the text names the key.
    """

    def __init__(
        self,
        settings: EngineSettings,
        plugins: Plugins,
        *,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        writes_apart: bool = False,
    ) -> None:
        check_routes(settings, plugins)
        self.settings = settings
        self._now = now
        self.plugins = plugins
        self._database = Database(settings.database)
        self._writes_apart = writes_apart
        once = Once(self._database, now)
        self.accounts = Accounts(settings, plugins, self._database, now, monotonic)
        self.operations = Operations(self.accounts)
        self._documents = Documents(self._database, settings.document_key)
        checking = Checking(
            [*own_checks(settings, plugins, self._database), *plugins.checks], settings.checks
        )
        suppressing = Suppressing(settings, plugins.provider_types)
        self.sinks = Sinks(settings, plugins, self._database, now, monotonic)
        telling = Telling(self.sinks.outlets, self.sinks.wake, Tallies(settings))
        self.statistics = Statistics(self._database, settings.timezone, now)
        endings = Endings(suppressing, telling, self._database.dialect)
        arrivals = Arrivals(Consents(settings, plugins.channels, suppressing, telling), telling)
        composing = Composing(settings, plugins, self.accounts, self._documents, self._database)
        self.accept = Accept(composing, self.accounts, self._database, once, checking, telling, now)
        self.templates = Templates(
            plugins.channels,
            settings.default_region,
            settings.accounts,
            composing,
            self._database,
            once,
            now,
        )
        self.suppressions = Suppressions(
            plugins.channels,
            settings.default_region,
            self._database,
            once,
            checking,
            self._documents,
            suppressing,
            now,
        )
        self.imports = Imports(
            plugins.channels, settings, self._database, self._documents, suppressing, now
        )
        self.audiences = Audiences(plugins.channels, settings, self._database, self._documents, now)
        steps = CampaignSteps(self.accept, self._database, now)
        of_campaigns = CampaignTelling(self._database, self.statistics, telling)
        jobs = CampaignJobs(self.accounts, self._database, monotonic)
        self.campaigning = Campaigning(steps, of_campaigns, telling, jobs, self._database, now)
        self.campaigns = Campaigns(
            settings,
            plugins,
            self.accounts,
            self._database,
            once,
            steps,
            of_campaigns,
            self.campaigning,
            Rehearsing(self.accept, self.accounts, self._database),
            jobs,
            now,
        )
        self.schedules = Schedules(composing, settings.timezone, self._database, once, now)
        self._occurring = Occurring(
            self.accept,
            self.campaigns.run_of_schedule,
            timedelta(seconds=settings.schedules.grace),
            self._database,
            now,
        )
        self.messages = Messages(self._database, telling, now)
        self.conversations = Conversations(self._database, self.accept, self.messages, telling, now)
        self.links = Links(settings.public_url, self._database, once, now)
        self.keys = Keys(self._database, once, now)
        self.receive = Receive(self.accounts, arrivals, self._database, now)
        slowest = max((each.timeout for each in settings.accounts.values()), default=0.0)
        self._node = Node(self._database, self._carried, STALE_CLAIM + 2 * slowest, now, monotonic)
        self._doubts = Doubts(
            self._node.id, self.accounts, settings, endings, self._database, now, monotonic
        ).inquiry
        self._polling = Polling(
            self._node.id, self.accounts, settings, arrivals, self._database, now, monotonic
        ).inquiry
        self._rounds: list[Rounds | Pushing] = [
            Rounds(account, self.accounts, settings, arrivals, self._database, now, monotonic)
            for account in self.accounts.by_name.values()
        ]
        self._rounds += [
            Pushing(account, self._database, now, monotonic)
            for account in self.accounts.by_name.values()
            if account.settings.push_suppressions
        ]
        self._scheduling = Scheduling(self.accounts, suppressing, telling, self._database, now)
        self._dispatchers = [
            Dispatcher(
                self._node.id,
                account,
                self.accounts,
                settings,
                checking,
                endings,
                self._database,
                now,
                monotonic,
            )
            for account in self.accounts.by_name.values()
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._due: frozenset[Work] = frozenset()
        self._loops = Loops()

    async def open(self) -> None:
        """Connect, make or check the schema, and make the providers.

        Raises:
            SchemaError: The database's schema is another version's.
        """
        await self._database.prepare()
        if self._writes_apart:
            self._database.write_apart()
        await self._documents.open()
        await self.accounts.open()
        self.sinks.open(self._desk)
        for name in await self._scheduling.orphans():
            log.warning(
                "messages wait for an account that is not in the configuration",
                extra={"account": name},
            )
        for name in await self.sinks.orphans():
            log.warning(
                "deliveries wait for a sink that is not in the configuration", extra={"sink": name}
            )

    async def start(self) -> None:
        """Start the worker: dispatch, receive, and what the clock brings."""
        self._loops.resume()
        await self._node.join()
        await self._node.beat()
        repeat, when_due = self._loops.repeat, self._loops.when_due
        running = [
            repeat(BEAT, self._node.beat),
            repeat(TICK, self._watch),
            when_due(None, self._tick),
            when_due(Work.OCCURRENCES, self._occurring.run_due),
            repeat(FOLD, self.statistics.fold),
            self._inquire(Work.DOUBTS, self._doubts),
            self._inquire(Work.POLLS, self._polling),
            *(repeat(TICK, each.take_due) for each in self._rounds),
            self.receive.run(),
            self.campaigning.run(),
            *(dispatcher.run() for dispatcher in self._dispatchers),
            *(worker.run() for worker in self.sinks.workers),
        ]
        self._tasks = [asyncio.create_task(each) for each in running]

    async def run_once(self) -> int:
        """Do once all that is due now, without the worker's loops; return how much was done.

        The count is of messages moved, dispatches asked about and webhooks processed: 0 means that
        nothing is due.
        """
        await self._node.join()
        await self._look()
        if Work.NODES in self._due or self._node.is_to_beat:
            await self._node.beat()
            await self._look()
        done = 0
        for work, do in self._rooms():
            if work is None or work in self._due:
                did = await do()
                if did:
                    await self._look()  # what was done may be work for the others
                done += did
        if Work.COUNTS in self._due:
            await self.statistics.fold()
        return done

    async def stop(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109  # what is late is left in doubt
        """Claim no more, finish what is in flight, leave the rest queued.

        Args:
            timeout: Seconds after which what is still in flight is left; it will be in doubt.
        """
        if not self._tasks:
            return
        self._loops.stop()
        self.receive.stop()
        self.campaigning.stop()
        self._doubts.stop()
        self._polling.stop()
        for rounds in self._rounds:
            rounds.stop()
        for dispatcher in self._dispatchers:
            dispatcher.stop()
        for worker in self.sinks.workers:
            worker.stop()
        _, late = await asyncio.wait(self._tasks, timeout=timeout)
        if late:
            log.warning("stopped with calls in flight; they will be looked up")
        self._database.hasten()
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._leave()

    async def close(self) -> None:
        """Stop if need be, and let go of providers and database."""
        try:
            await self.stop()
            await self._doubts.cancel()
            await self._polling.cancel()
            await self._leave()
        finally:
            await self.sinks.close()
            await self.accounts.close()
            await self._database.close()

    async def _leave(self) -> None:
        """Say that this process is gone: what it leaves open then is in doubt."""
        for dispatcher in self._dispatchers:
            await dispatcher.settle_untold()
        await self._node.leave()

    async def readiness(self) -> list[Component]:
        """Tell of every part whether it can do its work."""
        try:
            revision = await self._database.revision()
        except UnavailableError as error:
            return [Component(name="database", ok=False, detail=str(error))]
        schema = Component(
            name="schema", ok=revision == head(), detail=f"revision {revision or 'none'}"
        )
        working = [task for task in self._tasks if not task.done()]
        worker = Component(
            name="worker",
            ok=len(working) == len(self._tasks),
            detail="running" if working else "not in this process",
        )
        return [
            Component(name="database", ok=True, detail="answers"),
            schema,
            worker,
            *of_accounts(
                self.accounts.by_name, await self._scheduling.orphans() if schema.ok else []
            ),
            *of_sinks(
                self.sinks.reasons,
                await self.sinks.orphans() if schema.ok else [],
                delivering=bool(working),
            ),
        ]

    async def _look(self) -> None:
        """See what is due, and what other processes changed of the accounts."""
        async with self._database.read() as connection:
            self._due = await look(connection, self._node.id, self._now())
            await self.accounts.refresh_from(connection)

    async def _watch(self) -> None:
        """See what is due, and wake whom it is for."""
        await self._look()
        self._loops.wake(self._due)
        if Work.WEBHOOKS in self._due:
            self.receive.wake()

    def _rooms(self) -> Iterator[tuple[Work | None, Callable[[], Awaitable[int]]]]:
        """Give in their order what does the work of each kind; None looks for work itself."""
        yield None, self._tick
        yield Work.OCCURRENCES, self._occurring.run_due
        yield None if self.campaigning.is_to_sweep else Work.CAMPAIGNS, self.campaigning.take_due
        yield Work.DOUBTS, self._doubts.settle_due
        for dispatcher in self._dispatchers:
            yield None if dispatcher.is_untold else Work.QUEUED, dispatcher.drain
        yield Work.POLLS, self._polling.settle_due
        for each in self._rounds:
            yield None, each.take_due
        yield Work.WEBHOOKS, self.receive.process
        for worker in self.sinks.workers:
            yield None if worker.reason is not None else Work.DELIVERIES, worker.drain

    async def _tick(self) -> int:
        done = await self._scheduling.run_due(self._due)
        await self.keys.note_uses()
        return done

    def _desk(self, sink: str) -> Desk:
        return Desk(
            sink,
            self.accept,
            self.accounts,
            self.conversations,
            self.links,
            self._database,
        )

    def _carried(self) -> set[str]:
        return {key for dispatcher in self._dispatchers for key in dispatcher.carried}

    async def _inquire(self, work: Work, inquiry: Inquiry) -> None:
        inquiry.resume()
        try:
            await self._loops.when_due(work, inquiry.begin_due)
            await inquiry.finish()
        finally:
            await inquiry.cancel()  # what is late, where this was cancelled
