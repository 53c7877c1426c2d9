"""The provider and the receiver, with the simulator in between."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import msgspec
from recado_core import (
    AccountContext,
    OutboundBatch,
    OutboundMessage,
    ReceiverContext,
    Secret,
    WebhookRequest,
)
from recado_core.testing import make_id
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.simulator.inprocess import BASE_URL, WEBHOOK_URL, open_bench
from recado_kolmeya.simulator.switches import Switches
from recado_kolmeya.webhooks import KolmeyaReceiver


def magic(ending, area=11):
    return f"+55{area}9999000{ending:02d}"


def message(to, text="Olá", **fields):
    return OutboundMessage(id=make_id(), to=to, text=text, **fields)


def batch(*messages):
    return OutboundBatch(reference=make_id(), messages=messages)


def plain(count):
    return batch(*(message(f"+55119{number:08d}") for number in range(1, count + 1)))


class Gateway:
    """One account of ours at the simulated vendor."""

    def __init__(self, bench, **settings):
        chosen = {"token": Secret("kolmeya-simulator"), "base_url": BASE_URL} | settings
        self.bench = bench
        self.settings = KolmeyaSettings(**chosen)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(bench.simulator))
        self.provider = KolmeyaProvider(
            AccountContext(
                account="kolmeya_main",
                settings=self.settings,
                http=self.http,
                now=self.now,
                webhook_url=WEBHOOK_URL,
            )
        )

    def now(self):
        """Tell the simulator's time."""
        return datetime.fromtimestamp(self.bench.simulator.world.clock.now(), UTC)

    def received(self):
        """Read every webhook that has arrived."""
        context = ReceiverContext(account="kolmeya_main", settings=self.settings)
        receiver = KolmeyaReceiver(context)
        items = []
        for delivery in self.bench.mailbox.deliveries:
            body = msgspec.json.encode(delivery.body)
            items += receiver.parse(
                WebhookRequest(url=delivery.url, headers=delivery.headers, query={}, body=body)
            )
        return items


@asynccontextmanager
async def open_gateway(settings=None, **switches):
    async with open_bench(Switches(**({"clock": "manual"} | switches))) as bench:
        gateway = Gateway(bench, **(settings or {}))
        async with gateway.http:
            yield gateway
