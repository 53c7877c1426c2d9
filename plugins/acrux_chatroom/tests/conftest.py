"""An Odoo that answers ChatRoom's webhook as each generation does, and refuses as they do."""

import re

import httpx
import msgspec
import phonenumbers
import pytest
from recado_acrux_chatroom.settings import Settings
from recado_acrux_chatroom.sink import ChatRoomSink
from recado_core import SinkContext
from recado_core.contract import decode_setting
from recado_core.testing import Clock

UUID = "3f0c5a1e-kit-uuid-of-nobody"
PATH = f"/acrux_webhook/whatsapp_connector/{UUID}"
KEYS = {"type", "txt", "id", "number", "time", "name", "url", "filename"}
TYPES = {"text", "image", "audio", "video", "file"}
MANY = 1e11
"""No time in seconds is so large: it is one in milliseconds."""


class IllMadeError(Exception):
    """What the addon fails at."""


class FakeOdoo:
    def __init__(self, generation=15):
        self.generation = generation
        self.messages = []
        self.sent = {}
        self.queue = []
        self.requests = []
        self.sessions = 0
        self.queue_answer = None
        self.failing = False

    def handle(self, request):
        self.requests.append(request)
        headers = {}
        if "session_id" not in request.headers.get("cookie", ""):
            self.sessions += 1
            headers["set-cookie"] = f"session_id=s{self.sessions}; Path=/; HttpOnly"
        response = self.answer(request)
        response.headers.update(headers)
        return response

    def answer(self, request):
        if request.headers["content-type"] != "application/json" or request.method != "POST":
            return httpx.Response(400, html="<h1>Bad Request</h1>")
        try:
            body = msgspec.json.decode(request.content)
        except msgspec.DecodeError:
            return httpx.Response(400, html="<h1>Bad Request</h1>")
        if request.url.path == f"{PATH}/process" and self.generation >= 17:
            return self.queue_answer or self.work_off()
        if not request.url.path.startswith("/acrux_webhook/"):
            return httpx.Response(404, html="<h1>Not Found</h1>")
        try:
            return self.take(request.url.path, body["params"])
        except (KeyError, TypeError, IllMadeError):
            return response_text("500 INTERNAL SERVER ERROR")

    def take(self, path, params):
        lists = [params.get(name, []) for name in ("updates", "events", "messages")]
        if not any(lists) or path != PATH:
            return response_text("403 FORBIDDEN")
        if self.generation >= 17:
            self.queue.append(params)
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": {"status": "ok"}})
        self.bring(params)
        return response_text("200 OK")

    def work_off(self):
        while self.queue:
            self.bring(self.queue.pop(0))
        return response_text("200 OK")

    def bring(self, params):
        if self.failing:
            raise IllMadeError
        for event in params.get("events", []):
            if event["type"] == "failed" and event["msgid"] in self.sent and event["txt"]:
                self.sent[event["msgid"]] = event["txt"]
        for message in params.get("messages", []):
            check(message)
            if self.generation != 16 or re.search(r"@[cl]\.us$", message["id"]):
                self.messages.append(message)


def check(message):
    number, time = message["number"], message["time"]
    if set(message) - KEYS or message["type"] not in TYPES or not message["id"]:
        raise IllMadeError
    if re.sub(r"[^0-9]", "", number) != number or not is_possible(number):
        raise IllMadeError
    if isinstance(time, bool) or not isinstance(time, int | float) or time > MANY:
        raise IllMadeError
    if ("url" in message) == (message["type"] == "text") or not isinstance(message["txt"], str):
        raise IllMadeError


def is_possible(number):
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(f"+{number}"))
    except phonenumbers.NumberParseException:
        return False


def response_text(status):
    result = f"<Response 0 bytes [{status}]>"
    return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": result})


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def table():
    return {
        "odoo_url": "https://odoo.example.com",
        "connector_uuid": UUID,
        "connector_token": "a-token-of-nobody",
        "account": "kolmeya_main",
    }


@pytest.fixture
def make_odoo():
    return FakeOdoo


@pytest.fixture
def odoo():
    return FakeOdoo()


@pytest.fixture
async def make_sink(clock, table):
    clients = []

    def make(handle, **changes):
        client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
        clients.append(client)
        settings = msgspec.convert(
            {**table, **changes}, Settings, strict=False, dec_hook=decode_setting
        )
        context = SinkContext(name="chatroom", settings=settings, http=client, now=clock.now)
        return ChatRoomSink(context)

    yield make
    for client in clients:
        await client.aclose()
