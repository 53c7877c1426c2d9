"""kill -9 in the middle of the work: nothing lost, nothing sent twice."""

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter

import httpx
import psutil
import pytest

from .stack import texts, wait_until

KILLS = 20
WRITERS_KILLS = 6
MESSAGES = 5000
SLOWLY = """
batch_size = 25
concurrency = 2
rate = "100000/60s"
lookup_settles = 1.0
"""
PATIENCE = "poll_delays = [1, 2]\nretry_delays = [1, 2, 4, 8]"


def send_until_accepted(gateway, batches):
    """Send every batch with a key of its own, again and again until it is accepted."""
    ids = []
    for number, batch in enumerate(batches):
        while True:
            try:
                told = gateway.send(batch, **{"Idempotency-Key": f"batch-{number}"})
            except (httpx.TransportError, AssertionError):
                time.sleep(0.1)
            else:
                ids += [item["id"] for item in told["results"]]
                break
    return ids


def outcomes(gateway):
    """Count how the dispatches ended, as the database has it."""
    path = gateway.database.removeprefix("sqlite+aiosqlite:///")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return Counter(
            dict(connection.execute("SELECT outcome, count(*) FROM dispatches GROUP BY outcome"))
        )
    finally:
        connection.close()


def the_writer(gateway):
    """Return the process that writes for a gateway, once it is there."""
    found = []

    def is_there():
        found[:] = psutil.Process(gateway.program.process.pid).children()
        return bool(found)

    wait_until(is_there, "a process that writes")
    return found[0].pid


def test_kills_of_the_process_that_writes_lose_nothing_and_double_nothing(house):
    simulate, serve = house
    draw = random.Random(20261122)  # noqa: S311  # moments, not secrets
    simulator = simulate(latency=0.2)
    gateway = serve(simulator, gateway=PATIENCE, account=SLOWLY)
    accepted: list[str] = []
    batches = [texts(500, start) for start in range(0, MESSAGES, 500)]
    client = threading.Thread(target=lambda: accepted.extend(send_until_accepted(gateway, batches)))
    client.start()
    kills = 0
    while kills < WRITERS_KILLS and simulator.state["messages_accepted"] < MESSAGES:
        time.sleep(draw.uniform(0.1, 1.0))
        os.kill(the_writer(gateway), signal.SIGKILL)
        kills += 1
    client.join()
    wait_until(gateway.settled, "every accepted message is final", seconds=240)
    assert len(set(accepted)) == MESSAGES
    assert {message["id"] for message in gateway.messages(status="delivered")} == set(accepted)
    state = simulator.state
    assert kills > 1, "the work was done before it was disturbed"
    assert state["messages_accepted"] == MESSAGES
    assert state["sent_twice"] == 0, state["repeated_references"]


@pytest.mark.parametrize("seed", [20261121])
def test_twenty_kills_lose_nothing_and_double_nothing(house, seed):
    simulate, serve = house
    draw = random.Random(seed)  # noqa: S311  # moments, not secrets
    simulator = simulate(latency=0.1)
    gateway = serve(simulator, gateway=PATIENCE, account=SLOWLY)
    accepted: list[str] = []
    batches = [texts(1000, start) for start in range(0, MESSAGES, 1000)]
    client = threading.Thread(target=lambda: accepted.extend(send_until_accepted(gateway, batches)))
    client.start()
    for _ in range(KILLS):
        time.sleep(draw.uniform(0.02, 0.8))
        gateway.program.kill()
        gateway.start()
    client.join()
    killed_at = simulator.state["messages_accepted"]
    assert len(set(accepted)) == MESSAGES
    wait_until(gateway.settled, "every accepted message is final", seconds=240)
    assert {message["id"] for message in gateway.messages(status="delivered")} == set(accepted)
    state, ended = simulator.state, outcomes(gateway)
    print(  # noqa: T201  # figures for whoever reads the run
        f"\n{KILLS} kills, {killed_at} messages sent before the last; dispatches: {dict(ended)}; "
        f"seen twice by the vendor: {state['sent_twice']}"
    )
    assert killed_at < MESSAGES, "the last kill came after the work"
    assert ended["found"] + ended["missing"] > 0, "no kill met a dispatch in flight"
    assert state["messages_accepted"] == MESSAGES
    assert state["sent_twice"] == 0, state["repeated_references"]
