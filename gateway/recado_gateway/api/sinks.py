"""Sinks: how they do, what waits for them, and the calls of their business systems."""

from typing import Annotated

import msgspec
from litestar.params import FromPath
from recado_core.engine.deliver.sinks import DeliveryPage, DeliveryState, Replayed, SinkView

from recado_gateway.api.webhooks import answer_caller
from recado_gateway.endpoints import (
    MEGABYTE,
    Endpoint,
    Listing,
    answer_with,
    endpoint,
    engine_of,
)
from recado_gateway.pages import PageLimit
from recado_gateway.requests import (
    Request,
    decode_json,
    read_body,
    read_json,
    read_query,
    webhook_request,
)
from recado_gateway.responses import Response

TAG = "Sinks"


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries are listed, the newest first."""

    state: DeliveryState | None = None
    limit: PageLimit = 50
    cursor: str | None = None


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries are made again; without ``ids`` all that were given up."""

    ids: Annotated[list[str], msgspec.Meta(max_length=1000)] | None = None


_replay = msgspec.json.Decoder(Replay)


@endpoint("GET", "/v1/sinks", Endpoint(tag=TAG, scope="messages:read", answer=Listing[SinkView]))
async def list_sinks(request: Request) -> Response:
    """List the sinks: up or down, how much waits and how long, the last error."""
    return answer_with(Listing(items=await engine_of(request).sinks.list()))


@endpoint(
    "GET",
    "/v1/sinks/{name:str}",
    Endpoint(tag=TAG, scope="messages:read", answer=SinkView),
)
async def get_sink(request: Request, name: FromPath[str]) -> Response:
    """Show one sink."""
    return answer_with(await engine_of(request).sinks.get(name))


@endpoint(
    "GET",
    "/v1/sinks/{name:str}/deliveries",
    Endpoint(tag=TAG, scope="messages:read", query=DeliveryQuery, answer=DeliveryPage),
)
async def list_deliveries(request: Request, name: FromPath[str]) -> Response:
    """List a sink's deliveries, the newest first; ``state=dead`` are those given up."""
    query = read_query(request, DeliveryQuery)
    sinks = engine_of(request).sinks
    return answer_with(await sinks.deliveries(name, query.state, query.limit, query.cursor))


REPLAY = Endpoint(
    tag=TAG,
    scope="manage",
    body=Replay,
    body_needed=False,
    example={"ids": ["01981c5e-0000-7000-8000-000000000000"]},
    answer=Replayed,
)


@endpoint("POST", "/v1/sinks/{name:str}/replay", REPLAY)
async def replay(request: Request, name: FromPath[str]) -> Response:
    """Make deliveries again that were given up, or those of these ids."""
    return await _replay_in(request, name)


@endpoint("POST", "/v1/sinks/{name:str}/deliveries/replay", REPLAY)
async def replay_deliveries(request: Request, name: FromPath[str]) -> Response:
    """Make deliveries again that were given up, or those of these ids."""
    return await _replay_in(request, name)


async def _replay_in(request: Request, name: str) -> Response:
    body = await read_json(request)
    wanted = decode_json(body, _replay) if body.strip() else Replay()
    return answer_with(await engine_of(request).sinks.replay(name, wanted.ids))


# ---------------------------------------------------------------- what business systems call

# The sink knows who may call, what a call means and what it is answered.
CALL = Endpoint(tag=TAG, body=bytes, body_needed=False)
ASK = Endpoint(tag=TAG, problems=("malformed-body", "too-large"))  # a body is read all the same
LIMIT = 2 * MEGABYTE


@endpoint("POST", "/sinks/{name:str}", CALL, body_limit=LIMIT)
async def call_sink(request: Request, name: FromPath[str]) -> Response:
    """Take a business system's call.

    The sink says who may call, and what status and body the answer has.
    """
    return await _hand_to_sink(request, name, "")


@endpoint("GET", "/sinks/{name:str}", ASK, body_limit=LIMIT)
async def ask_sink(request: Request, name: FromPath[str]) -> Response:
    """Take a business system's question.

    The sink says who may call, and what status and body the answer has.
    """
    return await _hand_to_sink(request, name, "")


@endpoint("DELETE", "/sinks/{name:str}", ASK, body_limit=LIMIT)
async def delete_at_sink(request: Request, name: FromPath[str]) -> Response:
    """Take a business system's wish that something be gone.

    The sink says who may call, and what status and body the answer has.
    """
    return await _hand_to_sink(request, name, "")


@endpoint("POST", "/sinks/{name:str}/{path:path}", CALL, body_limit=LIMIT)
async def call_below_sink(request: Request, name: FromPath[str], path: FromPath[str]) -> Response:
    """Take a business system's call to a path below its sink.

    The sink says who may call, and what status and body the answer has.
    """
    return await _hand_to_sink(request, name, path)


@endpoint("GET", "/sinks/{name:str}/{path:path}", ASK, body_limit=LIMIT)
async def ask_below_sink(request: Request, name: FromPath[str], path: FromPath[str]) -> Response:
    """Take a business system's question at a path below its sink.

    The sink says who may call, and what status and body the answer has.
    """
    return await _hand_to_sink(request, name, path)


@endpoint("DELETE", "/sinks/{name:str}/{path:path}", ASK, body_limit=LIMIT)
async def delete_below_sink(request: Request, name: FromPath[str], path: FromPath[str]) -> Response:
    """Take a business system's wish that something below its sink be gone.

    The sink says who may call, and what status and body the answer has.
    """
    return await _hand_to_sink(request, name, path)


async def _hand_to_sink(request: Request, name: str, path: str) -> Response:
    body = await read_body(request)
    called = webhook_request(request, body, request.app.state.public_url, path.strip("/"))
    return answer_caller(await engine_of(request).sinks.handle(name, called))


HANDLERS = [
    list_sinks,
    get_sink,
    list_deliveries,
    replay,
    replay_deliveries,
    call_sink,
    ask_sink,
    delete_at_sink,
    call_below_sink,
    ask_below_sink,
    delete_below_sink,
]
