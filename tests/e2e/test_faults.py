"""A vendor that fails: nothing lost, nothing doubled, paused only for account errors."""

import pytest

from .stack import texts, wait_until

QUICK = "poll_delays = [1, 2]\nretry_delays = [1, 1, 2, 2]"
SETTLED = 'timeout = 2\nlookup_settles = 1.0\nbatch_size = 50\nrate = "100000/60s"'


@pytest.fixture(scope="module")
def stack(shared_house):
    simulate, serve = shared_house
    simulator = simulate(rate_limit=500, rate_window=2)
    return simulator, serve(simulator, gateway=QUICK, account=SETTLED)


@pytest.fixture
def calm(stack):
    """The stack with a simulator that remembers nothing and does nothing wrong."""
    simulator, gateway = stack
    simulator.control("reset")
    return simulator, gateway


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttle", "next": 2},
        {"kind": "error", "next": 2},
        {"kind": "error", "next": 2, "accepts": True},
        {"kind": "timeout", "next": 2},
        {"kind": "timeout", "next": 1, "accepts": False},
        {"kind": "json", "next": 2},
        {"kind": "json", "next": 1, "accepts": False},
        {"kind": "html", "next": 2},
        {"kind": "html", "next": 2, "status": 200, "accepts": True},
        {"kind": "close", "next": 2},
        {"kind": "close", "next": 2, "accepts": True},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_a_fault_delays_messages_and_neither_loses_nor_doubles_them(calm, fault):
    simulator, gateway = calm
    simulator.control("switches", faults=[{"path": "store"} | fault])
    ids = [item["id"] for item in gateway.send(texts(200))["results"]]
    shown = wait_until(lambda: gateway.final(ids), f"all messages are final after {fault}")
    assert {message["status"] for message in shown} == {"delivered"}
    state = simulator.state
    assert state["faults"][fault["kind"]] == fault["next"]
    assert state["messages_accepted"] == 200
    assert state["sent_twice"] == 0
    assert gateway.account()["status"] == "active"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [({"token": "another"}, "Unauthenticated"), ({"tenant_blocked": True}, "403")],
    ids=["token", "blocked"],
)
def test_an_account_error_pauses_the_account_until_a_person_acts(calm, trouble, said):
    simulator, gateway = calm
    simulator.control("switches", **trouble)
    ids = [item["id"] for item in gateway.send(texts(100))["results"]]
    wait_until(lambda: gateway.account()["status"] == "paused", "the account is paused")
    assert said in gateway.account()["reason"]
    wait_until(lambda: len(gateway.messages(status="queued")) == len(ids), "all wait")
    components = {c["name"]: c for c in gateway.http.get("/health/ready").json()["components"]}
    assert components["account.main"]["ok"] is False
    simulator.control("switches", token="kolmeya-simulator", tenant_blocked=False)
    gateway.http.post("/v1/accounts/main/resume")
    shown = wait_until(lambda: gateway.final(ids), "all messages are final")
    assert {message["status"] for message in shown} == {"delivered"}
    assert simulator.state["sent_twice"] == 0


def test_a_vendor_that_is_away_delays_messages(calm):
    simulator, gateway = calm
    simulator.control("switches", faults=[{"kind": "error"}])
    ids = [item["id"] for item in gateway.send(texts(50))["results"]]
    wait_until(lambda: simulator.state["store_calls"] >= 1, "the vendor is asked")
    simulator.control("switches", faults=[])
    shown = wait_until(lambda: gateway.final(ids), "all messages are final")
    assert {message["status"] for message in shown} == {"delivered"}
