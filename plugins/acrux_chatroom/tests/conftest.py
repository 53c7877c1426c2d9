"""A sink before an Odoo that answers as each generation does, without a socket."""

import httpx
import msgspec
import pytest
from recado_acrux_chatroom.settings import Settings
from recado_acrux_chatroom.sink import ChatRoomSink
from recado_core import SinkContext
from recado_core.contract import decode_setting
from recado_core.testing import Clock
from recado_core.testing.sink_gateway import FakeGateway

from .addon import Connector
from .bench import MT_ID, StubCompanion
from .calls import request
from .fake_odoo import TOKEN, UUID
from .odoo import FakeOdoo
from .odoo_rpc.process import running_odoo


class MockOdoo(FakeOdoo):
    """Keeps the requests that httpx brings to it."""

    def __init__(self, generation=15):
        super().__init__(Connector(UUID, TOKEN, None), generation)
        self.requests = []
        self.queue_answer = None

    def answer(self, request):
        self.requests.append(request)
        if self.queue_answer and request.url.path.endswith("/process"):
            return self.queue_answer
        headers = {name.lower(): value for name, value in request.headers.items()}
        said = self.handle(request.method, request.url.path, headers, request.content)
        return httpx.Response(said.status, content=said.body, headers=said.headers)


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gateway():
    return FakeGateway()


@pytest.fixture
def table():
    return {
        "odoo_url": "https://odoo.example.com",
        "connector_uuid": UUID,
        "connector_token": TOKEN,
        "account": "kolmeya_main",
    }


@pytest.fixture
def make_odoo():
    return MockOdoo


@pytest.fixture
def odoo():
    return MockOdoo()


@pytest.fixture(scope="module")
def running():
    """An Odoo that speaks RPC, in a process of its own."""
    with running_odoo() as odoo:
        yield odoo


@pytest.fixture
def rpc(running):
    """The same, with nothing in it yet."""
    running.reset()
    return running


@pytest.fixture
def any_odoo(any_running_odoo):
    """As ``rpc``, in each of the generations that the module names (``any_running_odoo``)."""
    any_running_odoo.reset()
    return any_running_odoo


@pytest.fixture
def companion():
    """Give a companion whose Odoo has the agent's message, and no other."""
    return StubCompanion(MT_ID)


@pytest.fixture
def read_settings(table):
    def read(**changes):
        given = {name: value for name, value in {**table, **changes}.items() if value is not None}
        return msgspec.convert(given, Settings, strict=False, dec_hook=decode_setting)

    return read


@pytest.fixture
async def make_sink(clock, gateway, read_settings):
    clients = []

    def make(answer=None, companion=None, transport=None, **changes):
        client = httpx.AsyncClient(
            transport=transport or (answer and httpx.MockTransport(answer)), timeout=30
        )
        clients.append(client)
        context = SinkContext(
            name="chatroom",
            settings=read_settings(**changes),
            http=client,
            now=clock.now,
            gateway=gateway,
        )
        return ChatRoomSink(context, companion)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def ask(make_sink):
    """Call the sink as Odoo does, and return the status and the JSON of its answer."""
    sinks = []

    async def ask(*args, settings=None, **more):
        if not sinks:
            sinks.append(make_sink(**(settings or {})))
        reply = await sinks[-1].handle(request(*args, **more))
        assert reply.content_type == "application/json"
        return reply.status, msgspec.json.decode(reply.body)

    return ask
