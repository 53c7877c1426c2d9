import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from recado_gateway.connections import HELD, JoiningTransport
from recado_gateway.server import Server

SEVERAL_SECONDS = 20
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Wire:
    """A transport that notes what it is told to do."""

    def __init__(self):
        self.done = []
        self.closing = False

    def writelines(self, parts):
        self.done.append(b"".join(parts))

    def close(self):
        self.done.append("closed")

    def abort(self):
        self.done.append("aborted")

    def is_closing(self):
        return self.closing


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


async def test_nothing_is_sent_over_what_is_closed(wire, transport):
    transport.write(b"late")
    wire.closing = True
    await asyncio.sleep(0)
    assert wire.done == []


async def test_write_that_fails_ends_the_connection_and_is_not_tried_again(wire, transport):
    transport.write("text")
    with pytest.raises(TypeError):
        transport.send_held()
    transport.close()
    assert wire.done == ["aborted", "closed"]


@asynccontextmanager
async def served(answer):
    """Serve an application for as long as the block lasts; give the server."""
    server = Server(answer, "127.0.0.1", 0)
    up = asyncio.Event()
    serving = asyncio.create_task(server.run(up.set))
    async with asyncio.timeout(SEVERAL_SECONDS):
        await up.wait()
        try:
            yield server
        finally:
            server.stop()
            await serving


def application(*parts, before_last=lambda: None):
    """Answer at once with these parts, and do this before the last."""

    async def answer(scope, _receive, send):
        assert scope["type"] == "http"
        length = b"%d" % sum(map(len, parts))
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in parts[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        before_last()
        await send({"type": "http.response.body", "body": parts[-1]})

    return answer


def connect(server):
    address = urlsplit(server.url)
    return asyncio.open_connection(address.hostname, address.port)


async def test_client_that_ends_its_half_gets_what_is_answered_at_once():
    async with served(application(b"live")) as server:
        for _ in range(20):
            reader, writer = await connect(server)
            writer.write(REQUEST)
            writer.write_eof()
            assert (await reader.read()).endswith(b"\r\n\r\nlive")
            writer.close()


async def test_requests_of_one_piece_are_answered_in_their_order():
    async def answer(scope, _receive, send):
        path = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(path))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": path})

    async with served(answer) as server:
        reader, writer = await connect(server)
        paths = [b"/path-%d" % number for number in range(9)]
        writer.write(b"".join(REQUEST.replace(b"/", path, 1) for path in paths))
        for path in paths:
            assert (await reader.readuntil(path)).startswith(b"HTTP/1.1 200 OK")
        writer.close()


@pytest.fixture
async def errors():
    """What goes wrong in the event loop while nobody waits for it."""
    loop, found = asyncio.get_running_loop(), []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, told: found.append(told["exception"]))
    yield found
    loop.set_exception_handler(before)


async def test_client_that_resets_while_it_is_answered_is_no_error(errors):
    client = socket.socket()
    done = asyncio.Event()

    def reset():
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        done.set()

    async with served(application(b"head", b"tail", before_last=reset)) as server:
        client.connect(("127.0.0.1", urlsplit(server.url).port))
        client.sendall(REQUEST)
        await done.wait()
    assert errors == []


async def test_answer_that_cannot_be_written_ends_its_connection_and_no_other(errors):
    async with served(application("text, not bytes")) as server:
        reader, writer = await connect(server)
        writer.write(REQUEST)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readuntil(b"bytes")
        writer.close()
        _, other = await connect(server)
        other.close()
    assert [type(error) for error in errors] == [TypeError]


async def test_long_answer_in_many_parts_arrives_whole():
    parts = [b"%d" % (number % 10) * 50_000 for number in range(40)]

    async def answer(scope, receive, send):
        assert scope["type"] == "http"
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with served(answer) as server, httpx.AsyncClient(base_url=server.url) as http:
        for _ in range(2):  # over one connection
            assert (await http.get("/")).content == b"".join(parts)
