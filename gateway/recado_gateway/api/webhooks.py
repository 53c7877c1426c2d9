"""Webhooks: what providers call."""

from litestar.params import FromPath
from recado_core.http import WebhookReply

from recado_gateway.endpoints import MEGABYTE, Endpoint, endpoint, engine_of
from recado_gateway.requests import Request, read_body, webhook_request
from recado_gateway.responses import BODILESS, Response


@endpoint(
    "POST",
    "/webhooks/{account:str}/{token:str}",
    Endpoint(tag="Webhooks", body=bytes, problems=("malformed-webhook", "webhook-refused")),
    body_limit=2 * MEGABYTE,
)
async def receive_webhook(
    request: Request, account: FromPath[str], token: FromPath[str]
) -> Response:
    """Take a provider's DLRs and MO messages.

    The address, token included, is what the provider is given; the body and the answer are as that
    provider wants them. It is stored before it is answered.
    """
    called = webhook_request(request, await read_body(request), request.app.state.public_url)
    return answer_caller(await engine_of(request).receive.webhook(account, token, called))


def answer_caller(reply: WebhookReply) -> Response:
    """Answer as the plugin wants it answered."""
    body = b"" if reply.status in BODILESS else reply.body
    return Response(body, reply.status, media_type=reply.content_type)


HANDLERS = [receive_webhook]
