#!/usr/bin/env python3
"""Clients that post one message after the other, each over a connection that it keeps.

``accept.py`` runs it, as a program of its own so that it takes nothing from the gateway but its
part of the machine. It reads an API key from standard input, prints a line when it begins to
measure, and at the end one line of JSON:

  accepted   202s from the first request to the last, those of the warm-up included
  seconds    how long it measured
  statuses   how many answers of each status came while it measured
  latencies  of the 202s among them, in microseconds
  busy       its own share of a core: near 1, it and not the gateway is what was measured
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from itertools import count
from urllib.parse import urlsplit

import httptools
import uvloop

_BODY = (
    '{"to": "+55119%08d", "text": "Recado: o seu pedido %08d saiu para entrega e chega hoje, entre '
    'as 14h e as 18h.", "reference": "order-%08d"}'
)
_LONGEST_ANSWER = 60.0


class Load:
    """What all clients share: the requests, and what is seen of the answers."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests = requests
        self.accepted = 0
        self.statuses: Counter[int] = Counter()
        self.latencies: list[int] = []
        self.measuring = False
        self.ended = False

    def note(self, status: int, seconds: float) -> None:
        """Take down one answer."""
        self.accepted += status == HTTPStatus.ACCEPTED
        if self.measuring:
            self.statuses[status] += 1
            if status == HTTPStatus.ACCEPTED:
                self.latencies.append(round(seconds * 1e6))


class Client(asyncio.Protocol):
    """One client: it posts again as soon as it is answered."""

    def __init__(self, load: Load) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._load = load
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser
        self._sent = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Post the first message."""
        self._transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        """Read what there is of the answer."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Note the answer, and go on or end."""
        self._load.note(self._parser.get_status_code(), time.perf_counter() - self._sent)
        if self._load.ended:
            self._transport.close()
        else:
            self._post()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of an end that was not asked for."""
        if self._load.ended:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(exc or ConnectionResetError("the gateway hung up"))

    def _post(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._sent = time.perf_counter()
        self._transport.write(next(self._load.requests))


def make_requests(host: str, key: str, first: int) -> Iterator[bytes]:
    """Yield request after request, each to another number."""
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(_BODY % (0, 0, 0))}\r\n\r\n"
    ).encode()
    body = _BODY.encode()
    for number in count(first):
        yield head + body % (number, number, number)


async def post(options: argparse.Namespace, key: str) -> Load:
    """Let the clients post for as long as it was asked, and return what they saw."""
    address = urlsplit(options.url)
    load = Load(make_requests(address.netloc, key, options.first))
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: Client(load), address.hostname, address.port))[1]
        for _ in range(options.clients)
    ]
    ended = asyncio.gather(*(client.closed for client in clients))
    await _wait(ended, options.warm_up)
    sys.stdout.write("measuring\n")
    sys.stdout.flush()
    load.measuring = True
    await _wait(ended, options.seconds)
    load.measuring = False
    load.ended = True
    async with asyncio.timeout(_LONGEST_ANSWER):
        await ended
    return load


async def _wait(ended: asyncio.Future[list[None]], seconds: float) -> None:
    """Wait, unless a client fails meanwhile."""
    await asyncio.wait([ended], timeout=seconds)
    if ended.done():
        ended.result()


def main() -> None:
    """Run the clients and print what they saw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="where the gateway listens: http://127.0.0.1:8000")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to measure")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before that")
    parser.add_argument("--first", type=int, default=0, help="number of the first message")
    options = parser.parse_args()
    key = sys.stdin.readline().strip()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(post(options, key))
    json.dump(
        {
            "accepted": load.accepted,
            "seconds": options.seconds,
            "statuses": load.statuses,
            "latencies": load.latencies,
            "busy": time.process_time() / (options.warm_up + options.seconds),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
