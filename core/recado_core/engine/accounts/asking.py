"""Asking providers, so that no answer of one harms another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from recado_core.engine.accounts.account import Account
from recado_core.engine.accounts.limits import Purpose
from recado_core.engine.accounts.pacing import calling, wait_for_turn
from recado_core.errors import SendError, TransientSendError

log = logging.getLogger(__name__)

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
