"""What ChatRoom is told of events, and what Odoo is answered."""

import asyncio
import contextlib
import logging
import math
import mimetypes
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import msgspec
from recado_core import (
    NOT_TOLD,
    AddressError,
    Event,
    Finding,
    Media,
    NotTold,
    NotYetError,
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
from recado_acrux_chatroom.asides import LOOK_AGAIN, Asides, Companion
from recado_acrux_chatroom.chatroom import ChatRoom
from recado_acrux_chatroom.deadlines import Deadlines, begin
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

OWN_FAULT = ("502", "504")
"""What a proxy answers when Odoo broke off or took too long, and not because nobody listens."""

LONGEST_NOTE = 3.0
"""Seconds that a person's next message waits at the most for the note on the one before."""

NOTE_PAUSE = 60.0
"""Seconds for which no such note is tried after one for which Odoo took longer."""

LONGEST_DOUBT = timedelta(minutes=2)
"""How long an MO waits for Odoo to say whether it has it already; two are better than none."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One call of ``deliver``."""

    event: Event
    repeated: bool
    deadlines: Deadlines


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
        self._http = context.http
        self._settings = settings
        self._phrases = PHRASES[settings.language]
        self._chatroom = ChatRoom(context)
        self._notes_from = -math.inf
        self._asides = Asides(context.name, companion)
        self._calls = OdooCalls(context, self._chatroom.url)
        hide_connectors_in_log()

    async def deliver(self, event: Event, *, repeated: bool) -> NotTold | None:
        """Take an MO, or what has become of an MT; other accounts' and channels' pass by.

        ChatRoom knows no repeats. What it may have is repeated to an Odoo that answers alone; an MO
        is looked for by RPC, and is repeated if that can't be done; a note on a partner that may be
        there is not.

        Raises:
            UnreachableError: Odoo is not there.
            NotYetError: Odoo may not have stored yet the message that this is about.
            TransientSendError: Odoo can't take it now.
            PermanentSendError: ChatRoom has no place for it.
            AccountError: The connector or the address is wrong.
            InDoubtError: It went out and no usable answer came back.
        """
        settings, data = self._settings, event.data
        if data.get("account") != settings.account:
            return NOT_TOLD
        if data.get("channel", settings.channel) != settings.channel:
            return NOT_TOLD
        call = Delivery(event=event, repeated=repeated, deadlines=begin(self._http))
        if repeated:
            await self._chatroom.await_alive(call.deadlines.questions)
        is_ours = data.get("origin") == self._name
        if event.type == RECEIVED:
            return await self._bring(call)
        if is_ours and wants_failure(settings, event.type):
            return await self._tell_failure(call)
        if settings.rpc is not None:
            return await self._write_about(call, is_ours=is_ours)
        return NOT_TOLD

    async def handle(self, request: WebhookRequest) -> WebhookReply:
        """Answer a call of Odoo's."""
        return await self._calls.answer(request)

    async def probe(self) -> list[Finding]:
        """Return whether Odoo answers, has the connector, and lets the login in."""
        return [*await self._chatroom.probe(), *await self._asides.probe()]

    # ---------------------------------------------------------------- MO

    async def _bring(self, call: Delivery) -> NotTold | None:
        received = read_message(call.event, Received)
        message = _inbound(received)
        stored = await self._look_for(call, message) if call.repeated else False
        if not stored:
            with _counted(call):
                await self._hand_over(call, message)
        # The note follows the message: it can't be there while the message is known not to be.
        if stored is False and wants_note(self._settings, call.event.type):
            await self._try_note(call, message.number, received.text)
        return NOT_TOLD if stored else None

    async def _look_for(self, call: Delivery, message: wire.Message) -> bool | None:
        """Tell whether ChatRoom has an MO; None where nobody can say."""
        try:
            return await self._asides.has(message.number, message.id, call.deadlines.questions)
        except NotYetError as error:
            if self._now() - call.event.time < LONGEST_DOUBT:
                raise
            told = {"sink": self._name, "event": call.event.id, "reason": error.text}
            log.warning("chatroom may get a message twice", extra=told)
            return None

    async def _hand_over(self, call: Delivery, message: wire.Message) -> None:
        try:
            await self._chatroom.tell(wire.Params(messages=(message,)), call.deadlines.rest)
        except WebhookMissingError:
            if not self._falls_back or not await self._asides.bring(message):
                raise

    async def _try_note(self, call: Delivery, number: str, text: str) -> None:
        """Note on the partner a message that is told of by now, if Odoo does so promptly."""
        now = asyncio.get_running_loop().time()
        if now < self._notes_from:
            self._leave_out(call, "Odoo took too long for another a moment ago")
            return
        until = min(now + LONGEST_NOTE, call.deadlines.rest or math.inf)
        try:
            async with asyncio.timeout_at(until):
                await self._asides.note(number, self._note_text(call.event, text))
        except SendError as error:
            self._leave_out(call, error.text)
        except TimeoutError:
            self._notes_from = until + NOTE_PAUSE
            self._leave_out(call, "it takes too long")

    def _leave_out(self, call: Delivery, reason: str) -> None:
        told = {"sink": self._name, "event": call.event.id, "reason": reason}
        log.warning("chatroom note left out", extra=told)

    @property
    def _falls_back(self) -> bool:
        return self._settings.rpc is not None and self._settings.rpc.fallback

    # ---------------------------------------------------------------- MT

    async def _tell_failure(self, call: Delivery) -> NotTold | None:
        event = call.event
        message = read_message(event, Outgoing)
        if event.type == SUPPRESSED and event.time <= message.created_at:
            return NOT_TOLD  # Odoo was told when the agent wrote it, and has no message
        number = _digits(message.to)
        msgid = wire.outbound_id(message.first_id or message.id, number)
        await self._await_commit(call, message, msgid)
        word = self._phrases.statuses[status_of(event.type)]
        text = ": ".join(filter(None, (word, message.code, message.status_text)))
        failed = wire.Params(events=(wire.Failed(msgid=msgid, txt=text),))
        with _counted(call):
            try:
                await self._chatroom.tell(failed, call.deadlines.rest)
            except WebhookMissingError:
                if not self._falls_back:
                    raise
                await self._asides.line(number, msgid, text)
        return None

    async def _await_commit(self, call: Delivery, message: Outgoing, msgid: str) -> None:
        """Raise ``NotYetError`` while Odoo may not have the message that this is about.

        ChatRoom passes over, without a word, what it hears of a message that it has not stored yet;
        and it stores an agent's message only after the gateway has accepted it.
        """
        age = (self._now() - message.created_at).total_seconds()
        if age >= LONGEST_COMMIT:
            return
        try:
            stored = await self._asides.has(_digits(message.to), msgid, call.deadlines.questions)
        except NotYetError as error:
            wait = min(LOOK_AGAIN, LONGEST_COMMIT - age)
            raise NotYetError(error.text, retry_after=wait) from error
        if stored is False:
            wait = min(max(COMMIT_TIME, age), LONGEST_COMMIT - age)
        elif stored is None and age < COMMIT_TIME:
            wait = COMMIT_TIME - age
        else:
            return
        raise NotYetError("ChatRoom may not have stored the message", retry_after=wait)

    async def _write_about(self, call: Delivery, *, is_ours: bool) -> NotTold | None:
        """Tell the agent in a line, and note on the partner, that a message went its way."""
        event = call.event
        message = read_message(event, Outgoing)
        has_line = is_ours and wants_line(self._settings, event.type)
        is_noted = not call.repeated and wants_note(self._settings, event.type)
        if not (has_line or is_noted) or not message.to.startswith("+"):
            return NOT_TOLD  # a short code is nobody's partner
        number = _digits(message.to)
        if has_line:
            msgid = wire.outbound_id(message.first_id or message.id, number)
            await self._await_commit(call, message, msgid)
            text = self._phrases.statuses[status_of(event.type)]
            async with self._beside(call):
                await self._asides.line(number, msgid, text)
        if has_line and is_noted:
            await self._try_note(call, number, message.text)  # its failure would repeat the line
        elif is_noted:
            async with self._beside(call):
                await self._asides.note(number, self._note_text(event, message.text))
        return None

    @contextlib.asynccontextmanager
    async def _beside(self, call: Delivery) -> AsyncIterator[None]:
        """Count a failure for which only Odoo's RPC is away: people's messages need not wait."""
        try:
            yield
        except UnreachableError as error:
            try:
                await self._chatroom.await_alive(call.deadlines.rest)
            except UnreachableError:
                raise error from None
            raise TransientSendError(
                error.text,
                code=error.code,
                raw=error.raw,
                retry_after=error.retry_after,
                possibly_taken=error.possibly_taken,
            ) from error

    def _note_text(self, event: Event, text: str) -> str:
        channel = self._settings.channel
        medium = channel.upper() if channel == "sms" else channel.capitalize()
        return f"{medium} {self._phrases.notes[PARTNER_NOTES[event.type]]}: {text}"


@contextlib.contextmanager
def _counted(call: Delivery) -> Iterator[None]:
    """Count a repeat at which Odoo breaks, though it had answered just before.

    Were it taken for away again, one message that it always breaks at would be told to it for ever.
    """
    try:
        yield
    except UnreachableError as error:
        if not call.repeated or error.code not in OWN_FAULT:
            raise
        raise TransientSendError(
            error.text, code=error.code, raw=error.raw, possibly_taken=True
        ) from error


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
