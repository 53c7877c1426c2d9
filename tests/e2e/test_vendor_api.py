"""The vendor's whole API through the gateway: codes, operations, balance, budget of calls."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import httpx
from recado_kolmeya.operations import OPERATIONS

from .stack import texts, wait_until


def test_one_time_codes_go_by_their_own_route(house):
    simulate, serve = house
    simulator = simulate()
    gateway = serve(simulator, account='rate = "100000/60s"')
    code = {"text": "Seu código é 123456", "category": "otp"}
    told = gateway.send([{"to": f"+551190000000{digit}"} | code for digit in range(1, 4)])
    wait_until(lambda: gateway.final([i["id"] for i in told["results"]]), "all are final")
    calls = simulator.state["calls"]
    assert (calls["/v1/sms/store-token"], calls.get("/v1/sms/store", 0)) == (3, 0)
    for text in ("Entre em https://example.com/x", "Ligue 0800 000 0000"):
        answer = gateway.http.post(
            "/v1/messages", json=code | {"to": "+5511900000001", "text": text}
        )
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/text"]
    assert simulator.state["store_calls"] == 3


def test_operations_are_listed_and_run_by_http_and_by_command(house):
    simulate, serve = house
    gateway = serve(simulate())
    listed = gateway.http.get("/v1/accounts/main/operations").json()["items"]
    assert [each["name"] for each in listed] == [each.name for each in OPERATIONS]
    told = gateway.send(texts(3))
    ids = [item["id"] for item in told["results"]]
    wait_until(lambda: gateway.final(ids), "all are final")

    # More days than the vendor allows in one call.
    span = {"start_at": str((datetime.now(UTC) - timedelta(days=40)).date())}
    report = gateway.http.post("/v1/accounts/main/operations/reports-requests", json=span)
    assert report.status_code == 200, report.text
    assert [row["quantity"] for row in report.json()["requests"]] == [3]
    command = ["accounts", "run", "main", "status-message", f"reference={ids[0]}", "--json"]
    assert json.loads(gateway.run(*command))["reference"] == ids[0]

    wrong = gateway.http.post(
        "/v1/accounts/main/operations/reports-requests", json=span | {"start": "x"}
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/start")
    unknown = gateway.http.post("/v1/accounts/main/operations/jobs-pause", json={"smsJob": 1})
    assert unknown.status_code == 422
    assert unknown.json()["type"].endswith("/provider-refused")
    assert gateway.http.post("/v1/accounts/main/operations/nothing", json={}).status_code == 404


def test_a_balance_that_falls_below_its_threshold_is_told_once(house, tmp_path):
    simulate, serve = house
    simulator = simulate(balance="10.00", price="0.50")
    gateway = serve(simulator, gateway="balance_poll = 0.2", account="balance_threshold = 9.5")

    def metrics():
        return httpx.get(f"{gateway.url}/metrics").text

    wait_until(lambda: 'recado_account_balance{account="main"} 10.0' in metrics(), "it is known")
    gateway.send(texts(2))
    wait_until(lambda: 'recado_account_balance{account="main"} 9.0' in metrics(), "it has fallen")
    assert 'recado_account_balance_low{account="main"} 1.0' in metrics()
    asked = simulator.state["calls"]["/v1/sms/balance"]
    wait_until(lambda: simulator.state["calls"]["/v1/sms/balance"] > asked + 2, "asked again")
    with sqlite3.connect(tmp_path / "recado.db") as database:
        told = database.execute(
            "SELECT data FROM events WHERE type = 'account.balance_low'"
        ).fetchall()
    assert [json.loads(data) for (data,) in told] == [{"balance": "9.00", "threshold": "9.5"}]


def test_the_vendors_own_limit_is_kept_and_nothing_is_throttled(house):
    simulate, serve = house
    simulator = simulate(rate_limit=20, rate_window=3)
    gateway = serve(
        simulator, account='batch_size = 1\nrate = "20/3s"', gateway="poll_delays = [1]"
    )
    told = gateway.send(texts(50))
    ids = [item["id"] for item in told["results"]]
    wait_until(lambda: gateway.final(ids), "all are final")
    answers = simulator.state["answers"]
    assert "429" not in answers
    assert gateway.account()["calls_limit"] == 20
