"""Asking providers about dispatches, so that no answer of one harms another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from recado_core.engine.accounts import Account
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
    wait = account.budget.wait(monotonic)
    if wait > 0:
        return Unanswered("the account's rate is used up", wait)
    account.budget.spend(monotonic)
    try:
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


async def for_each(rows: Sequence[Row], settle: Callable[[Row], Awaitable[None]]) -> None:
    """Settle dispatches: those of one account in turn, several accounts at once.

    One that fails stays taken until its hold ends, and is tried again then.
    """
    by_account: dict[str, list[Row]] = {}
    for row in rows:
        by_account.setdefault(row["account"], []).append(row)

    async def settle_all(some: list[Row]) -> None:
        for row in some:
            try:
                await settle(row)
            except Exception:
                log.exception("a dispatch can't be settled now", extra={"dispatch": row["id"]})

    await asyncio.gather(*(settle_all(some) for some in by_account.values()))
