"""A conversation in ChatRoom by RPC: is a message there, bring one, write a line for agents."""

import zlib
from datetime import UTC, datetime
from typing import Any

from recado_core import AccountError, PermanentSendError

from recado_acrux_chatroom import wire
from recado_acrux_chatroom.companion.client import Odoo
from recado_acrux_chatroom.companion.records import (
    CONVERSATION,
    MESSAGE,
    Connector,
    Conversation,
    Message,
    find_connector,
    find_conversation,
    id_of,
    search,
)

NO_CONNECTOR = (
    "ChatRoom has no connector of this `connector_uuid`, or the RPC user may not see it: "
    "its company may be another"
)

CURRENT = "current"
"""An agent has the conversation open."""

OTHER_ADDON = "sms"
"""The ``channel_type`` whose messages the addon ``contact_center_sms`` sends by itself."""

QUOTED = 40
"""Characters of an agent's message that a line about it repeats."""


def has_message(odoo: Odoo, uuid: str, number: str, msgid: str) -> bool:
    """Say whether a conversation holds a message of this id, archived ones too.

    It is asked for by its conversation, as ChatRoom keeps no index of ``msgid``.
    """
    domain = [
        ["contact_id.number", "=", number],
        ["contact_id.connector_id.uuid", "=", uuid],
        ["msgid", "=", msgid],
    ]
    found = odoo.read(MESSAGE, "search_count", domain, context={"active_test": False})
    return bool(found)


def bring_message(odoo: Odoo, uuid: str, message: wire.Message) -> None:
    """Bring a person's message in as the webhook does, conversation, bots and screens included."""
    connector = find_connector(odoo, uuid)
    if connector is None:
        raise AccountError(NO_CONNECTOR)
    data = _new_message(odoo, connector, message)
    odoo.write(CONVERSATION, "new_message", data, context=_context(connector))


def _new_message(odoo: Odoo, connector: Connector, message: wire.Message) -> dict[str, Any]:
    """Return what ``new_message`` reads; it looks every key up and fails where one is missing."""
    data: dict[str, Any] = {
        "connector_id": connector.id,
        "number": message.number,
        "name": message.name or message.number,
        "message": message.txt,
        "ttype": message.type,
        "msgid": message.id,
        "time": datetime.fromtimestamp(message.time, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }
    if message.url is not None:
        data |= {"url": message.url, "filename": message.filename or ""}
    if odoo.fields(CONVERSATION, "conv_type"):  # from 16 on
        data["conv_type"] = "normal"
    if odoo.fields(MESSAGE, "quote_id"):  # from 17 on
        data["quote_msg_id"] = None
    return data


def _context(connector: Connector) -> dict[str, Any]:
    company = id_of(connector.company_id)
    context: dict[str, Any] = {"from_webhook": True, "not_download_profile_picture": True}
    return context | ({"allowed_company_ids": [company]} if company else {})


def write_line(odoo: Odoo, uuid: str, number: str, msgid: str | None, text: str) -> None:
    """Write a line for agents into a conversation; do nothing where there is none.

    A line about a message begins with that message, has an id of its own made of the message's,
    and is not written a second time.
    """
    found = find_conversation(odoo, uuid, number)
    if found is None:
        return
    if found.channel_type == OTHER_ADDON:
        raise PermanentSendError(
            "the addon contact_center_sms would send a line in this conversation to the person"
        )
    values: dict[str, Any] = {"ttype": "info", "from_me": True, "text": text}
    if msgid is not None:
        about = _find_message(odoo, found, msgid)
        line_id = f"info_{zlib.crc32(text.encode()):08x}_{msgid}"
        if about is None or _find_message(odoo, found, line_id) is not None:
            return
        values |= {"msgid": line_id, "text": _name(about) + text}
    _write(odoo, found, values)


def _write(odoo: Odoo, found: Conversation, values: dict[str, Any]) -> None:
    # What shows a line at once does more where no agent has the conversation: one that is done is
    # ended once more, and one that is new is set to new again.
    if found.status == CURRENT:
        # By position: what builds call the last two is not known. It is not to check whose it is.
        arguments = ([found.id], values, found.status, False)
        odoo.write(CONVERSATION, "send_message_bus_release", *arguments)
    else:
        odoo.write(MESSAGE, "create", values | {"contact_id": found.id})


def _find_message(odoo: Odoo, conversation: Conversation, msgid: str) -> Message | None:
    domain = [["contact_id", "=", conversation.id], ["msgid", "=", msgid]]
    return next(iter(search(odoo, Message, domain)), None)


def _name(message: Message) -> str:
    """Return how a line about a message begins: with the message's own beginning."""
    said = " ".join(message.text.split()) if isinstance(message.text, str) else ""
    start = said if len(said) <= QUOTED else f"{said[: QUOTED - 1]}…"
    return f"“{start}”: " if start else ""
