"""Twilio's webhooks: their signature, status callbacks and incoming messages."""

import base64
import hashlib
import hmac
import logging
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
from recado_core import (
    InboundMessage,
    MalformedWebhookError,
    Media,
    ReceiverContext,
    Status,
    StatusUpdate,
    WebhookItem,
    WebhookRefusedError,
    WebhookReply,
    WebhookRequest,
)

from recado_twilio_stub import wire
from recado_twilio_stub.settings import Settings

FORM = "application/x-www-form-urlencoded"
SIGNATURE = "X-Twilio-Signature"

_log = logging.getLogger(__name__)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def sign(url: str, fields: Iterable[tuple[str, str]], auth_token: str) -> str:
    """Return the signature of a webhook: the address, then every field, sorted, without a break.

    A field that is repeated with the same value counts once.
    https://www.twilio.com/docs/usage/webhooks/webhooks-security
    """
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    # HMAC-SHA1 is what Twilio signs with; the weakness of SHA-1 alone does not reach it.
    digest = hmac.digest(auth_token.encode(), signed.encode(), "sha1")
    return base64.b64encode(digest).decode()


class TwilioReceiver:
    """Reads the webhooks of one Twilio account."""

    # An empty TwiML document says "answer nothing"; JSON would be error 12300 in Twilio's log.
    reply = WebhookReply(content_type="text/xml", body=b"<Response/>")

    def __init__(self, context: ReceiverContext) -> None:
        settings: Settings = context.settings
        self._auth_token = settings.auth_token

    def authenticate(self, request: WebhookRequest) -> None:
        """Compare the signature, in constant time, with the one that the auth token makes."""
        given = request.headers.get(SIGNATURE.lower(), "").encode()
        fields = _signed_fields(request)
        matches = [
            hmac.compare_digest(sign(url, fields, self._auth_token.reveal()).encode(), given)
            for url in _spellings(request.url)
        ]
        if not any(matches):
            raise WebhookRefusedError(f"{SIGNATURE} is missing or wrong")

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Return the one DLR or MO that a form holds; nothing of what is another product's."""
        if not _is_form(request):
            _check_json(request.body)
            return _nothing("a webhook of another product")
        fields = dict(_fields(request))
        status = fields.get("MessageStatus") or fields.get("SmsStatus")
        sid = fields.get("MessageSid") or fields.get("SmsSid")
        if status is None:
            return _nothing("a form without a status")
        if status in wire.INBOUND_STATUSES:
            return _read_message(sid, fields)
        return _read_status(sid, request.query.get("message_id"), status, fields)


# ---------------------------------------------------------------- what they say


def _read_status(
    sid: str | None, message_id: str | None, said: str, fields: Mapping[str, str]
) -> list[WebhookItem]:
    # https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
    if not (sid or message_id):
        return _nothing("a status of no message")
    status = wire.STATUSES.get(said)
    code = fields.get("ErrorCode", "")
    exactly, words = wire.DELIVERY_ERRORS.get(code, (None, None))
    if status is None:
        _log.info("unknown status", extra={"status": said[:40]})
    elif said in wire.FAILURES:
        status = exactly or status
    return [
        # RawDlrDoneDate has no time zone that could be known, so that `at` stays empty:
        # https://www.twilio.com/en-us/changelog/addition-of-rawdlrdonedate-to-delivered-and-undelivered-status-webhooks
        StatusUpdate(
            status=status or Status.UNKNOWN,
            message_id=message_id or None,
            provider_ref=sid or None,
            code=None if code in {"", "0"} else code,
            text=fields.get("ErrorMessage") or words,
        )
    ]


def _read_message(sid: str | None, fields: Mapping[str, str]) -> list[WebhookItem]:
    # https://www.twilio.com/docs/messaging/guides/webhook-request
    sender = fields.get("From", "")
    if ":" in sender:  # whatsapp:+55..., messenger:...
        return _nothing("a message of another channel")
    if not (sid and sender):
        return _nothing("a message of nobody")
    media = [
        Media(url=fields[f"MediaUrl{n}"], type=fields.get(f"MediaContentType{n}"))
        for n in range(wire.MOST_MEDIA)
        if fields.get(f"MediaUrl{n}")
    ]
    return [
        InboundMessage(
            provider_ref=sid,
            sender=sender,
            recipient=fields.get("To") or None,
            text=fields.get("Body", ""),
            media=tuple(media),
        )
    ]


def _nothing(why: str) -> list[WebhookItem]:
    _log.info("webhook skipped", extra={"reason": why})
    return []


# ---------------------------------------------------------------- how they come


def _is_form(request: WebhookRequest) -> bool:
    kind = request.headers.get("content-type", FORM)
    return kind.partition(";")[0].strip().lower() == FORM


def _fields(request: WebhookRequest) -> list[tuple[str, str]]:
    try:
        return parse_qsl(request.body.decode(), keep_blank_values=True)
    except ValueError as error:
        raise MalformedWebhookError("the body is no form") from error


def _signed_fields(request: WebhookRequest) -> list[tuple[str, str]]:
    """Return what is signed beside the address; of anything but a form, that names a digest."""
    if _is_form(request):
        try:
            return _fields(request)
        except MalformedWebhookError as error:
            raise WebhookRefusedError("the body can't have been signed") from error
    named = parse_qs(urlsplit(request.url).query).get("bodySHA256", [""])[0]
    if not hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), named.encode()):
        raise WebhookRefusedError("bodySHA256 is missing or wrong")
    return []


def _spellings(url: str) -> list[str]:
    """Return the address as it is, without its port and with one.

    Twilio is not consistent in which of them it signs; its own libraries try them as well.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    except ValueError:  # no port that there could be
        return [url]
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 80)
    return [url, *(parts._replace(netloc=name).geturl() for name in (host, f"{host}:{port}"))]


def _check_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise MalformedWebhookError("the body is neither a form nor JSON") from error
