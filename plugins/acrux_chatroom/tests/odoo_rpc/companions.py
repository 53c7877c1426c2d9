"""A companion, and the Odoo that it speaks to, as the tests of it need them."""

import msgspec
from recado_acrux_chatroom.companion import Companion
from recado_acrux_chatroom.settings import Settings
from recado_core.contract import decode_setting

from .process import CONNECTOR, CONVERSATION, DATABASE, LOGIN, PASSWORD

UUID = "3f0c5a1e-rpc-uuid-of-nobody"
TOKEN = "a-token-of-nobody"
ANA = "+5511900000001"
DIGITS = "5511900000001"
MSGID = f"false_018f_{DIGITS}@c.us"


def settings_for(url, **changes):
    rpc = {"database": DATABASE, "login": LOGIN, "password": PASSWORD}
    table = {
        "odoo_url": url,
        "connector_uuid": UUID,
        "connector_token": TOKEN,
        "account": "kolmeya_main",
        **changes,
        "rpc": rpc | changes.get("rpc", {}),
    }
    return msgspec.convert(table, Settings, strict=False, dec_hook=decode_setting)


def companion_of(url, *, deadline=10.0, gateway=None, **changes):
    return Companion(settings_for(url, **changes), "chatroom", url=gateway, deadline=deadline)


def add_connector(odoo, **changes):
    values = {
        "name": "SMS",
        "uuid": UUID,
        "token": TOKEN,
        "odoo_url": odoo.url,
        "source": "/",
        "endpoint": "https://gateway.example.com/sinks/chatroom",
        "ca_status": True,
    }
    return odoo.create(CONNECTOR, **values | changes)


def add_conversation(odoo, connector, **changes):
    values = {"name": "Ana", "number": DIGITS, "connector_id": connector, "status": "new"}
    return odoo.create(CONVERSATION, **values | changes)
