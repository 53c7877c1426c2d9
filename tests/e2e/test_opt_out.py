"""Who may not get a message gets none, whoever says so: the person, the operator, the provider."""

import pytest

from .stack import wait_until

ANA, BIA, EVA = "+5511910000001", "+5511910000002", "+5511910000003"


@pytest.fixture
def opened(house):
    """A simulator and a gateway in front of it, which tells it of the suppression list."""
    simulate, serve = house
    simulator = simulate()
    gateway = serve(
        simulator,
        account='rate = "100000/60s"\npush_suppressions = ["opt_out", "blacklist", "manual"]',
    )
    return simulator, gateway


def blacklist(simulator):
    phones = simulator.http.get("/_simulator/blacklist").json()["phones"]
    return {f"+55{each['phone']}" for each in phones}


def check(gateway, *addresses, category="transactional"):
    body = {"category": category, "recipients": [{"address": each} for each in addresses]}
    answer = gateway.http.post("/v1/suppressions/check", json=body)
    assert answer.status_code == 200, answer.text
    return {
        each["address"]: [reason["reason"] for reason in each["reasons"]]
        for each in answer.json()["results"]
    }


def test_reply_between_accept_and_dispatch_stops_the_message(opened):
    simulator, gateway = opened
    first = gateway.send([{"to": ANA, "text": "Promoção!"}])["results"][0]["id"]
    wait_until(lambda: gateway.final([first]), "the first is delivered")
    gateway.http.post("/v1/accounts/main/pause").raise_for_status()
    told = gateway.send([{"to": ANA, "text": "Outra!"}, {"to": BIA, "text": "Outra!"}])
    ana, bia = (item["id"] for item in told["results"])
    simulator.control("replies", reference=first, text="Sair!")
    wait_until(lambda: check(gateway, ANA)[ANA] == ["opt_out"], "the opt-out is on the list")
    gateway.http.post("/v1/accounts/main/resume").raise_for_status()
    found = wait_until(lambda: gateway.final([ana, bia]), "both are final")
    assert [message["status"] for message in found] == ["suppressed", "delivered"]
    assert found[0]["events"][-1]["data"]["reasons"] == [
        {"check": "suppressions", "reason": "opt_out", "until": None}
    ]

    (history,) = gateway.http.get("/v1/consents", params={"address": ANA}).json()["items"]
    assert gateway.message(history["message_id"])["text"] == "Sair!"
    wait_until(lambda: gateway.final([history["confirmation_id"]]), "the person is answered")
    wait_until(lambda: blacklist(simulator), "the provider is told")
    assert blacklist(simulator) == {ANA}

    simulator.control("replies", reference=first, text="voltar")
    wait_until(lambda: check(gateway, ANA)[ANA] == [], "the opt-out is lifted")
    wait_until(lambda: not blacklist(simulator), "the provider is told of that too")


def test_lists_of_the_operator_and_of_the_provider_stop_messages_that_cost_nothing(opened):
    simulator, gateway = opened
    csv = "telefone;motivo\n11 91000-0001;blacklist\n11 91000-0002;reclamação\n"
    answer = gateway.http.post(
        "/v1/suppressions/import",
        content=csv.replace("reclamação", "complaint").encode("cp1252"),
        headers={"content-type": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["added"] == 2
    listed = gateway.http.put(
        "/v1/do-not-disturb/procon",
        content=f"{EVA}\n".encode(),
        headers={"content-type": "text/csv"},
    )
    assert listed.status_code == 200, listed.text
    assert check(gateway, ANA, BIA, EVA) == {ANA: ["blacklist"], BIA: ["complaint"], EVA: []}
    assert check(gateway, EVA, category="marketing") == {EVA: ["on the list procon"]}

    messages = [
        {"to": ANA, "text": "oi"},
        {"to": BIA, "text": "oi"},
        {"to": EVA, "text": "oi", "category": "marketing"},
        {"to": EVA, "text": "oi"},
    ]
    told = gateway.send(messages)
    assert told["suppressed"] == 3
    found = wait_until(
        lambda: gateway.final([item["id"] for item in told["results"]]), "all are final"
    )
    assert [each["status"] for each in found] == ["suppressed"] * 3 + ["delivered"]
    assert simulator.state["messages_accepted"] == 1
    wait_until(lambda: blacklist(simulator) == {ANA}, "the provider is told of the blacklist")


def test_broken_file_is_refused_by_line_and_column_and_changes_nothing(opened):
    _, gateway = opened
    rows = [f"+5511{910000000 + index},manual" for index in range(1000)]
    rows[900] = "+5511910,nobody knows"
    for path, method in (("/v1/suppressions/import", "POST"), ("/v1/do-not-disturb/x", "PUT")):
        answer = gateway.http.request(
            method,
            path,
            content="\n".join(["address,reason", *rows]).encode(),
            headers={"content-type": "text/csv"},
        )
        assert answer.status_code == 422, answer.text
        faults = {fault["pointer"]: fault["detail"] for fault in answer.json()["errors"]}
        assert faults["/902/address"].startswith("line 902, column address: ")
        assert "+5511910" not in str(faults)
    assert gateway.http.get("/v1/suppressions").json()["items"] == []
    assert gateway.http.get("/v1/do-not-disturb").json()["items"] == []
