"""Messages: sending, looking up, taking back, sending again."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from litestar.params import FromPath
from recado_core.engine.accept.answers import AcceptedMessage, BatchAccepted
from recado_core.engine.messages.drafts import MAX_BATCH, BatchRequest, Draft, DraftDefaults
from recado_core.engine.messages.messages import MessageDetail, MessageFilter, MessageView, Page
from recado_core.messages import Status

from recado_gateway.endpoints import (
    MEGABYTE,
    Endpoint,
    answer_once,
    answer_with,
    endpoint,
    engine_of,
)
from recado_gateway.idempotency import idempotency_key
from recado_gateway.pages import PageLimit
from recado_gateway.requests import Request, decode_json, read_body, read_json, read_query
from recado_gateway.responses import Response

TAG = "Messages"

_draft = msgspec.json.Decoder(Draft)
_batch = msgspec.json.Decoder(BatchRequest)


EXAMPLE = {
    "to": "+5511900000001",
    "text": "Olá, {{ name }}!",
    "variables": {"name": "Ana"},
    "reference": "order-17",
    "category": "transactional",
}


class Direction(StrEnum):
    """Which way a message goes."""

    OUT = "out"  # MT: towards the person
    IN = "in"  # MO: from the person


Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class MessageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages are listed, the newest first."""

    status: Status | None = None
    direction: Direction | None = None
    channel: str | None = None
    account: str | None = None
    to: str | None = None
    reference: str | None = None
    batch_id: str | None = None
    campaign_id: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: PageLimit = 50
    cursor: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many messages at once; each may leave open what the defaults say."""

    messages: Annotated[list[Draft], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]
    defaults: DraftDefaults | None = None


@endpoint(
    "POST",
    "/v1/messages",
    Endpoint(
        tag=TAG,
        scope="messages:send",
        body=Draft,
        example=EXAMPLE,
        answer=AcceptedMessage,
        status=202,
        idempotent=True,
    ),
)
async def send_message(request: Request) -> Response:
    """Send one message.

    It is durable once this is answered.
    """
    body = await read_json(request)
    key = idempotency_key(request, body)
    return answer_once(await engine_of(request).accept.message(decode_json(body, _draft), key))


@endpoint(
    "POST",
    "/v1/messages/batch",
    Endpoint(
        tag=TAG,
        scope="messages:send",
        body=Batch,
        example={"defaults": {"category": "marketing"}, "messages": [EXAMPLE]},
        answer=BatchAccepted,
        status=202,
        idempotent=True,
    ),
    body_limit=16 * MEGABYTE,
)
async def send_batch(request: Request) -> Response:
    """Send many messages.

    A bad item is told among the results and spoils no other; results stand in the order of the
    messages.
    """
    body = await read_json(request)
    key = idempotency_key(request, body)
    return answer_once(await engine_of(request).accept.batch(decode_json(body, _batch), key))


@endpoint(
    "GET",
    "/v1/messages",
    Endpoint(tag=TAG, scope="messages:read", query=MessageQuery, answer=Page),
)
async def list_messages(request: Request) -> Response:
    """List messages, the newest first."""
    query = read_query(request, MessageQuery, plus=("to", "since", "until"))
    wanted = msgspec.convert(query, MessageFilter, from_attributes=True)
    return answer_with(await engine_of(request).messages.list(wanted, query.limit, query.cursor))


@endpoint(
    "GET",
    "/v1/messages/{message_id:str}",
    Endpoint(tag=TAG, scope="messages:read", answer=MessageDetail),
)
async def get_message(request: Request, message_id: FromPath[str]) -> Response:
    """Show one message, with its events and attempts."""
    return answer_with(await engine_of(request).messages.get(message_id))


@endpoint(
    "POST",
    "/v1/messages/{message_id:str}/cancel",
    Endpoint(tag=TAG, scope="messages:send", answer=MessageView, problems=("conflict",)),
)
async def cancel_message(request: Request, message_id: FromPath[str]) -> Response:
    """Take back a message that is scheduled or queued."""
    return answer_with(await engine_of(request).messages.cancel(message_id))


@endpoint(
    "POST",
    "/v1/messages/{message_id:str}/resend",
    Endpoint(
        tag=TAG,
        scope="messages:send",
        answer=AcceptedMessage,
        status=202,
        idempotent=True,
        problems=("conflict",),
    ),
)
async def resend_message(request: Request, message_id: FromPath[str]) -> Response:
    """Send a message again that failed, expired, was not delivered or is unknown.

    The new message is linked to the old one by ``resend_of``.
    """
    key = idempotency_key(request, await read_body(request))
    return answer_once(await engine_of(request).accept.resend(message_id, key))


HANDLERS = [
    send_message,
    send_batch,
    list_messages,
    get_message,
    cancel_message,
    resend_message,
]
