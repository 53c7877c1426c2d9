"""Campaigns whose import and whose sending are killed at random: everybody gets one message."""

import csv
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pytest

from .stack import DEADLINE, wait_until

SIZE = int(os.environ.get("CAMPAIGN_PEOPLE", "5000"))
KILLS = int(os.environ.get("CAMPAIGN_KILLS", "3"))
SEED = int(os.environ.get("CAMPAIGN_SEED", "20261121"))
PATIENT = DEADLINE + SIZE / 100

SLOWLY = """
batch_size = 50
concurrency = 2
rate = "100000/60s"
lookup_settles = 1.0
price = "0.08"
"""
HURRY = "poll_delays = [1, 2]\nretry_delays = [1, 2, 4, 8]"
REPEATS, EVERY_FAULT = 3, 70
"""How often a row is repeated, so that the import takes a while, and how seldom one is broken."""


class Audience:
    """A file of recipients, some of whose rows repeat others or can't be used."""

    def __init__(self, path, size, first=0):
        self.valid = [f"+55119{10_000_000 + first + index}" for index in range(size)]
        self.repeats = self.faults = 0
        rows = []
        for index, address in enumerate(self.valid):
            rows.append(f"{address};Pessoa {index}")
            for number in range(REPEATS):
                self.repeats += 1
                rows.append(f"{self.valid[index // (1 + number)]};Outra vez")
            if index % EVERY_FAULT == 0:
                self.faults += 1
                rows.append(f"{index % 1000};Ninguém")
        self.rows = len(rows)
        path.write_text("\n".join(["telefone;nome", *rows, ""]), encoding="utf-8")


def told(simulator):
    """Count the messages that the vendor took, by phone."""
    found = simulator.http.get("/_simulator/messages", params={"limit": 10 * SIZE}).json()
    return Counter(f"+55{message['phone']}" for message in found["messages"])


def imported(gateway):
    """Count the rows that the audience has."""
    path = gateway.database.removeprefix("sqlite+aiosqlite:///")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as store:
        return store.execute("SELECT count(*) FROM recipients").fetchone()[0]


class Command:
    """``recado import`` as a process, always with the same words."""

    def __init__(self, gateway, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "recado_gateway", "import", "people.csv", *arguments],
            cwd=gateway.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def result(self):
        out, err = self.process.communicate(timeout=PATIENT)
        assert self.process.returncode == 0, err
        return json.loads(out)


def finished(gateway, campaign_id):
    seen = gateway.http.get(f"/v1/campaigns/{campaign_id}").json()
    return seen if seen["status"] == "finished" else None


def break_off(gateway, audience, enough):
    """Kill the command once so many rows are imported; return whether that broke the import off."""
    command = Command(gateway, *IMPORT, "--start")
    deadline = time.monotonic() + DEADLINE
    while imported(gateway) < enough:
        assert time.monotonic() < deadline, "so many rows are imported"
        time.sleep(0.002)
    command.kill()
    return 0 < imported(gateway) < audience.rows


IMPORT = ("--text", "Oi {{ nome }}!", "--cost-centre", "vendas", "--json")


def test_campaign_killed_at_random_while_imported_and_sent_reaches_everybody_once(house):
    simulate, serve = house
    draw = random.Random(SEED)  # noqa: S311  # moments, not secrets
    simulator = simulate(latency=0.1)
    gateway = serve(simulator, gateway=HURRY, account=SLOWLY)
    audience = Audience(gateway.folder / "people.csv", SIZE)

    moments = sorted(draw.randrange(1, audience.rows * 3 // 4) for _ in range(KILLS))
    broken_off = [break_off(gateway, audience, enough) for enough in moments]
    assert any(broken_off), "no kill met the import"

    command = Command(gateway, *IMPORT, "--start")
    wait_until(lambda: simulator.state["messages_accepted"] > 0, "sending has begun")
    for _ in range(KILLS):
        time.sleep(draw.uniform(0.02, 0.6))
        gateway.program.kill()
        gateway.start()
    killed_at = simulator.state["messages_accepted"]
    campaign = command.result()
    assert campaign["status"] == "finished"
    assert killed_at < SIZE, "the last kill came after the work"

    wait_until(
        lambda: figures(gateway, campaign["id"])["delivered"] == SIZE,
        "all messages are delivered",
        PATIENT,
    )
    state, phones = simulator.state, told(simulator)
    assert state["sent_twice"] == 0, state["repeated_references"]
    assert phones == Counter(audience.valid)

    seen = gateway.http.get(f"/v1/campaigns/{campaign['id']}").json()
    assert seen["recipients"] == {
        "total": audience.rows,
        "valid": SIZE,
        "duplicates": audience.repeats,
        "invalid": audience.faults,
        "unfinished": 0,
    }
    assert (seen["stats"]["accepted"], seen["stats"]["sent"]) == (SIZE, SIZE)
    assert seen["stats"]["segments"] == SIZE
    assert float(seen["stats"]["cost"]) == pytest.approx(SIZE * 0.08)

    results = gateway.http.get(f"/v1/campaigns/{campaign['id']}/results.csv")
    lines = list(csv.DictReader(io.StringIO(results.text, newline="")))
    assert [int(line["line"]) for line in lines] == list(range(2, audience.rows + 2))
    assert Counter(line["status"] for line in lines) == {
        "delivered": SIZE,
        "duplicate": audience.repeats,
        "invalid": audience.faults,
    }

    again = Command(gateway, *IMPORT, "--start").result()
    assert (again["id"], again["status"]) == (campaign["id"], "finished")
    assert standing(gateway) == [(campaign["id"], "finished")]
    assert simulator.state["messages_accepted"] == SIZE


def figures(gateway, campaign_id):
    return gateway.http.get(f"/v1/campaigns/{campaign_id}").json()["stats"]


def standing(gateway):
    """Return the ids of all campaigns, and how they stand, the newest first."""
    found = gateway.http.get("/v1/campaigns").json()["items"]
    return [(campaign["id"], campaign["status"]) for campaign in found]


# ---------------------------------------------------------------- held, ended, left alone

BATCH, CALLS, LATENCY = 20, 2, 0.1
A_SECOND = CALLS * BATCH / LATENCY
"""Messages that the gateway below can send in a second at the most."""
PEOPLE = 2000


@pytest.fixture(scope="module")
def slow(shared_house):
    """A simulator, and a gateway that sends slowly."""
    simulate, serve = shared_house
    simulator = simulate(latency=LATENCY)
    account = f'batch_size = {BATCH}\nconcurrency = {CALLS}\nrate = "100000/60s"'
    return simulator, serve(simulator, account=account)


class Running:
    """A campaign that has begun to be sent, which takes a while yet."""

    def __init__(self, slow, number):
        self.simulator, self.gateway = slow
        self.file = self.gateway.folder / "people.csv"
        self.audience = Audience(self.file, PEOPLE, first=number * PEOPLE)
        self.before = self.taken

    def start(self):
        made = self.gateway.http.post(
            "/v1/campaigns", json={"name": "Spring", "text": "Oi {{ nome }}!"}
        )
        self.id = made.json()["id"]
        self.control("recipients", content=self.file.read_bytes())
        assert self.control("start")["status"] == "running"
        return self

    def has_begun(self):
        return self.taken - self.before >= 100

    @property
    def taken(self):
        return self.simulator.state["messages_accepted"]

    @property
    def reached(self):
        """How many messages each of the audience was sent."""
        people = set(self.audience.valid)
        counts = told(self.simulator)
        return Counter({phone: count for phone, count in counts.items() if phone in people})

    def control(self, what, **body):
        answer = self.gateway.http.post(f"/v1/campaigns/{self.id}/{what}", **body)
        assert answer.is_success, answer.text
        return answer.json()

    def wait_until_nothing_is_in_flight(self):
        wait_until(lambda: not self.gateway.messages(status="sending"), "all calls have ended")

    def wait_until_everybody_got_one(self):
        wait_until(lambda: finished(self.gateway, self.id), "the campaign is finished")
        wait_until(lambda: self.reached == Counter(self.audience.valid), "everybody got one")


def test_within_a_second_of_a_pause_nothing_more_goes_until_it_is_resumed(slow):
    campaign = Running(slow, 1).start()
    wait_until(campaign.has_begun, "sending has begun")
    before = campaign.taken
    assert campaign.control("pause")["status"] == "paused"
    campaign.wait_until_nothing_is_in_flight()
    taken = campaign.taken
    assert taken - before <= A_SECOND + CALLS * BATCH
    time.sleep(1)
    assert campaign.taken == taken
    assert taken - campaign.before < PEOPLE, "the pause came after the work"

    campaign.control("resume")
    campaign.wait_until_everybody_got_one()


def test_what_was_not_sent_when_a_campaign_is_canceled_never_goes(slow):
    campaign = Running(slow, 2).start()
    wait_until(campaign.has_begun, "sending has begun")
    assert campaign.control("cancel")["status"] == "canceled"
    wait_until(lambda: not campaign.gateway.messages(status="queued"), "nothing waits any more")
    campaign.wait_until_nothing_is_in_flight()
    reached = campaign.reached
    time.sleep(1)
    assert campaign.reached == reached
    assert 0 < len(reached) < PEOPLE
    assert set(reached.values()) == {1}


def test_watching_that_is_interrupted_lets_the_campaign_go_on(slow):
    campaign = Running(slow, 3)
    watching = Command(campaign.gateway, *IMPORT, "--start").process
    wait_until(campaign.has_begun, "sending has begun")
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=DEADLINE)
    assert watching.returncode == 130, said
    campaign.id, _ = standing(campaign.gateway)[0]
    assert f"`recado campaign follow {campaign.id}`" in said
    campaign.wait_until_everybody_got_one()
