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

SIZE = int(os.environ.get("RECADO_TEST_RECIPIENTS", "5000"))
KILLS = int(os.environ.get("RECADO_TEST_KILLS", "3"))
SEED = int(os.environ.get("RECADO_TEST_SEED", "20261121"))
PATIENT = DEADLINE + SIZE / 100

SLOWLY = """
batch_size = 50
concurrency = 2
rate = "100000/60s"
lookup_settles = 1.0
price = "0.08"
"""
HURRY = "poll_delays = [1, 2]\nretry_delays = [1, 2, 4, 8]"
EVERY_REPEAT, EVERY_FAULT = 40, 70


class Audience:
    """A file of recipients, some of whose rows repeat others or can't be used."""

    def __init__(self, path, size):
        self.valid = [f"+55119{index:08}" for index in range(10_000_000, 10_000_000 + size)]
        self.repeats = self.faults = 0
        rows = []
        for index, address in enumerate(self.valid):
            rows.append(f"{address};Pessoa {index}")
            if index % EVERY_REPEAT == 0:
                self.repeats += 1
                rows.append(f"{self.valid[index // 2]};Outra vez")
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


def break_off(gateway, audience, draw):
    """Kill the command somewhere within its import; return whether that was in the middle."""
    command = Command(gateway, *IMPORT, "--start")
    enough = draw.randrange(1, audience.rows)
    wait_until(lambda: imported(gateway) >= enough, "so many rows are imported")
    command.kill()
    return 0 < imported(gateway) < audience.rows


IMPORT = ("--text", "Oi {{ nome }}!", "--cost-centre", "vendas", "--json")


def test_campaign_killed_at_random_while_imported_and_sent_reaches_everybody_once(house):
    simulate, serve = house
    draw = random.Random(SEED)  # noqa: S311  # moments, not secrets
    simulator = simulate(latency=0.1)
    gateway = serve(simulator, gateway=HURRY, account=SLOWLY)
    audience = Audience(gateway.folder / "people.csv", SIZE)

    broken_off = [break_off(gateway, audience, draw) for _ in range(KILLS)]
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


def slow_house(house):
    """Return a simulator, a gateway that sends slowly, and a file of recipients."""
    simulate, serve = house
    simulator = simulate(latency=0.1)
    gateway = serve(simulator, account=SLOWLY.replace("batch_size = 50", "batch_size = 20"))
    return simulator, gateway, Audience(gateway.folder / "people.csv", 2000)


def standing(gateway):
    """Return the ids of all campaigns, and how they stand."""
    found = gateway.http.get("/v1/campaigns").json()["items"]
    return [(campaign["id"], campaign["status"]) for campaign in found]


@pytest.fixture
def running(house):
    """A simulator, a gateway, and a campaign that has begun to be sent and takes a while."""
    simulator, gateway, audience = slow_house(house)
    made = Command(gateway, *IMPORT).result()
    campaign_id = made["campaign"]["id"]
    assert control(gateway, campaign_id, "start")["status"] == "running"
    wait_until(lambda: simulator.state["messages_accepted"] >= 100, "sending has begun")
    return simulator, gateway, audience, campaign_id


def control(gateway, campaign_id, what):
    answer = gateway.http.post(f"/v1/campaigns/{campaign_id}/{what}")
    assert answer.is_success, answer.text
    return answer.json()


def test_a_second_after_a_pause_nothing_more_goes_until_it_is_resumed(running):
    simulator, gateway, audience, campaign_id = running
    assert control(gateway, campaign_id, "pause")["status"] == "paused"
    time.sleep(1)
    taken = simulator.state["messages_accepted"]
    time.sleep(1.5)
    assert simulator.state["messages_accepted"] == taken < len(audience.valid)

    control(gateway, campaign_id, "resume")
    wait_until(lambda: finished(gateway, campaign_id), "the campaign is finished")
    wait_until(lambda: told(simulator) == Counter(audience.valid), "everybody got one")


def test_what_was_not_sent_when_a_campaign_is_canceled_never_goes(running):
    simulator, gateway, audience, campaign_id = running
    assert control(gateway, campaign_id, "cancel")["status"] == "canceled"
    wait_until(
        lambda: not (gateway.messages(status="queued") or gateway.messages(status="sending")),
        "nothing waits any more",
    )
    taken = simulator.state["messages_accepted"]
    time.sleep(1)
    assert simulator.state["messages_accepted"] == taken < len(audience.valid)
    assert max(told(simulator).values()) == 1


def test_watching_that_is_interrupted_lets_the_campaign_go_on(house):
    simulator, gateway, audience = slow_house(house)
    watching = Command(gateway, *IMPORT, "--start").process
    wait_until(lambda: simulator.state["messages_accepted"] >= 100, "sending has begun")
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=DEADLINE)
    assert watching.returncode == 130, said
    ((campaign_id, _),) = standing(gateway)
    assert f"`recado campaign follow {campaign_id}`" in said
    wait_until(lambda: finished(gateway, campaign_id), "the campaign is finished")
    wait_until(lambda: told(simulator) == Counter(audience.valid), "everybody got one")
