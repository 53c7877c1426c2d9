from pathlib import Path
from typing import ClassVar

import httpx
import recado_acrux_chatroom
from recado_core.testing import SinkConformance, make_event
from recado_core.testing.clock import MONDAY_NOON
from recado_core.testing.samples import brazilian_address

PAYLOADS = Path(__file__).parent / "payloads"


class TestConformance(SinkConformance):
    (sink_type,) = recado_acrux_chatroom.register_sinks()
    settings: ClassVar = {
        "odoo_url": "https://odoo.example.com",
        "connector_uuid": "3f0c5a1e-kit-uuid-of-nobody",
        "connector_token": "a-token-of-nobody",
        "account": "kit",
        "rpc": {"database": "odoo", "login": "recado", "password": "a-password-of-nobody"},
    }
    telling = "message.received"

    def accepted(self, request):
        name = "answer_done" if request.url.path.endswith("/process") else "answer_queued"
        return httpx.Response(200, content=(PAYLOADS / f"{name}.json").read_bytes())

    def refused(self, _request):
        return httpx.Response(200, content=(PAYLOADS / "answer_failed.json").read_bytes())

    def event(self, event_type):
        inbound = event_type == "message.received"
        return make_event(
            event_type,
            sender=brazilian_address(1) if inbound else None,
            to="" if inbound else brazilian_address(1),
            created_at=MONDAY_NOON.isoformat(),
        )
