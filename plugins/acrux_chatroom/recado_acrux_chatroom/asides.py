"""What goes through Odoo's RPC beside the webhook: a look before a repeat, lines, notes."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from recado_core import (
    AccountError,
    Finding,
    InDoubtError,
    NotYetError,
    PermanentSendError,
    SendError,
    TransientSendError,
)

from recado_acrux_chatroom import wire

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_AGAIN = 30.0
"""Seconds after which Odoo is asked again what it could not say."""


class Companion(Protocol):
    """A login to Odoo; every call may raise any ``SendError``."""

    async def probe(self) -> list[Finding]:
        """Return what the operator should know of the login."""
        ...

    async def has_message(self, number: str, msgid: str) -> bool:
        """Tell whether the number's conversation has a message of this id."""
        ...

    async def new_message(self, message: wire.Message) -> None:
        """Bring an MO as the webhook would."""
        ...

    async def note(self, number: str, text: str) -> None:
        """Note a plain text on the partner whose number it is, if there is one."""
        ...

    async def info(self, number: str, msgid: str | None, text: str) -> None:
        """Write a line into the number's conversation, about the message of this id, only once."""
        ...


class Asides:
    """Asks the companion, if there is one, so that nothing else ever waits for it in vain.

    A login that does not work must not keep people's messages from the webhook: it is logged once,
    and once when it works again.
    """

    def __init__(self, sink: str, companion: Companion | None) -> None:
        self._sink = sink
        self._companion = companion
        self._is_wrong = False

    async def has(self, number: str, msgid: str, until: float | None = None) -> bool | None:
        """Tell whether ChatRoom has this message; None where nobody can say.

        Args:
            number: Whose conversation it is in.
            msgid: Its id.
            until: When the answer is waited for no more, by the event loop's clock.

        Raises:
            NotYetError: It can't say now, or its RPC alone is away.
        """
        if self._companion is None:
            return None
        try:
            async with asyncio.timeout_at(until):
                return await self._ask(self._companion.has_message(number, msgid))
        except (TransientSendError, InDoubtError) as error:
            raise _no_word(error.text) from error
        except TimeoutError as error:
            raise _no_word("it takes too long") from error
        except SendError:
            return None

    async def bring(self, message: wire.Message) -> bool:
        """Bring an MO without the webhook; tell whether there was somebody to do it."""
        if self._companion is None:
            return False
        await self._ask(self._companion.new_message(message))
        return True

    async def line(self, number: str, msgid: str, text: str) -> None:
        """Write a line into a conversation."""
        if self._companion is not None:
            await self._ask_only(self._companion.info(number, msgid, text))

    async def note(self, number: str, text: str) -> None:
        """Note something on a partner."""
        if self._companion is not None:
            await self._ask_only(self._companion.note(number, text))

    async def probe(self) -> list[Finding]:
        """Return what the companion finds."""
        if self._companion is None:
            return []
        try:
            return await self._companion.probe()
        except SendError as error:
            return [Finding(what="Odoo's RPC", ok=False, detail=error.text)]

    async def _ask_only(self, call: Awaitable[None]) -> None:
        """Ask for something that people's messages don't wait for: a dead letter, at the worst."""
        try:
            await self._ask(call)
        except AccountError as error:
            raise PermanentSendError(error.text, code=error.code, raw=error.raw) from error

    async def _ask(self, call: Awaitable[T]) -> T:
        told = {"sink": self._sink}
        try:
            answer = await call
        except (AccountError, PermanentSendError) as error:
            if not self._is_wrong:
                log.warning("odoo rpc can't be used", extra=told | {"reason": error.text})
            self._is_wrong = True
            raise
        if self._is_wrong:
            log.info("odoo rpc can be used again", extra=told)
        self._is_wrong = False
        return answer


def _no_word(why: str) -> NotYetError:
    return NotYetError(f"Odoo can't say whether it has the message: {why}", retry_after=LOOK_AGAIN)
