"""Reads what Kolmeya posts to a request's ``webhook_url``: DLRs, replies, late refusals.

One address receives every kind, and a body's shape tells which it is. Only the fields that
matter are read; a part that can't be read is left out and spoils no other.
"""

import hashlib
import logging
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Raw
from recado_core import (
    AddressError,
    BatchRejected,
    InboundMessage,
    MalformedWebhookError,
    ReceiverContext,
    WebhookItem,
    WebhookReply,
    WebhookRequest,
)
from recado_core.addresses import normalise_number

from recado_kolmeya.receipts import own_id, read_receipt
from recado_kolmeya.refusals import UNREADABLE, join_texts, make_fit
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.wire import MessageStatus, Notice, Reply, Scalar

logger = logging.getLogger(__name__)

Part = TypeVar("Part", bound=msgspec.Struct)

_TIMES = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M")
_WRAPPINGS = 1  # a payload within a payload has not been seen

_notices = msgspec.json.Decoder(Notice)
_raw_list = msgspec.json.Decoder(list[Raw])
_raw_object = msgspec.json.Decoder(dict[str, Raw])
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
            _tell_unknown("body")
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
        _tell_unknown("body")
        return []

    def _read_replies(self, section: Raw, body: Raw) -> list[WebhookItem]:
        if bytes(section).startswith(b'"'):  # the reply's own text: the body is the reply
            section = body
        found = (self._read_reply(entry) for entry in _parts(section, _replies, Reply))
        return [message for message in found if message is not None]

    def _read_reply(self, entry: Reply) -> InboundMessage | None:
        answered = entry.message
        sender = "" if answered is None else _sender(answered.phone)
        if answered is None or not sender or entry.reply is None:
            _tell_unknown("reply")
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
            received_at=self._time(entry.received_at),
            answers_message_id=message_id,
            answers_provider_ref=provider_ref,
        )

    def _time(self, text: Scalar) -> datetime | None:
        for form in _TIMES:
            try:
                local = datetime.strptime(str(text), form).replace(tzinfo=self._zone)
            except ValueError:
                continue
            return local.astimezone(UTC)
        return None


def _read_statuses(section: Raw) -> list[WebhookItem]:
    updates = map(read_receipt, _parts(section, _message_statuses, MessageStatus))
    return [update for update in updates if update is not None]


def _read_rejection(notice: Notice) -> list[WebhookItem]:
    """Read the late refusal of a whole request, which did not pass homologation."""
    reference = own_id(notice.reference)
    if reference is None:
        return []
    text = make_fit(join_texts(notice.status_message)) or None
    return [BatchRejected(batch_reference=reference, code="rejected", text=text)]


def _parts(section: Raw, decoder: msgspec.json.Decoder[list[Part]], kind: type[Part]) -> list[Part]:
    """Decode a list; one at a time where an entry is odd, or where an object stands for it."""
    try:
        return decoder.decode(section)
    except msgspec.ValidationError:
        pass
    found: list[Part] = []
    for part in _split(section, kind):
        try:
            found.append(msgspec.json.decode(part, type=kind))
        except msgspec.ValidationError:
            _tell_unknown("entry")
    return found


def _split(section: Raw, kind: type[msgspec.Struct]) -> list[Raw]:
    """Return the entries of a list, of an object that PHP wrote for one, or the one entry."""
    if bytes(section).startswith(b"["):
        return _raw_list.decode(section)
    fields = _raw_object.decode(section)
    return [section] if fields.keys() & set(kind.__struct_fields__) else list(fields.values())


def _is_filled(section: Raw) -> bool:
    return bytes(section) != b"null"


def _sender(phone: Scalar) -> str:
    """Return a phone in E.164, or as it came if it is no number of Brazil."""
    digits = "".join(c for c in str(phone).removesuffix(".0") if c.isdecimal())
    try:
        return normalise_number(digits, "BR")
    except AddressError:
        return digits


def _digest(*content: Scalar) -> str:
    """Make an id for a reply that came without one, the same whenever it comes again."""
    return "sha256:" + hashlib.sha256(repr(content).encode()).hexdigest()


@lru_cache(maxsize=16)
def _tell_unknown(part: str) -> None:
    logger.info("kolmeya sent a webhook that can't be read in part", extra={"part": part})
