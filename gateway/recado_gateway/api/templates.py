"""Templates: what messages say, made once, tried out, named by messages and campaigns."""

import msgspec
from litestar.params import FromPath
from recado_core.engine.templates.previews import RenderedTemplate, RenderRequest
from recado_core.engine.templates.templates import (
    NewTemplate,
    ReplacedTemplate,
    TemplatePage,
    TemplateView,
)

from recado_gateway.endpoints import Endpoint, answer_once, answer_with, endpoint, engine_of
from recado_gateway.idempotency import idempotency_key
from recado_gateway.pages import PageQuery
from recado_gateway.requests import Request, decode_json, read_json, read_query
from recado_gateway.responses import Response

TAG = "Templates"

_new = msgspec.json.Decoder(NewTemplate)
_replaced = msgspec.json.Decoder(ReplacedTemplate)
_render = msgspec.json.Decoder(RenderRequest)

EXAMPLE = {
    "name": "order_shipped",
    "description": "Sent when a parcel leaves the house",
    "variants": [
        {"language": "pt-BR", "text": "Oi, {{ name }}! O pedido {{ order }} saiu."},
        {"language": "en", "text": "Hi {{ name }}, order {{ order }} is on its way."},
    ],
}
REPLACED_EXAMPLE = {"text": "Oi, {{ name }}! O pedido {{ order }} saiu.", "language": "pt-BR"}
RENDER_EXAMPLE = {"variables": {"name": "Ana", "order": 17}, "language": "pt-BR"}


@endpoint(
    "GET",
    "/v1/templates",
    Endpoint(tag=TAG, scope="messages:read", query=PageQuery, answer=TemplatePage),
)
async def list_templates(request: Request) -> Response:
    """List the templates, the newest first."""
    query = read_query(request, PageQuery)
    return answer_with(await engine_of(request).templates.list(query.limit, query.cursor))


@endpoint(
    "POST",
    "/v1/templates",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=NewTemplate,
        example=EXAMPLE,
        answer=TemplateView,
        status=201,
        idempotent=True,
        problems=("conflict",),
    ),
)
async def add_template(request: Request) -> Response:
    """Make a template; a name that is taken is 409.

    A single text may be stated flat, beside the name; ``variants`` are for several channels or
    languages.
    """
    body = await read_json(request)
    key = idempotency_key(request, body)
    return answer_once(await engine_of(request).templates.add(decode_json(body, _new), key))


@endpoint(
    "GET",
    "/v1/templates/{name:str}",
    Endpoint(tag=TAG, scope="messages:read", answer=TemplateView),
)
async def get_template(request: Request, name: FromPath[str]) -> Response:
    """Show a template, with the variables that it holds."""
    return answer_with(await engine_of(request).templates.get(name))


@endpoint(
    "PUT",
    "/v1/templates/{name:str}",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=ReplacedTemplate,
        example=REPLACED_EXAMPLE,
        answer=TemplateView,
        statuses=(201,),
    ),
)
async def replace_template(request: Request, name: FromPath[str]) -> Response:
    """Make a template what the body says: 200 for one that was there, 201 for a new one.

    Messages already accepted stay as they are.
    """
    body = decode_json(await read_json(request), _replaced)
    found, is_new = await engine_of(request).templates.replace(name, body)
    return answer_with(found, 201 if is_new else 200)


@endpoint(
    "DELETE",
    "/v1/templates/{name:str}",
    Endpoint(tag=TAG, scope="manage", status=204),
)
async def remove_template(request: Request, name: FromPath[str]) -> Response:
    """Delete a template; messages already accepted stay as they are."""
    await engine_of(request).templates.delete(name)
    return Response(status=204)


@endpoint(
    "POST",
    "/v1/templates/{name:str}/render",
    Endpoint(
        tag=TAG,
        scope="messages:read",
        body=RenderRequest,
        body_needed=False,
        example=RENDER_EXAMPLE,
        answer=RenderedTemplate,
    ),
)
async def render_template(request: Request, name: FromPath[str]) -> Response:
    """Show what a message of a template would be: its text, segments and cost.

    Warns where a character makes it dearer. Nothing is sent.
    """
    body = decode_json(await read_json(request) or b"{}", _render)
    return answer_with(await engine_of(request).templates.render(name, body))


HANDLERS = [
    list_templates,
    add_template,
    get_template,
    replace_template,
    remove_template,
    render_template,
]
