"""A business system in this process, a house whose sink is before it, and what its tests share."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import anyio
import msgspec
import sqlalchemy as sa
from recado_core import NOT_TOLD, EventSubject, Finding, SinkType, WebhookReply, WebhookRequest
from recado_core.engine.deliver.sinks import DeliveryState
from recado_core.engine.settings import SinkSettings
from recado_core.engine.store import schema

ANA, BIA, EVA = (f"+551190000000{number}" for number in (1, 2, 3))
SEVERAL_SECONDS = 20


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str = "main"


class System:
    """Says what the test tells it to, and remembers all it got."""

    def __init__(self, context, kind):
        self.context = context
        self.gateway = context.gateway
        self.kind = kind
        self.calls = []
        self.taken = []
        self.answers = []
        self.refusing = {}  # what it says to a text or to a type of event
        self.unneeded = ()  # the texts of which it needs not be told
        self.busy = {}
        self.most_at_once = 0
        self.slow = 0.0
        self.held = None  # while it is set and not free, calls wait
        self.is_hanging = False

    async def deliver(self, event, *, repeated):
        self.calls.append((event, repeated))
        thread = self.thread(event)
        assert not self.busy.get(thread), "two events of one thread at once"
        self.busy[thread] = True
        self.most_at_once = max(self.most_at_once, sum(self.busy.values()))
        try:
            await asyncio.sleep(self.slow)
            if self.held is not None:
                await self.held.wait()
        finally:
            self.busy[thread] = False
        if self.answers and (answer := self.answers.pop(0)) is not None:
            raise answer
        for said in (event.data.get("text"), event.type):
            if said in self.refusing:
                raise self.refusing[said]
        if event.data.get("text") in self.unneeded:
            return NOT_TOLD
        self.taken.append(event)
        return None

    def thread(self, event):
        data = event.data
        person = data.get("sender") or data.get("address") or data.get("to")
        try:
            return person, self.kind.lane(EventSubject(type=event.type))
        except ValueError:  # a plugin that breaks
            return person, None

    async def handle(self, request):
        match request.path:
            case "break":
                raise ValueError("broken")
            case "read":
                await self.gateway.note_read("main", ANA)
            case "hang":
                await asyncio.sleep(3600)
        return WebhookReply(body=json.dumps({"path": request.path}).encode())

    async def probe(self):
        if self.is_hanging:
            await asyncio.sleep(3600)
        return [Finding(what="version", ok=True, detail="15.0")]

    @property
    def texts(self):
        return [event.data.get("text") for event in self.taken]

    @property
    def types(self):
        return [event.type for event in self.taken]

    @property
    def repeats(self):
        return [repeated for _, repeated in self.calls]


@asynccontextmanager
async def open_before(  # what a sink's type may say
    open_house, *, wants=None, lane=None, events=("message.received",), sink=None, **settings
):
    """Open a house with one sink, ``desk``; its system is ``house.system``."""
    systems = []
    kind = SinkType(
        id="desk",
        settings=DeskSettings,
        events=frozenset(events),
        create=lambda context: systems.append(System(context, kind)) or systems[-1],
        wants=wants,
        requests=True,
        probe=True,
        **{} if lane is None else {"lane": lane},
    )
    name = settings.pop("name", "desk")
    sinks = {name: SinkSettings(sink="desk", **sink or {})}
    async with open_house(sink_types=[kind], sinks=sinks, **settings) as house:
        house.system = systems[-1]
        house.worker = house.engine.sinks.workers[0]
        yield house


async def write(house, text, sender=ANA):
    """Let a person write."""
    house.count = getattr(house, "count", 0) + 1
    await house.webhook(
        ["message", {"provider_ref": f"mo-{house.count}", "sender": sender, "text": text}]
    )
    await house.engine.receive.process()


@asynccontextmanager
async def running(house):
    """Let the sink's worker run."""
    task = asyncio.create_task(house.worker.run())
    try:
        yield task
    finally:
        house.worker.stop()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition):
    with anyio.fail_after(SEVERAL_SECONDS):
        while not condition():  # noqa: ASYNC110  # another task's
            await asyncio.sleep(0.001)


def call(path):
    """Return a call of the business system."""
    return WebhookRequest(
        url="https://gateway.example.com/sinks/desk", headers={}, query={}, body=b"", path=path
    )


async def deliveries(house, state=None):
    page = await house.engine.sinks.deliveries("desk", state and DeliveryState(state))
    return page.items


async def told(house, like="sink.%"):
    """Return the types of the events that are like this, in their order."""
    async with house.database.read() as connection:
        found = await connection.execute(
            sa.select(schema.events.c.type).where(schema.events.c.type.like(like)).order_by("id")
        )
        return list(found.scalars())
