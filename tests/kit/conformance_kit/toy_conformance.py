from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import ClassVar

import httpx
import msgspec
from recado_core import BatchRejected, Category, InboundMessage, Status, StatusUpdate
from recado_core.testing import ProviderConformance
from toy_operations import Days, Done, Job, Report, Row
from toy_provider import TOY, signature

SECRET = "toy-signing-secret"


def row(day):
    return Row(
        phone="+5511900000001", at=datetime(2026, 1, day, 9, tzinfo=UTC), price=Decimal("0.08")
    )


def report_of(*rows):
    return httpx.Response(200, content=msgspec.json.encode(Report(rows=rows)))


def replies_page(number, following):
    reply = {"id": f"r-{number}", "phone": "5511900000001", "text": f"é o nº {number} 👍"}
    return httpx.Response(200, json={"replies": [reply], "next": following})


class TestConformance(ProviderConformance):
    provider_type = TOY
    settings: ClassVar = {"token": "toy-token-1234", "signing_secret": SECRET}
    webhooks: ClassVar = {
        "reports.json": [
            StatusUpdate(status=Status.DELIVERED, provider_ref="t-1", code="1"),
            StatusUpdate(status=Status.UNDELIVERED, provider_ref="t-2", code="2"),
        ],
        "reply.json": [
            InboundMessage(
                provider_ref="r-1",
                sender="+5511900000001",
                text="SIM",
                received_at=datetime(2026, 1, 5, 12, tzinfo=timezone(timedelta(hours=-3))),
                answers_provider_ref="t-1",
            )
        ],
        "refused.json": [BatchRejected(batch_reference="b-1", text="not allowed")],
    }

    refused_texts: ClassVar = {Category.OTP: ["123456 https://example.com"]}
    operations_told: ClassVar = {
        "daily-report": (
            Days(first=date(2026, 1, 1), last=date(2026, 1, 2)),
            [report_of(row(1)), report_of(row(2))],
            Report(rows=(row(1), row(2))),
        ),
        "jobs-pause": (Job(job=7), httpx.Response(204), Done()),
    }

    def accepted(self, batch):
        messages = [{"ref": m.id, "id": f"t-{m.id}"} for m in batch.messages]
        return httpx.Response(200, json={"messages": messages})

    def rejected(self, batch):
        messages = [{"ref": m.id, "error": "no such number"} for m in batch.messages]
        return httpx.Response(200, json={"messages": messages})

    def listed(self, batch):
        messages = [{"ref": m.id, "error": "blocked"} for m in batch.messages]
        return httpx.Response(200, json={"messages": messages})

    def lookup_found(self, batch):
        messages = [{"ref": m.id, "id": f"t-{m.id}"} for m in batch.messages]
        return httpx.Response(200, json={"known": True, "messages": messages})

    def lookup_missing(self):
        return httpx.Response(200, json={"known": False})

    def statuses_told(self, batch):
        reports = [{"id": f"t-{m.id}", "code": 1} for m in batch.messages]
        told = [
            StatusUpdate(status=Status.DELIVERED, provider_ref=report["id"], code="1")
            for report in reports
        ]
        return httpx.Response(200, json={"reports": reports}), told

    def replies_told(self):
        told = [
            InboundMessage(provider_ref=f"r-{n}", sender="+5511900000001", text=f"é o nº {n} 👍")
            for n in (1, 2)
        ]
        return [replies_page(1, 2), replies_page(2, None)], told

    def reply_told_again(self):
        return "reply.json", replies_page(1, None)

    def suppressed(self, _entries):
        return httpx.Response(201)

    def unsuppressed(self, _entries):
        return httpx.Response(204)

    def job_changed(self, _change):
        return httpx.Response(204)

    def balance_told(self):
        return httpx.Response(200, json={"amount": "9397.30"}), Decimal("9397.30")

    def credentials_confirmed(self):
        return httpx.Response(200, json={"owner": "Example Ltd"})

    def sign(self, request):
        proof = signature(SECRET, request.body).decode()
        return msgspec.structs.replace(
            request, headers={**request.headers, "x-toy-signature": proof}
        )
