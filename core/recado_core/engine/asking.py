"""Asking providers, so that no answer of one harms another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from recado_core.engine.account import Account
from recado_core.engine.limits import Purpose
from recado_core.engine.pacing import calling
from recado_core.errors import SendError

log = logging.getLogger(__name__)

Row = dict[str, Any]
Answer = TypeVar("Answer")


class Unanswered(msgspec.Struct, frozen=True):
    """The provider can't be asked now; ``why`` is for the operator.

    ``wait`` are the seconds until it may be asked, where they are known.
    """

    why: str
    wait: float | None = None


async def ask(
    account: Account,
    question: Callable[[], Awaitable[Answer]],
    kind: type[Answer],
    monotonic: float,
) -> Answer | Unanswered:
    """Return a provider's answer, or why there is none.

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
    account.budget.spend(monotonic)
    try:
        with calling(Purpose.ASK, paid=1):
            async with asyncio.timeout(account.settings.timeout * 2):
                answer = await question()
    except SendError as error:
        return Unanswered(error.text)
    except TimeoutError:
        return Unanswered("no answer within the account's timeout")
    except Exception as error:
        log.exception("provider plugin broke", extra={"account": account.name})
        return Unanswered(f"the provider plugin broke: {type(error).__name__}")
    if not isinstance(answer, kind):
        log.error("provider plugin answers nonsense", extra={"account": account.name})
        return Unanswered(f"the provider plugin answers with {type(answer).__name__}")
    return answer


class Inquiry:
    """Settles dispatches: those of one account in turn, several accounts at once.

    One account whose provider is slow to answer holds up no other.
    """

    def __init__(self, settle: Callable[[Row], Awaitable[None]]) -> None:
        self._settle = settle
        self._asked: dict[str, asyncio.Task[None]] = {}

    @property
    def busy(self) -> list[str]:
        """The accounts whose provider is being asked."""
        return list(self._asked)

    def begin(self, rows: Sequence[Row]) -> None:
        """Begin to settle dispatches, of accounts that are not busy."""
        by_account: dict[str, list[Row]] = {}
        for row in rows:
            by_account.setdefault(row["account"], []).append(row)
        for account, some in by_account.items():
            task = asyncio.create_task(self._settle_all(some))
            self._asked[account] = task
            task.add_done_callback(partial(self._end, account))

    async def finish(self) -> None:
        """Wait until all that was begun is settled; if that is cancelled, so are they."""
        while self._asked:
            await asyncio.gather(*self._asked.values())

    def _end(self, account: str, _: asyncio.Task[None]) -> None:
        del self._asked[account]

    async def _settle_all(self, rows: Sequence[Row]) -> None:
        # One that fails stays taken until its hold ends, and is tried again then.
        for row in rows:
            try:
                await self._settle(row)
            except Exception:
                log.exception("a dispatch can't be settled now", extra={"dispatch": row["id"]})
