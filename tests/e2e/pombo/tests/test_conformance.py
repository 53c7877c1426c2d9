from typing import ClassVar

import httpx
import msgspec
import pombo_sms
from pombo_sms.webhooks import SIGNATURE, sign
from recado_core import InboundMessage, Status, StatusUpdate
from recado_core.testing import ProviderConformance


class TestConformance(ProviderConformance):
    (provider_type,) = pombo_sms.register_providers()
    settings: ClassVar = {
        "base_url": "https://pombo.example.com",
        "token": "a-token-of-nobody",
        "signing_key": "a-key-of-nobody",
    }
    webhooks: ClassVar = {
        "receipts.json": [
            StatusUpdate(
                status=Status.DELIVERED,
                message_id="0198c0de-1",
                provider_ref="p1",
                code="delivered",
            ),
            StatusUpdate(status=Status.UNDELIVERED, provider_ref="p2", code="nobody_home"),
        ],
        "reply.json": [
            InboundMessage(
                provider_ref="r1", sender="+5511900000001", text="Sim, pode ser às 9h 👍"
            )
        ],
    }

    def accepted(self, batch):
        told = [{"ref": m.id, "id": f"p{n}"} for n, m in enumerate(batch.messages)]
        return httpx.Response(200, json={"messages": told})

    def rejected(self, batch):
        told = [{"ref": message.id, "error": "no_such_roof"} for message in batch.messages]
        return httpx.Response(200, json={"messages": told})

    def sign(self, request):
        signature = sign(request.body, self.settings["signing_key"])
        return msgspec.structs.replace(request, headers={**request.headers, SIGNATURE: signature})
