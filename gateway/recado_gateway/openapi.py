"""The description of the HTTP API: an OpenAPI 3.1 document, and pages made of it for people."""

import inspect
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.http_handlers import get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.routes import HTTPRoute
from recado_core.engine.failures import NotFoundError

from recado_gateway.documentation import problem_page, schema_page
from recado_gateway.endpoints import OPTION, Endpoint
from recado_gateway.problems import MEDIA_TYPE, Problem, all_kinds
from recado_gateway.schemas import schemas_of

Json = dict[str, Any]
Shown = dict[Any, Json]  # the schema of each type that calls take or answer

JSON = "application/json"
DOCUMENTS = "documents"
"""Under which the application's state holds its ``Documents``."""
DISTRIBUTION = "recado-gateway"
DESCRIPTION = (
    "One API in front, SMS and other channels behind. Errors are RFC 9457 problem details; lists "
    "are read page by page with `limit` and `cursor`; times are RFC 3339 with an offset; unknown "
    "fields are refused."
)
REDIRECTS = range(300, 400)
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "The client's name for this call, kept 24 hours: the same key and body is answered as the "
        "first time, with Idempotency-Replayed: true."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class Documents(msgspec.Struct, frozen=True):
    """What is served of the description: the document, and the page made of it."""

    schema: bytes
    page: bytes


def documents_of(app: Litestar) -> Documents:
    """Return the description of every declared call of an application, made when first asked."""
    found: Documents | None = app.state.get(DOCUMENTS)
    if found is None:
        document = make_document(app)
        found = Documents(schema=msgspec.json.encode(document), page=schema_page(document))
        app.state[DOCUMENTS] = found
    return found


def make_document(app: Litestar) -> Json:
    """Return the OpenAPI document of an application."""
    calls = list(_declared(app))
    types = _types_of(declared for _, _, declared in calls)
    references, schemas = schemas_of(types)
    shown = dict(zip(types, references, strict=True))
    paths: Json = {}
    for route, handler, declared in calls:
        operation = _operation(route, handler, declared, shown, schemas)
        for method in handler.http_methods:
            paths.setdefault(route.path_format, {})[method.lower()] = operation
    for _, _, declared in calls:
        if declared.query is not None:  # shown as parameters, and nowhere else
            schemas.pop(declared.query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Recado", "version": version(DISTRIBUTION), "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(declared.tag for _, _, declared in calls)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key; `recado keys create` makes one.",
                }
            },
        },
    }


def _declared(app: Litestar) -> Iterator[tuple[HTTPRoute, HTTPRouteHandler, Endpoint]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if OPTION in handler.opt:
                    yield route, handler, handler.opt[OPTION]


def _types_of(declared: Iterable[Endpoint]) -> list[Any]:
    found: dict[Any, None] = {Problem: None}
    for one in declared:
        found |= dict.fromkeys((one.body, one.query, one.answer))
    return [kind for kind in found if kind not in (None, bytes)]


def _operation(
    route: HTTPRoute, handler: HTTPRouteHandler, declared: Endpoint, shown: Shown, schemas: Json
) -> Json:
    summary, _, description = (inspect.getdoc(handler.fn) or "").partition("\n\n")
    operation: Json = {
        "operationId": handler.fn.__name__,
        "summary": summary.rstrip("."),
        "tags": [declared.tag],
        "security": [{"api_key": [declared.scope]}] if declared.scope else [],
        "responses": _responses(declared, shown) | _failures(route, declared, shown),
    }
    if declared.scope:
        description = f"{description}\n\nNeeds the scope `{declared.scope}`.".strip()
    if description:
        operation["description"] = description
    if parameters := _parameters(route, declared, schemas):
        operation["parameters"] = parameters
    if declared.body is not None:
        operation["requestBody"] = _request_body(declared, shown)
    return operation


def _parameters(route: HTTPRoute, declared: Endpoint, schemas: Json) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in route.path_parameters
    ]
    if declared.query is not None:
        shape = schemas[declared.query.__name__]
        found += [
            {
                "name": name,
                "in": "query",
                "required": name in shape.get("required", ()),
                "schema": _without_null(schema),
            }
            for name, schema in shape["properties"].items()
        ]
    return [*found, KEY_HEADER] if declared.idempotent else found


def _without_null(schema: Json) -> Json:
    """Return the schema of a parameter: absent it may be, null it can't."""
    given: list[Json] = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(given) != 1:
        return schema
    return given[0] | {name: value for name, value in schema.items() if name == "description"}


def _request_body(declared: Endpoint, shown: Shown) -> Json:
    if declared.body_types:
        file: Json = {each: {"schema": {"type": "string"}} for each in declared.body_types}
        file[declared.body_types[0]]["example"] = declared.example
        return {"required": True, "content": file}
    if declared.body is bytes:
        return {"required": declared.body_needed, "content": {"*/*": {}}}
    content: Json = {"schema": shown[declared.body]}
    if declared.example is not None:
        content["example"] = declared.example
    return {"required": declared.body_needed, "content": {JSON: content}}


def _responses(declared: Endpoint, shown: Shown) -> Json:
    headers: Json = {"X-Request-Id": {"schema": {"type": "string"}}}
    if declared.idempotent:
        headers["Idempotency-Replayed"] = {
            "description": "Set to true when this is the first call's answer again.",
            "schema": {"type": "string", "const": "true"},
        }
    if declared.status in REDIRECTS:
        headers["Location"] = {"required": True, "schema": {"type": "string", "format": "uri"}}
    response: Json = {"headers": headers}
    if declared.answer is not None:
        schema = shown[declared.answer]
        response["content"] = {each: {"schema": schema} for each in declared.media_types}
    return {
        str(status): {"description": HTTPStatus(status).phrase, **response}
        for status in (declared.status, *declared.statuses)
    }


def _failures(route: HTTPRoute, declared: Endpoint, shown: Shown) -> Json:
    slugs = {*declared.problems, "internal"}
    if declared.scope:
        slugs |= {"unauthenticated", "forbidden", "unavailable"}
    if declared.body is not None:
        slugs |= {"malformed-body", "too-large"}
        any_type = declared.body is bytes and not declared.body_types
        slugs |= set() if any_type else {"unsupported-media-type", "invalid"}
    if declared.query is not None:
        slugs |= {"invalid"}
    if route.path_parameters:
        slugs |= {"not-found"}
    if declared.idempotent:
        slugs |= {"malformed-idempotency-key", "idempotency-running", "idempotency-mismatch"}
    titles: dict[int, list[str]] = {}
    for kind in all_kinds():
        if kind.slug in slugs:
            titles.setdefault(kind.status, []).append(kind.title)
    content = {MEDIA_TYPE: {"schema": shown[Problem]}}
    return {
        str(status): {"description": " / ".join(found), "content": content}
        for status, found in titles.items()
    }


# ---------------------------------------------------------------- what is served

# Nothing is fetched and nothing runs: the pages are text with a style of their own.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


@get("/schema/openapi.json", include_in_schema=False)
async def get_schema(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Answer with the OpenAPI document."""
    return ASGIResponse(body=documents_of(request.app).schema, media_type=JSON)


@get("/schema", include_in_schema=False)
async def get_page(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Answer with the document as a page."""
    return _page(documents_of(request.app).page)


@get("/problems/{slug:str}", include_in_schema=False)
async def get_problem(slug: FromPath[str]) -> ASGIResponse:
    """Answer with the page of a kind of problem, which its ``type`` leads to."""
    for kind in all_kinds():
        if kind.slug == slug:
            return _page(problem_page(kind))
    raise NotFoundError("there is no such kind of problem")


def _page(content: bytes) -> ASGIResponse:
    return ASGIResponse(body=content, media_type="text/html", headers=_PAGE_HEADERS)


HANDLERS = [get_schema, get_page, get_problem]
