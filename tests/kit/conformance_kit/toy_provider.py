"""A vendor that does not exist, and a provider that does everything right with it."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import httpx
import msgspec
from recado_core import (
    AccountContext,
    BatchRejected,
    Capabilities,
    Category,
    ContentError,
    InboundMessage,
    InDoubtError,
    LookupResult,
    MalformedWebhookError,
    OutboundBatch,
    OutboundMessage,
    Outcome,
    ProviderType,
    ReceiverContext,
    Secret,
    SendResult,
    Status,
    StatusUpdate,
    Suppressed,
    SuppressionReason,
    WebhookItem,
    WebhookRefusedError,
    WebhookReply,
    WebhookRequest,
    raise_for_send,
    send_request,
)
from toy_operations import OPERATIONS

STATUSES = {1: Status.DELIVERED, 2: Status.UNDELIVERED}
LISTED = {"blocked": SuppressionReason.BLACKLIST, "opted out": SuppressionReason.OPT_OUT}
T = TypeVar("T")


class ToySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: Secret
    signing_secret: Secret | None = None
    base_url: str = "https://toy.example.com"


class TakenMessage(msgspec.Struct):
    ref: str
    id: str = ""
    error: str = ""


class Taken(msgspec.Struct):
    messages: list[TakenMessage]


class Found(msgspec.Struct):
    known: bool
    messages: list[TakenMessage] = []


class Balance(msgspec.Struct):
    amount: str


class Account(msgspec.Struct):
    owner: str


class Report(msgspec.Struct):
    id: str
    code: int


class Reports(msgspec.Struct):
    reports: list[Report]


class Reply(msgspec.Struct):
    id: str
    phone: str
    text: str
    at: datetime | None = None
    answers: str | None = None


class Replies(msgspec.Struct):
    replies: list[Reply]
    next: int | None = None


class Refused(msgspec.Struct):
    refused: str
    why: str


class ToyProvider:
    def __init__(self, context: AccountContext) -> None:
        self._http = context.http
        self._settings = context.settings
        self._webhook_url = context.webhook_url

    async def send(self, batch: OutboundBatch) -> list[SendResult]:
        payload = {
            "ref": batch.reference,
            "callback": self._webhook_url,
            "messages": [
                {
                    "ref": message.id,
                    "to": message.to.removeprefix("+"),
                    "text": message.text,
                    "media": [media.url for media in message.media],
                    "template": msgspec.to_builtins(message.template),
                }
                for message in batch.messages
            ],
        }
        otp = batch.messages[0].category is Category.OTP
        response = await self.post("/otp" if otp else "/send", payload)
        return self.results(batch, self.read(response, Taken).messages)

    def results(self, batch: OutboundBatch, told: Sequence[TakenMessage]) -> list[SendResult]:
        by_ref = {message.ref: message for message in told}
        if by_ref.keys() != {message.id for message in batch.messages}:
            raise InDoubtError("the answer is about other messages")
        return [self.result(message.id, by_ref[message.id]) for message in batch.messages]

    def result(self, message_id: str, told: TakenMessage) -> SendResult:
        outcome = Outcome.REJECTED if told.error else Outcome.ACCEPTED
        listed = LISTED.get(told.error)
        return SendResult(
            message_id=message_id,
            outcome=Outcome.SUPPRESSED if listed else outcome,
            provider_ref=told.id or None,
            text=told.error or None,
            suppression=listed,
        )

    async def lookup(self, batch: OutboundBatch) -> LookupResult:
        told = self.read(await self.post("/lookup", {"ref": batch.reference}), Found)
        if not told.known:
            return LookupResult(found=False)
        return LookupResult(found=True, results=tuple(self.results(batch, told.messages)))

    async def poll_statuses(self, batch_reference: str) -> list[StatusUpdate]:
        told = self.read(await self.post("/reports", {"ref": batch_reference}), Reports)
        return [read_report(report) for report in told.reports]

    async def poll_replies(self, since: datetime) -> AsyncIterator[list[InboundMessage]]:
        page: int | None = 1
        while page:
            response = await self.post("/replies", {"since": since.isoformat(), "page": page})
            told = self.read(response, Replies)
            yield [read_reply(reply) for reply in told.replies]
            page = told.next

    async def suppress(self, entries: Sequence[Suppressed]) -> None:
        await self.change_list("/block", entries)

    async def unsuppress(self, entries: Sequence[Suppressed]) -> None:
        await self.change_list("/unblock", entries)

    async def change_list(self, path: str, entries: Sequence[Suppressed]) -> None:
        phones = [{"phone": e.address.removeprefix("+"), "document": e.document} for e in entries]
        response = await self.post(path, {"phones": phones})
        if response.content:
            raise InDoubtError("a success says nothing", raw=response.text)

    async def hold_job(self, job: str) -> None:
        await self.change_job("/hold", job)

    async def release_job(self, job: str) -> None:
        await self.change_job("/release", job)

    async def change_job(self, path: str, job: str) -> None:
        response = await self.post(path, {"job": job})
        if response.content:
            raise InDoubtError("a success says nothing", raw=response.text)

    async def balance(self) -> Decimal:
        response = await self.post("/balance", {})
        try:
            return Decimal(self.read(response, Balance).amount)
        except InvalidOperation as error:
            raise InDoubtError("no amount in the balance", raw=response.text) from error

    async def verify_credentials(self) -> str:
        return f"account of {self.read(await self.post('/account', {}), Account).owner}"

    async def post(self, path: str, payload: object) -> httpx.Response:
        request = self._http.build_request(
            "POST",
            f"{self._settings.base_url}{path}",
            json=payload,
            headers={"authorization": f"Bearer {self._settings.token.reveal()}"},
        )
        response = await send_request(self._http, request)
        raise_for_send(response)
        return response

    def read(self, response: httpx.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.DecodeError as error:
            raise InDoubtError("the answer can't be read", raw=response.text) from error


def read_report(report: Report) -> StatusUpdate:
    status = STATUSES.get(report.code, Status.UNKNOWN)
    return StatusUpdate(status=status, provider_ref=report.id, code=str(report.code))


def read_reply(reply: Reply) -> InboundMessage:
    return InboundMessage(
        provider_ref=reply.id,
        sender=f"+{reply.phone}",
        text=reply.text,
        received_at=reply.at,
        answers_provider_ref=reply.answers,
    )


class ToyReceiver:
    reply = WebhookReply()

    def __init__(self, context: ReceiverContext) -> None:
        self._secret = context.settings.signing_secret.reveal()

    def authenticate(self, request: WebhookRequest) -> None:
        given = request.headers.get("x-toy-signature", "")
        if not hmac.compare_digest(given.encode(), signature(self._secret, request.body)):
            raise WebhookRefusedError("the signature is wrong")

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        try:
            told = msgspec.json.decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedWebhookError("no JSON") from error
        return self.items(told)

    def items(self, told: object) -> list[WebhookItem]:
        for kind in (Reports, Replies, Refused):
            try:
                read = msgspec.convert(told, kind)
            except msgspec.ValidationError:
                continue
            match read:
                case Reports():
                    return [read_report(report) for report in read.reports]
                case Replies():
                    return [self.inbound(reply) for reply in read.replies]
                case Refused():
                    return [BatchRejected(batch_reference=read.refused, text=read.why)]
        return []

    def inbound(self, reply: Reply) -> InboundMessage:
        return read_reply(reply)


def signature(secret: str, body: bytes) -> bytes:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256))


def check_message(message: OutboundMessage) -> None:
    if len(message.text) > 1000:
        raise ContentError("the toy carries 1000 characters")
    if message.category is Category.OTP and "://" in message.text:
        raise ContentError("the toy carries no link in a one-time code")


TOY = ProviderType(
    id="toy",
    channels=frozenset({"sms"}),
    settings=ToySettings,
    capabilities=Capabilities(
        max_batch=20,
        own_batches={Category.OTP: 5},
        rate="500/60s",
        media=True,
        templates=True,
        lookup=True,
        poll_statuses=True,
        poll_replies=True,
        suppress=True,
        max_suppress=50,
        balance=True,
        verify_credentials=True,
        jobs=True,
    ),
    create=ToyProvider,
    create_receiver=ToyReceiver,
    check_message=check_message,
    operations=OPERATIONS,
)
