"""Reads what Kolmeya posts to a request's ``webhook_url``: DLRs, replies, late refusals.

One address receives every kind, and a body's shape tells which it is. Only the fields that
matter are read; a part that can't be read is left out and spoils no other.
"""

import hashlib
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Raw
from recado_core import (
    BatchRejected,
    InboundMessage,
    MalformedWebhookError,
    ReceiverContext,
    WebhookItem,
    WebhookReply,
    WebhookRequest,
)

from recado_kolmeya.parts import read_section, tell_unread
from recado_kolmeya.phones import read_phone
from recado_kolmeya.receipts import own_id, read_receipt
from recado_kolmeya.refusals import UNREADABLE, join_texts, make_fit
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.times import read_time
from recado_kolmeya.wire import MessageStatus, Notice, Reply, Scalar

_WRAPPINGS = 1  # a payload within a payload has not been seen

_notices = msgspec.json.Decoder(Notice)
_message_statuses = msgspec.json.Decoder(list[MessageStatus])
_replies = msgspec.json.Decoder(list[Reply])


class KolmeyaReceiver:
    """Reads the webhooks of one account."""

    reply = WebhookReply()

    def __init__(self, context: ReceiverContext) -> None:
        settings: KolmeyaSettings = context.settings
        self._zone = ZoneInfo(settings.timezone)

    def authenticate(self, request: WebhookRequest) -> None:
        """Let every request through: the token in its address is the authentication.

        Kolmeya signs nothing and sends no header of ours back, so what only it and we know is the
        address itself, which the gateway has compared already. What a body says is applied
        to messages of this account alone.
        """

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Return what a webhook says; nothing for a campaign's, or one of an unknown shape.

        Raises:
            MalformedWebhookError: The body is not JSON.
        """
        try:
            msgspec.json.decode(request.body, type=Raw)
            return self._read(Raw(request.body), _WRAPPINGS)
        except msgspec.ValidationError:
            tell_unread("body")
            return []
        except UNREADABLE as error:
            raise MalformedWebhookError("the body is not JSON") from error

    def _read(self, body: Raw, wrappings: int) -> list[WebhookItem]:
        notice = _notices.decode(body)
        if notice.type is not UNSET and notice.job_id is not UNSET:
            return []  # a campaign of the vendor's own web pages, not of ours
        if isinstance(notice.messages, Raw) and _is_filled(notice.messages):
            return _read_statuses(notice.messages)
        if isinstance(notice.reply, Raw) and _is_filled(notice.reply):
            return self._read_replies(notice.reply, body)
        if notice.status == "rejected" or notice.status_message is not None:
            return _read_rejection(notice)
        if isinstance(notice.payload, Raw) and wrappings:
            return self._read(notice.payload, wrappings - 1)
        tell_unread("body")
        return []

    def _read_replies(self, section: Raw, body: Raw) -> list[WebhookItem]:
        if bytes(section).startswith(b'"'):  # the reply's own text: the body is the reply
            section = body
        found = (self._read_reply(entry) for entry in read_section(section, _replies, Reply))
        return [message for message in found if message is not None]

    def _read_reply(self, entry: Reply) -> InboundMessage | None:
        answered = entry.message
        sender = "" if answered is None else read_phone(answered.phone)
        if answered is None or not sender or entry.reply is None:
            tell_unread("reply")
            return None
        message_id = own_id(answered.reference)
        provider_ref = str(answered.id) if answered.id else None
        text = str(entry.reply)
        return InboundMessage(
            provider_ref=str(entry.id)
            if entry.id
            else _digest(sender, text, entry.received_at, answered.id, answered.reference),
            sender=sender,
            text=text,
            received_at=read_time(entry.received_at, self._zone),
            answers_message_id=message_id,
            answers_provider_ref=provider_ref,
        )


def _read_statuses(section: Raw) -> list[WebhookItem]:
    updates = map(read_receipt, read_section(section, _message_statuses, MessageStatus))
    return [update for update in updates if update is not None]


def _read_rejection(notice: Notice) -> list[WebhookItem]:
    """Read the late refusal of a whole request, which did not pass homologation."""
    reference = own_id(notice.reference)
    if reference is None:
        return []
    text = make_fit(join_texts(notice.status_message)) or None
    return [BatchRejected(batch_reference=reference, code="rejected", text=text)]


def _is_filled(section: Raw) -> bool:
    return bytes(section) != b"null"


def _digest(*content: Scalar) -> str:
    """Make an id for a reply that came without one, the same whenever it comes again."""
    return "sha256:" + hashlib.sha256(repr(content).encode()).hexdigest()
