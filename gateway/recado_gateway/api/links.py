"""Short links: made for messages, followed by people."""

from string import printable
from urllib.parse import quote

import msgspec
from litestar.params import FromPath
from recado_core.engine.messages.links import LinkPage, LinkView, NewLink

from recado_gateway.endpoints import Endpoint, answer_once, answer_with, endpoint, engine_of
from recado_gateway.idempotency import idempotency_key
from recado_gateway.pages import PageQuery
from recado_gateway.requests import Request, decode_json, read_json, read_query
from recado_gateway.responses import Response

TAG = "Links"
ASCII = printable
"""What a header can hold: an address with other characters is sent with those escaped."""

_new = msgspec.json.Decoder(NewLink)


@endpoint(
    "GET",
    "/v1/links",
    Endpoint(tag=TAG, scope="messages:read", query=PageQuery, answer=LinkPage),
)
async def list_links(request: Request) -> Response:
    """List short links with their clicks, the newest first."""
    query = read_query(request, PageQuery)
    return answer_with(await engine_of(request).links.list(query.limit, query.cursor))


@endpoint(
    "POST",
    "/v1/links",
    Endpoint(
        tag=TAG,
        scope="messages:send",
        body=NewLink,
        example={"url": "https://shop.example.com/orders/17?from=sms"},
        answer=LinkView,
        status=201,
        idempotent=True,
    ),
)
async def add_link(request: Request) -> Response:
    """Make a short link, to stand in a message."""
    body = await read_json(request)
    key = idempotency_key(request, body)
    return answer_once(await engine_of(request).links.add(decode_json(body, _new), key))


@endpoint("GET", "/l/{code:str}", Endpoint(tag=TAG, status=302, problems=("unavailable",)))
async def follow_link(request: Request, code: FromPath[str]) -> Response:
    """Lead to where a short link points, and count the click."""
    url = quote(await engine_of(request).links.follow(code), safe=ASCII)
    # never kept: the next click counts too
    headers = {"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(status=302, headers=headers)


HANDLERS = [list_links, add_link, follow_link]
