#!/usr/bin/env python3
"""A provider for Kannel: it takes messages over HTTP, calls DLRs back, and counts what is told.

  /send       one message; answered with `ok` and its number, which the DLR names
  /told       Kannel's word to its client that a DLR came
  /counts     how many there were of each

kannel.py runs it. DLRs go to Kannel's `generic` HTTP SMSC over connections that stay open.
"""

import argparse
import asyncio
import sys
from collections import deque
from typing import cast
from urllib.parse import parse_qs, urlsplit

import httptools
from recado_gateway.benchmark.processes import HOST
from recado_gateway.server import run_async

DELIVERED = 1
"""Kannel's bit for a delivered message."""


class Caller(asyncio.Protocol):
    """One connection over which DLRs go, each when the one before it is answered."""

    def __init__(self, waiting: deque[bytes], idle: list["Caller"]) -> None:
        self._waiting = waiting
        self._idle = idle
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast("asyncio.Transport", transport)
        self.go_on()

    def data_received(self, data: bytes) -> None:
        """Read what there is of an answer."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Go on, unless the DLR was refused."""
        if self._parser.get_status_code() // 100 != 2:  # noqa: PLR2004  # 2xx
            sys.exit(f"a DLR was answered with {self._parser.get_status_code()}")
        self.go_on()

    def go_on(self) -> None:
        """Send the next DLR, or wait for one."""
        if self._waiting:
            self._parser = httptools.HttpResponseParser(self)
            self._transport.write(self._waiting.popleft())
        else:
            self._idle.append(self)


class Smsc:
    """What all connections share.

    Args:
        receipts: Where DLRs go.
        callers: Over how many connections.
    """

    def __init__(self, receipts: str, callers: int) -> None:
        self.taken = self.told = 0
        self._address = urlsplit(receipts)
        self._callers = callers
        self._waiting: deque[bytes] = deque()
        self._idle: list[Caller] = []
        self._connecting: asyncio.Task[None] | None = None

    def answer(self, url: bytes) -> bytes:
        """Return the body of the answer to a request."""
        path, _, query = url.partition(b"?")
        if path == b"/send":
            self.taken += 1
            self._call_back(parse_qs(query.decode())["to"][0])
            return b"ok %d" % self.taken
        if path == b"/told":
            self.told += 1
            return b""
        return b'{"taken": %d, "told": %d}' % (self.taken, self.told)

    def _call_back(self, to: str) -> None:
        """Send the DLR of the message that was taken last, once Kannel has its number."""
        path = f"{self._address.path}?to={to}&text=&dlr-mid={self.taken}&dlr-mask={DELIVERED}"
        request = f"GET {path} HTTP/1.1\r\nHost: {self._address.netloc}\r\n\r\n"
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, self._send, request.encode())  # as long as Kolmeya's simulator waits
        if self._connecting is None:
            self._connecting = loop.create_task(self._connect())

    def _send(self, request: bytes) -> None:
        self._waiting.append(request)
        if self._idle:
            self._idle.pop().go_on()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._callers):
            await loop.create_connection(
                lambda: Caller(self._waiting, self._idle),
                self._address.hostname or "",
                self._address.port or 0,
            )


class Connection(asyncio.Protocol):
    """One connection of Kannel's."""

    def __init__(self, smsc: Smsc) -> None:
        self._smsc = smsc
        self._transport: asyncio.Transport
        self._parser: httptools.HttpRequestParser
        self._url = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Read what there is of a request."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Keep the address."""
        self._url = url

    def on_message_complete(self) -> None:
        """Answer."""
        body = self._smsc.answer(self._url)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)


async def serve(options: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    smsc = Smsc(options.receipts, options.callers)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(smsc), HOST, 0)
    sys.stdout.write(f"The SMSC listens on http://{HOST}:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--receipts", required=True, help="where DLRs go")
    parser.add_argument("--callers", type=int, default=32, help="DLRs under way at once (32)")
    run_async(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
