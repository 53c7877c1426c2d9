"""What an operator should know of an Odoo and its ChatRoom, found out by RPC, in plain words."""

import hmac
from collections.abc import Callable, Iterator

import msgspec
from recado_core import Secret, SendError
from recado_core.sinks import Finding

from recado_acrux_chatroom.companion.client import Connection, Odoo, read_as
from recado_acrux_chatroom.companion.conversations import NO_CONNECTOR, OTHER_ADDON
from recado_acrux_chatroom.companion.records import (
    CONNECTOR,
    CONVERSATION,
    MESSAGE,
    PARTNER,
    Connector,
    Text,
    find_connector,
)
from recado_acrux_chatroom.settings import Settings

CONNECTOR_TYPE = "apichat.io"
ADDON = "whatsapp_connector"
OLDEST, NEWEST = 13, 18

# Fields that only some builds have: on which model, and what their presence means.
FIELDS = {
    "conv_type": (CONVERSATION, "kinds of conversation, as from 16 on"),
    "assing_type": (CONNECTOR, "the addon that assigns agents"),
    "channel_type": (
        CONVERSATION,
        f"contact_center_sms, which sends what is in its `{OTHER_ADDON}` conversations by itself",
    ),
}

# What the companion does with each model, and who may: the rights, and the group that has them.
CHATROOM_GROUP = "ChatRoom's basic group (whatsapp_connector.group_chat_basic)"
RIGHTS = {
    CONNECTOR: (("read",), CHATROOM_GROUP),
    CONVERSATION: (("read", "write", "create"), CHATROOM_GROUP),
    MESSAGE: (("read", "create"), CHATROOM_GROUP),
    PARTNER: (("read", "write"), "Contact Creation (base.group_partner_manager)"),
}


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The sink whose Odoo is looked at; ``url`` is where the gateway answers, where it is known."""

    settings: Settings
    name: str
    url: str | None = None


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """An addon; its ``installed_version`` would be that of the files on the disk."""

    name: str
    latest_version: Text = False


async def look(odoo: Connection, subject: Subject) -> list[Finding]:
    """Return what there is to know; stop where Odoo does not answer, or knows no such user."""
    found: list[Finding] = []
    for what, step in (("Odoo's RPC", _version), ("RPC login", _log_in)):
        try:
            found.append(await odoo.run(step))
        except SendError as error:
            return [*found, Finding(what=what, ok=False, detail=error.text)]
    steps: dict[str, Callable[[Odoo], list[Finding]]] = {
        "ChatRoom addon": lambda it: [_addons(it)],
        "connector record": lambda it: list(_connector(it, subject)),
        "fields": lambda it: [_fields(it)],
        "rights": lambda it: [_rights(it, model) for model in _models(subject.settings)],
    }
    for what, look_at in steps.items():
        try:
            found += await odoo.run(look_at)
        except SendError as error:
            found.append(Finding(what=what, ok=False, detail=error.text))
    return found


def _version(odoo: Odoo) -> Finding:
    version = odoo.version()
    detail = f"version {version.server_version}"
    if not OLDEST <= version.major <= NEWEST:
        detail += f"; this sink is written for {OLDEST} to {NEWEST}"
    return Finding(what="Odoo's RPC", ok=OLDEST <= version.major <= NEWEST, detail=detail)


def _log_in(odoo: Odoo) -> Finding:
    odoo.log_in()
    return Finding(what="RPC login", ok=True, detail="Odoo knows the login and password")


def _addons(odoo: Odoo) -> Finding:
    """Tell the versions; a user without system rights may not read them, and need not."""
    domain = [
        "&",
        ["state", "=", "installed"],
        "|",
        ["name", "=like", f"{ADDON}%"],
        ["name", "=", "contact_center_sms"],
    ]
    what = "ChatRoom addon"
    try:
        answer = odoo.read(
            "ir.module.module", "search_read", domain, fields=["name", "latest_version"]
        )
    except SendError as error:
        return Finding(what=what, ok=True, detail=f"version unknown, and not needed: {error.text}")
    modules = read_as(answer, list[Module])
    named = ", ".join(f"{it.name} {it.latest_version or ''}".strip() for it in modules)
    if not any(it.name == ADDON for it in modules):
        return Finding(what=what, ok=False, detail=f"{ADDON} is not installed in this database")
    return Finding(what=what, ok=True, detail=named)


# ---------------------------------------------------------------- the connector


def _connector(odoo: Odoo, subject: Subject) -> Iterator[Finding]:
    uuid = subject.settings.connector_uuid.reveal()
    connector = find_connector(odoo, uuid)
    if connector is None:
        detail = f"{NO_CONNECTOR}; `recado chatroom setup` makes it"
        yield Finding(what="connector record", ok=False, detail=detail)
        return
    yield Finding(what="connector record", ok=True, detail=f"“{connector.name}”")
    yield from judge(connector, subject)


def judge(connector: Connector, subject: Subject) -> Iterator[Finding]:
    """Compare a connector with what the sink needs it to be."""
    yield _type(connector)
    yield _endpoint(connector, subject)
    yield _odoo_url(connector, subject.settings.odoo_url)
    yield _token(connector, subject.settings.connector_token)
    yield _validation(connector)
    yield _status(connector)


def _type(connector: Connector) -> Finding:
    found = str(connector.connector_type)
    if found == CONNECTOR_TYPE:
        return Finding(what="connector type", ok=True, detail=found)
    detail = f"{found}: set “Connect to” to ApiChat.io"
    return Finding(what="connector type", ok=False, detail=detail)


def _endpoint(connector: Connector, subject: Subject) -> Finding:
    found = str(connector.endpoint or "").rstrip("/")
    path = f"/sinks/{subject.name}"
    ours = found == subject.url if subject.url else found.endswith(path)
    if ours:
        return Finding(what="endpoint", ok=True, detail=f"{found}: agents' replies come here")
    wanted = subject.url or f"the gateway's public address and {path}"
    detail = f"{found or 'none'}: agents' replies do not come here; set it to {wanted}"
    return Finding(what="endpoint", ok=False, detail=detail)


def _odoo_url(connector: Connector, ours: str) -> Finding:
    found = str(connector.odoo_url or "").rstrip("/")
    if found == ours.rstrip("/"):
        return Finding(what="Odoo Url", ok=True, detail=found)
    # Not wrong in itself: Odoo may have one address for the gateway, and another for the world.
    detail = (
        f"{found}, here {ours}: agents' media are fetched from Odoo's own, which must be public"
    )
    return Finding(what="Odoo Url", ok=bool(found), detail=detail)


def _token(connector: Connector, ours: Secret) -> Finding:
    found = str(connector.token or "")
    if hmac.compare_digest(found.encode(), ours.reveal().encode()):
        return Finding(what="token", ok=True, detail="the connector has the one of recado.toml")
    detail = "the connector has another than recado.toml: agents' replies are refused"
    return Finding(what="token", ok=False, detail=detail)


def _validation(connector: Connector) -> Finding:
    if not connector.auto_valid_number:
        return Finding(what="validation of numbers", ok=True, detail="off")
    detail = "on: ChatRoom asks the gateway whether each number has WhatsApp; switch it off"
    return Finding(what="validation of numbers", ok=False, detail=detail)


def _status(connector: Connector) -> Finding:
    if connector.ca_status:
        return Finding(what="connector status", ok=True, detail="connected: agents can send")
    detail = "not connected, and agents can't send: press Check Status on the connector"
    return Finding(what="connector status", ok=False, detail=detail)


# ---------------------------------------------------------------- fields and rights


def _fields(odoo: Odoo) -> Finding:
    found = [
        f"{name} ({meaning})"
        for name, (model, meaning) in FIELDS.items()
        if odoo.fields(model, name)
    ]
    detail = ", ".join(found) or f"none of {', '.join(FIELDS)}"
    return Finding(what="fields", ok=True, detail=detail)


def _models(settings: Settings) -> list[str]:
    """Return the models on which rights are needed: contacts only for notes on them."""
    notes = settings.rpc is not None and settings.rpc.partner_notes
    return [model for model in RIGHTS if notes or model != PARTNER]


def _rights(odoo: Odoo, model: str) -> Finding:
    needed, group = RIGHTS[model]
    missing = [operation for operation in needed if not _may(odoo, model, operation)]
    what = f"rights on {model}"
    if missing:
        detail = f"the RPC user may not {' and '.join(missing)}: put it into {group}"
        return Finding(what=what, ok=False, detail=detail)
    detail = " and ".join(needed)
    if model == CONNECTOR and _may(odoo, model, "write"):
        detail += "; and write: this user may do more than the sink needs"
    return Finding(what=what, ok=True, detail=detail)


def _may(odoo: Odoo, model: str, operation: str) -> bool:
    return odoo.read(model, "check_access_rights", operation, False) is True  # noqa: FBT003  # Odoo's
