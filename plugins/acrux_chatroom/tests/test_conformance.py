from pathlib import Path
from typing import ClassVar

import httpx
import msgspec
import recado_acrux_chatroom
from recado_acrux_chatroom.sink import ChatRoomSink
from recado_core import WebhookRequest
from recado_core.testing import SinkConformance, make_event
from recado_core.testing.clock import MONDAY_NOON
from recado_core.testing.samples import brazilian_address

from .bench import StubCompanion

PAYLOADS = Path(__file__).parent / "payloads"
UUID, TOKEN = "3f0c5a1e-kit-uuid-of-nobody", "a-token-of-nobody"


def call(action, path="", query=None, **headers):
    payload = PAYLOADS / f"odoo_{action}.json"
    return WebhookRequest(
        url=f"https://gateway.example.com/sinks/kit/{path}".rstrip("/"),
        headers={"client_id": UUID, "token": TOKEN, "action": path or action, **headers},
        query=query or {},
        body=payload.read_bytes() if payload.exists() else b"",
        method="POST" if payload.exists() else "GET",
        path=path,
    )


class TestConformance(SinkConformance):
    (sink_type,) = recado_acrux_chatroom.register_sinks()
    settings: ClassVar = {
        "odoo_url": "https://odoo.example.com",
        "connector_uuid": UUID,
        "connector_token": TOKEN,
        "account": "kit",
    }
    telling = "message.received"
    credentials = frozenset({"client_id", "token"})
    handing = "send"
    calls: ClassVar = {
        "send": call("send"),
        "sendMessage": call("send", "sendMessage"),
        "config_set": call("config_set"),
        "msg_set_read": call("msg_set_read"),
        "status_get": call("status_get"),
        "status": call("status_get", "status", {"webhook": "https://x.example.com", "lang": "en"}),
        "status_logout": call("status_logout"),
        "contact_get": call("contact_get", query={"chatId": "5511900000001@c.us"}),
        "contact_get_all": call("contact_get_all"),
        "whatsapp_number_get": call("whatsapp_number_get", query={"numbers": "5511900000001"}),
        "template_get": call("template_get"),
    }

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


class Knowing(StubCompanion):
    """An Odoo that has every agent's message, and no person's."""

    async def has_message(self, number, msgid):
        await super().has_message(number, msgid)
        return msgid.startswith("true_")


class TestConformanceWithCompanion(TestConformance):
    sink_type = msgspec.structs.replace(
        TestConformance.sink_type, create=lambda context: ChatRoomSink(context, Knowing())
    )
    settings: ClassVar = {
        **TestConformance.settings,
        "notes": "all",
        "rpc": {
            "database": "odoo",
            "login": "recado",
            "password": "a-password-of-nobody",
            "partner_notes": True,
            "fallback": True,
        },
    }
