"""The declaration of one call of the HTTP API, from which routing and documentation are made."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, cast

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.http_handlers import route
from litestar.types import ASGIApp, HTTPScope, Method, Receive, Scope, Send
from recado_core.engine.clients.idempotency import Answer
from recado_core.engine.runtime import Engine

from recado_gateway.authentication import needs
from recado_gateway.problems import tell_failure
from recado_gateway.requests import BODY_LIMIT, Request
from recado_gateway.responses import Response

MEGABYTE = 1024 * 1024
FILE_LIMIT = 256 * MEGABYTE
"""The longest body that is a file."""
REPLAYED = {"Idempotency-Replayed": "true"}
OPTION = "endpoint"
"""Under which a handler's options hold its ``Endpoint``."""


T = TypeVar("T")


class Listing(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A list that fits on one page."""

    items: list[T]
    next_cursor: str | None = None


PROVIDER_PROBLEMS = ("provider-refused", "provider-failure", "provider-unavailable")
"""The ends of the problem types of a call that asks the provider."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One call: who may make it, what it takes, what it answers.

    ``body``, ``query`` and ``answer`` are the types that the schema shows, ``example`` a body.
    ``body_types`` are what a body of bytes may come as, where that matters.
    ``statuses`` are those that the answer may have beside ``status``, ``media_types`` what it may
    come as, ``problems`` the ends of the problem types that do not follow from the rest.
    """

    tag: str
    scope: str | None = None
    body: Any = None
    body_needed: bool = True
    body_types: tuple[str, ...] = ()
    example: Any = None
    query: type[msgspec.Struct] | None = None
    answer: Any = None
    status: int = 200
    statuses: tuple[int, ...] = ()
    media_types: tuple[str, ...] = ("application/json",)
    idempotent: bool = False
    problems: tuple[str, ...] = ()


Function = Callable[..., Awaitable[ASGIApp]]
"""Takes a request and the parameters of its path, and returns what sends the answer."""


def endpoint(
    method: Method, path: str, declared: Endpoint, *, body_limit: int = MEGABYTE
) -> Callable[[Function], HTTPRouteHandler]:
    """Make a route of a function that reads the request itself and returns what is to be sent."""

    def make(function: Function) -> HTTPRouteHandler:
        call = Call(function, declared.scope)
        declare = route(
            path,
            http_method=method,
            middleware=[lambda app: call],  # noqa: ARG005  # Litestar names it so
            opt={OPTION: declared, BODY_LIMIT: body_limit},
            status_code=200,  # said of no answer: the function's own is sent as it is
            include_in_schema=False,  # the schema is made in recado_gateway.openapi
        )
        return declare(_stand_in(function))

    return make


def _stand_in(function: Function) -> Callable[[], Awaitable[None]]:
    """Return what Litestar sees of a function: its name and what it says of itself."""

    async def unreached() -> None:
        """Stand where the call answers before it comes to this."""

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(unreached, name, getattr(function, name))
    return unreached


class Call:
    """One call as an ASGI application, which stands where Litestar would call the function.

    Nothing that Litestar does around a function is needed by any of these, and it takes longer than
    they do.
    """

    def __init__(self, function: Function, scope: str | None) -> None:
        self._function = function
        self._check = needs(scope) if scope else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that was found to be this call's."""
        request = Request(cast("HTTPScope", scope), receive)
        try:
            if self._check is not None:
                await self._check(request)
            answer = await self._function(request, **scope["path_params"])
        except Exception as error:  # noqa: BLE001  # whatever it is, the client is told
            answer = tell_failure(scope, error)
        await answer(scope, receive, send)


def engine_of(request: Request) -> Engine:
    """Return the engine behind the application."""
    engine: Engine = request.app.state.engine
    return engine


def answer_with(
    value: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Answer with a value as JSON."""
    return Response(msgspec.json.encode(value), status, headers or {})


def answer_once(answer: Answer) -> Response:
    """Answer a call that creates, and say so when it is the first call's answer again."""
    return Response(answer.body, answer.status, REPLAYED if answer.replayed else {})
