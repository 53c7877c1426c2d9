"""What Odoo's exceptions mean: each ends as a ``SendError`` that says what to do."""

import re
from typing import Any

import msgspec
from recado_core import (
    AccountError,
    PermanentSendError,
    SendError,
    TransientSendError,
    UnreachableError,
)
from recado_core.http import RAW_KEPT

from recado_acrux_chatroom import wire

# The class of an exception in Odoo: what it becomes. A call that is well formed and yet breaks
# Odoo's code, as do ``builtins.…``, will break it again.
REFUSALS = (
    "odoo.exceptions.UserError",
    "odoo.exceptions.ValidationError",
    "odoo.exceptions.RedirectWarning",
    "odoo.exceptions.Warning",
    "odoo.exceptions.except_orm",
    "builtins.",
    "psycopg2.errors.UniqueViolation",
    "psycopg2.errors.NotNullViolation",
    "psycopg2.IntegrityError",
)
ACCESS_DENIED = "odoo.exceptions.AccessDenied"
ACCESS_ERROR = "odoo.exceptions.AccessError"
DATABASE_ERRORS = ("psycopg2.OperationalError", "psycopg2.errors.InvalidCatalogName")

WRONG_LOGIN = "Odoo does not know this login and password in this database"
NO_ANSWER = "an answer that is none of Odoo's RPC: is `odoo_url` right?"

_is_absence = re.compile(
    r"does not exist|n[ãa]o existe|no existe|n.existe pas", re.IGNORECASE
).search
"""PostgreSQL's word for a database that is not there, in the languages of its messages here."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call of Odoo's RPC; ``operation`` is the right on the model that it needs."""

    model: str
    method: str
    operation: str

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.operation != "read"


LOGIN = Call(model="res.users", method="login", operation="read")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An exception of Odoo's, by its class and message; its traceback is left unread."""

    name: str = ""
    message: str = ""

    @property
    def is_access_error(self) -> bool:
        """Whether a right is missing, on the model or on this one record."""
        return self.name == ACCESS_ERROR


def read_fault(info: object) -> Fault:
    """Return what the ``info`` of an ``odoorpc.error.RPCError`` says."""
    try:
        said = msgspec.convert(info, wire.RpcError)
    except msgspec.ValidationError:
        return Fault()
    cause = said.data or wire.RpcErrorData()
    return Fault(name=cause.name, message=cause.message or said.message)


def error_for(fault: Fault, call: Call) -> SendError:
    """Return the error that an exception of Odoo's means, a missing right aside."""
    said: dict[str, Any] = {"code": fault.name or None, "raw": _raw(fault)}
    if fault.name == ACCESS_DENIED:
        return AccountError(WRONG_LOGIN, **said)
    if fault.name in DATABASE_ERRORS:
        return _database_error(fault, said)
    if call.model in fault.message and fault.name.endswith(("UserError", "KeyError")):
        # "Object … doesn't exist", in the user's language
        return AccountError(f"this Odoo has no {call.model}: is the addon installed?", **said)
    text = f"Odoo refused {call.method} of {call.model}: {_first_line(fault)}"
    if fault.name.startswith(REFUSALS):
        return PermanentSendError(text, **said)
    # The transaction was rolled back; but the addon commits in the midst of some.
    return TransientSendError(text, **said, possibly_taken=call.writes)


def right_error(fault: Fault, call: Call, *, granted: bool) -> SendError:
    """Return the error for a missing right: on one record, or on all of the model."""
    raw = _raw(fault)
    if granted:
        text = f"Odoo's rules keep this record of {call.model} from the RPC user"
        return PermanentSendError(text, code=fault.name, raw=raw)
    text = f"the RPC user may not {call.operation} {call.model}"
    return AccountError(text, code=fault.name, raw=raw)


def _database_error(fault: Fault, said: dict[str, Any]) -> SendError:
    if fault.name == DATABASE_ERRORS[1] or _is_absence(fault.message):
        return AccountError("Odoo has no database of this name", **said)
    return UnreachableError("Odoo has no connection to its database", **said)


def _first_line(fault: Fault) -> str:
    return fault.message.strip().partition("\n")[0] or fault.name or "it does not say why"


def _raw(fault: Fault) -> str:
    return f"{fault.name}: {fault.message}"[:RAW_KEPT]
