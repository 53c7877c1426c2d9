"""Asking providers, so that no answer of one harms another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec

from recado_core.engine.account import Account
from recado_core.engine.limits import Purpose
from recado_core.engine.pacing import calling, wait_for_turn
from recado_core.errors import SendError, TransientSendError

log = logging.getLogger(__name__)

Row = dict[str, Any]
Answer = TypeVar("Answer")
Item = TypeVar("Item")


class Unanswered(msgspec.Struct, frozen=True):
    """The provider can't be asked now; ``why`` is for the operator.

    ``wait`` are the seconds until it may be asked, where the account's budget did not allow it.
    ``error`` is what the provider raised, if it did.
    """

    why: str
    wait: float | None = None
    error: SendError | None = None


async def ask(
    account: Account,
    question: Callable[[], Awaitable[Answer]],
    kind: type[Answer],
    monotonic: float,
) -> Answer | Unanswered:
    """Return a provider's answer, or why there is none; it is not asked if it has to wait.

    The question counts as one of the account's calls, and has twice the account's time-out.

    Args:
        account: Whose provider is asked.
        question: Makes the call.
        kind: What the answer must be an instance of.
        monotonic: The time by the clock that never jumps, in seconds.
    """
    wait = account.budget.wait(monotonic, Purpose.ASK)
    if wait > 0:
        return Unanswered("the account's rate is used up", wait)
    account.budget.spend(monotonic, Purpose.ASK)
    return await put(account, question, kind, paid=1)


async def put(
    account: Account,
    question: Callable[[], Awaitable[Answer]],
    kind: type[Answer],
    *,
    paid: int = 0,
) -> Answer | Unanswered:
    """As ``ask``, for a question whose every call waits for its turn, but for those ``paid``."""
    try:
        with calling(account.budget, Purpose.ASK, paid=paid):
            async with asyncio.timeout(account.settings.timeout * 2):
                answer = await question()
    except SendError as error:
        return Unanswered(error.text, error=error)
    except TimeoutError:
        return Unanswered("no answer within the account's timeout")
    except Exception as error:
        log.exception("provider plugin broke", extra={"account": account.name})
        return Unanswered(f"the provider plugin broke: {type(error).__name__}")
    if not isinstance(answer, kind):
        log.error("provider plugin answers nonsense", extra={"account": account.name})
        return Unanswered(f"the provider plugin answers with {type(answer).__name__}")
    return answer


async def ask_in_turn(
    account: Account,
    question: Callable[[], Awaitable[Answer]],
    kind: type[Answer],
    monotonic: Callable[[], float],
) -> Answer | Unanswered:
    """As ``ask``, for a question that can wait its turn, and may need several calls or none."""
    async with account.questions:
        try:  # here, and not in the question, whose time would run
            await wait_for_turn(account.budget, Purpose.ASK, monotonic)
        except TransientSendError as error:
            return Unanswered(error.text, error=error)
        return await put(account, question, kind)


def check_items(account: Account, items: object, kind: type[Item]) -> list[Item] | Unanswered:
    """Return what a provider tells as a list, or say that it is none of this kind of thing."""
    if isinstance(items, Sequence) and all(isinstance(item, kind) for item in items):
        return list(items)
    log.error("provider plugin answers nonsense", extra={"account": account.name})
    return Unanswered(f"the provider plugin tells other things than {kind.__name__}")


class Inquiry:
    """Settles dispatches: those of one account in turn, several accounts at once.

    One account whose provider is slow to answer holds up no other.
    """

    def __init__(
        self, settle: Callable[[Row], Awaitable[None]], monotonic: Callable[[], float]
    ) -> None:
        self._settle = settle
        self._monotonic = monotonic
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    @property
    def busy(self) -> list[str]:
        """The accounts whose provider is being asked."""
        return list(self._asked)

    def begin(self, rows: Sequence[Row], held: timedelta) -> None:
        """Begin to settle dispatches, of accounts that are not busy.

        Args:
            rows: The dispatches.
            held: How long other nodes leave them alone; what is not begun by half of it is left.
        """
        until = self._monotonic() + held.total_seconds() / 2
        by_account: dict[str, list[Row]] = {}
        for row in rows:
            by_account.setdefault(row["account"], []).append(row)
        for account, some in by_account.items():
            task = asyncio.create_task(self._settle_all(some, until))
            self._asked[account] = task
            task.add_done_callback(partial(self._end, account))

    def resume(self) -> None:
        """Settle again."""
        self._stopping = False

    def stop(self) -> None:
        """Settle no more than what is being asked now."""
        self._stopping = True

    async def finish(self) -> None:
        """Wait until all that was begun is settled; if that is cancelled, so is what is begun."""
        try:
            while self._asked:
                await asyncio.wait(list(self._asked.values()))
        except asyncio.CancelledError:
            await self.cancel()
            raise

    async def cancel(self) -> None:
        """Break off what is being asked."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, account: str, _: asyncio.Task[None]) -> None:
        del self._asked[account]

    async def _settle_all(self, rows: Sequence[Row], until: float) -> None:
        # One that fails, or is left, stays taken until its hold ends, and is tried again then.
        for row in rows:
            if self._stopping or self._monotonic() > until:
                return
            try:
                await self._settle(row)
            except Exception:
                log.exception("a dispatch can't be settled now", extra={"dispatch": row["id"]})
