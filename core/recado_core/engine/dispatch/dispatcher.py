"""Emptying the outbox of one account: claim, hand over, record."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.account import Account
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.accounts.limits import Purpose
from recado_core.engine.accounts.outage import Outage
from recado_core.engine.accounts.pacing import calling
from recado_core.engine.checks.checking import CLEAR, Checking, are_clear
from recado_core.engine.dispatch import settling
from recado_core.engine.dispatch.claims import Claimed, Claims
from recado_core.engine.dispatch.endings import Endings
from recado_core.engine.dispatch.recording import ACCEPTED, Recording
from recado_core.engine.grouping import gather_more
from recado_core.engine.messages.batches import batch_of, recipient_of
from recado_core.engine.messages.transitions import Change
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database, until_done
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import dispatches
from recado_core.engine.store.vendor_words import clip_code, clip_text
from recado_core.errors import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
)
from recado_core.messages import OutboundBatch, SendResult

log = logging.getLogger(__name__)

Row = dict[str, Any]

IDLE = 1.0
"""Seconds after which an idle account looks for retries, and for what other processes accepted."""
STALE_CLAIM = 10.0
"""Seconds after its claim, or after we have said that it is still ours, in which a batch leaves."""
MAX_SPLITS = 64
"""How often a batch is halved in a row, without a part that is taken, to find its bad messages."""


class Splits(msgspec.Struct):
    """How often the parts of one batch may still be halved."""

    left: int = MAX_SPLITS


class Dispatcher:
    """Carries the messages of one account to its provider.

    One loop claims batches under the account's call budget; each batch is carried by a task of its
    own, at most ``concurrency`` at once. A dispatch is in ``carried`` from before its claim until
    its end is recorded; one that is open and not there is in doubt (``Node.beat``).
    """

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that a message passes on its way out
        self,
        node_id: str,
        account: Account,
        accounts: Accounts,
        settings: EngineSettings,
        checking: Checking,
        endings: Endings,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._node_id = node_id
        self._account = account
        self._accounts = accounts
        self._settings = settings
        self._checking = checking
        self._recording = Recording(account, accounts, settings, endings, database, now)
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._slots = asyncio.Semaphore(account.concurrency)
        self._carriers: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._is_more = False
        self._is_puzzled = False
        self._rests_until = 0.0
        self._outage = Outage(account)
        self.carried: set[str] = set()
        self._claims = Claims(
            node_id, account, settings.timezone, database, self.carried, now, monotonic
        )

    async def run(self) -> None:
        """Claim and carry until ``stop`` is called, and end when what is in flight is recorded."""
        self._stopping = False
        troubled = False
        try:
            while not self._stopping:
                try:
                    await self._step()
                    troubled = False
                except Exception:
                    if not troubled:
                        log.exception(
                            "dispatch fails and is tried again",
                            extra={"account": self._account.name},
                        )
                    troubled = True
                    await asyncio.sleep(IDLE)
            if self._carriers:
                await asyncio.wait(self._carriers)
        finally:
            for carrier in self._carriers:
                carrier.cancel()
            await asyncio.gather(*self._carriers, return_exceptions=True)

    def stop(self) -> None:
        """Claim no more."""
        self._stopping = True
        self._account.wake.set()

    @property
    def is_untold(self) -> bool:
        """Whether it has claims to give back."""
        return self._claims.is_untold

    async def settle_untold(self) -> None:
        """Give back what was claimed, or may have been, and for which nobody was called."""
        await self._claims.settle_untold()

    async def drain(self) -> int:
        """Carry all that is due and may go now, batch by batch; return how many messages."""
        await self.settle_untold()
        carried = 0
        while self._account.paused_at is None and self._pause() <= 0:
            claimed = await self._claims.take()
            if not claimed:
                break
            for each in claimed:
                self._spend(1)
                await self._carry(each, await self._read(each))
                carried += each.size
        return carried

    async def _step(self) -> None:
        account = self._account
        account.wake.clear()
        await self.settle_untold()  # also while the account is paused: others may carry it
        await self._slots.acquire()
        held, paid, pause = 1, 0, 0.0
        claimed: list[Claimed] = []
        try:
            pause = self._pause()
            if account.paused_at is None and pause <= 0 and not self._stopping:
                held += await self._hold_more()
                paid = held if held > 1 else 0  # before the claim, or others might make the calls
                self._spend(paid)
                claimed = await self._claims.take(held)
        finally:
            for _ in range(held - len(claimed)):
                self._slots.release()
            for _ in range(paid - len(claimed)):
                account.budget.refund()
        self._spend(len(claimed) - paid)
        for each in claimed:
            self._carry_in_background(each)
        self._is_more = bool(claimed) and claimed[-1].is_full
        if claimed:
            if not self._is_more:
                await gather_more(claimed[-1].size)
        elif pause > 0:
            await self._sleep(pause, wakeable=False)
        else:
            await self._sleep(IDLE)

    async def _hold_more(self) -> int:
        """Take the other free slots too where the last batch left more to do; return how many.

        No more than the account may make calls at once.
        """
        if not self._is_more:
            return 0
        allowed = self._account.budget.at_once(self._monotonic(), self._account.concurrency)
        more = 0
        while more + 1 < allowed and not self._slots.locked():
            await self._slots.acquire()
            more += 1
        return more

    def _spend(self, calls: int) -> None:
        """Note calls that are about to be made."""
        now = self._monotonic()
        for _ in range(calls):
            self._account.budget.spend(now)

    def _pause(self) -> float:
        """Return the seconds until the provider may be called again."""
        now = self._monotonic()
        return max(self._account.budget.wait(now), self._outage.wait(now), self._rests_until - now)

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

    def _carry_in_background(self, claimed: Claimed) -> None:
        carrier = asyncio.create_task(self._read_and_carry(claimed))
        self._carriers.add(carrier)

        def ended(carrier: asyncio.Task[None]) -> None:
            self._carriers.discard(carrier)
            self._slots.release()
            self._account.wake.set()
            if not carrier.cancelled() and (error := carrier.exception()) is not None:
                log.error(
                    "dispatch broke; it is in doubt and will be looked up",
                    exc_info=error,
                    extra={"account": self._account.name, "dispatch": claimed.dispatch_id},
                )

        carrier.add_done_callback(ended)

    async def _read_and_carry(self, claimed: Claimed) -> None:
        try:
            rows = await self._read(claimed)
        except Exception:
            if not self._is_puzzled:
                extra = {"account": self._account.name, "dispatch": claimed.dispatch_id}
                log.exception("messages can't be read and wait", extra=extra)
            self._is_puzzled = True
            self._rests_until = self._monotonic() + IDLE
        else:
            await self._carry(claimed, rows)

    async def _read(self, claimed: Claimed) -> list[Row]:
        """Return a batch's messages; if they can't be read, nobody is called."""
        try:
            return await self._claims.read(claimed)
        except BaseException:
            self._account.budget.refund()
            raise

    async def _carry(self, claimed: Claimed, rows: list[Row], splits: Splits | None = None) -> None:
        splits = splits or Splits()
        try:
            try:
                ready = await self._ready(claimed, rows)
            except asyncio.CancelledError:
                self._claims.forgo(claimed.dispatch_id, claimed.at)  # nobody was called
                raise
            if ready is not None:
                await self._hand_over(*ready, splits)
            else:
                self._account.budget.refund()  # nobody was called
        finally:
            self._claims.end(claimed.dispatch_id)

    async def _ready(
        self, claimed: Claimed, rows: list[Row]
    ) -> tuple[OutboundBatch, list[Row]] | None:
        """Return what may go now and is still ours; what may not go is put where it belongs."""
        dispatch_id = claimed.dispatch_id
        try:
            rows = await self._without_refused(dispatch_id, rows)
            batch = batch_of(dispatch_id, rows)
        except Exception:
            if not self._is_puzzled:
                extra = {"account": self._account.name, "dispatch": dispatch_id}
                log.exception("messages can't be made ready and wait", extra=extra)
            self._is_puzzled = True
            text = "it could not be made ready to be sent"
            await self._put_back(dispatch_id, rows, text, "checked")
            return None
        self._is_puzzled = False
        if not rows:
            return None
        if not self._is_stale(claimed):
            return batch, rows
        again = await self._reaffirm(claimed)  # the checks may take longer than a claim lasts
        if again is None:
            return None
        if self._is_stale(again):
            text = "it was not sent in time after its claim"
            await self._put_back(dispatch_id, rows, text, "stale")
            return None
        return batch, rows

    async def _put_back(self, dispatch_id: str, rows: list[Row], text: str, outcome: str) -> None:
        changes = [settling.hold(row, code=None, text=text) for row in rows]
        await self._recording.record(dispatch_id, rows, changes, outcome=outcome)

    async def _reaffirm(self, claimed: Claimed) -> Claimed | None:
        """Say that the call is made only now; None: others thought us dead and took it over."""
        again = msgspec.structs.replace(claimed, at=self._now(), monotonic=self._monotonic())
        ours = await until_done(lambda: self._claims.reaffirm(again))
        return again if ours else None

    def _is_stale(self, claimed: Claimed) -> bool:
        # Both clocks: one stands still while a machine is suspended, the other may be set.
        late = (self._now() - claimed.at).total_seconds()
        return max(self._monotonic() - claimed.monotonic, late) > STALE_CLAIM

    async def _hand_over(self, batch: OutboundBatch, rows: list[Row], splits: Splits) -> None:
        dispatch_id = batch.reference
        try:
            with calling(self._account.budget, Purpose.SEND, paid=1):
                async with asyncio.timeout(self._account.settings.timeout * 2):
                    results = list(await self._account.provider.send(batch))
            taken = settling.taken_as(rows, results)
            changes = [] if taken else self._changes_after(rows, results)
        except TimeoutError:
            late = InDoubtError("no answer within the account's timeout")
            await self._fail(dispatch_id, rows, late, splits)
        except SendError as error:
            await self._fail(dispatch_id, rows, error, splits)
        except Exception as error:
            log.exception("provider plugin broke", extra={"account": self._account.name})
            broken = InDoubtError(f"the provider plugin broke: {type(error).__name__}")
            await self._fail(dispatch_id, rows, broken, splits)
        else:
            self._outage.end()
            splits.left = MAX_SPLITS
            if taken and await self._recording.record_taken(dispatch_id, rows, taken):
                return
            changes = changes or self._changes_after(rows, results)
            await self._recording.record(
                dispatch_id, rows, changes, outcome=ACCEPTED, at_once=not taken
            )

    def _changes_after(self, rows: list[Row], results: Sequence[SendResult]) -> list[Change]:
        return settling.after_results(rows, results, self._settings.retry_delays, random.random)

    async def _without_refused(self, dispatch_id: str, rows: list[Row]) -> list[Row]:
        """Run the checks once more, and take out what may not be sent now."""
        now = self._now()
        asked = [row for row in rows if not row["unchecked"]]
        verdicts = await self._checking.judge([recipient_of(row, now) for row in asked])
        if are_clear(verdicts):
            return rows
        stopped = {
            row["id"]: settling.after_verdict(row, verdict, now)
            for row, verdict in zip(asked, verdicts, strict=True)
            if verdict is not CLEAR
        }
        left = [row for row in rows if row["id"] not in stopped]
        gone = [row for row in rows if row["id"] in stopped]
        changes = list(stopped.values())
        await self._recording.record(
            dispatch_id, gone, changes, outcome=None if left else "checked"
        )
        return left

    async def _fail(
        self, dispatch_id: str, rows: list[Row], error: SendError, splits: Splits
    ) -> None:
        in_doubt = isinstance(error, InDoubtError)
        if isinstance(error, TransientSendError):
            self._outage.go_on(error, self._monotonic(), error.retry_after)
            in_doubt = error.possibly_taken
        elif in_doubt:
            self._outage.go_on(error, self._monotonic())
        if in_doubt:
            await self._doubt(dispatch_id, error)
        elif isinstance(error, PermanentSendError) and len(rows) > 1 and splits.left > 0:
            splits.left -= 1
            await self._halve(dispatch_id, rows, error, splits)
        else:
            if isinstance(error, AccountError):
                await self._pause_account(error)
            changes = settling.after_error(rows, error, self._settings.retry_delays, random.random)
            await self._recording.record(
                dispatch_id, rows, changes, outcome=settling.outcome_of(error), error=error
            )

    async def _pause_account(self, error: AccountError) -> None:
        log.error(
            "account paused",
            extra={"account": self._account.name, "code": error.code, "reason": error.text},
        )
        await until_done(
            lambda: self._accounts.pause(self._account.name, f"{error.text} ({error.code})")
        )

    async def _doubt(self, dispatch_id: str, error: SendError) -> None:
        now = self._now()

        async def work(connection: AsyncConnection) -> None:
            await dispatches.mark_doubt(
                connection,
                dispatch_id,
                now=now,
                due_at=now,
                code=clip_code(error.code),
                text=clip_text(error.text),
            )

        await until_done(lambda: self._database.write(work))

    async def _halve(
        self, dispatch_id: str, rows: list[Row], error: SendError, splits: Splits
    ) -> None:
        """Send a refused batch again as two, so that one bad message does not spoil the others."""
        middle = len(rows) // 2
        halves = [(new_id(), rows[:middle]), (new_id(), rows[middle:])]
        self.carried.update(half_id for half_id, _ in halves)  # before the time that they bear
        now = self._now()
        waiting = [half_id for half_id, _ in halves]
        try:
            if await until_done(lambda: self._claims.split(dispatch_id, halves, error, now)):
                for half_id, half in halves:
                    moved = [row | {"dispatch_id": half_id} for row in half]
                    claimed = await self._turn_of_half(half_id, moved)
                    waiting.remove(half_id)
                    if claimed is not None:
                        await self._carry(claimed, moved, splits)
        except asyncio.CancelledError:
            for half_id in waiting:
                self._claims.forgo(half_id, now)  # nobody was called for it
            raise
        finally:
            for half_id, _ in halves:
                self._claims.end(half_id)

    async def _turn_of_half(self, half_id: str, half: list[Row]) -> Claimed | None:
        """Wait until a half may be sent; None if it may not any more, or is no longer ours."""
        while (pause := self._pause()) > 0 and not self._stopping:  # noqa: ASYNC110  # a clock's
            await asyncio.sleep(min(pause, IDLE))
        if self._stopping or self._account.paused_at is not None:
            changes = [settling.wait_in_queue(row, code=None, text=None) for row in half]
            await self._recording.record(half_id, half, changes, outcome="held")
            return None
        claimed = Claimed(
            dispatch_id=half_id, size=len(half), at=self._now(), monotonic=self._monotonic()
        )
        again = await self._reaffirm(claimed)
        if again is not None:
            self._account.budget.spend(again.monotonic)
        return again
