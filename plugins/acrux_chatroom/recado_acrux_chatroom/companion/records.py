"""Odoo's records as far as they are read here, and how they are looked for."""

from typing import Any, TypeVar

import msgspec

from recado_acrux_chatroom.companion.client import Odoo, read_as

CONNECTOR = "acrux.chat.connector"
CONVERSATION = "acrux.chat.conversation"
MESSAGE = "acrux.chat.message"
PARTNER = "res.partner"

Domain = list[Any]
"""Odoo's notation of a search: triples, with ``&`` and ``|`` before them."""

Text = str | bool
"""False where there is none."""

Link = tuple[int, str] | bool
"""The id and name of another record, or False."""


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """A connector; what is a secret is compared and never shown."""

    id: int
    name: Text
    connector_type: Text
    ca_status: bool
    odoo_url: Text
    endpoint: Text
    token: Text
    company_id: Link = False
    auto_valid_number: bool = False
    border_color: Text = False
    color: int | bool = False
    ca_status_txt: Text = False


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation; ``channel_type`` is that of another addon, if it is there."""

    id: int
    status: Text
    res_partner_id: Link = False
    channel_type: Text = False


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a conversation."""

    id: int
    text: Text


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """A contact, with the fields in which it may have its numbers."""

    id: int
    commercial_partner_id: Link = False
    phone: Text = False
    mobile: Text = False
    phone_sanitized: Text = False
    conv_standard_numbers: Text = False


R = TypeVar("R", bound=msgspec.Struct)

MODELS: dict[type[msgspec.Struct], str] = {
    Connector: CONNECTOR,
    Conversation: CONVERSATION,
    Message: MESSAGE,
    Partner: PARTNER,
}


def search(odoo: Odoo, kind: type[R], domain: Domain, limit: int = 1) -> list[R]:
    """Return the records that a domain describes, with those of the fields that this Odoo has."""
    model = MODELS[kind]
    known = odoo.fields(model, *kind.__struct_fields__)
    found = odoo.read(model, "search_read", domain, fields=sorted(known), limit=limit)
    return read_as(found, list[kind])  # type: ignore[valid-type]  # mypy takes no variable here


def find_connector(odoo: Odoo, uuid: str) -> Connector | None:
    """Return the connector of an Account ID."""
    return next(iter(search(odoo, Connector, [["uuid", "=", uuid]])), None)


def find_conversation(odoo: Odoo, uuid: str, number: str) -> Conversation | None:
    """Return the conversation of a connector with a person."""
    domain: Domain = [["number", "=", number], ["connector_id.uuid", "=", uuid]]
    if odoo.fields(CONVERSATION, "conv_type"):  # a group may have the same number
        domain.append(["conv_type", "=", "normal"])
    return next(iter(search(odoo, Conversation, domain)), None)


def id_of(link: Link) -> int | None:
    """Return the id of a linked record, or None where there is none."""
    return None if isinstance(link, bool) else link[0]
