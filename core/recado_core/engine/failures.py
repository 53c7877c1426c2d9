"""What the engine raises to its caller.

* RecadoError (``recado_core.errors``)
  + DraftError: a message to send that can't be accepted; it says which fields and why
  + NotFoundError: there is no such message, account, key, webhook address
  + ConflictError: the thing's present state does not allow this
  + IdempotencyMismatchError: the same key came with another body
  + IdempotencyRunningError: the first call with this key is not finished
  + UnsupportedError: the account's provider does not offer this
  + SchemaError: the database's schema is not the one this version needs
"""

import msgspec

from recado_core.errors import RecadoError


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request: a JSON pointer (RFC 6901) to it, and what is wrong."""

    pointer: str
    detail: str


class DraftError(RecadoError):
    """A message to send that can't be accepted."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults))
        self.faults = faults


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
