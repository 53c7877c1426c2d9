"""Conversations: threads between one person and one account, answered and handed on."""

import msgspec
from litestar.params import FromPath
from recado_core.engine.accept.answers import AcceptedMessage
from recado_core.engine.conversations.conversations import (
    ConversationChange,
    ConversationFilter,
    ConversationPage,
    ConversationView,
    Reply,
)
from recado_core.engine.messages.conversing import ConversationStatus
from recado_core.engine.messages.messages import Page

from recado_gateway.endpoints import Endpoint, answer_once, answer_with, endpoint, engine_of
from recado_gateway.filters import stored_address
from recado_gateway.idempotency import idempotency_key
from recado_gateway.pages import PageLimit, PageQuery
from recado_gateway.requests import Request, decode_json, read_json, read_query
from recado_gateway.responses import Response

TAG = "Conversations"

_change = msgspec.json.Decoder(ConversationChange)
_reply = msgspec.json.Decoder(Reply)


class ConversationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which conversations are listed, those with the latest activity first."""

    status: ConversationStatus | None = None
    agent: str | None = None
    account: str | None = None
    channel: str | None = None
    address: str | None = None
    limit: PageLimit = 50
    cursor: str | None = None


@endpoint(
    "GET",
    "/v1/conversations",
    Endpoint(tag=TAG, scope="messages:read", query=ConversationQuery, answer=ConversationPage),
)
async def list_conversations(request: Request) -> Response:
    """List conversations, those with the latest activity first."""
    query = read_query(request, ConversationQuery)
    wanted = msgspec.convert(query, ConversationFilter, from_attributes=True)
    if query.address is not None:
        address = stored_address(request, query.address, query.channel)
        wanted = msgspec.structs.replace(wanted, address=address)
    found = await engine_of(request).conversations.list(wanted, query.limit, query.cursor)
    return answer_with(found)


@endpoint(
    "GET",
    "/v1/conversations/{conversation_id:str}",
    Endpoint(tag=TAG, scope="messages:read", answer=ConversationView),
)
async def get_conversation(request: Request, conversation_id: FromPath[str]) -> Response:
    """Show one conversation."""
    return answer_with(await engine_of(request).conversations.get(conversation_id))


@endpoint(
    "PATCH",
    "/v1/conversations/{conversation_id:str}",
    Endpoint(
        tag=TAG,
        scope="messages:send",
        body=ConversationChange,
        example={"agent": "ana@example.com"},
        answer=ConversationView,
    ),
)
async def change_conversation(request: Request, conversation_id: FromPath[str]) -> Response:
    """Give a conversation to an agent, take it back, close it, or note that it was read."""
    change = decode_json(await read_json(request), _change)
    return answer_with(await engine_of(request).conversations.change(conversation_id, change))


@endpoint(
    "GET",
    "/v1/conversations/{conversation_id:str}/messages",
    Endpoint(tag=TAG, scope="messages:read", query=PageQuery, answer=Page),
)
async def list_conversation_messages(request: Request, conversation_id: FromPath[str]) -> Response:
    """List a conversation's messages, both ways, the newest first."""
    query = read_query(request, PageQuery)
    everything = engine_of(request).conversations
    return answer_with(await everything.messages(conversation_id, query.limit, query.cursor))


@endpoint(
    "POST",
    "/v1/conversations/{conversation_id:str}/messages",
    Endpoint(
        tag=TAG,
        scope="messages:send",
        body=Reply,
        example={"text": "Olá! Em que posso ajudar?"},
        answer=AcceptedMessage,
        status=202,
        idempotent=True,
    ),
)
async def reply_in_conversation(request: Request, conversation_id: FromPath[str]) -> Response:
    """Answer on the account and channel where the person wrote; what was unread is read."""
    body = await read_json(request)
    key = idempotency_key(request, body)
    everything = engine_of(request).conversations
    return answer_once(await everything.reply(conversation_id, decode_json(body, _reply), key))


HANDLERS = [
    list_conversations,
    get_conversation,
    change_conversation,
    list_conversation_messages,
    reply_in_conversation,
]
