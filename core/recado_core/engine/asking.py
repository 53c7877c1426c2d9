"""Asking a provider something beside sending, so that no answer of its can harm the asker."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

import msgspec

from recado_core.engine.accounts import Account
from recado_core.errors import SendError

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Unanswered(msgspec.Struct, frozen=True):
    """The provider can't be asked now; ``why`` is for the operator."""

    why: str


async def ask(account: Account, question: Awaitable[Answer]) -> Answer | Unanswered:
    """Return a provider's answer, or why there is none, within twice the account's time-out."""
    try:
        async with asyncio.timeout(account.settings.timeout * 2):
            return await question
    except SendError as error:
        return Unanswered(error.text)
    except TimeoutError:
        return Unanswered("no answer within the account's timeout")
    except Exception as error:
        log.exception("provider plugin broke", extra={"account": account.name})
        return Unanswered(f"the provider plugin broke: {type(error).__name__}")
