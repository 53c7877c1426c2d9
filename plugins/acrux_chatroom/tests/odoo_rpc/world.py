"""The records of the made-up Odoo: models with their fields, searches, users with their rights."""

import re
import threading
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import chatroom
from failures import OdooError, no_access

DATABASE = "odoo"
WEBHOOK = "/acrux_webhook/whatsapp_connector/"


class User(NamedTuple):
    login: str
    password: str
    is_system: bool = False


RECADO = User("recado", "a-password-of-nobody")
ADMIN = User("admin", "an-admin-password-of-nobody", is_system=True)


class Calling(NamedTuple):
    """A call under way: who calls a model, and in what context."""

    world: Any
    user: User
    model: str
    context: dict

    @property
    def fields(self):
        return self.world.models[self.model]

    @property
    def rows(self):
        return self.world.tables[self.model]

    def may(self, operation, model=None):
        return self.user.is_system or operation in self.world.rights.get(model or self.model, ())

    def check(self, operation, model=None):
        if not self.may(operation, model):
            raise no_access(model or self.model)


PARTNER_FIELDS = {
    "name": "char",
    "phone": "char",
    "mobile": "char",
    "phone_sanitized": "char",
    "commercial_partner_id": "many2one:res.partner",
}
MODULE_FIELDS = {
    "name": "char",
    "state": "selection",
    "latest_version": "char",
    "installed_version": "char",
}


class World:
    """An Odoo of one generation, new."""

    def __init__(self, generation):
        self.generation = generation
        self.database = DATABASE
        self.users = {2: ADMIN, 7: RECADO}
        self.lock = threading.RLock()
        self.ended = threading.Event()
        self.calls = []
        self.faults = []
        self.shown_at_once = []
        self.models = {
            "res.users": {"login": "char"},
            "res.partner": PARTNER_FIELDS | chatroom.PARTNER_FIELDS,
            "mail.message": {"body": "html", "res_id": "integer"},
            "ir.module.module": MODULE_FIELDS,
            **chatroom.models(generation),
        }
        self.tables = {model: {} for model in self.models}
        self.last_id = 0
        basic = {"read", "write", "create"}
        self.rights = {
            "res.partner": basic,
            "acrux.chat.connector": {"read"},
            "acrux.chat.conversation": basic,
            "acrux.chat.message": basic,
        }
        chatroom.install(self)

    # ------------------------------------------------------------ calls

    def fault_for(self, method):
        """Return the fault that the next call of a method meets, or none."""
        for fault in self.faults:
            if fault.get("method") in {None, method}:
                fault["times"] = fault.get("times", 1) - 1
                if fault["times"] <= 0:
                    self.faults.remove(fault)
                return fault
        return {}

    def call(self, user, model, method, args, kwargs):
        if model not in self.models:
            raise OdooError("odoo.exceptions.UserError", f"Object {model} doesn't exist")
        found = chatroom.METHODS.get((model, method)) or METHODS.get(method)
        if found is None:
            message = f"type object '{model}' has no attribute '{method}'"
            raise OdooError("builtins.AttributeError", message)
        kwargs = dict(kwargs)
        return found(Calling(self, user, model, kwargs.pop("context", {})), *args, **kwargs)

    # ------------------------------------------------------------ records

    def set_fields(self, model, fields):
        """Give a model other fields, of these kinds; None takes one away."""
        for name, kind in fields.items():
            if kind is None:
                del self.models[model][name]
            else:
                self.models[model][name] = kind

    def create(self, model, values):
        chatroom.check_new(self, model, values)
        self.check_fields(model, values)
        self.last_id += 1
        row = dict.fromkeys(self.models[model], False) | {"id": self.last_id}
        row |= chatroom.defaults(self, model) | values
        if model == "res.partner":
            row["commercial_partner_id"] = values.get("commercial_partner_id") or row["id"]
        self.tables[model][row["id"]] = row
        return row["id"]

    def check_fields(self, model, names):
        for name in names:
            if name not in self.models[model] and name != "id":
                message = f"Invalid field '{name}' on model '{model}'"
                raise OdooError("builtins.ValueError", message)

    def search(self, model, domain):
        return [row for row in self.tables[model].values() if self.matches(model, row, domain)]

    def matches(self, model, row, domain):
        stack = []
        for term in reversed(domain):
            if term == "!":
                stack.append(not stack.pop())
            elif isinstance(term, str):
                one, other = stack.pop(), stack.pop()
                stack.append((one and other) if term == "&" else (one or other))
            else:
                stack.append(self.holds(model, row, *term))
        return all(stack)

    def holds(self, model, row, path, operator, value):
        name, _, rest = path.partition(".")
        self.check_fields(model, [name])
        if rest:
            other = self.models[model][name].partition(":")[2]
            linked = self.tables[other].get(row[name])
            return linked is not None and self.holds(other, linked, rest, operator, value)
        return OPERATORS[operator](row[name], value)

    def shown(self, model, row, names):
        """Return a record as ``read`` does: of another record, its id and name."""
        found = {"id": row["id"]}
        for name in names:
            kind, _, other = self.models[model].get(name, "").partition(":")
            value = row[name]
            if kind == "many2one" and value:
                linked = self.tables.get(other, {}).get(value, {})
                value = [value, linked.get("name") or f"{other},{value}"]
            found[name] = value
        return found

    def take_webhook(self, uuid, rest, params):
        return chatroom.take_webhook(self, uuid, rest, params)


def like(held, pattern):
    if not isinstance(held, str):
        return False
    escaped = re.sub(r"([*?\[])", r"[\1]", pattern)
    return fnmatchcase(held, escaped.replace("%", "*").replace("_", "?"))


OPERATORS = {
    "=": lambda held, value: held == value,
    "!=": lambda held, value: held != value,
    "in": lambda held, value: held in value,
    "not in": lambda held, value: held not in value,
    "=like": like,
    "like": lambda held, value: like(held, f"%{value}%"),
    "ilike": lambda held, value: like(str(held or "").lower(), f"%{value.lower()}%"),
}


# ---------------------------------------------------------------- the methods of every model


def search_read(it, domain=(), fields=None, limit=None):
    it.check("read")
    names = fields or list(it.fields)
    it.world.check_fields(it.model, names)
    hides = "active" in it.fields and it.context.get("active_test", True)
    rows = [row for row in it.world.search(it.model, domain) if not hides or row["active"]]
    return [it.world.shown(it.model, row, names) for row in rows[:limit]]


def search_count(it, domain=()):
    return len(search_read(it, domain, ["id"]))


def create(it, values):
    it.check("create")
    return it.world.create(it.model, values)


def write(it, ids, values):
    it.check("write")
    it.world.check_fields(it.model, values)
    for id_ in ids:
        if id_ not in it.rows:
            raise OdooError("odoo.exceptions.MissingError", "Record does not exist")
        it.rows[id_].update(values)
    return True


def fields_get(it, names=None, attributes=None):
    found = {}
    for name, described in {"id": "integer", **it.fields}.items():
        kind, _, rest = described.partition(":")
        said = {"type": kind, "searchable": rest != "unsearchable", "readonly": rest == "readonly"}
        if not names or name in names:
            found[name] = {key: said[key] for key in attributes or said}
    return found


def check_access_rights(it, operation, raise_exception=True):  # noqa: FBT002  # Odoo's own
    if raise_exception:
        it.check(operation)
    return it.may(operation)


def context_get(_it):
    return {"lang": "pt_BR", "tz": "America/Sao_Paulo"}


def message_post(it, ids, *, body="", message_type="notification", subtype_xmlid=None):
    it.check("write")
    if message_type != "comment" or subtype_xmlid != "mail.mt_note":
        raise OdooError("builtins.ValueError", "this would be sent to the followers")
    return it.world.create("mail.message", {"body": body, "res_id": ids[0]})


METHODS = {
    "search_read": search_read,
    "search_count": search_count,
    "create": create,
    "write": write,
    "fields_get": fields_get,
    "check_access_rights": check_access_rights,
    "context_get": context_get,
    "message_post": message_post,
}
