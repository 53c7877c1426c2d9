"""Emptying the outbox of one account: claim, hand over, record."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from recado_core.contract import Check, Recipient, Refusal
from recado_core.engine import settling
from recado_core.engine.accounts import Account, Accounts
from recado_core.engine.checking import Hold, Verdict, run_checks
from recado_core.engine.database import Database
from recado_core.engine.identifiers import new_id
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store import dispatches, messages
from recado_core.engine.transitions import Change, apply
from recado_core.errors import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
)
from recado_core.messages import Category, Media, OutboundBatch, OutboundMessage, Status

log = logging.getLogger(__name__)

Row = dict[str, Any]

IDLE = 1.0
"""Seconds after which an idle account looks for messages that another process accepted."""
STALE_CLAIM = 10.0
"""Seconds after its claim in which a batch must leave; later, another node may think us dead."""
BACKOFF = (1.0, 60.0)
"""First and longest pause of an account whose provider fails, in seconds; it doubles."""
HELD = 60.0
"""Seconds until a message that a check held is checked again."""
MAX_SPLITS = 64
"""How often a batch that the provider refuses whole is halved, in all, to find the bad messages."""


class Splits(msgspec.Struct):
    """How often the parts of one batch may still be halved."""

    left: int = MAX_SPLITS


class Dispatcher:
    """Carries the messages of one account to its provider.

    One loop claims batches under the account's call budget; each batch is carried by a task of its
    own, at most ``concurrency`` at once.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that a message passes on its way out
        self,
        account: Account,
        accounts: Accounts,
        settings: EngineSettings,
        checks: list[Check],
        database: Database,
        node_id: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._account = account
        self._accounts = accounts
        self._settings = settings
        self._checks = checks
        self._database = database
        self._node_id = node_id
        self._now = now
        self._monotonic = monotonic
        self._slots = asyncio.Semaphore(account.concurrency)
        self._carrying: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._failures = 0
        self._not_before = 0.0

    async def run(self) -> None:
        """Claim and carry until ``stop`` is called."""
        troubled = False
        while not self._stopping:
            try:
                await self._step()
            except SQLAlchemyError as error:
                if not troubled:
                    log.error(  # noqa: TRY400  # one line: the database is down, not the code
                        "database failed, dispatch waits",
                        extra={"account": self._account.name, "error": type(error).__name__},
                    )
                troubled = True
                await asyncio.sleep(IDLE)
            else:
                if troubled:
                    log.info("database is back", extra={"account": self._account.name})
                troubled = False

    async def drain(self) -> int:
        """Carry all that is due and may go now, batch by batch; return how many messages."""
        carried = 0
        while self._account.paused_at is None and self._pause() <= 0:
            rows = await self._claim()
            if not rows:
                break
            self._account.budget.spend(self._monotonic())
            await self._carry(rows[0]["dispatch_id"], rows, Splits())
            carried += len(rows)
        return carried

    async def stop(self) -> None:
        """Claim no more, and wait until what is in flight is recorded."""
        self._stopping = True
        self._account.wake.set()
        if self._carrying:
            await asyncio.wait(self._carrying)

    async def _step(self) -> None:
        account = self._account
        account.wake.clear()
        pause = self._pause()
        if account.paused_at is not None:
            await self._sleep(IDLE)
        elif pause > 0:
            await self._sleep(pause, wakeable=False)
        else:
            await self._slots.acquire()
            try:
                claimed = None if self._stopping else await self._claim()
            except BaseException:
                self._slots.release()
                raise
            if claimed:
                account.budget.spend(self._monotonic())
                self._carry_in_background(claimed[0]["dispatch_id"], claimed)
            else:
                self._slots.release()
                await self._sleep(IDLE if claimed is None else await self._idle_time())

    def _pause(self) -> float:
        """Return the seconds until the provider may be called again."""
        now = self._monotonic()
        return max(self._account.budget.wait(now), self._not_before - now)

    async def _claim(self) -> list[Row] | None:
        """Claim the next batch; None where the account may send no more today."""
        now = self._now()
        limit = await self._allowance(now)
        if limit <= 0:
            return None
        dispatch_id = new_id()
        async with self._database.write() as connection:
            rows = await messages.claim(connection, self._account.name, dispatch_id, limit, now)
            if rows:
                await dispatches.insert(connection, [self._dispatch_row(dispatch_id, rows, now)])
        return [row | {"dispatch_id": dispatch_id} for row in rows]

    def _dispatch_row(self, dispatch_id: str, rows: list[Row], now: datetime) -> Row:
        return {
            "id": dispatch_id,
            "account": self._account.name,
            "node_id": self._node_id,
            "size": len(rows),
            "started_at": now,
        }

    async def _allowance(self, now: datetime) -> int:
        """Return how many messages the next batch may hold, the daily limit considered."""
        daily = self._account.settings.daily_limit
        if daily is None:
            return self._account.batch_size
        midnight = now.astimezone(ZoneInfo(self._settings.timezone)).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        async with self._database.read() as connection:
            sent = await dispatches.sent_since(connection, self._account.name, midnight)
        return min(self._account.batch_size, daily - sent)

    async def _idle_time(self) -> float:
        async with self._database.read() as connection:
            due = await messages.next_due(connection, self._account.name, self._now())
        if due is None:
            return IDLE
        return min(IDLE, max(0.02, (due - self._now()).total_seconds()))

    async def _sleep(self, seconds: float, *, wakeable: bool = True) -> None:
        if self._stopping:
            return
        if not wakeable:  # a new message does not shorten this, a stop does within IDLE
            await asyncio.sleep(min(seconds, IDLE))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._account.wake.wait()
        except TimeoutError:
            return

    def _carry_in_background(self, dispatch_id: str, rows: list[Row]) -> None:
        task = asyncio.create_task(self._carry(dispatch_id, rows, Splits()))
        self._carrying.add(task)

        def finished(task: asyncio.Task[None]) -> None:
            self._carrying.discard(task)
            self._slots.release()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error(
                    "dispatch broke; it is in doubt until it is looked up",
                    exc_info=error,
                    extra={"account": self._account.name, "dispatch": dispatch_id},
                )

        task.add_done_callback(finished)

    async def _carry(self, dispatch_id: str, rows: list[Row], splits: Splits) -> None:
        claimed_at = self._monotonic()
        rows = await self._without_refused(dispatch_id, rows)
        if not rows:
            return
        if self._monotonic() - claimed_at > STALE_CLAIM:
            await self._record(
                dispatch_id,
                [
                    settling.wait_in_queue(row, code=None, text="claimed too long ago")
                    for row in rows
                ],
                outcome="stale",
            )
            return
        try:
            async with asyncio.timeout(self._account.settings.timeout * 2):
                results = await self._account.provider.send(batch_of(dispatch_id, rows))
        except TimeoutError:
            late = InDoubtError("no answer within the account's timeout")
            await self._fail(dispatch_id, rows, late, splits)
        except SendError as error:
            await self._fail(dispatch_id, rows, error, splits)
        except Exception as error:
            log.exception("provider plugin broke", extra={"account": self._account.name})
            text = f"the provider plugin broke: {type(error).__name__}"
            await self._fail(dispatch_id, rows, InDoubtError(text), splits)
        else:
            self._provider_works()
            delays = self._settings.retry_delays
            changes = settling.after_results(rows, results, delays, random.random)
            await self._record(dispatch_id, changes, outcome="accepted", poll=True)

    async def _without_refused(self, dispatch_id: str, rows: list[Row]) -> list[Row]:
        """Run the checks once more, and take out what may not be sent now."""
        if not self._checks:
            return rows
        verdicts = await run_checks(self._checks, [_recipient(row) for row in rows])
        changes = [
            _forbidden(row, verdict)
            for row, verdict in zip(rows, verdicts, strict=True)
            if verdict is not None
        ]
        if not changes:
            return rows
        left = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is None]
        await self._record(dispatch_id, changes, outcome=None if left else "checked")
        return left

    async def _fail(
        self, dispatch_id: str, rows: list[Row], error: SendError, splits: Splits
    ) -> None:
        if self._in_doubt(error):
            await self._doubt(dispatch_id, error)
            self._provider_fails(error)
            return
        if isinstance(error, PermanentSendError) and len(rows) > 1 and splits.left > 0:
            splits.left -= 1
            await self._halve(dispatch_id, rows, error, splits)
            return
        if isinstance(error, AccountError):
            log.error(
                "account paused",
                extra={"account": self._account.name, "code": error.code, "reason": error.text},
            )
            await self._accounts.pause(self._account.name, f"{error.text} ({error.code})")
        elif isinstance(error, TransientSendError):
            self._provider_fails(error)
        changes = settling.after_error(rows, error, self._settings.retry_delays, random.random)
        await self._record(dispatch_id, changes, outcome=_outcome(error), error=error)

    def _in_doubt(self, error: SendError) -> bool:
        if isinstance(error, TransientSendError):
            return error.possibly_taken and self._account.kind.capabilities.lookup
        return isinstance(error, InDoubtError)

    async def _doubt(self, dispatch_id: str, error: SendError) -> None:
        async with self._database.write() as connection:
            await dispatches.mark_doubt(
                connection, dispatch_id, due_at=self._now(), code=error.code, text=error.text
            )

    async def _halve(
        self, dispatch_id: str, rows: list[Row], error: SendError, splits: Splits
    ) -> None:
        """Send a refused batch again as two, so that one bad message does not spoil the others."""
        middle, now = len(rows) // 2, self._now()
        halves = [(new_id(), rows[:middle]), (new_id(), rows[middle:])]
        async with self._database.write() as connection:
            await dispatches.finish(
                connection,
                dispatch_id,
                outcome=_outcome(error),
                now=now,
                code=error.code,
                text=error.text,
            )
            await dispatches.insert(
                connection, [self._dispatch_row(half_id, half, now) for half_id, half in halves]
            )
            for half_id, half in halves:
                await messages.hand_over(connection, [row["id"] for row in half], half_id)
        for half_id, half in halves:
            await asyncio.sleep(self._account.budget.wait(self._monotonic()))
            self._account.budget.spend(self._monotonic())
            await self._carry(half_id, half, splits)

    async def _record(
        self,
        dispatch_id: str,
        changes: list[Change],
        *,
        outcome: str | None,
        error: SendError | None = None,
        poll: bool = False,
    ) -> None:
        """Write what became of the messages; close the dispatch if ``outcome`` is given."""
        now = self._now()
        delays = self._settings.poll_delays
        pollable = poll and self._account.kind.capabilities.poll_statuses and delays
        async with self._database.write() as connection:
            standing = await messages.lock(connection, [change.message_id for change in changes])
            mine = {key: row for key, row in standing.items() if row["dispatch_id"] == dispatch_id}
            done = await apply(connection, mine, changes, now)
            if outcome is not None:
                await dispatches.finish(
                    connection,
                    dispatch_id,
                    outcome=outcome,
                    now=now,
                    code=error.code if error else None,
                    text=error.text if error else None,
                    poll_at=now + timedelta(seconds=delays[0]) if pollable else None,
                )
        for change in done:
            if change.retry is not None and change.retry.account != self._account.name:
                self._accounts.by_name[change.retry.account].wake.set()

    def _provider_fails(self, error: SendError) -> None:
        if self._failures == 0:
            log.warning(
                "provider fails, messages wait",
                extra={"account": self._account.name, "code": error.code, "reason": error.text},
            )
        first, longest = BACKOFF
        pause = min(longest, first * 2.0**self._failures)
        if isinstance(error, TransientSendError) and error.retry_after is not None:
            pause = error.retry_after
        self._failures += 1
        self._not_before = self._monotonic() + pause

    def _provider_works(self) -> None:
        if self._failures:
            log.info("provider is back", extra={"account": self._account.name})
        self._failures = 0
        self._not_before = 0.0


def batch_of(dispatch_id: str, rows: list[Row]) -> OutboundBatch:
    """Return the batch that a dispatch's rows make."""
    return OutboundBatch(reference=dispatch_id, messages=tuple(_outbound(row) for row in rows))


def _outbound(row: Row) -> OutboundMessage:
    return OutboundMessage(
        id=row["id"],
        to=row["address"],
        text=row["text"],
        channel=row["channel"],
        category=Category(row["category"]),
        sender_id=row["sender_id"],
        media=tuple(msgspec.convert(row["media"], list[Media])) if row["media"] else (),
        segments=row["segments"],
        reference=row["reference"],
        expires_at=row["expires_at"],
        metadata=row["metadata"],
    )


def _recipient(row: Row) -> Recipient:
    return Recipient(
        address=row["address"],
        channel=row["channel"],
        category=Category(row["category"]),
        account=row["account"],
    )


def _forbidden(row: Row, verdict: Verdict) -> Change:
    if isinstance(verdict, Refusal):
        return Change(
            message_id=row["id"],
            status=Status.SUPPRESSED,
            code=verdict.check,
            text=verdict.reason,
        )
    check = verdict.check if isinstance(verdict, Hold) else ""
    return settling.wait_in_queue(
        row, code=check, text=f"the check {check} can't answer now", delay=HELD
    )


def _outcome(error: SendError) -> str:
    if isinstance(error, AccountError):
        return "account"
    return "permanent" if isinstance(error, PermanentSendError) else "transient"
