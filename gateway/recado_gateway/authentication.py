"""API keys: who calls, and what the key allows."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope
from recado_core.engine.keys import ApiKey
from recado_core.engine.runtime import Engine

from recado_gateway.failures import ForbiddenError, UnauthenticatedError
from recado_gateway.requests import find_header

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

IMPLIED: dict[str, frozenset[str]] = {
    "messages:send": frozenset({"messages:send", "manage", "admin"}),
    "messages:read": frozenset({"messages:read", "manage", "admin"}),
    "manage": frozenset({"manage", "admin"}),
    "admin": frozenset({"admin"}),
}
"""The scopes of which any one allows what the key of the table allows."""


def needs(scope: str) -> Guard:
    """Return a guard that lets through who has this scope, or one that implies it."""
    sufficient = IMPLIED[scope]

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        key = await authenticate(connection)
        if sufficient.isdisjoint(key.scopes):
            raise ForbiddenError(scope)
        connection.scope["auth"] = key

    return guard


async def authenticate(connection: Connection) -> ApiKey:
    """Return the API key that a request came with.

    Raises:
        UnauthenticatedError: It came with none, or with one that is unknown or revoked.
    """
    token = bearer_token(connection.scope)
    if not token:
        raise UnauthenticatedError("send an API key as Authorization: Bearer <key>", "Bearer")
    engine: Engine = connection.app.state.engine
    key = await engine.keys.authenticate(token)
    if key is None:
        raise UnauthenticatedError(
            "this API key is unknown or revoked", 'Bearer error="invalid_token"'
        )
    return key


def bearer_token(scope: Scope) -> str:
    """Return the token in the Authorization header, or nothing."""
    scheme, _, token = (find_header(scope, b"authorization") or b"").partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
