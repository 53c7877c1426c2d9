"""What the gateway raises for a request that it refuses before the engine sees it.

* RecadoError (``recado_core.errors``)
  + RequestError: a request that the gateway refuses
    x UnauthenticatedError: no API key, or one that is not known
    x ForbiddenError: the API key lacks the scope
    x MalformedRequestError: a body that is no JSON, or that ends too early
    x MalformedKeyError: an ``Idempotency-Key`` that can't be one
    x BodyTooLargeError: a body that is longer than the call allows
    x BodyTypeError: a body that does not claim to be what the call takes
    x StorageFullError: a body that is a file, for which there is no room
    x InvalidRequestError: a body or a query whose fields are not what they should be
"""

from recado_core.engine.failures import Fault
from recado_core.errors import RecadoError


class RequestError(RecadoError):
    """A request that the gateway refuses before the engine sees it."""


class UnauthenticatedError(RequestError):
    """There is no API key, or one that is not known."""

    def __init__(self, text: str, challenge: str) -> None:
        super().__init__(text)
        self.challenge = challenge


class ForbiddenError(RequestError):
    """The API key lacks the scope that this needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this needs an API key with the scope {scope}")
        self.scope = scope


class MalformedRequestError(RequestError):
    """The body is no JSON, or ends too early."""


class MalformedKeyError(RequestError):
    """The ``Idempotency-Key`` can't be one."""


class BodyTooLargeError(RequestError):
    """The body is longer than the call allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body may have {limit} bytes at most")


class BodyTypeError(RequestError):
    """The body does not claim to be what the call takes."""


class StorageFullError(RequestError):
    """There is no room for a body that is a file."""


class InvalidRequestError(RequestError):
    """Fields of the body or of the query are not what they should be."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults))
        self.faults = faults
