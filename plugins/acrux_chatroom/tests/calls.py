"""What Odoo calls the gateway with, as values."""

import msgspec
from recado_core import WebhookRequest

from .bench import NUMBER
from .fake_odoo import TOKEN, UUID

HEADERS = {"client_id": UUID, "token": TOKEN, "content-type": "application/json"}


def request(action="send", body=b"", path="", query=None, **headers):
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given = {**HEADERS, "action": action, **headers}
    return WebhookRequest(
        url="https://gateway.example.com/sinks/chatroom",
        headers={name: value for name, value in given.items() if value is not None},
        query=query or {},
        body=raw,
        path=path,
    )


def message(**fields):
    return {"type": "text", "text": "Às 9h está ótimo", "to": NUMBER, "id": "87123", **fields}
