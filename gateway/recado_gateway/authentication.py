"""API keys: who calls, and what the key allows."""

from collections.abc import Awaitable, Callable

from recado_core.engine.clients.keys import ApiKey
from recado_core.engine.runtime import Engine

from recado_gateway.failures import ForbiddenError, UnauthenticatedError
from recado_gateway.requests import Request

Check = Callable[[Request], Awaitable[None]]

IMPLIED: dict[str, frozenset[str]] = {
    "messages:send": frozenset({"messages:send", "manage", "admin"}),
    "messages:read": frozenset({"messages:read", "manage", "admin"}),
    "manage": frozenset({"manage", "admin"}),
    "admin": frozenset({"admin"}),
}
"""The scopes of which any one allows what the key of the table allows."""


def needs(scope: str) -> Check:
    """Return what lets through a request whose key has this scope, or one that implies it."""
    sufficient = IMPLIED[scope]

    async def check(request: Request) -> None:
        key = await authenticate(request)
        if sufficient.isdisjoint(key.scopes):
            raise ForbiddenError(scope)
        request.auth = key

    return check


async def authenticate(request: Request) -> ApiKey:
    """Return the API key that a request came with.

    Raises:
        UnauthenticatedError: It came with none, or with one that is unknown or revoked.
    """
    token = bearer_token(request)
    if not token:
        raise UnauthenticatedError("send an API key as Authorization: Bearer <key>", "Bearer")
    engine: Engine = request.app.state.engine
    key = await engine.keys.authenticate(token)
    if key is None:
        raise UnauthenticatedError(
            "this API key is unknown or revoked", 'Bearer error="invalid_token"'
        )
    return key


def bearer_token(request: Request) -> str:
    """Return the token in the Authorization header, or nothing."""
    scheme, _, token = request.headers.get(b"authorization", b"").partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
