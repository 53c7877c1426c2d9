"""The account that the stub server pretends to be: what it takes, refuses, counts and reports."""

import asyncio
import re
import uuid
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
from recado_core.messages import Media
from recado_core.segments import count_segments

from recado_twilio_stub import wire
from recado_twilio_stub.webhooks import FORM, SIGNATURE, sign

INVALID_TO = (21211, "The 'To' number {} is not a valid phone number.")
UNSUBSCRIBED = (21610, "Attempt to send to unsubscribed recipient {}.")

# https://www.twilio.com/docs/iam/test-credentials#test-sms-messages
MAGIC_SENDERS: dict[str, tuple[int, str]] = {
    "+15005550001": (21212, "The 'From' number {} is not a valid phone number."),
    "+15005550007": (21606, "The 'From' phone number {} is not message-capable."),
    "+15005550008": (21611, "The 'From' number {} has exceeded the maximum of queued messages."),
}
MAGIC_RECIPIENTS: dict[str, tuple[int, str]] = {
    "+15005550001": INVALID_TO,
    "+15005550002": (21612, "The 'To' number {} is not currently reachable."),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region of {}."),
    "+15005550004": UNSUBSCRIBED,
    "+15005550009": (21614, "'To' number {} is not a valid mobile number."),
}
# The keywords that Twilio obeys by itself:
# https://help.twilio.com/articles/223134027-Twilio-support-for-opt-out-keywords-SMS-STOP-filtering-
STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})

_placeholder = re.compile(r"\{\{ *(\w+) *\}\}")

POOL_NUMBER = "+15005550006"
"""Who sends for a Messaging Service; among Twilio's test numbers, the one that may."""


class RefusedError(Exception):
    """A request that Twilio answers with an error."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.reply = wire.ErrorReply(
            code=code,
            message=message,
            more_info=f"https://www.twilio.com/docs/errors/{code}",
            status=status,
        )


class Message(msgspec.Struct, kw_only=True, rename={"sender": "from"}):
    """A Message as Twilio shows it; numbers are texts, times are those of RFC 2822."""

    sid: str
    account_sid: str
    to: str
    body: str
    num_media: str
    num_segments: str
    date_created: str
    date_updated: str
    uri: str
    status: str
    sender: str | None = None
    messaging_service_sid: str | None = None
    date_sent: str | None = None
    direction: str = "outbound-api"
    api_version: str = wire.API_VERSION
    error_code: int | None = None
    error_message: str | None = None
    price: str | None = None
    price_unit: str | None = "USD"
    subresource_uris: dict[str, str] = {}


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the messages to one number end."""

    to: str
    status: str = "delivered"
    error_code: int | None = None


class Inbound(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}
):
    """A person's message; without ``webhook_url`` it goes where the last StatusCallback went."""

    sender: str
    to: str
    body: str = ""
    media: tuple[Media, ...] = ()
    webhook_url: str | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template of the account, with ``{{1}}`` where its first variable stands."""

    sid: str
    body: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a test asks the stub about.

    ``duplicates`` counts what was created more than once: by the ``message_id`` in its
    StatusCallback, and where there is none by number and text.
    """

    accepted: int
    refused: int
    statuses: dict[str, int]
    duplicates: dict[str, int]
    webhooks_answered: int
    webhooks_failed: int
    under_way: int


class StubAccount:
    """Takes messages, reports on them, and brings what people answer."""

    def __init__(self, sid: str, auth_token: str, http: httpx.AsyncClient, delay: float) -> None:
        self.sid = sid
        self.auth_token = auth_token
        self.messages: dict[str, Message] = {}
        self._http = http
        self._delay = delay
        self._tasks: set[asyncio.Task[None]] = set()
        self.clear()

    def clear(self) -> None:
        """Forget everything but the credentials."""
        self.messages.clear()
        self._deliveries: dict[str, Delivery] = {}
        self._unsubscribed: set[tuple[str, str]] = set()
        self._created: Counter[str] = Counter()
        self._contents: dict[str, str] = {}
        self._webhooks: Counter[bool] = Counter()
        self._refused = 0
        self._webhook_url: str | None = None

    async def close(self) -> None:
        """Stop reporting."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def state(self) -> State:
        """Count."""
        return State(
            accepted=self._created.total(),
            refused=self._refused,
            statuses=dict(Counter(message.status for message in self.messages.values())),
            duplicates={name: count for name, count in self._created.items() if count > 1},
            webhooks_answered=self._webhooks[True],
            webhooks_failed=self._webhooks[False],
            under_way=len(self._tasks),
        )

    def keep(self, content: Content) -> None:
        """Keep a template, or raise ``ValueError``."""
        if not wire.is_content_sid(content.sid):
            raise ValueError("a ContentSid is HX and 32 hexadecimal digits")
        self._contents[content.sid] = content.body

    def plan(self, delivery: Delivery) -> None:
        """Decide how the messages to one number end from now on."""
        self._deliveries[delivery.to] = delivery

    # ------------------------------------------------------------ messages

    def create(self, form: Mapping[str, Sequence[str]]) -> Message:
        """Take a message, or raise ``RefusedError``."""
        given = {name: values[-1] for name, values in form.items() if values[-1]}
        media = form.get("MediaUrl", ())
        try:
            if given.keys() & {"ContentSid", "ContentVariables"}:
                # https://www.twilio.com/docs/content/send-templates-created-with-the-content-template-builder
                given["Body"], media = self._write(given), ()  # both are superseded
            self._check(given, len(media))
        except RefusedError:
            self._refused += 1
            raise
        message = self._make(given, len(media))
        self.messages[message.sid] = message
        callback = given.get("StatusCallback")
        named = httpx.URL(callback or "").params.get("message_id")
        self._created[named or f"{message.to} {message.body}"] += 1
        if callback:
            self._webhook_url = callback.partition("?")[0]
        self._start(self._report(message, callback))
        return message

    def _write(self, given: Mapping[str, str]) -> str:
        """Return what a template says with its variables, or raise ``RefusedError``."""
        if "ContentSid" not in given:
            raise RefusedError(400, 21654, "ContentSid Required")
        body = self._contents.get(given["ContentSid"])
        if body is None:
            raise RefusedError(400, 21655, "The ContentSid is Invalid")
        try:
            variables = msgspec.json.decode(
                given.get("ContentVariables", "{}"), type=dict[str, str]
            )
        except ValueError:
            variables = {"": ""}
        if any(not value.strip() or wire.bad_content_value(value) for value in variables.values()):
            raise RefusedError(400, 21656, "The ContentVariables Parameter is invalid")
        return _placeholder.sub(lambda match: variables.get(match[1], match[0]), body)

    def _check(self, given: Mapping[str, str], media: int) -> None:
        _check_parameters(given, media)
        to, sender = given["To"], given.get("From", POOL_NUMBER)
        for number, table in ((sender, MAGIC_SENDERS), (to, MAGIC_RECIPIENTS)):
            if number in table:
                raise _refusal(table[number], number)
        if not (to.startswith("+") and to[1:].isdigit()):
            raise _refusal(INVALID_TO, to)
        if (to, sender) in self._unsubscribed:
            raise _refusal(UNSUBSCRIBED, to)

    def _make(self, given: Mapping[str, str], media: int) -> Message:
        sid = _new_sid("MM" if media else "SM")
        uri = f"/{wire.API_VERSION}/Accounts/{self.sid}/Messages/{sid}"
        now = _now()
        service = given.get("MessagingServiceSid")
        body = given.get("Body", "")
        return Message(
            sid=sid,
            account_sid=self.sid,
            to=given["To"],
            body=body,
            num_media=str(media),
            num_segments="0" if service else str(count_segments(body).count),
            date_created=now,
            date_updated=now,
            uri=f"{uri}.json",
            status="accepted" if service else "queued",
            sender=given.get("From"),
            messaging_service_sid=service,
            subresource_uris={"media": f"{uri}/Media.json"},
        )

    # ------------------------------------------------------------ webhooks

    async def _report(self, message: Message, callback: str | None) -> None:
        # No callback tells the status that the 201 told:
        # https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
        delivery = self._deliveries.get(message.to, Delivery(to=message.to))
        steps = ["queued"] if message.status == "accepted" else []
        steps += [delivery.status] if delivery.status == "failed" else ["sent", delivery.status]
        for status in steps:
            await asyncio.sleep(self._delay)
            message.status = status
            message.date_updated = _now()
            message.sender = message.sender or POOL_NUMBER
            if status in wire.FAILURES:
                message.error_code = delivery.error_code or 30008
            if callback:
                await self._call(callback, self._status_fields(message))

    def _status_fields(self, message: Message) -> dict[str, str]:
        fields = {
            "AccountSid": self.sid,
            "ApiVersion": wire.API_VERSION,
            "From": message.sender or "",
            "MessageSid": message.sid,
            "MessageStatus": message.status,
            "SmsSid": message.sid,
            "SmsStatus": message.status,
            "To": message.to,
        }
        if message.messaging_service_sid:
            fields["MessagingServiceSid"] = message.messaging_service_sid
        if message.error_code:
            fields["ErrorCode"] = str(message.error_code)
        if message.status in {"delivered", "undelivered"}:
            fields["RawDlrDoneDate"] = datetime.now(UTC).strftime("%y%m%d%H%M")
        return fields

    async def bring(self, inbound: Inbound) -> str:
        """Bring a person's message and return its SID, or raise ``LookupError``."""
        url = inbound.webhook_url or self._webhook_url
        if url is None:
            raise LookupError("no StatusCallback has been seen yet: give a webhook_url")
        word, pair = inbound.body.strip().upper(), (inbound.sender, inbound.to)
        if word in STOP_WORDS:
            self._unsubscribed.add(pair)
        elif word in START_WORDS:
            self._unsubscribed.discard(pair)
        sid = _new_sid("MM" if inbound.media else "SM")
        fields = {
            "AccountSid": self.sid,
            "ApiVersion": wire.API_VERSION,
            "Body": inbound.body,
            "From": inbound.sender,
            "MessageSid": sid,
            "NumMedia": str(len(inbound.media)),
            "NumSegments": str(count_segments(inbound.body).count),
            "SmsMessageSid": sid,
            "SmsSid": sid,
            "SmsStatus": "received",
            "To": inbound.to,
        }
        for n, medium in enumerate(inbound.media):
            fields[f"MediaUrl{n}"] = medium.url
            fields[f"MediaContentType{n}"] = medium.type or "application/octet-stream"
        await self._call(url, fields)
        return sid

    async def _call(self, url: str, fields: Mapping[str, str]) -> None:
        headers = {
            "Content-Type": f"{FORM}; charset=UTF-8",
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            "User-Agent": "TwilioProxy/1.1",
            SIGNATURE: sign(url, fields.items(), self.auth_token),
        }
        # One more try, and only where there was no connection, is what Twilio does unasked:
        # https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
        for last in (False, True):
            try:
                answer = await self._http.post(url, content=urlencode(fields), headers=headers)
            except httpx.TransportError as error:
                if last or not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    self._webhooks[False] += 1
                    return
            else:
                self._webhooks[answer.is_success] += 1
                return

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _check_parameters(given: Mapping[str, str], media: int) -> None:
    if "To" not in given:
        raise RefusedError(400, 21604, "A 'To' phone number is required.")
    if not given.keys() & {"From", "MessagingServiceSid"}:
        raise RefusedError(400, 21603, "A 'From' phone number is required.")
    if not ("Body" in given or media):
        raise RefusedError(400, 21602, "Message body is required.")
    if len(given.get("Body", "")) > wire.LONGEST_BODY:
        raise RefusedError(400, 21617, "The message body exceeds the 1600 character limit.")
    if media > wire.MOST_MEDIA:
        raise RefusedError(400, 21623, "Number of media files exceeds allowed limit.")


def _refusal(why: tuple[int, str], number: str) -> RefusedError:
    code, text = why
    return RefusedError(400, code, text.format(number))


def _new_sid(kind: str) -> str:
    return kind + uuid.uuid4().hex


def _now() -> str:
    return format_datetime(datetime.now(UTC))
