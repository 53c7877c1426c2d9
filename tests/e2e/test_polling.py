"""What no webhook tells is asked for: every DLR and every reply, once, however long it took."""

from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
from recado_core import Secret
from recado_core.engine.accept.accepting import BatchRequest
from recado_core.engine.messages.messages import MAX_PAGE, MessageFilter
from recado_core.engine.plugins import load_plugins
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import AccountSettings, EngineSettings, RouteSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.schema import events
from recado_core.testing import Clock

from .stack import texts, wait_until

OFTEN = "poll_delays = [0.5, 1, 2]\nreply_poll = 1"


def test_all_is_known_although_no_webhook_ever_comes(house):
    simulate, serve = house
    simulator = simulate(webhook_drop=1.0, reply_every=100, final_delay=2, final_spread=3)
    gateway = serve(simulator, gateway=OFTEN, account='rate = "100000/60s"')
    for start in range(0, 5000, 1000):
        gateway.send(texts(1000, start))
    wait_until(gateway.settled, "all are final")
    wait_until(lambda: len(gateway.messages(direction="in")) == 50, "all replies are here")
    asked = simulator.state["calls"]["/v1/sms/replys"]
    wait_until(
        lambda: simulator.state["calls"]["/v1/sms/replys"] > asked + 1,
        "replies are polled again",
    )
    replies = gateway.messages(direction="in")
    assert len({reply["answers"] for reply in replies}) == len(replies) == 50
    state = simulator.state
    assert (state["store_calls"], state["sent_twice"]) == (5, 0)
    assert state["webhooks"]["sent"] == 0
    assert Counter(m["status"] for m in gateway.messages(direction="out")) == {"delivered": 5000}


class House:
    """A gateway in this process on a clock that tests move, and the vendor in another."""

    def __init__(self, folder, simulator):
        self.clock = Clock(datetime.now(UTC))
        self.simulator = simulator
        self.database = f"sqlite+aiosqlite:///{folder / 'recado.db'}"

    @asynccontextmanager
    async def up(self):
        """Run a gateway for as long as the block."""
        account = AccountSettings(
            provider="kolmeya",
            own={
                "base_url": f"{self.simulator.url}/api",
                "token": Secret("kolmeya-simulator"),
            },
        )
        engine = Engine(
            EngineSettings(
                database=self.database,
                public_url="http://127.0.0.1:9",  # nothing listens: no webhook arrives
                accounts={"main": account},
                routes=[RouteSettings(accounts=["main"])],
            ),
            load_plugins(["kolmeya"]),
            now=self.clock.now,
            monotonic=lambda: self.clock.now().timestamp(),
        )
        await engine.open()
        try:
            yield engine
        finally:
            await engine.close()

    def pass_time(self, by):
        """Let the same time pass here and at the vendor."""
        self.clock.advance(by)
        self.simulator.control("clock", advance_seconds=by.total_seconds())

    async def settle(self, engine):
        while await engine.run_once():
            pass

    async def accept(self, engine, messages):
        raw = [msgspec.Raw(msgspec.json.encode(message)) for message in messages]
        answer = await engine.accept.batch(BatchRequest(messages=raw))
        return [item["id"] for item in msgspec.json.decode(answer.body)["results"]]

    async def list(self, engine, **filters):
        found, cursor = [], None
        while True:
            page = await engine.messages.list(MessageFilter(**filters), MAX_PAGE, cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def count_events(self):
        """Return how many messages have how many events of a type."""
        counts = sa.select(events.c.type, sa.func.count().label("n")).group_by(
            events.c.type, events.c.message_id
        )
        database = Database(self.database)
        async with database.read() as connection:
            rows = [tuple(row) for row in await connection.execute(counts)]
        await database.close()
        return Counter(rows)


async def test_two_days_of_silence_are_caught_up_and_nothing_is_doubled(house, tmp_path):
    simulate, _ = house
    simulator = simulate(clock="manual", final_delay=120, replies_per_page=7)
    gateway = House(tmp_path, simulator)
    async with gateway.up() as engine:
        taken = await gateway.accept(engine, texts(500))
        await gateway.settle(engine)
        # A batch whose answer could not be read, and one that nobody has sent yet.
        simulator.control("switches", faults=[{"kind": "json", "next": 1, "path": "sms/store"}])
        doubted = await gateway.accept(engine, texts(300, 1000))
        await engine.run_once()
        waiting = await gateway.accept(engine, texts(200, 2000))
    answers = {}
    for hours, index in ((1, 0), (1, 10), (5, 200), (20, 499), (21, 3)):
        gateway.pass_time(timedelta(hours=hours))
        for number in range(3):
            text = f"resposta {index}-{number}"
            simulator.control("replies", reference=taken[index], text=text)
            answers[text] = taken[index]

    async with gateway.up() as engine:
        await gateway.settle(engine)
        for _ in range(6):
            gateway.pass_time(timedelta(minutes=20))
            await gateway.settle(engine)
        sent = await gateway.list(engine, direction="out")
        received = await gateway.list(engine, direction="in")
    assert Counter(str(message.status) for message in sent) == {"delivered": 1000}
    assert {message.id for message in sent} == {*taken, *doubted, *waiting}
    assert {message.text: message.answers for message in received} == answers
    assert len(received) == len(answers) == 15
    state = simulator.state
    assert (state["messages_accepted"], state["sent_twice"], state["store_calls"]) == (1000, 0, 3)
    told = await gateway.count_events()
    assert told["message.delivered", 1] == 1000
    assert told["message.received", 1] == 15
    assert len(told) == len({kind for kind, _ in told})  # of each kind, every message has as many
