"""A sink's connector in ChatRoom, made or adjusted and asked for its status by an administrator."""

from typing import Any

import msgspec
from recado_core import PermanentSendError, SendError
from recado_core.sinks import Finding

from recado_acrux_chatroom.companion.client import Odoo
from recado_acrux_chatroom.companion.probe import CONNECTOR_TYPE
from recado_acrux_chatroom.companion.records import CONNECTOR, find_connector
from recado_acrux_chatroom.settings import Settings

LABELS = {
    "name": "Name",
    "connector_type": "Connect to",
    "endpoint": "API Endpoint",
    "token": "Token",
    "auto_valid_number": "automatic validation of numbers",
    "border_color": "Border Color",
    "color": "Color",
}
"""What ChatRoom's form calls the fields."""

SECRET = frozenset({"token"})
"""What is not shown when it is changed."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the connector is to be; without a name or colour, one that is there keeps its own.

    ``colour`` is a text such as ``#3BAFDA`` up to 15, and a number from 16 on.
    """

    settings: Settings
    url: str
    default_name: str
    name: str | None = None
    colour: str | int | None = None


def provide(odoo: Odoo, wanted: Wanted) -> Finding:
    """Make or adjust the connector; do nothing where it is as it should be."""
    uuid = wanted.settings.connector_uuid.reveal()
    found = find_connector(odoo, uuid)
    values = _values(odoo, wanted)
    if found is None:
        name = wanted.name or wanted.default_name
        new = {"name": name, "uuid": uuid, "source": "/", "odoo_url": wanted.settings.odoo_url}
        odoo.write(CONNECTOR, "create", new | values)
        return Finding(what="connector", ok=True, detail=f"“{name}” was made")
    changes = {name: value for name, value in values.items() if getattr(found, name) != value}
    if not changes:
        return Finding(what="connector", ok=True, detail=f"“{found.name}” is as it should be")
    odoo.write(CONNECTOR, "write", [found.id], changes)
    told = ", ".join(_tell(name, getattr(found, name)) for name in changes)
    return Finding(what="connector", ok=True, detail=f"“{found.name}” was adjusted: {told}")


def ask_gateway(odoo: Odoo, wanted: Wanted) -> Finding:
    """Have Odoo ask the gateway for the account's status, as Check Status does."""
    what = "Odoo to gateway"
    uuid = wanted.settings.connector_uuid.reveal()
    found = find_connector(odoo, uuid)
    if found is None:
        return Finding(what=what, ok=False, detail="there is no connector to ask it with")
    try:
        odoo.write(CONNECTOR, "action_ca_get_status", [found.id])
    except SendError as error:
        detail = f"Odoo got no good answer from {found.endpoint}: {error.text}"
        return Finding(what=what, ok=False, detail=f"{detail}; does `recado serve` run?")
    asked = find_connector(odoo, uuid) or found
    if asked.ca_status:
        return Finding(what=what, ok=True, detail="Odoo asked the gateway, and is connected")
    said = asked.ca_status_txt or "it does not say why"
    return Finding(what=what, ok=False, detail=f"Odoo asked, and is not connected: {said}")


def _values(odoo: Odoo, wanted: Wanted) -> dict[str, Any]:
    """Return what is made so, whatever it was; the type first, which sets others in some builds."""
    values: dict[str, Any] = {
        "connector_type": CONNECTOR_TYPE,
        "endpoint": wanted.url,
        "token": wanted.settings.connector_token.reveal(),
    }
    if odoo.fields(CONNECTOR, "auto_valid_number"):
        values["auto_valid_number"] = False
    if wanted.name is not None:
        values["name"] = wanted.name
    if wanted.colour is not None:
        values |= _colour(odoo, wanted.colour)
    return values


def _colour(odoo: Odoo, colour: str | int) -> dict[str, Any]:
    by_number = "color" in odoo.fields(CONNECTOR, "color")
    if by_number != isinstance(colour, int):
        kind = "a number, such as 4" if by_number else "written as #3BAFDA"
        raise PermanentSendError(f"the colour of this Odoo's connectors is {kind}")
    return {"color" if by_number else "border_color": colour}


def _tell(name: str, before: object) -> str:
    """Say which field was changed and what it held, for whoever wants it back."""
    shown = LABELS[name]
    return shown if name in SECRET else f"{shown} (was {before or 'empty'})"
