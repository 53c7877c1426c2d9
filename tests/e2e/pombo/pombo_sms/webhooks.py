"""Pombo's webhooks: DLRs and replies, signed with the account's key."""

import hmac

import msgspec
from recado_core import (
    InboundMessage,
    MalformedWebhookError,
    ReceiverContext,
    Status,
    StatusUpdate,
    WebhookItem,
    WebhookRefusedError,
    WebhookReply,
    WebhookRequest,
)

from pombo_sms.settings import PomboSettings
from pombo_sms.wire import STATES, Happening, Webhook

SIGNATURE = "x-pombo-signature"


def sign(body: bytes, signing_key: str) -> str:
    """Return the signature that Pombo puts over a body."""
    return hmac.digest(signing_key.encode(), body, "sha256").hex()


class PomboReceiver:
    """Reads the webhooks of one Pombo account."""

    reply = WebhookReply(body=b'{"thanks": true}')

    def __init__(self, context: ReceiverContext) -> None:
        settings: PomboSettings = context.settings
        self._key = settings.signing_key

    def authenticate(self, request: WebhookRequest) -> None:
        """Compare the signature in constant time."""
        expected = sign(request.body, self._key.reveal())
        given = request.headers.get(SIGNATURE, "")
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise WebhookRefusedError(f"{SIGNATURE} is missing or wrong")

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Return the receipts and replies; leave out what Pombo may have added to them."""
        try:
            events = msgspec.json.decode(request.body, type=Webhook).events
        except ValueError as error:
            raise MalformedWebhookError("the body is no list of events") from error
        return [item for event in events if (item := _item(event))]


def _item(event: Happening) -> WebhookItem | None:
    if event.type == "receipt" and event.state:
        status = STATES.get(event.state, Status.UNKNOWN)
        return StatusUpdate(
            status=status, message_id=event.ref, provider_ref=event.id, code=event.state
        )
    if event.type == "reply" and event.sender:
        return InboundMessage(provider_ref=event.id, sender=event.sender, text=event.text)
    return None
