"""Bringing messages into ChatRoom by its own webhook, one a call."""

import logging
import mimetypes
from datetime import timedelta

import msgspec
from recado_core import (
    AddressError,
    Event,
    Media,
    PermanentSendError,
    SendError,
    SinkContext,
    TransientSendError,
    send_request,
)
from recado_core.addresses import digits, normalise_number

from recado_acrux_chatroom import wire
from recado_acrux_chatroom.answers import Taken, read_answer
from recado_acrux_chatroom.events import FAILURES, RECEIVED, Received, Undone, read_message
from recado_acrux_chatroom.redaction import hide_connectors_in_log, redact
from recado_acrux_chatroom.settings import Notes, Settings

log = logging.getLogger(__name__)

COMMIT_TIME = timedelta(seconds=5)
"""What Odoo is given to commit an agent's message, before it hears that the message failed."""


class ChatRoomSink:
    """Takes events into the conversations of one connector."""

    def __init__(self, context: SinkContext) -> None:
        settings: Settings = context.settings
        self._context = context
        self._settings = settings
        self._url = settings.odoo_url.rstrip("/") + wire.WEBHOOK + settings.connector_uuid.reveal()
        self._queue_stands = False
        hide_connectors_in_log()

    async def deliver(self, event: Event) -> None:
        """Take an MO, or the failure of an MT; any other event, and other accounts', pass by.

        ChatRoom knows no repeats: a second call with the same event makes a second message, under
        the same ``msgid``.

        Raises:
            TransientSendError: Odoo can't take it now.
            PermanentSendError: ChatRoom has no place for it.
            AccountError: The connector or the address is wrong.
            InDoubtError: It went out and no usable answer came back.
        """
        params = self._translate(event)
        if params is None:
            return
        if await self._call(self._url, params) is Taken.QUEUED:
            await self._work_off_queue()

    def _translate(self, event: Event) -> wire.Params | None:
        if event.data.get("account") != self._settings.account:
            return None
        if event.type == RECEIVED:
            return wire.Params(messages=(_inbound(read_message(event, Received)),))
        if event.type in FAILURES and self._settings.notes is not Notes.NONE:
            return wire.Params(events=(self._failure(event),))
        return None

    def _failure(self, event: Event) -> wire.Failed:
        message = read_message(event, Undone)
        # ChatRoom passes over, without a word, a failure of a message that it has not stored yet;
        # and it stores an agent's message only after the gateway has accepted it.
        early = (message.created_at + COMMIT_TIME - self._context.now()).total_seconds()
        if early > 0:
            raise TransientSendError("ChatRoom may not have stored the message", retry_after=early)
        status = event.type.rpartition(".")[2]
        return wire.Failed(
            msgid=wire.outbound_id(message.id, _digits(message.to)),
            txt=": ".join(filter(None, (status, message.code, message.status_text))),
        )

    async def _call(self, url: str, params: wire.Params) -> Taken:
        # The client keeps Odoo's session cookie, or Odoo would store a new session for every call.
        http = self._context.http
        request = http.build_request(
            "POST",
            url,
            content=msgspec.json.encode(wire.Call(params=params)),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        return read_answer(await send_request(http, request), self._redact)

    async def _work_off_queue(self) -> None:
        """Have ChatRoom work off its queue; what is in it is taken, whatever comes of this."""
        told = {"sink": self._context.name}
        try:
            await self._call(self._url + wire.PROCESS, wire.Params())
        except SendError as error:
            if not self._queue_stands:
                log.warning("chatroom queue left to odoo", extra=told | {"reason": error.text})
            self._queue_stands = True
        else:
            if self._queue_stands:
                log.info("chatroom queue worked off again", extra=told)
            self._queue_stands = False

    def _redact(self, text: str) -> str:
        return redact(text, self._settings.connector_uuid.reveal())


def _inbound(message: Received) -> wire.Message:
    number = _digits(message.sender)
    first, *others = message.media or [None]
    return wire.Message(
        type=_type_of(first) if first else wire.TEXT,
        # One call takes one medium, and two calls for one event could be taken by half.
        txt="\n".join(filter(None, (message.text, *(medium.url for medium in others if medium)))),
        id=wire.inbound_id(message.id, number),
        number=number,
        time=int(message.created_at.timestamp()),
        name=message.name or None,
        url=first.url if first else None,
        filename=first.filename if first else None,
    )


def _digits(address: str) -> str:
    """Return a number as ChatRoom keeps it, or raise ``PermanentSendError``.

    What has no country code ChatRoom would take for a number of another country.
    """
    if not address.startswith("+"):
        raise PermanentSendError(
            "ChatRoom has conversations with numbers that have a country code, not with short "
            "codes and names",
            code="address",
        )
    try:
        return digits(normalise_number(address, "BR"))  # the region matters to national ones alone
    except AddressError as error:
        raise PermanentSendError(
            f"ChatRoom takes no such number: {error}", code="address"
        ) from error


def _type_of(medium: Media) -> str:
    address = medium.url.partition("?")[0]
    kind = medium.type or mimetypes.guess_type(medium.filename or address)[0] or ""
    return wire.MEDIA_TYPES.get(kind.partition("/")[0], wire.FILE)
