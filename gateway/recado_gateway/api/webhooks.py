"""Webhooks: what providers call."""

from http import HTTPStatus

from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from recado_core.http import WebhookReply

from recado_gateway.endpoints import MEGABYTE, Endpoint, endpoint, engine_of
from recado_gateway.requests import Request, read_body, webhook_request

BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@endpoint(
    "POST",
    "/webhooks/{account:str}/{token:str}",
    Endpoint(tag="Webhooks", body=bytes, problems=("malformed-webhook", "webhook-refused")),
    body_limit=2 * MEGABYTE,
)
async def receive_webhook(
    request: Request, account: FromPath[str], token: FromPath[str]
) -> ASGIResponse:
    """Take a provider's DLRs and MO messages.

    The address, token included, is what the provider is given; the body and the answer are as that
    provider wants them. It is stored before it is answered.
    """
    called = webhook_request(request, await read_body(request), request.app.state.public_url)
    return answer_caller(await engine_of(request).receive.webhook(account, token, called))


def answer_caller(reply: WebhookReply) -> ASGIResponse:
    """Answer as the plugin wants it answered."""
    if reply.status in BODILESS:
        return ASGIResponse(status_code=reply.status)
    # as a header, because of a media type Litestar takes its charset to be missing
    headers = {"Content-Type": reply.content_type}
    return ASGIResponse(body=reply.body, status_code=reply.status, headers=headers)


HANDLERS = [receive_webhook]
