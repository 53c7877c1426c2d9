"""API keys: making, listing and revoking them."""

from typing import Annotated, Literal

import msgspec
from litestar.params import FromPath
from recado_core.engine.clients.keys import ApiKey

from recado_gateway.authentication import bearer_token
from recado_gateway.endpoints import (
    REPLAYED,
    Endpoint,
    Listing,
    answer_with,
    endpoint,
    engine_of,
)
from recado_gateway.idempotency import idempotency_key
from recado_gateway.requests import Request, decode_json, read_json
from recado_gateway.responses import Response

TAG = "API keys"


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API key to make: what people call it, and what it may do."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    scopes: Annotated[
        list[Literal["messages:send", "messages:read", "manage", "admin"]],
        msgspec.Meta(min_length=1),
    ]


class KeyWithToken(ApiKey, frozen=True, kw_only=True):
    """A new API key with its token, which is shown this once."""

    token: str


_new_key = msgspec.json.Decoder(NewKey)


@endpoint("GET", "/v1/api-keys", Endpoint(tag=TAG, scope="admin", answer=Listing[ApiKey]))
async def list_keys(request: Request) -> Response:
    """List the API keys that are not revoked, without their secret part."""
    return answer_with(Listing(items=await engine_of(request).keys.list()))


@endpoint(
    "POST",
    "/v1/api-keys",
    Endpoint(tag=TAG, scope="admin", body=NewKey, answer=KeyWithToken, status=201, idempotent=True),
)
async def create_key(request: Request) -> Response:
    """Make an API key.

    Its token is in this answer and nowhere else.
    """
    body = await read_json(request)
    key = idempotency_key(request, body)
    new = decode_json(body, _new_key)
    made = await engine_of(request).keys.create(
        new.name, new.scopes, key, creator_token=bearer_token(request)
    )
    told = msgspec.convert(made, KeyWithToken, from_attributes=True)
    headers = {"Cache-Control": "no-store"} | (REPLAYED if made.replayed else {})
    return answer_with(told, 201, headers)


@endpoint("DELETE", "/v1/api-keys/{key_id:str}", Endpoint(tag=TAG, scope="admin", status=204))
async def revoke_key(request: Request, key_id: FromPath[str]) -> Response:
    """Revoke an API key, at once."""
    await engine_of(request).keys.revoke(key_id)
    return Response(status=204)


HANDLERS = [list_keys, create_key, revoke_key]
