"""Clients that cost little: each posts one request after the other, over a connection it keeps."""

import asyncio
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

import httptools
from recado_core.errors import RecadoError

Note = Callable[[int, float, bytes], None]
"""Takes down an answer: its status, the seconds that it took, and its body."""
Pace = Callable[[], float]
"""Tells when the next request is due, by ``time.perf_counter``."""


class AnswerError(RecadoError):
    """The gateway answered otherwise than it must for the measurement to be one."""


class Client(asyncio.Protocol):
    """One client: it posts again as soon as it is answered, or when its pace says so.

    With a pace, a request that goes out late because the answer before it was late has taken as
    long as if it had gone in time.

    Args:
        requests: Whole HTTP requests; several clients may share them.
        note: Is told of every answer.
        pace: When a request is due; None: at once.
    """

    def __init__(self, requests: Iterator[bytes], note: Note, pace: Pace | None = None) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._note = note
        self._pace = pace or time.perf_counter
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser
        self._body = b""
        self._due = 0.0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Post the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Read what there is of the answer."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the answer's body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Note the answer, and go on."""
        took = time.perf_counter() - self._due
        try:
            self._note(self._parser.get_status_code(), took, self._body)
        except RecadoError as error:
            self._end(error)
        else:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of an end that was not asked for."""
        if not self._ended:
            self._end(exc or ConnectionResetError("the gateway hung up"))

    def _go_on(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end()
            return
        self._due = self._pace()
        wait = self._due - time.perf_counter()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._post, request)
        else:
            self._post(request)

    def _post(self, request: bytes) -> None:
        if not self._ended:
            self._parser = httptools.HttpResponseParser(self)
            self._body = b""
            self._transport.write(request)

    def _end(self, error: Exception | None = None) -> None:
        self._ended = True
        self._transport.close()
        if self.closed.done():
            return
        if error is None:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(error)


async def start_clients(
    url: str, count: int, requests: Iterator[bytes], note: Note, pace: Pace | None = None
) -> asyncio.Future[list[None]]:
    """Connect so many clients; return what is done when there are no more requests."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 0
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: Client(requests, note, pace), host, port)
        clients.append(client.closed)
    return asyncio.gather(*clients)


async def post_all(
    url: str, count: int, requests: Iterator[bytes], status: HTTPStatus
) -> list[float]:
    """Post all requests from so many clients; return how many seconds each took.

    Raises:
        AnswerError: An answer had another status.
    """
    took: list[float] = []

    def note(answered: int, seconds: float, body: bytes) -> None:
        if answered != status:
            raise AnswerError(f"answered with {answered}: {body[:500].decode(errors='replace')}")
        took.append(seconds)

    await (await start_clients(url, count, requests, note))
    return took


def even_pace(rate: float) -> Pace:
    """Return the pace of so many requests a second, of all who ask for it together."""
    step, due = 1 / rate, time.perf_counter()

    def pace() -> float:
        nonlocal due
        due += step
        return due

    return pace


def make_request(url: str, path: str, body: bytes, key: str | None = None) -> bytes:
    """Return a whole HTTP request that posts JSON."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
