"""A provider and a sink for the gateway's tests, which need no vendor and no business system."""

import asyncio
import hashlib
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from recado_core import (
    AccountContext,
    AccountError,
    Capabilities,
    Event,
    Finding,
    InboundMessage,
    InDoubtError,
    MalformedWebhookError,
    Operation,
    OutboundBatch,
    Outcome,
    PermanentSendError,
    ProviderType,
    ReceiverContext,
    Secret,
    SendResult,
    SinkContext,
    SinkMessage,
    SinkType,
    Status,
    StatusUpdate,
    TransientSendError,
    UnreachableError,
    WebhookRefusedError,
    WebhookReply,
    WebhookRequest,
    hookimpl,
)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    per_day: int = 0
    senders: list[str] = []


class ProbeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: Secret
    segment: int | None = None
    strict: bool = False
    tags: list[str] = []
    limits: Limits | None = None
    trouble: str | None = None

    def __post_init__(self) -> None:
        if self.segment == 0:
            raise ValueError("segment: 0 names nothing")


class Probe:
    def __init__(self, context: AccountContext) -> None:
        self.settings: ProbeSettings = context.settings

    async def send(self, batch: OutboundBatch) -> list[SendResult]:
        if any(message.text == "busy" for message in batch.messages):
            raise TransientSendError("try later", code="busy")
        return [
            SendResult(
                message_id=message.id,
                outcome=Outcome.REJECTED if "reject" in message.text else Outcome.ACCEPTED,
                provider_ref=f"probe-{message.id}",
            )
            for message in batch.messages
        ]

    async def balance(self) -> Decimal:
        if self.settings.trouble == "busy":
            raise TransientSendError("try later", code="busy", retry_after=7.0)
        return Decimal("12.50")

    async def verify_credentials(self) -> str:
        if self.settings.trouble == "credentials":
            raise AccountError("wrong token", code="401")
        return "the token is known"


# ---------------------------------------------------------------- operations


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    start: date
    end: date
    statuses: list[int] = []
    asked_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError("end: lies before start")


class ReportLine(msgspec.Struct, frozen=True, kw_only=True):
    phone: str
    sent_at: datetime
    price: Decimal
    text: str
    document: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    total: int
    asked_at: datetime | None = None
    statuses: list[int] = []
    lines: list[ReportLine] = []


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    items: list[ReportLine]


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    phones: Annotated[list[str], msgspec.Meta(min_length=1)]


class FailRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    how: Literal["refused", "busy", "account", "doubt"]


class Echo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    words: list[str] | None = None
    lines: list[ReportLine] | None = None
    limits: Limits | None = None
    sure: bool = False


def line_of(day: date) -> ReportLine:
    return ReportLine(
        phone="+5511900000001",
        sent_at=datetime.fromisoformat(f"{day}T12:00:00+00:00"),
        price=Decimal("0.08"),
        text="[bold]" + "x" * 60,
    )


async def report(_: Probe, request: ReportRequest, progress) -> Report:
    days = (request.end - request.start).days + 1
    lines = []
    for done in range(days):
        lines.append(line_of(request.start + timedelta(days=done)))
        progress(done + 1, days)
    return Report(
        total=days, asked_at=request.asked_at, statuses=list(request.statuses), lines=lines
    )


async def catalogue(_: Probe, _request: Nothing, _progress) -> Catalogue:
    return Catalogue(items=[line_of(date(2030, 1, 1))])


async def block(_: Probe, request: Block, _progress) -> Nothing:
    if "refused" in request.phones:
        raise PermanentSendError("not a phone")
    return Nothing()


async def fail(_: Probe, request: FailRequest, _progress) -> Nothing:
    match request.how:
        case "refused":
            raise PermanentSendError("the period is too long", code="E17")
        case "busy":
            raise TransientSendError("try later", retry_after=6.2)
        case "account":
            raise AccountError("wrong token", code="401")
    raise InDoubtError("no answer came")


async def echo(_: Probe, request: Echo, _progress) -> Echo:
    return request


OPERATIONS = (
    Operation(
        name="report",
        summary="what was sent",
        request=ReportRequest,
        reply=Report,
        call=report,
    ),
    Operation(
        name="catalogue", summary="what there is", request=Nothing, reply=Catalogue, call=catalogue
    ),
    Operation(
        name="block",
        summary="no longer send to these",
        request=Block,
        reply=Nothing,
        call=block,
        changes=True,
    ),
    Operation(name="fail", summary="go wrong", request=FailRequest, reply=Nothing, call=fail),
    Operation(name="echo", summary="say it again", request=Echo, reply=Echo, call=echo),
)


class Receiver:
    reply = WebhookReply(body=b'{"taken": true}')

    def __init__(self, context: ReceiverContext) -> None:
        self.token = context.settings.token.reveal()

    def authenticate(self, request: WebhookRequest) -> None:
        if request.headers.get("x-probe-signature") != sign(self.token, request.url, request.body):
            raise WebhookRefusedError("the signature is wrong")

    def parse(self, request: WebhookRequest) -> list[StatusUpdate | InboundMessage]:
        try:
            said = msgspec.json.decode(request.body, type=dict[str, str])
        except msgspec.DecodeError as error:
            raise MalformedWebhookError("no JSON object of texts") from error
        if "from" in said:
            return [InboundMessage(provider_ref=said["id"], sender=said["from"], text=said["text"])]
        return [StatusUpdate(provider_ref=said["ref"], status=Status(said["status"]))]


def sign(token: str, url: str, body: bytes) -> str:
    """Sign as a vendor does that signs the address it calls."""
    return hashlib.sha256(f"{token}{url}".encode() + body).hexdigest()


# ---------------------------------------------------------------- the sink


class RpcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    login: str
    password: Secret


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str
    token: Secret
    rpc: RpcSettings | None = None
    trouble: str | None = None


class Desk:
    """A business system that is down, or refuses what a person calls poison, or takes all."""

    def __init__(self, context: SinkContext) -> None:
        self.settings: DeskSettings = context.settings
        self.gateway = context.gateway

    async def deliver(self, event: Event, *, repeated: bool) -> None:
        assert isinstance(repeated, bool)
        if self.settings.trouble == "down":
            raise UnreachableError("no connection to the desk")
        if event.data.get("text") == "poison":
            raise PermanentSendError("no such person")

    async def handle(self, request: WebhookRequest) -> WebhookReply:
        what, _, more = request.path.partition("/")
        match what:
            case "status":
                return WebhookReply(status=int(more), content_type="text/x-desk", body=b"as said")
            case "break":
                raise ValueError(self.settings.token.reveal())
            case "hang":
                await asyncio.sleep(3600)
            case "send":
                said = msgspec.json.decode(request.body, type=dict[str, str])
                message = SinkMessage(account=self.settings.account, **said)
                return WebhookReply(body=msgspec.json.encode(await self.gateway.send(message)))
            case "addresses":
                found = await self.gateway.addresses(self.settings.account, 10)
                return WebhookReply(body=msgspec.json.encode(found))
        return WebhookReply(body=msgspec.json.encode(request))

    async def probe(self) -> list[Finding]:
        if self.settings.trouble == "break":
            raise ValueError(self.settings.token.reveal())
        if self.settings.trouble == "hang":
            await asyncio.sleep(3600)
        down = self.settings.trouble == "down"
        return [
            Finding(what="version", ok=True, detail="desk 15"),
            Finding(what="connection", ok=not down, detail="no connection" if down else "answers"),
        ]


class Mute:
    """A sink that answers no calls and looks at nothing."""

    def __init__(self, context: SinkContext) -> None:
        self.context = context

    async def deliver(self, event: Event, *, repeated: bool) -> None:
        pass


@hookimpl
def register_sinks():
    return [
        SinkType(
            id="desk",
            settings=DeskSettings,
            events=frozenset({"message.received"}),
            create=Desk,
            requests=True,
            probe=True,
        ),
        SinkType(id="mute", settings=Nothing, events=frozenset({"message.sent"}), create=Mute),
    ]


@hookimpl
def register_providers():
    return [
        ProviderType(
            id="probe",
            channels=frozenset({"sms"}),
            settings=ProbeSettings,
            capabilities=Capabilities(max_batch=100, balance=True, verify_credentials=True),
            create=Probe,
            create_receiver=Receiver,
            operations=OPERATIONS,
        ),
        ProviderType(
            id="probe_plain",
            channels=frozenset({"sms"}),
            settings=ProbeSettings,
            capabilities=Capabilities(inbound=False, delivery_receipts=False),
            create=Probe,
        ),
    ]
