"""kill -9 in the middle of the work: nothing lost, nothing sent twice."""

import random
import sqlite3
import threading
import time
from collections import Counter

import httpx
import pytest

from .stack import texts, wait_until

KILLS = 20
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
