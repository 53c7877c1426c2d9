"""Webhooks as the world sends them: repeated, reordered, forged, huge, broken."""

import json
import sqlite3

import httpx
import pytest

from .stack import texts, wait_until

ADDRESS = "/webhooks/main"


@pytest.fixture(scope="module")
def delivered(shared_house):
    """A gateway with five delivered messages, its simulator, and its webhook address."""
    simulate, serve = shared_house
    simulator = simulate(statuses_per_body=1)
    gateway = serve(simulator)
    ids = [item["id"] for item in gateway.send(texts(5))["results"]]
    wait_until(lambda: gateway.final(ids), "all messages are final")
    return gateway, simulator, ids, gateway.url + webhook_path(gateway)


def query(gateway, statement):
    path = gateway.database.removeprefix("sqlite+aiosqlite:///")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def webhook_path(gateway):
    ((token,),) = query(gateway, "SELECT webhook_token FROM accounts WHERE name = 'main'")
    return f"{ADDRESS}/{token}"


def stored(gateway):
    return query(gateway, "SELECT count(*) FROM inbox")[0][0]


def status_body(message_id, code, provider_ref=None):
    entry = {"id": provider_ref, "reference": message_id, "status_code": code, "status": "x"}
    return {"id": None, "reference": None, "messages": [entry]}


def test_repeated_and_reordered_webhooks_change_nothing(delivered):
    gateway, simulator, ids, _ = delivered
    before, count = [gateway.message(key) for key in ids], stored(gateway)
    for order in ("same", "reversed", "shuffled"):
        simulator.control("resend-webhooks", order=order, times=3, wait=True)
    assert simulator.state["webhooks"]["failed"] == 0
    assert stored(gateway) == count
    assert [gateway.message(key) for key in ids] == before


def test_a_final_status_never_goes_back(delivered):
    gateway, simulator, ids, _ = delivered
    count = stored(gateway)
    for code in (4, 5, 6):
        simulator.control("statuses", reference=ids[0], code=code)
    wait_until(lambda: stored(gateway) == count + 3, "the webhooks are stored")
    wait_until(
        lambda: query(gateway, "SELECT count(*) FROM inbox WHERE state = 'pending'")[0][0] == 0,
        "the webhooks are processed",
    )
    assert gateway.message(ids[0])["status"] == "delivered"


def test_a_webhook_for_an_unknown_message_is_answered_and_changes_nothing(delivered):
    gateway, _, ids, url = delivered
    before = [gateway.message(key) for key in ids]
    body = status_body("01a1fd21-3772-77f4-baa0-000000000000", 4, "nobody's")
    assert httpx.post(url, json=body).status_code == 200
    assert [gateway.message(key) for key in ids] == before


@pytest.mark.parametrize("wrong", ["/webhooks/main/wrong", "/webhooks/nobody/wrong"])
def test_a_wrong_token_is_refused(delivered, wrong):
    gateway, _, ids, _ = delivered
    count = stored(gateway)
    answer = httpx.post(gateway.url + wrong, json=status_body(ids[0], 4))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "token" in answer.json()["detail"]
    assert stored(gateway) == count


def test_ten_megabytes_are_refused(delivered):
    gateway, _, ids, url = delivered
    count = stored(gateway)
    body = json.dumps(status_body(ids[0], 4) | {"padding": "x" * 10_000_000})
    answer = httpx.post(url, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert stored(gateway) == count
    assert gateway.message(ids[0])["status"] == "delivered"


@pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"messages": [', b"\xff\xfe\x00"])
def test_what_is_not_json_is_refused(delivered, body):
    gateway, _, _, url = delivered
    count = stored(gateway)
    answer = httpx.post(url, content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert stored(gateway) == count


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        "text",
        None,
        17,
        {"messages": None},
        {"messages": [None, 1, "x", {}]},
        {"messages": {"reference": 5}},
        {"reply": [[]]},
        {"job_id": 1, "type": 2, "data": "?"},
    ],
)
def test_json_of_an_unknown_shape_changes_nothing(delivered, body):
    gateway, _, ids, url = delivered
    before = [gateway.message(key) for key in ids]
    assert httpx.post(url, json=body).status_code in {200, 400}
    assert [gateway.message(key) for key in ids] == before
    assert gateway.http.get("/health/ready").json()["status"] == "ok"
