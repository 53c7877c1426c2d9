"""Requests to vendors, over a real connection."""

import asyncio
import weakref

import httpx
import pytest
from recado_core import send_request

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\ntaken"


@pytest.fixture
async def url():
    """A server that answers everything alike."""

    async def answer(reader, writer):
        await reader.readuntil(b"asked")
        writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}/"
    server.close()


@pytest.mark.usefixtures("no_collector")
async def test_an_answer_goes_with_all_that_was_sent_once_nobody_holds_it(url):
    async with httpx.AsyncClient() as client:
        response = await send_request(client, client.build_request("POST", url, content=b"asked"))
        assert response.text == "taken"
        assert await response.aread() == b"taken"
        kept = [weakref.ref(response), weakref.ref(response.request)]
        del response
        assert [each() for each in kept] == [None, None]
