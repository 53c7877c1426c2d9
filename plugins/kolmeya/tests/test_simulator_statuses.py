"""How messages go from status to status, by a clock that tests drive, and how one asks for it."""

import asyncio
import uuid
from itertools import pairwise

import pytest
from recado_kolmeya.simulator import Switches
from recado_kolmeya.simulator.inprocess import open_bench
from recado_kolmeya.simulator.phones import MAGIC_ENDINGS

STORE = "v1/sms/store"
REQUEST = "v1/sms/status/request"
MESSAGE = "v1/sms/status/message"


@pytest.fixture
def anyio_backend():
    return "asyncio"


def manual(**changes):
    return Switches(clock="manual", **changes)


async def store(bench, *phones, **fields):
    messages = [
        {"phone": phone, "message": f"Olá {number}", "reference": f"m-{number}"}
        for number, phone in enumerate(phones, 1)
    ]
    return (await bench.call(STORE, messages=messages, **fields)).json()


async def codes(bench, id_):
    answer = (await bench.call(REQUEST, id=id_)).json()
    return [message["status_code"] for message in answer["messages"]]


async def settled_codes(bench, id_):
    for _ in range(2000):
        found = await codes(bench, id_)
        if not {1, 2} & set(found):
            break
        await asyncio.sleep(0.01)
    return found


async def test_message_goes_from_trying_to_sent_to_delivered():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001, reference="lote-1")
        seen = []
        for seconds in (0, 0.06, 0.1, 0.06):
            await bench.advance(seconds)
            seen.append((await bench.call(REQUEST, id=stored["id"])).json())
    texts = [(each["messages"][0]["status_code"], each["messages"][0]["status"]) for each in seen]
    assert texts == [(1, "Tentando enviar"), (2, "enviado"), (2, "enviado"), (3, "entregue")]
    assert {(each["status"], each["status_code"]) for each in seen} == {("Válido", 2)}
    assert {each["reference"] for each in seen} == {"lote-1"}
    assert seen[0]["messages"][0]["id"] == stored["valids"][0]["id"]


@pytest.mark.parametrize(
    ("ending", "code", "text"),
    [
        (4, 4, "Não entregue"),
        (5, 5, "Rejeitado no broker"),
        (6, 6, "Expirada"),
        (20, 1, "Tentando enviar"),
        (21, 2, "enviado"),
        (43, 99, "Desconhecido"),
        (0, 3, "entregue"),
        (12, 3, "entregue"),
        (99, 3, "entregue"),
    ],
)
async def test_magic_numbers_choose_how_they_end(ending, code, text):
    async with open_bench() as bench:
        stored = await store(bench, 5548999900000 + ending)
        await bench.advance(60)
        answer = (await bench.call(REQUEST, id=stored["id"])).json()
    message = answer["messages"][0]
    assert (message["status_code"], message["status"]) == (code, text)


async def test_magic_endings_hold_only_in_their_block():
    neighbours = [11999890000 + ending for ending in MAGIC_ENDINGS]
    others = [11999900100 + ending for ending in MAGIC_ENDINGS]
    async with open_bench() as bench:
        stored = await store(bench, *neighbours, *others)
        await bench.advance(60)
        assert await codes(bench, stored["id"]) == [3] * 2 * len(MAGIC_ENDINGS)


async def test_request_is_found_by_reference_too():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001, reference="lote-1")
        answer = (await bench.call(REQUEST, reference="lote-1")).json()
    assert answer["id"] == stored["id"]


async def test_message_status_is_flat_and_its_code_a_text():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001)
        await bench.advance(1)
        by_id = (await bench.call(MESSAGE, id=stored["valids"][0]["id"])).json()
        by_reference = (await bench.call(MESSAGE, reference="m-1")).json()
    assert by_id == by_reference
    assert by_id == {
        "id": stored["valids"][0]["id"],
        "reference": "m-1",
        "status": "entregue",
        "status_code": "3",
    }


@pytest.mark.parametrize("key", [{"id": str(uuid.uuid4())}, {"id": "x"}, {"reference": "x"}])
async def test_unknown_message_is_not_found(key):
    async with open_bench() as bench:
        answer = await bench.call(MESSAGE, **key)
    assert answer.status_code == 404
    assert answer.json() == {"message": "Mensagem não encontrada"}


async def test_refused_message_has_no_status():
    async with open_bench() as bench:
        stored = await store(bench, 11999900010)
        answer = await bench.call(MESSAGE, reference="m-1")
        assert await codes(bench, stored["id"]) == []
    assert answer.status_code == 404


@pytest.mark.parametrize(("form", "status"), [("missing", 404), ("empty", 200), ("invalid", 422)])
async def test_unknown_request_is_answered_as_switched(form, status):
    async with open_bench(manual(unknown_request=form)) as bench:
        answer = await bench.call(REQUEST, reference="lote-9")
    assert answer.status_code == status
    assert answer.json().get("messages", []) == []


@pytest.mark.parametrize("path", [REQUEST, MESSAGE])
@pytest.mark.parametrize("key", [{}, {"id": str(uuid.uuid4()), "reference": "x"}, {"id": 5}])
async def test_exactly_one_key_is_asked_for(path, key):
    async with open_bench() as bench:
        answer = await bench.call(path, **key)
    assert answer.status_code == 422
    assert "id" in answer.json()["errors"]


async def test_ids_of_another_run_are_unknown():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001)
    async with open_bench() as bench:
        await store(bench, 11900000001)
        answer = await bench.call(REQUEST, id=stored["id"])
    assert answer.status_code == 404


async def test_ids_come_in_no_order():
    async with open_bench() as bench:
        stored = await store(bench, *range(11900000001, 11900001001))
    ids = [valid["id"] for valid in stored["valids"]]
    assert len({*ids, stored["id"]}) == 1001
    rising = sum(one < other for one, other in pairwise(ids))
    assert 200 < rising < 800


async def test_final_statuses_can_spread_over_time():
    switches = manual(sent_delay=1, final_delay=10, final_spread=20, statuses_per_body=5)
    async with open_bench(switches) as bench:
        stored = await store(bench, *range(11900000001, 11900000011))
        await bench.advance(10)
        first = await codes(bench, stored["id"])
        await bench.advance(10)
        second = await codes(bench, stored["id"])
    assert first == [3] * 5 + [2] * 5
    assert second == [3] * 10


async def test_running_clock_delivers_by_itself():
    async with open_bench(Switches(sent_delay=0.01, final_delay=0.02)) as bench:
        stored = await store(bench, 11900000001)
        assert await settled_codes(bench, stored["id"]) == [3]


async def test_running_clock_can_be_advanced():
    async with open_bench(Switches(sent_delay=60, final_delay=600)) as bench:
        stored = await store(bench, 11900000001)
        assert await codes(bench, stored["id"]) == [1]
        await bench.advance(61)
        assert await codes(bench, stored["id"]) == [2]
        await bench.advance(600)
        assert await codes(bench, stored["id"]) == [3]


async def test_stopped_clock_can_be_let_go():
    async with open_bench() as bench:
        stored = await store(bench, 11900000001)
        await asyncio.sleep(0.05)
        assert await codes(bench, stored["id"]) == [1]
        await bench.control("switches", clock="real")
        assert await settled_codes(bench, stored["id"]) == [3]


async def test_final_requests_are_forgotten_and_repeats_still_seen():
    async with open_bench(manual(forget=True)) as bench:
        first = await store(bench, 11900000001, 11900000002, reference="lote-1")
        assert await codes(bench, first["id"]) == [1, 1]
        await bench.advance(1)
        gone = await bench.call(REQUEST, id=first["id"])
        await store(bench, 11900000001)
        state = (await bench.http.get("http://kolmeya.test/_simulator/state")).json()
    assert gone.status_code == 404
    assert state["messages_accepted"] == 3
    assert state["messages_by_status"] == {"1": 1, "3": 2}
    assert state["repeated_references"] == {"m-1": 2}


async def test_request_waits_for_its_replies_before_it_is_forgotten():
    async with open_bench(manual(forget=True, reply_every=1, reply_delay=5)) as bench:
        stored = await store(bench, 11900000001, webhook_url="http://gateway.test/w")
        await bench.advance(4)
        assert await codes(bench, stored["id"]) == [3]
        await bench.advance(2)
        gone = await bench.call(REQUEST, id=stored["id"])
    assert gone.status_code == 404
    assert [next(reversed(body)) for body in bench.mailbox.bodies] == ["messages", "reply"]
