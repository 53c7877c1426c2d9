"""An engine on a real database, with a vendor and a clock that tests drive."""

import gc
import json
import secrets
import shutil
from collections.abc import Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
from recado_core import (
    Capabilities,
    LookupResult,
    MalformedWebhookError,
    Outcome,
    ProviderType,
    SendResult,
    WebhookReply,
    WebhookRequest,
)
from recado_core.engine.accept.accepting import BatchRequest, Draft
from recado_core.engine.plugins import load_plugins
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import AccountSettings, EngineSettings, RouteSettings
from recado_core.engine.store.database import Database
from recado_core.messages import BatchRejected, InboundMessage, StatusUpdate
from recado_core.testing import Clock


@pytest.fixture(scope="session")
async def migrated_sqlite(database_folder):
    """An SQLite file with the schema, to copy: making the schema takes longer than most tests."""
    path = database_folder / "migrated.db"
    await upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
async def migrated_postgres(postgres):
    """The name of a PostgreSQL database with the schema, to copy."""
    await upgrade(await postgres.create("migrated"))
    return "migrated"


@pytest.fixture
def sqlite_url(sqlite_url, migrated_sqlite):
    """The address of an SQLite file with the schema in it."""
    shutil.copy(migrated_sqlite, sqlite_url.partition("///")[2])
    return sqlite_url


@pytest.fixture
async def postgres_url(postgres, migrated_postgres):
    """The address of a PostgreSQL database with the schema in it."""
    url = await postgres.create(f"test_{secrets.token_hex(8)}", template=migrated_postgres)
    yield url
    await postgres.drop(url)


async def upgrade(url):
    database = Database(url)
    await database.upgrade()
    await database.close()


class VendorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The vendor has none."""


def accept_all(batch):
    """Take every message."""
    return [
        SendResult(message_id=m.id, outcome=Outcome.ACCEPTED, provider_ref=f"ref-{m.id}")
        for m in batch.messages
    ]


class Vendor:
    """A provider in this process: says what the test tells it to, and remembers all it got."""

    def __init__(self):
        self.batches = []
        self.answers: list[Callable | BaseException] = []
        self.known: dict[str, list[SendResult]] = {}
        self.lookups = []
        self.lookup_error = None
        self.receipts: list[StatusUpdate] = []
        self.polled = []
        self.pages: list[list[InboundMessage] | BaseException] = []
        self.asked_since = []
        self.balances: list[Decimal | BaseException] = []
        self.suppressed = set()
        self.changes: list[tuple[str, list[str]]] = []
        self.before_change = None  # is awaited with the name and the addresses of every change

    async def send(self, batch):
        self.batches.append(batch)
        answer = self.answers.pop(0) if self.answers else accept_all
        if isinstance(answer, BaseException):
            raise answer
        results = answer(batch)
        self.known[batch.reference] = results
        return results

    async def lookup(self, batch):
        self.lookups.append(batch.reference)
        if self.lookup_error is not None:
            raise self.lookup_error
        results = self.known.get(batch.reference)
        return LookupResult(found=results is not None, results=tuple(results or ()))

    async def poll_statuses(self, batch_reference):
        self.polled.append(batch_reference)
        return self.receipts

    async def poll_replies(self, since):
        self.asked_since.append(since)
        for page in self.pages:
            if isinstance(page, BaseException):
                raise page
            yield page

    async def balance(self):
        balance = self.balances[0] if len(self.balances) == 1 else self.balances.pop(0)
        if isinstance(balance, BaseException):
            raise balance
        return balance

    async def suppress(self, entries):
        told = await self._change("suppress", entries)
        self.suppressed |= {entry.address for entry in entries}
        return told

    async def unsuppress(self, entries):
        told = await self._change("unsuppress", entries)
        self.suppressed -= {entry.address for entry in entries}
        return told

    async def _change(self, name, entries):
        assert all(entry.document is None for entry in entries)
        addresses = [entry.address for entry in entries]
        self.changes.append((name, addresses))
        return await self.before_change(name, addresses) if self.before_change else None

    @property
    def sizes(self):
        return [len(batch.messages) for batch in self.batches]

    @property
    def sent(self):
        return [message for batch in self.batches for message in batch.messages]


class VendorReceiver:
    """Reads webhooks that are lists of tagged items."""

    reply = WebhookReply()
    kinds = {"status": StatusUpdate, "message": InboundMessage, "rejected": BatchRejected}  # noqa: RUF012

    def authenticate(self, request):
        pass

    def parse(self, request):
        try:
            items = json.loads(request.body)
        except ValueError as error:
            raise MalformedWebhookError("not JSON") from error
        return [msgspec.convert(fields, self.kinds[kind]) for kind, fields in items]


class House:
    """The engine with its vendors (one for each account), and short ways to use them."""

    def __init__(self, engine, database, vendors, clock, contexts):
        self.engine = engine
        self.database = database
        self.vendors = vendors
        self.vendor = next(iter(vendors.values()), None)
        self.context = next(iter(contexts.values()), None)
        self.clock = clock

    async def accept(self, **fields):
        answer = await self.engine.accept.message(
            Draft(**{"to": "+5511900000001", "text": "oi"} | fields)
        )
        return json.loads(answer.body)["id"]

    async def accept_many(self, count, **defaults):
        items = [
            {"to": f"+5511{900000000 + index}", "text": f"oi {index}"} | defaults
            for index in range(count)
        ]
        request = BatchRequest(messages=[msgspec.Raw(msgspec.json.encode(item)) for item in items])
        told = json.loads((await self.engine.accept.batch(request)).body)
        return [item["id"] for item in told["results"]]

    async def settle(self, *, rounds=20):
        """Do what is due until nothing is."""
        for _ in range(rounds):
            if await self.engine.run_once() == 0:
                return
        raise AssertionError("there is always more to do")

    async def advance(self, seconds):
        self.clock.advance(seconds)
        await self.settle()

    async def webhook(self, *items, account="main", raw=None):
        body = msgspec.json.encode(list(items)) if raw is None else raw
        token = self.engine.accounts.webhook_path(account).rsplit("/", 1)[1]
        request = WebhookRequest(
            url=f"https://gateway.example.com/webhooks/{account}/{token}",
            headers={"content-type": "application/json"},
            query={},
            body=body,
        )
        return await self.engine.receive.webhook(account, token, request)

    async def deliver(self, message_id, status="delivered", **fields):
        await self.webhook(["status", {"message_id": message_id, "status": status} | fields])
        await self.settle()

    async def show(self, message_id):
        return await self.engine.messages.get(message_id)

    async def status(self, message_id):
        return str((await self.show(message_id)).status)

    async def statuses(self, ids):
        return [await self.status(message_id) for message_id in ids]


@pytest.fixture
def no_collector():
    """Keep the collector of cycles from clearing what is kept by mistake."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def open_house(database_url):
    """Open an engine: ``async with open_house(accounts={"main": {...}}, capabilities={...})``."""

    @asynccontextmanager
    async def opened(  # noqa: PLR0913, PLR0917  # each is what a test may want otherwise
        accounts=None,
        capabilities=None,
        checks=(),
        kind=None,
        clock=None,
        sink_types=(),
        **settings,
    ):
        clock = clock or Clock()
        vendors = {}
        contexts = {}

        def create(context):
            contexts[context.account] = context
            return vendors.setdefault(context.account, Vendor())

        plugins = load_plugins([])
        plugins.provider_types["vendor"] = ProviderType(
            id="vendor",
            channels=frozenset({"sms"}),
            settings=VendorSettings,
            capabilities=Capabilities(
                **{"max_batch": 1000, "lookup": True, "poll_statuses": True} | (capabilities or {})
            ),
            create=create,
            create_receiver=lambda _: VendorReceiver(),
            **kind or {},
        )
        plugins.checks.extend(checks)
        plugins.sink_types.update({each.id: each for each in sink_types})
        accounts = {"main": {}} if accounts is None else accounts
        configured = {
            name: msgspec.convert({"provider": "vendor"} | fields, AccountSettings)
            for name, fields in accounts.items()
        }
        settings.setdefault("routes", [RouteSettings(accounts=list(accounts))] if accounts else [])
        engine = Engine(
            EngineSettings(database=database_url, accounts=configured, **settings),
            plugins,
            now=clock.now,
            monotonic=lambda: clock.now().timestamp(),
        )
        await engine.open()
        database = Database(database_url)
        try:
            yield House(engine, database, vendors, clock, contexts)
        finally:
            await engine.close()
            await database.close()

    return opened


@pytest.fixture
async def house(open_house):
    """The common engine: one account, ``main``."""
    async with open_house() as opened:
        yield opened
