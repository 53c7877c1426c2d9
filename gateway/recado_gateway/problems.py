"""What a client is told when a request fails: RFC 9457 problem details, from one table."""

import logging
import math
from typing import Any

import msgspec
from litestar import Request
from litestar import Response as LitestarResponse
from litestar.exceptions import HTTPException
from litestar.types import Scope
from recado_core.engine.failures import (
    ConflictError,
    DraftError,
    Fault,
    IdempotencyMismatchError,
    IdempotencyRunningError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from recado_core.errors import (
    MalformedWebhookError,
    PermanentSendError,
    RecadoError,
    SendError,
    TransientSendError,
    WebhookRefusedError,
)

from recado_gateway.failures import (
    BodyTooLargeError,
    BodyTypeError,
    ForbiddenError,
    InvalidRequestError,
    MalformedKeyError,
    MalformedRequestError,
    StorageFullError,
    UnauthenticatedError,
)
from recado_gateway.requests import request_id
from recado_gateway.responses import Response

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong, as RFC 9457 has it.

    ``type`` is a reference to the kind's page, ``detail`` says what happened this time, ``errors``
    name the fields of an invalid request, ``provider_code`` is a provider's own code of its
    failure.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None
    provider_code: str | None = None


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of problem; ``slug`` is the end of its ``type``."""

    slug: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """The URI reference that names the kind."""
        return f"/problems/{self.slug}"


def _kind(slug: str, status: int, title: str, meaning: str) -> Kind:
    return Kind(slug=slug, status=status, title=title, meaning=meaning)


INTERNAL = _kind(
    "internal",
    500,
    "Internal error",
    "The gateway failed. The log has the cause under the request's X-Request-Id.",
)
BAD_REQUEST = _kind(
    "bad-request",
    400,
    "Bad request",
    "The request breaks HTTP's own rules, in its Host or Content-Length header for instance.",
)
NOT_FOUND = _kind(
    "not-found",
    404,
    "Not found",
    "There is nothing at this address, or no such message, conversation, account, sink, key, "
    "suppression, list, link or webhook address.",
)

KINDS: dict[type[Exception], Kind] = {
    MalformedRequestError: _kind(
        "malformed-body",
        400,
        "Malformed body",
        "The body is no JSON, or ended before it was complete.",
    ),
    MalformedKeyError: _kind(
        "malformed-idempotency-key",
        400,
        "Malformed Idempotency-Key",
        "An Idempotency-Key has 1 to 255 visible ASCII characters, and is given once.",
    ),
    MalformedWebhookError: _kind(
        "malformed-webhook",
        400,
        "Malformed webhook",
        "The body of a provider's webhook can't be read.",
    ),
    UnauthenticatedError: _kind(
        "unauthenticated",
        401,
        "API key needed",
        "There is no API key in the Authorization header, or one that is unknown or revoked.",
    ),
    ForbiddenError: _kind(
        "forbidden",
        403,
        "Scope missing",
        "The API key is good, and lacks the scope that detail names.",
    ),
    WebhookRefusedError: _kind(
        "webhook-refused",
        403,
        "Webhook refused",
        "The signature of a provider's webhook is missing or wrong.",
    ),
    NotFoundError: NOT_FOUND,
    UnavailableError: _kind(
        "unavailable",
        503,
        "Database unavailable",
        "The database can't be reached now. What was asked may have been done: try again with the "
        "same Idempotency-Key.",
    ),
    ConflictError: _kind(
        "conflict",
        409,
        "Not possible in this state",
        "The present state of the message, account or key does not allow this.",
    ),
    IdempotencyRunningError: _kind(
        "idempotency-running",
        409,
        "First call still running",
        "The first call with this Idempotency-Key is not answered yet. Repeat the call later.",
    ),
    UnsupportedError: _kind(
        "unsupported",
        409,
        "Not offered by the provider",
        "The account's provider does not offer this.",
    ),
    BodyTooLargeError: _kind(
        "too-large",
        413,
        "Body too large",
        "A body has at most 1 MB; a batch of messages or of recipients to check 16 MB, a webhook "
        "or a business system's call 2 MB, a file 256 MB.",
    ),
    BodyTypeError: _kind(
        "unsupported-media-type",
        415,
        "Unsupported media type",
        "The body must be application/json, or text/csv (for recipients, also "
        "application/x-ndjson) where a file is wanted, and not compressed.",
    ),
    InvalidRequestError: _kind(
        "invalid",
        422,
        "Invalid request",
        "The request was understood, and errors name what is wrong: in the body by a JSON pointer, "
        "in the query by a slash and the parameter's name, in a file by its line and column.",
    ),
    IdempotencyMismatchError: _kind(
        "idempotency-mismatch",
        422,
        "Idempotency-Key reused",
        "This Idempotency-Key came before with another request. Use a new key for a new request.",
    ),
    PermanentSendError: _kind(
        "provider-refused",
        422,
        "Refused by the provider",
        "The provider was asked and refuses this request; detail is in its words, provider_code "
        "its own code, if it gave one.",
    ),
    TransientSendError: _kind(
        "provider-unavailable",
        503,
        "Provider unavailable",
        "The provider can't answer now, or wants fewer calls. Retry-After says when it wants to be "
        "asked again, if it said so.",
    ),
    SendError: _kind(
        "provider-failure",
        502,
        "Provider failed",
        "The provider refuses the account (its credentials, its balance), or gave no answer that "
        "can be read; then what was asked may have been done.",
    ),
    StorageFullError: _kind(
        "storage-full",
        507,
        "No room for the file",
        "The disk of the gateway has no room for the file. Nothing was changed.",
    ),
    Exception: INTERNAL,
}
KINDS[DraftError] = KINDS[InvalidRequestError]

# What Litestar raises by itself.
STATUS_KINDS: dict[int, Kind] = {
    400: BAD_REQUEST,
    404: NOT_FOUND,
    405: _kind(
        "method-not-allowed",
        405,
        "Method not allowed",
        "The address is right and the method is not; Allow lists those that are.",
    ),
}


def all_kinds() -> list[Kind]:
    """Return every kind of problem, by status."""
    found = {kind.slug: kind for kind in (*KINDS.values(), *STATUS_KINDS.values())}
    return sorted(found.values(), key=lambda kind: (kind.status, kind.slug))


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> LitestarResponse[bytes]:
    """Answer a request that failed before it reached a call, as Litestar wants it answered."""
    told = tell_failure(request.scope, error)
    return LitestarResponse(
        told.body, status_code=told.status, media_type=told.media_type, headers=told.headers
    )


def tell_failure(scope: Scope, error: Exception) -> Response:
    """Return what is told of a request that failed."""
    kind = kind_of(error)
    if kind is INTERNAL:
        log.error(
            "request failed",
            exc_info=error,
            # The template, because the path of a webhook holds its token.
            extra={"request_id": request_id(scope), "route": _route_of(scope)},
        )
    problem = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail_of(error, kind),
        errors=getattr(error, "faults", None),
        provider_code=error.code if isinstance(error, SendError) else None,
    )
    return Response(msgspec.json.encode(problem), kind.status, headers_for(error), MEDIA_TYPE)


def kind_of(error: Exception) -> Kind:
    """Return the kind of problem that an exception is to the client."""
    if isinstance(error, HTTPException):
        return STATUS_KINDS.get(error.status_code, INTERNAL)
    return next(KINDS[parent] for parent in type(error).__mro__ if parent in KINDS)


def detail_of(error: Exception, kind: Kind) -> str:
    """Return what a client may know of an exception: ours are written to be read, others not."""
    return str(error) if isinstance(error, RecadoError) and kind is not INTERNAL else kind.meaning


def headers_for(error: Exception) -> dict[str, str]:
    """Return the headers that go with the answer to an exception."""
    match error:
        case UnauthenticatedError():
            return {"WWW-Authenticate": error.challenge}
        case ForbiddenError():
            return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.scope}"'}
        case TransientSendError(retry_after=seconds) if seconds is not None:
            return {"Retry-After": str(math.ceil(seconds))}
        case IdempotencyRunningError():
            return {"Retry-After": "1"}
        case HTTPException(headers=dict(headers)):
            return {name.title(): value for name, value in headers.items()}
    return {}


def _route_of(scope: Scope) -> str:
    return f"{scope.get('method')} {scope.get('path_template', '')}"
