"""The main job: API client, gateway, provider in another process, receipts and replies back."""

from collections import Counter

from .stack import texts, wait_until

UNLIMITED = 'rate = "100000/60s"'


def test_ten_thousand_messages_in_batches_of_a_thousand(house):
    simulate, serve = house
    simulator = simulate()
    gateway = serve(simulator, account=UNLIMITED)
    batches = [gateway.send(texts(1000, start)) for start in range(0, 10_000, 1000)]
    assert [batch["accepted"] for batch in batches] == [1000] * 10
    wait_until(gateway.settled, "all messages are final")
    assert len(gateway.messages(status="delivered")) == 10_000
    state = simulator.state
    assert state["store_calls"] == 10
    assert state["messages_accepted"] == 10_000
    assert state["sent_twice"] == 0

    answered = [batches[0]["results"][0], batches[4]["results"][500], batches[9]["results"][999]]
    for item, text in zip(answered, ("SIM", "Não, obrigado 👍", "ç"), strict=True):
        simulator.control("replies", reference=item["id"], text=text)
    replies = wait_until(
        lambda: len(found := gateway.messages(direction="in")) == 3 and found, "three replies"
    )
    by_answered = {reply["answers"]: reply for reply in replies}
    assert [by_answered[item["id"]]["text"] for item in answered] == [
        "SIM",
        "Não, obrigado 👍",
        "ç",
    ]
    for item in answered:
        assert by_answered[item["id"]]["sender"] == gateway.message(item["id"])["to"]
    assert gateway.program.stop() == 0


def test_whom_the_vendor_refuses_ends_with_the_vendors_reason(house):
    simulate, serve = house
    simulator = simulate()
    gateway = serve(simulator)
    text = {"text": "Olá"}
    told = gateway.send(
        [
            {"to": "+5511900000001"} | text,
            {"to": "+5511999900010"} | text,  # the simulator's magic numbers
            {"to": "+5511999900011"} | text,
            {"to": "+5511999900012"} | text,
            {"to": "+5511900000002"} | text,
            {"to": "+5511900000002"} | text,
            {"to": "+5511999900004"} | text,
            {"to": "+5511999900005"} | text,
            {"to": "+5511999900006"} | text,
        ]
    )
    ids = [item["id"] for item in told["results"]]
    shown = wait_until(lambda: gateway.final(ids), "all messages are final")
    assert [message["status"] for message in shown] == [
        "delivered",
        "rejected",
        "suppressed",
        "suppressed",
        "delivered",
        "rejected",
        "undelivered",
        "rejected",
        "expired",
    ]
    assert shown[1]["status_text"] == "Telefone inválido"
    assert [shown[index]["code"] for index in (2, 3, 5)] == [
        "blacklist",
        "not_disturb",
        "duplicate",
    ]
    assert [shown[index]["status_text"] for index in (6, 7, 8)] == [
        "não entregue",
        "rejeitado no broker",
        "expirada",
    ]
    types = [event["type"] for event in shown[2]["events"]]
    assert types == ["message.accepted", "message.suppressed"]


def test_a_request_that_fails_homologation_rejects_all_its_messages(house):
    simulate, serve = house
    simulator = simulate(final_delay=30)
    gateway = serve(simulator)
    told = gateway.send(texts(3))
    ids = [item["id"] for item in told["results"]]
    wait_until(
        lambda: Counter(gateway.message(key)["status"] for key in ids) == {"sent": 3},
        "all are sent",
    )
    reference = gateway.message(ids[0])["attempts"][0]["id"]
    simulator.control("reject", reference=reference)
    wait_until(
        lambda: Counter(gateway.message(key)["status"] for key in ids) == {"rejected": 3},
        "all are rejected",
    )
    assert "homologação" in gateway.message(ids[0])["status_text"]


def test_a_graceful_stop_leaves_the_rest_queued_and_a_restart_sends_it(house):
    simulate, serve = house
    simulator = simulate(latency=0.2)
    gateway = serve(simulator, account='batch_size = 10\nconcurrency = 1\nrate = "100000/60s"')
    gateway.send(texts(300))
    wait_until(lambda: simulator.state["messages_accepted"] >= 30, "some are sent")
    assert gateway.program.stop() == 0
    taken = simulator.state["messages_accepted"]
    assert taken < 300
    assert taken % 10 == 0
    gateway.start()
    wait_until(
        lambda: (
            len(gateway.messages(status="queued")) == 0
            and simulator.state["messages_accepted"] == 300
        ),
        "the rest is sent",
    )
    assert simulator.state["sent_twice"] == 0
