"""Webhooks of requests: their three kinds, and everything that may go wrong on the way."""

import asyncio
import re

import httpx
import pytest
from recado_kolmeya.simulator import Switches
from recado_kolmeya.simulator.inprocess import WEBHOOK_URL, open_bench

STAMP = re.compile(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d")


@pytest.fixture
def anyio_backend():
    return "asyncio"


def manual(**changes):
    return Switches(clock="manual", **changes)


async def store(bench, *phones, url=WEBHOOK_URL, reference="lote-1"):
    messages = [
        {"phone": phone, "message": f"Olá {number}", "reference": f"m-{number}"}
        for number, phone in enumerate(phones, 1)
    ]
    body = {"messages": messages, "webhook_url": url, "reference": reference}
    return (await bench.call("v1/sms/store", **body)).json()


async def counts(bench):
    state = (await bench.http.get("http://kolmeya.test/_simulator/state")).json()
    return state["webhooks"]


def statuses(bodies):
    return [message["reference"] for body in bodies for message in body["messages"]]


async def test_status_webhook_is_as_documented():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001, 11999900004, 11999900005, 11999900006)
        await bench.advance(1)
        (delivery,) = bench.mailbox.deliveries
    ids = [valid["id"] for valid in stored["valids"]]
    endings = [(3, "entregue"), (4, "não entregue"), (5, "rejeitado no broker"), (6, "expirada")]
    assert delivery.url == WEBHOOK_URL
    assert delivery.headers["Content-Type"] == "application/json"
    assert delivery.body == {
        "id": stored["id"],
        "reference": "lote-1",
        "messages": [
            {"id": id_, "reference": f"m-{number}", "status_code": code, "status": text}
            for number, (id_, (code, text)) in enumerate(zip(ids, endings, strict=True), 1)
        ],
    }


async def test_only_final_statuses_are_told():
    async with open_bench() as bench:
        await store(bench, 11900000001, 11999900020, 11999900021)
        await bench.advance(0.1)
        assert bench.mailbox.bodies == []
        await bench.advance(60)
        assert statuses(bench.mailbox.bodies) == ["m-1"]


async def test_request_without_address_is_told_nothing():
    async with open_bench() as bench:
        await store(bench, 11900000001, url=None)
        await bench.advance(1)
        assert (await counts(bench))["sent"] == 0


async def test_webhooks_can_be_switched_off():
    async with open_bench(manual(webhooks=False)) as bench:
        await store(bench, 11900000001)
        await bench.advance(1)
        assert bench.mailbox.bodies == []


@pytest.mark.parametrize(("size", "bodies"), [(1, 25), (10, 3), (1000, 1)])
async def test_one_body_carries_so_many_statuses(size, bodies):
    async with open_bench(manual(statuses_per_body=size)) as bench:
        await store(bench, *range(11900000001, 11900000026))
        await bench.advance(1)
        assert len(bench.mailbox.bodies) == bodies
        assert sorted(statuses(bench.mailbox.bodies)) == sorted(f"m-{n}" for n in range(1, 26))


async def test_reply_webhook_is_as_documented():
    async with open_bench() as bench:
        stored = await store(bench, 11999900030)
        await bench.advance(1)
        body = bench.mailbox.bodies[-1]
    (reply,) = body["reply"]
    assert list(body) == ["id", "reference", "reply"]
    assert (body["id"], body["reference"]) == (stored["id"], "lote-1")
    assert STAMP.fullmatch(reply["received_at"])
    assert reply["reply"] == "SIM"
    assert reply["message"] == {
        "id": stored["valids"][0]["id"],
        "reference": "m-1",
        "phone": 11999900030,
        "message": "Olá 1",
    }


async def test_reply_webhook_may_have_the_old_form():
    async with open_bench(manual(reply_form="object")) as bench:
        stored = await store(bench, 11999900031)
        await bench.advance(1)
        body = bench.mailbox.bodies[-1]
    assert list(body) == ["reply"]
    assert body["reply"]["reply"] == "SAIR"
    assert body["reply"]["message"] == {
        "id": stored["valids"][0]["id"],
        "reference": "m-1",
        "phone": "11999900031",
        "content": "Olá 1",
    }


@pytest.mark.parametrize("size", [1, 3])
async def test_replies_of_one_moment_share_a_body(size):
    async with open_bench(manual(reply_every=1, statuses_per_body=size)) as bench:
        await store(bench, 11900000001, 11900000002, 11900000003)
        await bench.advance(1)
        replies = [body["reply"] for body in bench.mailbox.bodies if "reply" in body]
    assert [len(reply) for reply in replies] == [size] * (3 // size)


async def test_late_rejection_fails_what_is_not_final():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001)
        rejected = await bench.control("reject", id=stored["id"])
        await bench.advance(1)
        status = (await bench.call("v1/sms/status/request", id=stored["id"])).json()
    assert rejected.json() == {"id": stored["id"], "reference": "lote-1"}
    assert bench.mailbox.bodies == [
        {
            "id": stored["id"],
            "reference": "lote-1",
            "status": "rejected",
            "status_message": (
                "Requisição rejeitada por não passar pelos critérios de homologação."
            ),
        }
    ]
    assert status["messages"][0]["status_code"] == 5


async def test_magic_number_has_its_whole_request_rejected():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001, 11999900042)
        assert len(stored["valids"]) == 2
        await bench.advance(1)
        assert [body.get("status") for body in bench.mailbox.bodies] == ["rejected"]


async def test_rejection_leaves_delivered_messages_alone():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001)
        await bench.advance(1)
        await bench.control("reject", reference="lote-1")
        await bench.advance(1)
        status = (await bench.call("v1/sms/status/request", id=stored["id"])).json()
    assert status["messages"][0]["status_code"] == 3
    assert [body.get("status") for body in bench.mailbox.bodies] == [None, "rejected"]


async def test_silent_number_is_found_out_only_by_asking():
    async with open_bench() as bench:
        await store(bench, 11999900040, 11900000001)
        await bench.advance(1)
        asked = await bench.call("v1/sms/status/message", reference="m-1")
        assert statuses(bench.mailbox.bodies) == ["m-2"]
    assert asked.json()["status_code"] == "3"


async def test_doubled_number_is_told_twice():
    async with open_bench() as bench:
        await store(bench, 11999900041, 11900000001)
        await bench.advance(1)
        assert sorted(statuses(bench.mailbox.bodies)) == ["m-1", "m-1", "m-2"]


async def test_unknown_code_is_told_as_such():
    async with open_bench() as bench:
        await store(bench, 11999900043)
        await bench.advance(1)
        assert bench.mailbox.bodies[0]["messages"][0]["status_code"] == 99


async def test_every_webhook_may_come_twice():
    async with open_bench(manual(webhook_duplicate=1)) as bench:
        await store(bench, 11900000001)
        await bench.advance(1)
        assert statuses(bench.mailbox.bodies) == ["m-1", "m-1"]


async def test_webhooks_may_come_newest_first():
    switches = manual(webhook_reorder=True, statuses_per_body=1, webhook_concurrency=1)
    async with open_bench(switches) as bench:
        await store(bench, *range(11900000001, 11900000005))
        await bench.advance(1)
        assert statuses(bench.mailbox.bodies) == ["m-4", "m-3", "m-2", "m-1"]


async def test_webhooks_may_be_held_back():
    async with open_bench(manual(webhook_delay=30)) as bench:
        await store(bench, 11900000001)
        await bench.advance(29)
        assert bench.mailbox.bodies == []
        await bench.advance(2)
        assert len(bench.mailbox.bodies) == 1


async def test_jitter_mixes_the_order():
    switches = manual(webhook_jitter=30, statuses_per_body=1, seed=5)
    async with open_bench(switches) as bench:
        await store(bench, *range(11900000001, 11900000021))
        await bench.advance(60)
        told = statuses(bench.mailbox.bodies)
    assert sorted(told) == sorted(f"m-{n}" for n in range(1, 21))
    assert told != [f"m-{n}" for n in range(1, 21)]


async def test_webhooks_may_be_lost():
    async with open_bench(manual(webhook_drop=1)) as bench:
        await store(bench, 11900000001)
        await bench.advance(1)
        assert bench.mailbox.bodies == []
        assert (await counts(bench))["dropped"] == 1


async def test_webhook_may_name_a_message_never_sent():
    async with open_bench(manual(webhook_unknown_id=1)) as bench:
        stored = await store(bench, 11900000001)
        await bench.advance(1)
        unknown, known = bench.mailbox.bodies[0]["messages"]
    assert known["id"] == stored["valids"][0]["id"]
    assert unknown["id"] != known["id"]
    assert unknown["status_code"] == 3


async def test_webhook_may_be_wrapped():
    async with open_bench(manual(webhook_payload=True)) as bench:
        stored = await store(bench, 11900000001)
        await bench.advance(1)
        (body,) = bench.mailbox.bodies
    assert list(body) == ["payload"]
    assert body["payload"]["id"] == stored["id"]


async def test_failed_webhook_is_not_repeated():
    async with open_bench() as bench:
        bench.mailbox.status = 500
        await store(bench, 11900000001)
        await bench.advance(3600)
        assert len(bench.mailbox.bodies) == 1
        assert (await counts(bench))["failed"] == 1


async def test_failed_webhook_is_repeated_when_switched_on():
    async with open_bench(manual(webhook_retries=2, webhook_retry_delay=10)) as bench:
        bench.mailbox.status = 500
        await store(bench, 11900000001)
        await bench.advance(1)
        await bench.advance(10)
        bench.mailbox.status = 200
        await bench.advance(10)
        await bench.advance(60)
        told = await counts(bench)
    assert len(bench.mailbox.bodies) == 3
    assert (told["failed"], told["retried"], told["sent"]) == (2, 2, 1)


async def test_unreachable_address_is_a_failure():
    async def refuse(request):
        raise httpx.ConnectError("refused", request=request)

    async with open_bench(transport=httpx.MockTransport(refuse)) as bench:
        await store(bench, 11900000001)
        await bench.advance(1)
        shown = (await bench.http.get("http://kolmeya.test/_simulator/webhooks")).json()
    assert [(each["status"], each["error"]) for each in shown["webhooks"]] == [(0, "ConnectError")]


async def test_webhook_waits_only_so_long_for_its_answer():
    waits = []

    async def note_wait(request):
        waits.append(request.extensions["timeout"]["read"])
        raise httpx.ReadTimeout("too slow", request=request)

    transport = httpx.MockTransport(note_wait)
    async with open_bench(manual(webhook_timeout=2.5), transport=transport) as bench:
        await store(bench, 11900000001)
        await bench.advance(1)
        assert (await counts(bench))["failed"] == 1
    assert waits == [2.5]


async def test_no_more_webhooks_are_under_way_than_switched():
    busy = most = 0

    async def answer_slowly(_request):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        busy -= 1
        return httpx.Response(200)

    switches = manual(statuses_per_body=1, webhook_concurrency=3)
    async with open_bench(switches, transport=httpx.MockTransport(answer_slowly)) as bench:
        await store(bench, *range(11900000001, 11900000021))
        await bench.advance(1)
        assert (await counts(bench))["sent"] == 20
    assert most == 3


async def test_webhook_test_really_calls_the_address():
    async with open_bench() as bench:
        good = await bench.call("v1/sms/webhook", webhook_url=WEBHOOK_URL)
        bench.mailbox.status = 418
        teapot = await bench.call("v1/sms/webhook", webhook_url=WEBHOOK_URL)
        assert len(bench.mailbox.deliveries) == 2
    assert good.json() == {"code_returned": 200}
    assert teapot.json() == {"code_returned": 418}


@pytest.mark.parametrize("fields", [{}, {"webhook_url": "x"}, {"webhook_url": 5}])
async def test_webhook_test_needs_an_address(fields):
    async with open_bench() as bench:
        answer = await bench.call("v1/sms/webhook", **fields)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["webhook_url"]
