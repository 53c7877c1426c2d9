"""A provider for the gateway's tests: it takes every message and needs no vendor."""

import hashlib
from decimal import Decimal

import msgspec
from recado_core import (
    AccountContext,
    AccountError,
    Capabilities,
    InboundMessage,
    MalformedWebhookError,
    OutboundBatch,
    Outcome,
    ProviderType,
    ReceiverContext,
    Secret,
    SendResult,
    Status,
    StatusUpdate,
    TransientSendError,
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
        ),
        ProviderType(
            id="probe_plain",
            channels=frozenset({"sms"}),
            settings=ProbeSettings,
            capabilities=Capabilities(inbound=False, delivery_receipts=False),
            create=Probe,
        ),
    ]
