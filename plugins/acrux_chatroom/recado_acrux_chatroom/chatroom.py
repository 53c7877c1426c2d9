"""ChatRoom's own webhook in Odoo, as it is called from here: one entry a call."""

import asyncio
import logging

import httpx
import msgspec
from recado_core import Finding, SendError, SinkContext, UnreachableError, send_request

from recado_acrux_chatroom import wire
from recado_acrux_chatroom.answers import Taken, read_answer
from recado_acrux_chatroom.redaction import redact
from recado_acrux_chatroom.settings import Settings

log = logging.getLogger(__name__)

NOBODY = wire.Failed(msgid="true_recado-check_0@c.us", txt="recado check")
"""A failure of a message that no ChatRoom has, which it passes over."""


class ChatRoom:
    """Calls the webhook of one connector."""

    def __init__(self, context: SinkContext) -> None:
        settings: Settings = context.settings
        self._name = context.name
        self._http = context.http
        self._secret = settings.connector_uuid.reveal()
        self._base = settings.odoo_url.rstrip("/")
        self._queue_stands = False

    @property
    def url(self) -> str:
        """Return the webhook's address: a secret."""
        return self._base + wire.WEBHOOK + self._secret

    async def tell(self, params: wire.Params, until: float | None = None) -> Taken:
        """Bring one entry, and have it worked off where ChatRoom only puts it into its queue.

        Args:
            params: The entry.
            until: When the working off is left to Odoo, by the event loop's clock.

        Raises:
            UnreachableError: Odoo is not there.
            TransientSendError: Odoo can't take it now.
            PermanentSendError: Odoo refuses it.
            AccountError: The connector or the address is wrong.
            InDoubtError: It went out and no usable answer came back.
        """
        taken = await self._call(self.url, params)
        if taken is Taken.QUEUED:
            await self._work_off_queue(until)
        return taken

    async def await_alive(self, until: float | None = None) -> None:
        """Raise ``UnreachableError`` unless somebody answers at Odoo's address, and in time."""
        request = self._http.build_request("GET", self._base + wire.ALIVE)
        try:
            async with asyncio.timeout_at(until):
                response = await send_request(self._http, request)
        except SendError as error:
            raise UnreachableError(error.text, possibly_taken=True) from error
        except TimeoutError as error:
            text = "Odoo takes too long to say that it is there"
            raise UnreachableError(text, possibly_taken=True) from error
        if response.is_server_error:
            text = f"Odoo answers nothing but HTTP {response.status_code}"
            raise UnreachableError(text, code=str(response.status_code), possibly_taken=True)

    async def probe(self) -> list[Finding]:
        """Return whether Odoo answers, and whether it has this connector."""
        try:
            await self.await_alive()
        except SendError as error:
            return [Finding(what="Odoo", ok=False, detail=error.text)]
        found = Finding(what="Odoo", ok=True, detail=f"{httpx.URL(self._base).host} answers")
        try:
            taken = await self.tell(wire.Params(events=(NOBODY,)))
        except SendError as error:
            return [found, Finding(what="ChatRoom's webhook", ok=False, detail=error.text)]
        detail = "ChatRoom has it and takes messages" + (
            " into its queue (Odoo 17 or later)" if taken is Taken.QUEUED else " at once"
        )
        return [found, Finding(what="ChatRoom's webhook", ok=True, detail=detail)]

    async def _call(self, url: str, params: wire.Params) -> Taken:
        # The client keeps Odoo's session cookie, or Odoo would store a new session for every call.
        request = self._http.build_request(
            "POST",
            url,
            content=msgspec.json.encode(wire.Call(params=params)),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        return read_answer(await send_request(self._http, request), self._redact)

    async def _work_off_queue(self, until: float | None) -> None:
        """Have ChatRoom work off its queue; what is in it is taken, whatever comes of this."""
        told = {"sink": self._name}
        try:
            async with asyncio.timeout_at(until):
                await self._call(self.url + wire.PROCESS, wire.Params())
        except (SendError, TimeoutError) as error:
            if not self._queue_stands:
                reason = str(error) or "it takes too long"
                log.warning("chatroom queue left to odoo", extra=told | {"reason": reason})
            self._queue_stands = True
        else:
            if self._queue_stands:
                log.info("chatroom queue worked off again", extra=told)
            self._queue_stands = False

    def _redact(self, text: str) -> str:
        return redact(text, self._secret)
