import asyncio

import httpx
import pytest
from recado_gateway.connections import HELD, JoiningTransport
from recado_gateway.server import Server


class Wire:
    """A transport that notes what it is told to do."""

    def __init__(self):
        self.done = []

    def writelines(self, parts):
        self.done.append(b"".join(parts))

    def close(self):
        self.done.append("closed")

    def is_closing(self):
        return False


@pytest.fixture
async def wire():
    return Wire()


@pytest.fixture
async def transport(wire):
    return JoiningTransport(wire, asyncio.get_running_loop())


async def test_what_is_written_in_one_turn_goes_out_in_one_piece(wire, transport):
    transport.write(b"head")
    transport.write(b"body")
    assert wire.done == []
    await asyncio.sleep(0)
    assert wire.done == [b"headbody"]
    transport.write(b"more")
    await asyncio.sleep(0)
    assert wire.done == [b"headbody", b"more"]


async def test_nothing_goes_out_twice(wire, transport):
    transport.write(b"x" * HELD)
    transport.write(b"y")
    assert wire.done == [b"x" * HELD + b"y"]
    await asyncio.sleep(0)
    assert len(wire.done) == 1


async def test_closing_sends_first_what_is_held(wire, transport):
    transport.write(b"last")
    transport.close()
    await asyncio.sleep(0)
    assert wire.done == [b"last", "closed"]


async def test_all_else_is_as_the_transport_has_it(transport):
    assert transport.is_closing() is False
    with pytest.raises(AttributeError):
        transport.absent  # noqa: B018  # that it is looked for is what is tested


async def test_long_answer_in_many_parts_arrives_whole():
    parts = [b"%d" % (number % 10) * 50_000 for number in range(40)]

    async def answer(scope, receive, send):
        assert scope["type"] == "http"
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    server = Server(answer, "127.0.0.1", 0)
    up = asyncio.Event()
    serving = asyncio.create_task(server.run(up.set))
    async with asyncio.timeout(20), httpx.AsyncClient(base_url=server.url) as http:
        await up.wait()
        for _ in range(2):  # over one connection
            assert (await http.get("/")).content == b"".join(parts)
    server.stop()
    await serving
