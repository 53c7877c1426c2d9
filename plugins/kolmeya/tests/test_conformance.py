from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import httpx
import recado_kolmeya
from recado_core import BatchRejected, InboundMessage, Status, StatusUpdate
from recado_core.addresses import national_digits
from recado_core.testing import ProviderConformance
from recado_kolmeya.wire import REFUSALS

PAYLOADS = Path(__file__).parent / "payloads"
REQUEST = "11111111-1111-4111-8111-111111111111"
BATCH = "01890000-0000-7000-8000-0000000000ff"
REPLY = InboundMessage(
    provider_ref="33333333-3333-4333-8333-333333333333",
    sender="+5511900000001",
    text="SIM, é ótimo! 🎉",
    received_at=datetime(2025, 11, 16, 17, 30, tzinfo=UTC),
    answers_message_id="01890000-0000-7000-8000-000000000001",
    answers_provider_ref="22222222-2222-4222-8222-000000000001",
)


def dlr(number, status, text):
    return StatusUpdate(
        status=status,
        message_id=f"01890000-0000-7000-8000-{number:012d}",
        provider_ref=f"22222222-2222-4222-8222-{number:012d}",
        code=str(number + 2),
        text=text,
    )


def answer_of(batch, **lists):
    """Return an answer to ``store`` in the shape seen from the live service."""
    empty = {name: [] for name in ("valids", *REFUSALS)}
    head = {"id": REQUEST, "reference": batch.reference}
    return httpx.Response(200, json=head | empty | lists)


def entry(sent, **fields):
    phone = int(national_digits(sent.to))
    return {"phone": phone, "reference": sent.id} | fields


class TestConformance(ProviderConformance):
    (provider_type,) = recado_kolmeya.register_providers()
    settings: ClassVar = {"token": "Bearer a-token-of-nobody"}
    webhooks: ClassVar = {
        "webhook_status.json": [
            dlr(1, Status.DELIVERED, "entregue"),
            dlr(2, Status.UNDELIVERED, "não entregue"),
            dlr(3, Status.REJECTED, "rejeitado no broker"),
            dlr(4, Status.EXPIRED, "expirada"),
        ],
        "webhook_reply.json": [REPLY],
        "webhook_reply_object.json": [REPLY],
        "webhook_rejected.json": [
            BatchRejected(
                batch_reference=BATCH,
                code="rejected",
                text="Requisição rejeitada por não passar pelos critérios de homologação.",
            )
        ],
        "webhook_campaign_status.json": [],
        "webhook_campaign_rejected.json": [],
    }

    def accepted(self, batch):
        valids = [entry(m, id=vendor_id(n)) for n, m in enumerate(batch.messages)]
        return answer_of(batch, valids=valids)

    def rejected(self, batch):
        invalids = [entry(m, message=m.text, error="Telefone inválido") for m in batch.messages]
        return answer_of(batch, invalids=invalids)

    def lookup_found(self, batch):
        return statuses_of(batch)

    def lookup_missing(self):
        return httpx.Response(404, content=(PAYLOADS / "status_missing.json").read_bytes())

    def statuses_told(self, batch):
        told = [
            StatusUpdate(
                status=Status.DELIVERED,
                message_id=message.id,
                provider_ref=vendor_id(number),
                code="3",
                text="entregue",
            )
            for number, message in enumerate(batch.messages)
        ]
        return statuses_of(batch), told

    def balance_told(self):
        content = (PAYLOADS / "balance_observed.json").read_bytes()
        return httpx.Response(200, content=content), Decimal("9397.30")

    def credentials_confirmed(self):
        return self.balance_told()[0]


def vendor_id(number):
    return f"22222222-2222-4222-8222-{number:012d}"


def statuses_of(batch):
    messages = [
        {
            "id": vendor_id(number),
            "reference": message.id,
            "status": "entregue",
            "status_code": 3,
        }
        for number, message in enumerate(batch.messages)
    ]
    head = {"id": REQUEST, "reference": batch.reference, "status": "Válido", "status_code": 2}
    return httpx.Response(200, json=head | {"messages": messages})
