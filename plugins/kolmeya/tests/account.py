"""An account of the plugin with the simulator behind it, as operations meet it."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import jsonschema
import msgspec
from recado_core import AccountContext, Secret
from recado_kolmeya.operations import OPERATIONS
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.simulator.inprocess import BASE_URL, WEBHOOK_URL, open_bench
from recado_kolmeya.simulator.switches import Switches

BY_NAME = {operation.name: operation for operation in OPERATIONS}
MUCH = 1_000_000  # bytes of a reply, which would take seconds to validate
FORMS = ("observed", "documented")


class Account:
    """Runs operations by name, and keeps what was called and what was told of the progress."""

    def __init__(self, provider, recorder):
        self.provider = provider
        self.recorder = recorder
        self.exchanges = recorder.exchanges
        self.progress = []

    @property
    def asked(self):
        """Return the bodies that were sent."""
        return [json.loads(request.content or b"{}") for request, _ in self.exchanges]

    async def run(self, name, /, **fields):
        operation = BY_NAME[name]
        request = msgspec.json.decode(json.dumps(fields), type=operation.request)
        self.progress.clear()
        reply = await operation.call(self.provider, request, self._note)
        assert isinstance(reply, operation.reply)
        shown = msgspec.json.encode(reply)
        if len(shown) < MUCH:
            jsonschema.validate(json.loads(shown), msgspec.json.schema(operation.reply))
        return reply

    def _note(self, done, total):
        self.progress.append((done, total))


class Recorder(httpx.AsyncBaseTransport):
    """Passes calls on and keeps them."""

    def __init__(self, inner):
        self.inner = inner
        self.exchanges = []
        self.before = None  # is awaited before every call

    async def handle_async_request(self, request):
        if self.before:
            await self.before()
        response = await self.inner.handle_async_request(request)
        await response.aread()
        self.exchanges.append((request, response))
        return response


@asynccontextmanager
async def open_account(transport, now, **settings):
    recorder = Recorder(transport)
    chosen = {"token": Secret("kolmeya-simulator"), "base_url": BASE_URL} | settings
    async with httpx.AsyncClient(transport=recorder) as http:
        context = AccountContext(
            account="kolmeya_main",
            settings=KolmeyaSettings(**chosen),
            http=http,
            now=now,
            webhook_url=WEBHOOK_URL,
        )
        yield Account(KolmeyaProvider(context), recorder)


class World:
    """The simulator's side: its clock stands, at the first second of a minute."""

    def __init__(self, bench):
        self.bench = bench

    @property
    def clock(self):
        return self.bench.simulator.world.clock

    def now(self):
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def ago(self, **span):
        """Return a moment as a client writes it."""
        return (self.now() - timedelta(**span)).isoformat()

    def day(self, days=0):
        """Return a day of Brasília's, so many days ago."""
        return (self.clock.local() - timedelta(days=days)).date().isoformat()

    async def advance(self, **span):
        await self.bench.advance(timedelta(**span).total_seconds())

    async def reach(self, **time):
        """Move on to the next time of day of Brasília's with these hours and minutes."""
        local = self.clock.local()
        target = local.replace(**({"second": 0, "microsecond": 0} | time))
        if target < local:
            target += timedelta(days=1) if "hour" in time else timedelta(minutes=1)
        await self.bench.advance(target.timestamp() - self.clock.now())

    async def store(self, *phones, text="Olá", **fields):
        messages = [
            {"phone": phone, "message": f"{text} {n}", "reference": f"m-{n}"}
            for n, phone in enumerate(phones, 1)
        ]
        answer = await self.bench.call("v1/sms/store", messages=messages, **fields)
        assert answer.status_code == 200
        return answer.json()

    async def start_campaign(self, *phones, text="Oferta", **fields):
        messages = [{"phone": phone, "message": text} | fields for phone in phones]
        return (await self.bench.control("campaigns", messages=messages)).json()["id"]


@asynccontextmanager
async def open_world(settings=None, **switches):
    async with open_bench(Switches(**({"clock": "manual", "rate_limit": 0} | switches))) as bench:
        world = World(bench)
        await world.reach()
        transport = httpx.ASGITransport(bench.simulator)
        async with open_account(transport, world.now, **(settings or {})) as account:
            yield world, account
