"""ChatRoom in the made-up Odoo: its models, its webhook, and what its methods do."""

import json
import re
import urllib.error
import urllib.request
from datetime import UTC, datetime

from failures import OdooError, no_access

CONNECTOR = "acrux.chat.connector"
CONVERSATION = "acrux.chat.conversation"
MESSAGE = "acrux.chat.message"

PARTNER_FIELDS = {"conv_standard_numbers": "char"}
DEFAULT_ENDPOINT = "https://api.acruxlab.net/prod/v2/odoo"
TYPES = {"not_set", "apichat.io", "chatapi", "gupshup", "sms"}
VERSIONS = {13: "13.0.32", 14: "14.0.26", 15: "15.0.29", 16: "16.0.46", 17: "17.0.16", 18: "18.0.9"}
SECONDS = 60


def models(generation):
    connector = {
        "name": "char",
        "connector_type": "selection",
        "company_id": "many2one:res.company",
        "source": "char",
        "odoo_url": "char",
        "endpoint": "char",
        "token": "char",
        "uuid": "char",
        "ca_status": "boolean",
        "ca_status_txt": "char",
        "auto_valid_number": "boolean",
        "border_color": "char" if generation < 16 else "char:readonly",
    }
    conversation = {
        "name": "char",
        "number": "char",
        "connector_id": f"many2one:{CONNECTOR}",
        "status": "selection",
        "agent_id": "many2one:res.users",
        "res_partner_id": "many2one:res.partner",
    }
    message = {
        "contact_id": f"many2one:{CONVERSATION}",
        "text": "text",
        "ttype": "selection",
        "msgid": "char",
        "from_me": "boolean",
        "error_msg": "char",
        "date_message": "datetime",
        "active": "boolean",
    }
    if generation >= 16:
        connector["color"] = "integer"
        conversation["conv_type"] = "selection"
    if generation >= 17:
        message["quote_id"] = f"many2one:{MESSAGE}"
    return {
        "res.company": {"name": "char"},
        CONNECTOR: connector,
        CONVERSATION: conversation,
        MESSAGE: message,
    }


def install(world):
    company = world.create("res.company", {"name": "Company"})
    world.companies = [company]
    version = VERSIONS[world.generation]
    for name, state in (("whatsapp_connector", "installed"), ("whatsapp_connector_sale", "no")):
        values = {"name": name, "state": state, "latest_version": version}
        values["installed_version"] = "99.0.1"  # what lies on the disk, for all its name
        world.create("ir.module.module", values)


def defaults(world, model):
    if model == CONNECTOR:
        found = {"connector_type": "apichat.io", "endpoint": DEFAULT_ENDPOINT, "ca_status": False}
        found |= {"company_id": world.companies[0], "border_color": "#FFFFFF"}
        return found | ({"source": "/", "token": "*", "uuid": "*"} if world.generation < 17 else {})
    if model == CONVERSATION:
        return {"status": "new"} | ({"conv_type": "normal"} if world.generation >= 16 else {})
    if model == MESSAGE:
        return {"ttype": "text", "active": True}
    return {}


def check_new(world, model, values):
    if model == CONNECTOR:
        check_connector(world, defaults(world, model) | values)
    if model == CONVERSATION and not is_number(values["number"]):
        raise OdooError("odoo.exceptions.ValidationError", f"Invalid number {values['number']}")


def check_connector(world, values):
    needed = {"name", "source", "odoo_url", "endpoint", "token", "uuid"}
    missing = sorted(name for name in needed if not values.get(name))
    if missing or values["connector_type"] not in TYPES:
        raise OdooError("odoo.exceptions.ValidationError", f"Missing required fields: {missing}")
    for row in world.tables[CONNECTOR].values():
        for name in ("name", "uuid"):
            if row[name] == values[name]:
                message = f"A connector with this {name} exists already"
                raise OdooError("odoo.exceptions.ValidationError", message)
        colour = row["border_color"]
        if colour not in {"#FFFFFF", False} and colour == values["border_color"]:
            raise OdooError("odoo.exceptions.ValidationError", "Colour must be unique")


def is_number(text):
    return bool(re.fullmatch(r"[1-9][0-9]{9,14}", text))


# ---------------------------------------------------------------- the webhook


def take_webhook(world, uuid, rest, params):
    """Return what the route returns; what it meant to answer is in that text up to 16."""
    connector = next(iter(world.search(CONNECTOR, [["uuid", "=", uuid]])), None)
    lists = [params.get(name) for name in ("updates", "events", "messages")]
    if rest == "process":
        return text_of("200 OK")
    if connector is None or not any(lists):
        return text_of("403 FORBIDDEN")
    try:
        bring(world, connector, params)
    except (KeyError, TypeError, OdooError):
        return text_of("500 INTERNAL SERVER ERROR")
    return {"status": "ok"} if world.generation >= 17 else text_of("200 OK")


def text_of(status):
    return f"<Response 0 bytes [{status}]>"


def bring(world, connector, params):
    for event in params.get("events") or ():
        if event["type"] == "failed" and event["msgid"] and event["txt"]:
            for row in world.search(MESSAGE, [["msgid", "=", event["msgid"]]]):
                row["error_msg"] = event["txt"]
        if event["type"] == "phone-status":
            connector["ca_status"] = event["status"] == "connected"
    for message in params.get("messages") or ():
        time = datetime.fromtimestamp(message["time"], UTC)
        data = {"name": message.get("name") or message["number"], "number": message["number"]}
        data |= {"connector_id": connector["id"], "message": message["txt"]}
        data |= {"ttype": message["type"], "msgid": message["id"]}
        data |= {"time": time.strftime("%Y-%m-%d %H:%M:%S"), "conv_type": "normal"}
        data |= {"url": message.get("url"), "quote_msg_id": None}
        bring_message(world, data)


def bring_message(world, data):
    number, connector = data["number"], data["connector_id"]
    domain = [["number", "=", number], ["connector_id", "=", connector]]
    found = world.search(CONVERSATION, domain)
    if found:
        conversation = found[0]
        if conversation["status"] == "done":
            conversation["status"] = "new"
    else:
        values = {"name": data["name"], "number": number, "connector_id": connector}
        if world.generation >= 16:
            values["conv_type"] = data["conv_type"]
        conversation = world.tables[CONVERSATION][world.create(CONVERSATION, values)]
    if world.generation >= 17:
        data["quote_msg_id"]  # it is looked up, as every key is
    datetime.strptime(data["time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    values = {"contact_id": conversation["id"], "text": data["message"], "ttype": data["ttype"]}
    values |= {"msgid": data["msgid"], "from_me": False, "date_message": data["time"]}
    if data["ttype"] != "text":
        data["url"]  # as above
    return world.create(MESSAGE, values)


# ---------------------------------------------------------------- methods


def new_message(it, data):
    it.check("create")
    it.check("create", MESSAGE)
    if not it.context.get("from_webhook"):
        raise OdooError("odoo.exceptions.ValidationError", "Invalid number")
    try:
        id_ = bring_message(it.world, data)
    except KeyError as error:
        raise OdooError("builtins.KeyError", str(error)) from error
    return f"{MESSAGE}({id_},)"  # a recordset, as JSON has it


def send_message_bus_release(it, ids, values, state, check_access=True):  # noqa: FBT002  # the addon's
    it.check("create", MESSAGE)
    conversation = it.rows[ids[0]]
    if state != conversation["status"]:
        raise OdooError("odoo.exceptions.ValidationError", "This changes the status")
    if check_access:
        raise OdooError("odoo.exceptions.UserError", "You no longer attend this conversation")
    it.world.create(MESSAGE, values | {"contact_id": conversation["id"]})
    it.world.shown_at_once.append(values["text"])


def action_ca_get_status(it, ids):
    """Ask the endpoint, as the button does; return what is to be done without the lock."""
    if not it.user.is_system:
        raise no_access(CONNECTOR)
    connector = it.rows[ids[0]]

    def ask():
        status = call_endpoint(connector, "status_get").get("status")
        if not isinstance(status, dict):
            raise OdooError("odoo.exceptions.UserError", "Server error.")
        connector["ca_status"] = "acrux_ok" in status
        connector["ca_status_txt"] = status.get("acrux_ok") or status.get("acrux_er")
        if connector["ca_status"]:
            address = f"{connector['odoo_url']}/acrux_webhook/whatsapp_connector/"
            call_endpoint(connector, "config_set", {"webhook": address + connector["uuid"]})
        return {"type": "ir.actions.act_window"}

    return ask


def call_endpoint(connector, action, body=None):
    headers = {"action": action, "token": connector["token"], "client_id": connector["uuid"]}
    headers |= {"Accept": "application/json", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(connector["endpoint"].strip("/"), data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return json.load(answer) if answer.status == 200 else {}
    except urllib.error.HTTPError as error:
        with error:
            text = f"HTTP {error.code}"
    except (urllib.error.URLError, ValueError):
        text = "could not connect to endpoint"
    raise OdooError("odoo.exceptions.UserError", f"Error! {text}")


METHODS = {
    (CONVERSATION, "new_message"): new_message,
    (CONVERSATION, "send_message_bus_release"): send_message_bus_release,
    (CONNECTOR, "action_ca_get_status"): action_ca_get_status,
}
