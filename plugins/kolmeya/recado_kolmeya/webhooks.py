"""Reads what Kolmeya posts to a request's ``webhook_url``: DLRs, replies, late refusals.

One address receives every kind, and a body's shape tells which it is. Only the fields that
matter are read; a part that can't be read is left out and spoils no other.
"""

from typing import TypeGuard
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Raw, UnsetType
from recado_core import (
    BatchRejected,
    MalformedWebhookError,
    ReceiverContext,
    WebhookItem,
    WebhookReply,
    WebhookRequest,
)

from recado_kolmeya.campaigns import read_campaign
from recado_kolmeya.masking import make_fit
from recado_kolmeya.parts import read_section, tell_unread
from recado_kolmeya.receipts import own_id, read_plain_receipts, read_receipts
from recado_kolmeya.refusals import UNREADABLE, join_texts
from recado_kolmeya.replies import read_reply
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.wire import MessageStatus, Notice, PlainStatus, Reply

_WRAPPINGS = 1  # a payload within a payload has not been seen

_notices = msgspec.json.Decoder(Notice[Raw])
_plain_notices = msgspec.json.Decoder(Notice[list[PlainStatus]])
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
        """Return what a webhook says; nothing for one of an unknown shape.

        Raises:
            MalformedWebhookError: The body is not JSON.
        """
        updates = _read_status_notice(request.body)
        if updates is not None:
            return updates
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
        if _is_campaign(notice):
            return read_campaign(body)
        if _is_filled(notice.messages):
            entries = read_section(notice.messages, _message_statuses, MessageStatus)
            return read_receipts(entries)
        if _is_filled(notice.reply):
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
        entries = read_section(section, _replies, Reply)
        found = (read_reply(entry, self._zone) for entry in entries)
        return [message for message in found if message is not None]


def _read_status_notice(body: bytes) -> list[WebhookItem] | None:
    """Read in one pass what nearly every webhook is; None of whatever is odd or of another kind."""
    try:
        notice = _plain_notices.decode(body)
    except UNREADABLE:
        return None
    if notice.messages is UNSET or notice.type is not UNSET or notice.job_id is not UNSET:
        return None
    return read_plain_receipts(notice.messages)


def _read_rejection(notice: Notice[Raw]) -> list[WebhookItem]:
    """Read the late refusal of a whole request, which did not pass homologation."""
    reference = own_id(notice.reference)
    if reference is None:
        return []
    text = make_fit(join_texts(notice.status_message)) or None
    return [BatchRejected(batch_reference=reference, code="rejected", text=text)]


def _is_campaign(notice: Notice[Raw]) -> bool:
    """Say whether both fields of a campaign's are there, and not only as empty ones."""
    if notice.type is UNSET or notice.job_id is UNSET:
        return False
    says_more = _is_filled(notice.messages) or _is_filled(notice.reply)
    return _is_filled(notice.type) or (_is_filled(notice.job_id) and not says_more)


def _is_filled(section: Raw | UnsetType) -> TypeGuard[Raw]:
    return isinstance(section, Raw) and bytes(section) != b"null"
