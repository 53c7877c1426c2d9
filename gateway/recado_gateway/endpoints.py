"""The declaration of one call of the HTTP API, from which routing and documentation are made."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.http_handlers import route
from litestar.response.base import ASGIResponse
from litestar.types import Method
from recado_core.engine.clients.idempotency import Answer
from recado_core.engine.runtime import Engine

from recado_gateway.authentication import needs
from recado_gateway.requests import BODY_LIMIT, Request

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


def endpoint(
    method: Method, path: str, declared: Endpoint, *, body_limit: int = MEGABYTE
) -> Callable[[Callable[..., Awaitable[ASGIResponse]]], HTTPRouteHandler]:
    """Make a route of a function that reads the request itself and returns what is to be sent."""
    return route(
        path,
        http_method=method,
        # not as a guard, for each of which Litestar copies the handler at every call
        before_request=needs(declared.scope) if declared.scope else None,
        opt={OPTION: declared, BODY_LIMIT: body_limit},
        status_code=200,  # said of no answer: the function's own is sent as it is
        include_in_schema=False,  # the schema is made in recado_gateway.openapi
    )


def engine_of(request: Request) -> Engine:
    """Return the engine behind the application."""
    engine: Engine = request.app.state.engine
    return engine


def answer_with(
    value: object, status: int = 200, headers: dict[str, str] | None = None
) -> ASGIResponse:
    """Answer with a value as JSON."""
    return ASGIResponse(body=msgspec.json.encode(value), status_code=status, headers=headers)


def answer_once(answer: Answer) -> ASGIResponse:
    """Answer a call that creates, and say so when it is the first call's answer again."""
    return ASGIResponse(
        body=answer.body,
        status_code=answer.status,
        headers=REPLAYED if answer.replayed else None,
    )
