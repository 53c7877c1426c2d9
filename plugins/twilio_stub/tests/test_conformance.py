from decimal import Decimal
from typing import ClassVar
from urllib.parse import parse_qsl

import httpx
import msgspec
import recado_twilio_stub
from recado_core import InboundMessage, Media, ProviderTemplate, Status, StatusUpdate
from recado_core.testing import ProviderConformance
from recado_twilio_stub.webhooks import sign

ACCOUNT = "AC00000000000000000000000000000001"
AUTH_TOKEN = "a-token-of-nobody"
SID = "SM11111111111111111111111111111111"
MESSAGE_ID = "0198c0de-0000-7000-8000-000000000001"


def dlr(status, **said):
    return [StatusUpdate(status=status, message_id=MESSAGE_ID, provider_ref=SID, **said)]


class TestConformance(ProviderConformance):
    (provider_type,) = recado_twilio_stub.register_providers()
    settings: ClassVar = {"account_sid": ACCOUNT, "auth_token": AUTH_TOKEN, "from": "+15005550006"}
    template: ClassVar = ProviderTemplate(
        name="HX" + "0" * 32, variables={"name": "Ana", "n": "17"}
    )
    webhooks: ClassVar = {
        "status_accepted.form": dlr(Status.SENT),
        "status_queued.form": dlr(Status.SENT),
        "status_sending.form": dlr(Status.SENT),
        "status_sent.form": dlr(Status.SENT),
        "status_delivered.form": dlr(Status.DELIVERED),
        "status_read.form": dlr(Status.READ),
        "status_canceled.form": dlr(Status.UNDELIVERED),
        "status_undelivered.form": dlr(
            Status.UNDELIVERED, code="30003", text="unreachable destination handset"
        ),
        "status_filtered.form": dlr(Status.REJECTED, code="30007", text="message filtered"),
        "status_failed.form": dlr(Status.REJECTED, code="30001", text="queue overflow"),
        "status_expired.form": dlr(Status.EXPIRED, code="30036", text="validity period expired"),
        "status_undelivered_unknown_code.form": dlr(
            Status.UNDELIVERED, code="39999", text="Something new"
        ),
        "inbound_text.form": [
            InboundMessage(
                provider_ref="SM22222222222222222222222222222222",
                sender="+5511900000001",
                recipient="+15005550006",
                text="Sim, pode ser às 9h 👍",
            )
        ],
        "inbound_media.form": [
            InboundMessage(
                provider_ref="MM22222222222222222222222222222222",
                sender="+5511900000001",
                recipient="+15005550006",
                text="",
                media=(
                    Media(url="https://api.example.com/Media/ME1", type="image/jpeg"),
                    Media(url="https://api.example.com/Media/ME2", type="application/pdf"),
                ),
            )
        ],
        "inbound_whatsapp.form": [],
    }

    def accepted(self, batch):
        sid = "SM" + batch.messages[0].id.replace("-", "")
        return httpx.Response(201, json={"sid": sid, "status": "queued", "error_code": None})

    def rejected(self, batch):
        to = batch.messages[0].to
        return httpx.Response(
            400,
            json={
                "code": 21211,
                "message": f"The 'To' number {to} is not a valid phone number.",
                "more_info": "https://www.twilio.com/docs/errors/21211",
                "status": 400,
            },
        )

    def balance_told(self):
        told = {"account_sid": ACCOUNT, "balance": "12.05", "currency": "USD"}
        return httpx.Response(200, json=told), Decimal("12.05")

    def credentials_confirmed(self):
        told = {"sid": ACCOUNT, "auth_token": AUTH_TOKEN, "status": "active", "type": "Full"}
        return httpx.Response(200, json=told)

    def webhook_request(self, name):
        request = super().webhook_request(name)
        if not name.startswith("status_"):
            return request
        return msgspec.structs.replace(
            request,
            url=f"{request.url}?message_id={MESSAGE_ID}",
            query={"message_id": MESSAGE_ID},
        )

    def sign(self, request):
        text = request.body.decode(errors="replace")
        signature = sign(request.url, parse_qsl(text, keep_blank_values=True), AUTH_TOKEN)
        headers = {**request.headers, "x-twilio-signature": signature}
        return msgspec.structs.replace(request, headers=headers)
