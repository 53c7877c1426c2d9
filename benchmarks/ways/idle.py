"""One message at a time: how long after its 202 the provider's socket has it."""

import asyncio
import time
from pathlib import Path

import httptools
import msgspec
from recado_gateway.benchmark.clients import AnswerError, start_clients
from recado_gateway.benchmark.processes import HOST
from recado_gateway.benchmark.runs import Plan, percentiles
from recado_gateway.benchmark.stage import Gateway, serving
from recado_gateway.benchmark.traffic import singles

from ways.output import say

SEND = b"/sms/store"
REST = 0.237
"""Seconds between two messages, in step with nothing that the gateway does."""
DEADLINE = 30.0
NAMES = ("request to 202", "202 to provider")


class Vendor(asyncio.Protocol):
    """A provider that takes every message, and notes when its socket had it."""

    def __init__(self, arrivals: asyncio.Queue[float]) -> None:
        self._arrivals = arrivals
        self._transport: asyncio.Transport
        self._parser: httptools.HttpRequestParser
        self._since = 0.0
        self._url = self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to read."""
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Note the time of the first part of a request."""
        self._since = self._since or time.perf_counter()
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Keep the path."""
        self._url = url

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer as Kolmeya does."""
        if self._url.endswith(SEND):
            self._arrivals.put_nowait(self._since)
        body = answer(msgspec.json.decode(self._body or b"{}"))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)
        self._since, self._body = 0.0, b""


def answer(request: dict[str, object]) -> bytes:
    """Return the answer to ``sms/store`` that takes all messages."""
    messages = request.get("messages")
    taken = [
        {"id": each["reference"], "phone": each["phone"], "reference": each["reference"]}
        for each in (messages if isinstance(messages, list) else ())
    ]
    return msgspec.json.encode({"id": "1", "reference": request.get("reference"), "valids": taken})


async def run(plan: Plan, folder: Path) -> None:
    """Send messages one by one through an idle gateway, and print how long they took."""
    arrivals: asyncio.Queue[float] = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(lambda: Vendor(arrivals), HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with server, serving(folder, f"http://{HOST}:{port}", plan.database) as gateway:
        await one(gateway, next(singles(gateway.post, 1)), arrivals)  # its connections are made
        ways = []
        for request in singles(gateway.post, plan.messages):
            await asyncio.sleep(REST)
            ways.append(await one(gateway, request, arrivals))
    say(f"{plan.messages} messages, one at a time")
    for name, times in zip(NAMES, zip(*ways, strict=True), strict=True):
        p50, p99 = (seconds * 1000 for seconds in percentiles(times))
        slowest = max(times) * 1000
        say(f"{name:<16}  median {p50:.1f} ms, p99 {p99:.1f} ms, slowest {slowest:.1f} ms")


async def one(
    gateway: Gateway, request: bytes, arrivals: asyncio.Queue[float]
) -> tuple[float, float]:
    """Return how long one message took to its 202, and from there to the provider.

    The second is below 0 where the provider had it first.
    """
    answered: list[tuple[float, float]] = []

    def note(status: int, seconds: float, body: bytes) -> None:
        if status != 202:  # noqa: PLR2004  # Accepted
            raise AnswerError(f"answered with {status}: {body[:500].decode(errors='replace')}")
        answered.append((time.perf_counter(), seconds))

    async with asyncio.timeout(DEADLINE):
        await (await start_clients(gateway.url, 1, iter([request]), note))
        arrived = await arrivals.get()
    at, seconds = answered[0]
    return seconds, arrived - at
