from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import httpx
import msgspec
import recado_kolmeya
from recado_core import BatchRejected, Category, InboundMessage, Status, StatusUpdate
from recado_core.addresses import national_digits
from recado_core.testing import ProviderConformance
from recado_kolmeya.wire import REFUSALS

from .operations_told import OPERATIONS_TOLD

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

CAMPAIGN_REPLY = InboundMessage(
    provider_ref="sha256:5bb82641f1be0f9af009de38eac3dd5eefdd21b975a5476b477ca0f397167f50",
    sender="+5511900000001",
    text="SIM, é ótimo! 🎉",
    received_at=datetime(2025, 11, 16, 17, 30, tzinfo=UTC),
)
POLLED = [
    REPLY,
    InboundMessage(
        provider_ref="7001",
        sender="+5511900000002",
        text="SAIR",
        received_at=datetime(2025, 11, 16, 17, 29, 59, tzinfo=UTC),
        answers_provider_ref="22222222-2222-4222-8222-000000000002",
    ),
    InboundMessage(
        provider_ref="7000",
        sender="+5511900000003",
        text="",
        received_at=datetime(2025, 11, 16, 17, 28, tzinfo=UTC),
        answers_message_id="01890000-0000-7000-8000-000000000003",
        answers_provider_ref="22222222-2222-4222-8222-000000000003",
    ),
    msgspec.structs.replace(
        CAMPAIGN_REPLY, received_at=datetime(2025, 11, 16, 17, 29, 58, tzinfo=UTC)
    ),
]
REPLY_PAGES = ("replies_page_1", "replies_page_2", "campaign_replies_page")


def campaign_dlr(code, status, text):
    return StatusUpdate(
        status=status,
        message_id=f"01890000-0000-7000-8000-{code:012d}",
        provider_ref=f"44444444-4444-4444-8444-{code:012d}",
        code=str(code),
        text=text,
    )


def answer_from(name):
    return httpx.Response(200, content=(PAYLOADS / f"{name}.json").read_bytes())


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
    operations_told: ClassVar = OPERATIONS_TOLD
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
        "webhook_campaign_invalid.json": [
            StatusUpdate(
                status=Status.REJECTED,
                message_id="01890000-0000-7000-8000-000000000001",
                provider_ref="44444444-4444-4444-8444-000000000001",
                code="invalid",
                text="Inválido",
            )
        ],
        "webhook_campaign_status.json": [],
        "webhook_campaign_status_own.json": [
            campaign_dlr(1, Status.SENT, "tentando enviar"),
            campaign_dlr(2, Status.SENT, "enviado"),
            campaign_dlr(3, Status.DELIVERED, "entregue"),
            campaign_dlr(4, Status.UNDELIVERED, "não entregue"),
            campaign_dlr(5, Status.REJECTED, "rejeitado no broker"),
            campaign_dlr(6, Status.EXPIRED, "expirada"),
            campaign_dlr(7, Status.SENT, "RCS não suportado"),
            campaign_dlr(8, Status.READ, "lida"),
            campaign_dlr(9, Status.SENT, "enviando fallback SMS"),
            campaign_dlr(10, Status.SENT, "validação"),
        ],
        "webhook_campaign_reply.json": [CAMPAIGN_REPLY],
        "webhook_campaign_shortener.json": [],
        "webhook_campaign_homologation.json": [],
        "webhook_campaign_rejected.json": [],
    }
    refused_texts: ClassVar = {
        Category.OTP: ["1234 em www.exemplo.com", "1234. Ligue 0800 123 4567"]
    }

    def accepted(self, batch):
        valids = [entry(m, id=vendor_id(n)) for n, m in enumerate(batch.messages)]
        return answer_of(batch, valids=valids)

    def rejected(self, batch):
        invalids = [entry(m, message=m.text, error="Telefone inválido") for m in batch.messages]
        return answer_of(batch, invalids=invalids)

    def listed(self, batch):
        phones = [{"phone": int(national_digits(m.to))} for m in batch.messages]
        return answer_of(batch, blacklist=phones)

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

    def replies_told(self):
        return [answer_from(name) for name in REPLY_PAGES], POLLED

    def reply_told_again(self):
        return "webhook_reply.json", self.replies_told()[0]

    def suppressed(self, _entries):
        return httpx.Response(201)

    def unsuppressed(self, _entries):
        return httpx.Response(204)

    def job_changed(self, change):
        said = {"hold_job": "Job pausado", "release_job": "Job reiniciado"}[change]
        return httpx.Response(200, json={"message": said})

    def balance_told(self):
        return answer_from("balance_observed"), Decimal("9397.30")

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
