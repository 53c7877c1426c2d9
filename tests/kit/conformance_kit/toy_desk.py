"""A business system that does not exist, and a sink for it."""

import hmac
import json
from typing import ClassVar

import httpx
import msgspec
from recado_core import (
    Finding,
    Secret,
    SendError,
    SinkContext,
    SinkMessage,
    SinkType,
    TransientSendError,
    WebhookReply,
    WebhookRequest,
    raise_for_send,
    send_request,
)
from recado_core.testing import SinkConformance


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: Secret
    base_url: str = "https://desk.example.com"


class Written(msgspec.Struct):
    id: str
    to: str
    text: str


def reply_with(status, **told):
    return WebhookReply(status=status, body=json.dumps(told).encode())


class DeskSink:
    def __init__(self, context: SinkContext) -> None:
        self._http = context.http
        self._settings = context.settings
        self._gateway = context.gateway

    async def deliver(self, event, *, repeated):  # noqa: ARG002  # the desk knows an id again
        response = await self.post({"id": event.id, "kind": event.type, "data": event.data})
        raise_for_send(response)
        if response.content == b'{"taken": false}':
            raise TransientSendError("the desk did not take it", raw=response.text)

    async def post(self, payload):
        headers = {"authorization": f"Bearer {self._settings.token.reveal()}"}
        url = f"{self._settings.base_url}/events"
        request = self._http.build_request("POST", url, json=payload, headers=headers)
        return await send_request(self._http, request)

    async def handle(self, request):
        if not self.knows(request.headers.get("x-desk-token", "")):
            return reply_with(403, error="who are you?")
        if request.path == "health":
            return reply_with(200, healthy=True)
        try:
            written = msgspec.json.decode(request.body, type=Written)
        except (ValueError, RecursionError):
            return reply_with(400, error="what?")
        return await self.hand_over(written)

    def knows(self, token):
        given = token.encode(errors="replace")
        return hmac.compare_digest(given, self._settings.token.reveal().encode())

    async def hand_over(self, written):
        message = SinkMessage(account="desk", to=written.to, text=written.text, key=written.id)
        try:
            answer = await self._gateway.send(message)
        except TransientSendError:
            return reply_with(503, error="not now")
        if answer.message_id is None:
            return reply_with(422, error=answer.refusal)
        return reply_with(202, id=answer.message_id)

    async def probe(self):
        request = self._http.build_request("GET", f"{self._settings.base_url}/health")
        try:
            response = await send_request(self._http, request)
        except SendError as error:
            return [Finding(what="desk", ok=False, detail=error.text)]
        return [Finding(what="desk", ok=response.is_success, detail=str(response.status_code))]


def wants(_settings, subject):
    return subject.account in {None, "kit"}


DESK = SinkType(
    id="desk",
    settings=DeskSettings,
    events=frozenset({"message.received", "message.failed"}),
    create=DeskSink,
    wants=wants,
    requests=True,
    probe=True,
)


def make_call(path="", **told):
    return WebhookRequest(
        url=f"https://gateway.example.com/sinks/kit/{path}",
        path=path,
        query={},
        headers={"x-desk-token": "desk-token-1234"},
        body=json.dumps(told).encode(),
    )


class Good(SinkConformance):
    sink_type = DESK
    settings: ClassVar = {"token": "desk-token-1234"}
    telling = "message.received"
    calls: ClassVar = {
        "write": make_call(id="7", to="+5511900000001", text="É pra já 👍"),
        "health": make_call("health"),
    }
    credentials = frozenset({"x-desk-token"})
    handing = "write"

    def refused(self, request):
        return httpx.Response(200, content=b'{"taken": false}', request=request)
