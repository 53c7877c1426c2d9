#!/usr/bin/env python3
"""Clients that post one message after the other, each over a connection that it keeps.

With ``--rate`` requests go out evenly, and one that has to wait for the answer before it has taken
that much longer.

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

import uvloop
from recado_gateway.benchmark.clients import even_pace, make_request, start_clients

_BODY = (
    '{"to": "+55119%08d", "text": "Recado: o seu pedido %08d saiu para entrega e chega hoje, entre '
    'as 14h e as 18h.", "reference": "order-%08d"}'
)
_LONGEST_ANSWER = 60.0


class Load:
    """What is seen of the answers, by all clients."""

    def __init__(self) -> None:
        self.accepted = 0
        self.statuses: Counter[int] = Counter()
        self.latencies: list[int] = []
        self.measuring = False
        self.ended = False

    def note(self, status: int, seconds: float, _body: bytes) -> None:
        """Take down one answer."""
        self.accepted += status == HTTPStatus.ACCEPTED
        if self.measuring:
            self.statuses[status] += 1
            if status == HTTPStatus.ACCEPTED:
                self.latencies.append(round(seconds * 1e6))


def make_requests(load: Load, options: argparse.Namespace, key: str) -> Iterator[bytes]:
    """Yield request after request until the load has ended, each to another number."""
    for number in count(options.first):
        if load.ended:
            return
        body = _BODY % (number, number, number)
        yield make_request(options.url, "/v1/messages", body.encode(), key)


async def post(options: argparse.Namespace, key: str) -> Load:
    """Let the clients post for as long as it was asked, and return what they saw."""
    load = Load()
    requests = make_requests(load, options, key)
    pace = even_pace(options.rate) if options.rate else None
    ended = await start_clients(options.url, options.clients, requests, load.note, pace)
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
    parser.add_argument("--rate", type=float, help="requests a second (as many as are answered)")
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
