"""What the engine raises to its caller, and what is wrong with a request, field by field.

* RecadoError (``recado_core.errors``)
  + DraftError: a message to send that can't be accepted; it says which fields and why
  + NotFoundError: there is no such message, account, key, webhook address
  + ConflictError: the thing's present state does not allow this
  + IdempotencyMismatchError: the same key came with another body
  + IdempotencyRunningError: the first call with this key is not finished
  + UnsupportedError: the account's provider does not offer this
  + SchemaError: the database's schema is not the one this version needs
  + UnavailableError: the database can't be reached now
"""

import re

import msgspec

from recado_core.errors import RecadoError


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request: a JSON pointer (RFC 6901) to it, and what is wrong."""

    pointer: str
    detail: str


class DraftError(RecadoError):
    """A message to send that can't be accepted.

    Args:
        faults: What is wrong with it.
        code: The same as a word, where the channel has one.
    """

    def __init__(self, faults: list[Fault], *, code: str | None = None) -> None:
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults))
        self.faults = faults
        self.code = code


class NotFoundError(RecadoError):
    """There is no such thing."""


class ConflictError(RecadoError):
    """The thing's present state does not allow this."""


class IdempotencyMismatchError(RecadoError):
    """The same idempotency key came with another body."""


class IdempotencyRunningError(RecadoError):
    """The first call with this idempotency key is not finished."""


class UnsupportedError(RecadoError):
    """The account's provider does not offer this."""


class SchemaError(RecadoError):
    """The database's schema is not the one this version needs."""


class UnavailableError(RecadoError):
    """The database can't be reached now."""


_PATH_STEPS = re.compile(r"\.([^.\[`]+)|\[(\d+)\]")
_KEY_FAULT = re.compile(r"Object (?:contains unknown|missing required) field `(.*?)`", re.DOTALL)


def fault_of(error: msgspec.ValidationError) -> Fault:
    """Return what msgspec found wrong, and a JSON pointer (RFC 6901) to it.

    Its ``$.messages[3].to`` becomes ``/messages/3/to``; a field that is missing or unknown is
    pointed at itself, not the object that lacks or has it.
    """
    text, _, path = str(error).rpartition(" - at `$")
    if not text:
        text, path = path, ""
    path = path.partition("[...]")[0]  # from there on it does not say where
    pointer = "".join(f"/{name or index}" for name, index in _PATH_STEPS.findall(path))
    if found := _KEY_FAULT.match(text):
        pointer += "/" + found[1].replace("~", "~0").replace("/", "~1")
        text = "unknown field" if "unknown" in text[:30] else "missing"
    return Fault(pointer=pointer, detail=text.replace("`", ""))
