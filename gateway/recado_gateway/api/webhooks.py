"""Webhooks: what providers call."""

from http import HTTPStatus

from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from recado_core.http import WebhookReply

from recado_gateway.endpoints import MEGABYTE, Endpoint, endpoint, engine_of
from recado_gateway.requests import Request, read_body, webhook_request


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
    return answer_provider(await engine_of(request).receive.webhook(account, token, called))


def answer_provider(reply: WebhookReply) -> ASGIResponse:
    """Answer as the provider's plugin wants it answered."""
    empty = reply.status == HTTPStatus.NO_CONTENT
    return ASGIResponse(
        body=b"" if empty else reply.body,
        status_code=reply.status,
        media_type=reply.content_type,
    )


HANDLERS = [receive_webhook]
