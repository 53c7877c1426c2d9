"""What ChatRoom is told of events, and what Odoo is answered."""

import logging
import mimetypes
from datetime import timedelta

from recado_core import (
    AddressError,
    Event,
    Finding,
    Media,
    PermanentSendError,
    SendError,
    SinkContext,
    TransientSendError,
    UnreachableError,
    WebhookReply,
    WebhookRequest,
)
from recado_core.addresses import digits, normalise_number

from recado_acrux_chatroom import wire
from recado_acrux_chatroom.answers import WebhookMissingError
from recado_acrux_chatroom.asides import Asides, Companion
from recado_acrux_chatroom.chatroom import ChatRoom
from recado_acrux_chatroom.events import (
    PARTNER_NOTES,
    RECEIVED,
    SUPPRESSED,
    Outgoing,
    Received,
    read_message,
    status_of,
    wants_failure,
    wants_line,
    wants_note,
)
from recado_acrux_chatroom.phrases import PHRASES
from recado_acrux_chatroom.redaction import hide_connectors_in_log
from recado_acrux_chatroom.settings import Settings
from recado_acrux_chatroom.webhooks import OdooCalls

log = logging.getLogger(__name__)

COMMIT_TIME = 5.0
"""Seconds that Odoo is given to commit an agent's message, where it can't be asked for it."""

LONGEST_COMMIT = 60.0
"""Seconds after which a message that Odoo still does not have will not come any more."""

LONGEST_DOUBT = timedelta(minutes=2)
"""How long an MO waits for Odoo to say whether it has it already; two are better than none."""


class ChatRoomSink:
    """Takes events into the conversations of one connector, and agents' messages from them.

    Args:
        context: What the gateway gives.
        companion: The login to Odoo's RPC, if there is one.
    """

    def __init__(self, context: SinkContext, companion: Companion | None = None) -> None:
        settings: Settings = context.settings
        self._name = context.name
        self._now = context.now
        self._settings = settings
        self._phrases = PHRASES[settings.language]
        self._chatroom = ChatRoom(context)
        self._asides = Asides(context.name, companion)
        self._calls = OdooCalls(context, self._chatroom.url)
        hide_connectors_in_log()

    async def deliver(self, event: Event, *, repeated: bool) -> None:
        """Take an MO, or what has become of an MT; other accounts' and channels' pass by.

        ChatRoom knows no repeats. An MO that it may have is looked for by RPC, and is repeated if
        that can't be done; a note on a partner that may be there is not.

        Raises:
            UnreachableError: Odoo is not there.
            TransientSendError: Odoo can't take it now.
            PermanentSendError: ChatRoom has no place for it.
            AccountError: The connector or the address is wrong.
            InDoubtError: It went out and no usable answer came back.
        """
        settings, data = self._settings, event.data
        if data.get("account") != settings.account:
            return
        if data.get("channel", settings.channel) != settings.channel:
            return
        if event.type == RECEIVED:
            await self._bring(event, repeated=repeated)
            return
        is_ours = data.get("origin") == self._name
        if is_ours and wants_failure(settings, event.type):
            await self._tell_failure(event)
        elif settings.rpc is not None:
            await self._write_about(event, is_ours=is_ours, repeated=repeated)

    async def handle(self, request: WebhookRequest) -> WebhookReply:
        """Answer a call of Odoo's."""
        return await self._calls.answer(request)

    async def probe(self) -> list[Finding]:
        """Return whether Odoo answers, has the connector, and lets the login in."""
        return [*await self._chatroom.probe(), *await self._asides.probe()]

    # ---------------------------------------------------------------- MO

    async def _bring(self, event: Event, *, repeated: bool) -> None:
        received = read_message(event, Received)
        message = _inbound(received)
        if repeated:
            await self._chatroom.await_alive()
        if not repeated or not await self._is_there(event, message):
            await self._hand_over(message)
        if wants_note(self._settings, event.type):
            await self._try_note(event, message.number, received.text)

    async def _is_there(self, event: Event, message: wire.Message) -> bool:
        """Tell whether ChatRoom is known to have an MO."""
        try:
            return bool(await self._asides.has(message.number, message.id))
        except UnreachableError:
            raise
        except TransientSendError as error:
            if self._now() - event.time < LONGEST_DOUBT:
                raise
            told = {"sink": self._name, "event": event.id, "reason": error.text}
            log.warning("chatroom may get a message twice", extra=told)
            return False

    async def _hand_over(self, message: wire.Message) -> None:
        try:
            await self._chatroom.tell(wire.Params(messages=(message,)))
        except WebhookMissingError:
            if not self._falls_back or not await self._asides.bring(message):
                raise

    async def _try_note(self, event: Event, number: str, text: str) -> None:
        """Note on the partner what they wrote; the message itself is in the conversation by now."""
        try:
            await self._asides.note(number, self._note_text(event, text))
        except SendError as error:
            told = {"sink": self._name, "event": event.id, "reason": error.text}
            log.warning("chatroom note left out", extra=told)

    @property
    def _falls_back(self) -> bool:
        return self._settings.rpc is not None and self._settings.rpc.fallback

    # ---------------------------------------------------------------- MT

    async def _tell_failure(self, event: Event) -> None:
        message = read_message(event, Outgoing)
        if event.type == SUPPRESSED and event.time <= message.created_at:
            return  # it was refused when the agent wrote it: Odoo was told so, and has no message
        number = _digits(message.to)
        msgid = wire.outbound_id(message.id, number)
        await self._await_commit(message, number, msgid)
        word = self._phrases.statuses[status_of(event.type)]
        text = ": ".join(filter(None, (word, message.code, message.status_text)))
        try:
            await self._chatroom.tell(wire.Params(events=(wire.Failed(msgid=msgid, txt=text),)))
        except WebhookMissingError:
            if not self._falls_back:
                raise
            await self._asides.line(number, msgid, text)

    async def _await_commit(self, message: Outgoing, number: str, msgid: str) -> None:
        """Raise ``TransientSendError`` while Odoo may not have the message that this is about.

        ChatRoom passes over, without a word, what it hears of a message that it has not stored yet;
        and it stores an agent's message only after the gateway has accepted it.
        """
        age = (self._now() - message.created_at).total_seconds()
        stored = await self._asides.has(number, msgid) if age < LONGEST_COMMIT else None
        if stored is False:
            wait = max(COMMIT_TIME, age)
        elif stored is None and age < COMMIT_TIME:
            wait = COMMIT_TIME - age
        else:
            return
        raise TransientSendError("ChatRoom may not have stored the message", retry_after=wait)

    async def _write_about(self, event: Event, *, is_ours: bool, repeated: bool) -> None:
        """Tell the agent in a line, and note on the partner, that a message went its way."""
        message = read_message(event, Outgoing)
        has_line = is_ours and wants_line(self._settings, event.type)
        is_noted = not repeated and wants_note(self._settings, event.type)
        if not (has_line or is_noted) or not message.to.startswith("+"):
            return  # a short code is nobody's partner
        number = _digits(message.to)
        if has_line:
            msgid = wire.outbound_id(message.id, number)
            await self._await_commit(message, number, msgid)
            await self._asides.line(number, msgid, self._phrases.statuses[status_of(event.type)])
        if has_line and is_noted:
            await self._try_note(event, number, message.text)  # its failure would repeat the line
        elif is_noted:
            await self._asides.note(number, self._note_text(event, message.text))

    def _note_text(self, event: Event, text: str) -> str:
        channel = self._settings.channel
        medium = channel.upper() if channel == "sms" else channel.capitalize()
        return f"{medium} {self._phrases.notes[PARTNER_NOTES[event.type]]}: {text}"


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
