"""The simulator inside a test: no socket, a client to call it, and a mailbox for its webhooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
from msgspec import Struct

from recado_kolmeya.simulator.app import Simulator, create_simulator
from recado_kolmeya.simulator.switches import Switches

BASE_URL = "http://kolmeya.test/api"
WEBHOOK_URL = "http://gateway.test/webhooks/kolmeya/made-up"


class Delivery(Struct, frozen=True):
    """One webhook that arrived."""

    url: str
    headers: httpx.Headers
    body: dict[str, object]


class Mailbox:
    """Takes webhooks; ``status`` is what it answers the next ones with."""

    def __init__(self) -> None:
        self.status = 200
        self.deliveries: list[Delivery] = []

    @property
    def bodies(self) -> list[dict[str, object]]:
        """Give what arrived, oldest first."""
        return [delivery.body for delivery in self.deliveries]

    async def take(self, request: httpx.Request) -> httpx.Response:
        """Take one webhook."""
        body = msgspec.json.decode(await request.aread(), type=dict[str, object])
        self.deliveries.append(Delivery(str(request.url), request.headers, body))
        return httpx.Response(self.status)


class Bench(Struct, frozen=True):
    """A simulator with everything to play against it."""

    simulator: Simulator
    http: httpx.AsyncClient  # with the bearer token; paths begin with v1/
    mailbox: Mailbox

    async def call(self, path: str, /, **fields: object) -> httpx.Response:
        """Call an operation of the vendor, such as ``v1/sms/balance``."""
        return await self.http.post(path, json=fields)

    async def control(self, name: str, /, **fields: object) -> httpx.Response:
        """Call a control such as ``clock``."""
        return await self.http.post(f"http://kolmeya.test/_simulator/{name}", json=fields)

    async def advance(self, seconds: float) -> None:
        """Move the clock and wait for the webhooks that this causes."""
        self.simulator.world.schedule.advance(seconds)
        await self.simulator.world.webhooks.drain()


@asynccontextmanager
async def open_bench(
    switches: Switches | None = None, *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Bench]:
    """Open a simulator in-process.

    Args:
        switches: How it behaves; if not given, as by default but with a clock that stands still.
        transport: Where its webhooks go; into the mailbox if not given.
    """
    mailbox = Mailbox()
    chosen = switches or Switches(clock="manual")
    outward = transport or httpx.MockTransport(mailbox.take)
    async with (
        create_simulator(chosen, transport=outward) as simulator,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(simulator),
            base_url=BASE_URL,
            headers={"Authorization": f"Bearer {chosen.token}", "Accept": "application/json"},
        ) as http,
    ):
        yield Bench(simulator, http, mailbox)
