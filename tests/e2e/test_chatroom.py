"""Agents answer people in Odoo's ChatRoom, while Odoo goes away and comes back."""

import contextlib
import importlib.util
import os
import random
import socket
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .stack import wait_until
from .test_webhooks import webhook_path

PLUGIN_TESTS = Path(__file__).parents[2] / "plugins/acrux_chatroom/tests"
UUID, TOKEN = "3f0c5a1e-e2e-uuid-of-nobody", "an-e2e-token-of-nobody"
PEOPLE = int(os.environ.get("CHATROOM_PEOPLE", "20"))
"""Conversations; 200 take four minutes on two cores."""
TURNS = 20
"""Messages of each of the two in every conversation."""
CUTS = 3
"""How often Odoo goes away, with calls on the way."""


def load(path):
    spec = importlib.util.spec_from_file_location(f"chatroom_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


addon = load(PLUGIN_TESTS / "addon.py")
process = load(PLUGIN_TESTS / "odoo_rpc/process.py")


class Wire:
    """A way to Odoo that can be cut, as a restart cuts it: with calls on it, in both directions."""

    def __init__(self, port):
        self._target = port
        self._listener = None
        self._ends = set()
        self.port = 0
        self.cuts = 0
        self.mend()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def mend(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        self.cuts += 1
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._ends):
            self._close(end)

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._ends |= {near, far}
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, target):
        with contextlib.suppress(OSError):  # the other end was cut
            while part := source.recv(65536):
                target.sendall(part)
        self._close(source)
        self._close(target)

    def _close(self, end):
        self._ends.discard(end)
        with contextlib.suppress(OSError):  # it is closed already
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@pytest.fixture
def room(house):
    """The simulator, the gateway, Odoo, the wire to it, and the connector as agents use it."""
    simulate, serve = house
    with process.running_odoo(15) as odoo:
        wire = Wire(int(odoo.url.rsplit(":", 1)[1]))
        simulator = simulate(webhook_drop=1)  # of receipts others tell
        gateway = serve(
            simulator,
            account='rate = "100000/60s"',
            plugins=("kolmeya", "acrux_chatroom"),
            more=f"""
[sinks.chatroom]
sink = "acrux_chatroom"
odoo_url = "{wire.url}"
connector_uuid = "{UUID}"
connector_token = "{TOKEN}"
account = "main"
timeout = 5
retry_delays = [0.5, 1, 2, 2, 2, 2, 2, 2, 2, 2]

[sinks.chatroom.rpc]
database = "{process.DATABASE}"
login = "{process.LOGIN}"
password = "{process.PASSWORD}"
""",
        )
        endpoint = f"{gateway.url}/sinks/chatroom"
        odoo.create(
            process.CONNECTOR,
            name="SMS",
            uuid=UUID,
            token=TOKEN,
            endpoint=endpoint,
            odoo_url=wire.url,
            source="/",
        )
        connector = addon.Connector(UUID, TOKEN, endpoint)
        connector.odoo_url = wire.url
        yield simulator, gateway, odoo, wire, connector


def address(person):
    return f"+55119{10_000_000 + person}"


def shuffled_turns():
    """Return whose turn it is, over and over, each person's turns in their order."""
    whose = [person for person in range(PEOPLE) for _ in range(TURNS)]
    random.Random(7).shuffle(whose)  # noqa: S311  # the same each time
    seen = defaultdict(int)
    for person in whose:
        yield person, seen[person]
        seen[person] += 1


def write_all(gateway, path):
    """Let everybody write their messages, by Kolmeya's webhook."""
    for person, turn in shuffled_turns():
        body = {
            "id": f"reply-{person}-{turn}",
            "reply": f"{person}: {turn}",
            "received_at": "16/11/2025 14:30:00",
            "message": {"id": None, "reference": None, "phone": address(person)[3:]},
        }
        gateway.http.post(path, json=body).raise_for_status()


def answer_all(connector, share, shares):
    """Let an agent answer their share of the people."""
    for person, turn in shuffled_turns():
        if person % shares == share:
            number = address(person)[1:]
            said = {"type": "text", "text": f"A {person}: {turn}", "to": number}
            connector.send(said | {"id": str(100_000 + person * TURNS + turn)})


def test_conversations_stay_whole_and_in_order_while_odoo_restarts(room):
    simulator, gateway, odoo, wire, connector = room
    assert connector.check_status()
    path = gateway.url + webhook_path(gateway)
    # Half of the agents' messages pile up, and leave in batches; the others leave as they come.
    gateway.http.post("/v1/accounts/main/pause").raise_for_status()
    shares = 4
    done = threading.Event()

    def break_wire():
        for _ in range(CUTS):
            if done.wait(1.0):
                return
            wire.cut()
            done.wait(0.5)
            wire.mend()

    with ThreadPoolExecutor(shares + 2) as pool:
        breaking = pool.submit(break_wire)
        work = [pool.submit(write_all, gateway, path)]
        work += [pool.submit(answer_all, connector, share, shares) for share in range(shares)]
        try:
            wait_until(lambda: gateway.account()["queued"] > PEOPLE * TURNS / 2, "half is written")
            gateway.http.post("/v1/accounts/main/resume").raise_for_status()
            for each in work:
                each.result()
            sink = f"{gateway.url}/v1/sinks/chatroom"
            wait_until(
                lambda: gateway.http.get(sink).json()["pending"] < PEOPLE * TURNS / 20,
                "most is delivered",
            )
        finally:
            done.set()
        breaking.result()
    # What is only stored, and not yet processed, is not pending at the sink.
    wait_until(lambda: len(odoo.rows(process.MESSAGE)) >= PEOPLE * TURNS, "all has arrived")
    wait_until(lambda: gateway.http.get(sink).json()["pending"] == 0, "all is delivered")
    assert gateway.http.get(sink).json()["dead"] == 0
    assert wire.cuts  # how many depends on the pace of the machine

    arrived = defaultdict(list)
    numbers = {row["id"]: row["number"] for row in odoo.rows(process.CONVERSATION)}
    for row in odoo.rows(process.MESSAGE):
        arrived[numbers[row["contact_id"]]].append(row["text"])
    assert arrived == {
        address(person)[1:]: [f"{person}: {turn}" for turn in range(TURNS)]
        for person in range(PEOPLE)
    }

    total = PEOPLE * TURNS
    wait_until(lambda: simulator.state["messages_accepted"] >= total, "all answers are sent")
    sent = defaultdict(list)
    for message in simulator.http.get("/_simulator/messages", params={"limit": total + 10}).json()[
        "messages"
    ]:
        sent[str(message["phone"])].append(message["message"])
    assert {phone: sorted(texts) for phone, texts in sent.items()} == {
        address(person)[3:]: sorted(f"A {person}: {turn}" for turn in range(TURNS))
        for person in range(PEOPLE)
    }
    newest_first = [[f"A {p}: {t}" for t in reversed(range(TURNS))] for p in range(PEOPLE)]
    assert sorted(sent.values()) == sorted(newest_first)
