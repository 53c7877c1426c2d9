"""Who may call the simulator, how often, and what can go wrong with an answer."""

import asyncio

import httpx
import pytest
from recado_kolmeya.simulator import Fault, FaultKind, Switches
from recado_kolmeya.simulator.inprocess import open_bench
from recado_kolmeya.simulator.routes import OPERATIONS, TRY_WEBHOOK

# What design documents and other clients ask for and the vendor does not have.
INVENTED = (
    "v1/sms/modelos",
    "v1/sms/blacklist",
    "v1/sms/blacklist/adicionar",
    "v1/sms/blacklist/remover",
    "v1/sms/respostas",
    "v1/sms/relatorio",
    "v1/account/balance",
    "v1/sms/status/11111111-1111-4111-8111-111111111111",
    "v1/sms/reports/statuses-by-job",
    "v1/sms/jobs/pause",
    "v1/sms/reply",
    "v1/sms/replyByWeb",
    "v1/sms/jobs/{smsJob}/pause",
)


@pytest.fixture
def anyio_backend():
    return "asyncio"


def manual(**changes):
    return Switches(clock="manual", **changes)


def one_message(reference="m-1"):
    return {"messages": [{"phone": 11900000001, "message": "Olá", "reference": reference}]}


@pytest.mark.parametrize("path", [*OPERATIONS, TRY_WEBHOOK])
async def test_get_is_not_found_on_every_operation(path):
    async with open_bench() as bench:
        answer = await bench.http.get(path.format(jobId="1", smsJob="1").removeprefix("/"))
    assert answer.status_code == 404
    assert answer.json() == {"errors": ["Not found."]}


@pytest.mark.parametrize("path", INVENTED)
async def test_invented_path_is_not_found(path):
    async with open_bench() as bench:
        answer = await bench.call(path)
    assert answer.status_code == 404
    assert answer.json() == {"errors": ["Not found."]}


async def test_vendor_answers_with_and_without_api_in_the_path():
    async with open_bench() as bench:
        for url in ("http://kolmeya.test/api/v1/sms/apis", "http://kolmeya.test/v1/sms/apis"):
            assert (await bench.http.post(url)).json() == [{"id": 47, "name": "Kolmeya"}]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic kolmeya-simulator"])
async def test_wrong_token_is_unauthenticated(header):
    async with open_bench() as bench:
        answer = await bench.http.post("v1/sms/balance", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json() == {"message": "Unauthenticated."}


async def test_errors_may_come_as_a_list():
    async with open_bench(manual(error_form="errors", rate_limit=2)) as bench:
        bad = {"Authorization": "Bearer wrong"}
        refused = await bench.http.post("v1/sms/balance", headers=bad)
        await bench.call("v1/sms/balance")
        throttled = await bench.call("v1/sms/balance")
    assert refused.json() == {"errors": ["Unauthenticated."]}
    assert throttled.json() == {"errors": ["Too Many Requests"]}


async def test_empty_token_accepts_any_bearer():
    async with open_bench(manual(token="")) as bench:
        good = await bench.http.post("v1/sms/balance", headers={"Authorization": "Bearer x"})
        none = await bench.http.post("v1/sms/balance", headers={"Authorization": "Bearer "})
    assert (good.status_code, none.status_code) == (200, 401)


async def test_unreleased_address_is_forbidden():
    async with open_bench(manual(allowed_ips=("192.0.2.7",))) as bench:
        refused = await bench.call("v1/sms/balance")
        await bench.control("switches", allowed_ips=["127.0.0.1"])
        allowed = await bench.call("v1/sms/balance")
    assert refused.status_code == 403
    assert refused.json()["message"]
    assert allowed.status_code == 200


async def test_blocked_tenant_may_ask_but_not_send():
    async with open_bench(manual(tenant_blocked=True)) as bench:
        store = await bench.call("v1/sms/store", **one_message())
        token = await bench.call("v1/sms/store-token", **one_message())
        balance = await bench.call("v1/sms/balance")
        state = (await bench.http.get("http://kolmeya.test/_simulator/state")).json()
    assert (store.status_code, token.status_code, balance.status_code) == (403, 403, 200)
    assert store.json()["message"]
    assert state["messages_accepted"] == 0


async def test_every_answer_counts_down_the_rate():
    async with open_bench() as bench:
        answers = [
            await bench.call("v1/sms/balance"),
            await bench.call("v1/sms/respostas"),
            await bench.call("v1/sms/store"),
            await bench.http.post("v1/sms/apis", headers={"Authorization": "Bearer wrong"}),
        ]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"500"}
    remaining = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
    assert remaining == ["499", "498", "497", "496"]


async def test_too_many_calls_wait_for_the_window_to_close():
    async with open_bench(manual(rate_limit=2, rate_window=60)) as bench:
        for _ in range(2):
            assert (await bench.call("v1/sms/balance")).status_code == 200
        await bench.advance(20)
        throttled = await bench.call("v1/sms/balance")
        await bench.advance(40)
        again = await bench.call("v1/sms/balance")
    assert throttled.status_code == 429
    assert throttled.headers["Retry-After"] == "40"
    assert throttled.headers["X-RateLimit-Remaining"] == "0"
    assert int(throttled.headers["X-RateLimit-Reset"]) > 0
    assert again.status_code == 200
    assert again.headers["X-RateLimit-Remaining"] == "1"


async def test_no_rate_limit_means_no_headers():
    async with open_bench(manual(rate_limit=0)) as bench:
        answer = await bench.call("v1/sms/balance")
    assert "X-RateLimit-Limit" not in answer.headers


async def test_controls_need_no_token_and_no_rate():
    async with open_bench(manual(rate_limit=1)) as bench:
        for _ in range(3):
            answer = await bench.http.get(
                "http://kolmeya.test/_simulator/state", headers={"Authorization": ""}
            )
            assert answer.status_code == 200


def with_fault(kind, **fields):
    return manual(faults=(Fault(kind=kind, **fields),), timeout_seconds=0.01)


async def accepted(bench):
    state = (await bench.http.get("http://kolmeya.test/_simulator/state")).json()
    return state["messages_accepted"]


async def test_error_fault_refuses_without_accepting():
    async with open_bench(with_fault(FaultKind.ERROR, next=1)) as bench:
        first = await bench.call("v1/sms/store", **one_message())
        assert await accepted(bench) == 0
        second = await bench.call("v1/sms/store", **one_message())
    assert (first.status_code, second.status_code) == (500, 200)


async def test_error_fault_may_come_after_accepting():
    async with open_bench(with_fault(FaultKind.ERROR, accepts=True, status=503)) as bench:
        answer = await bench.call("v1/sms/store", **one_message())
        assert await accepted(bench) == 1
    assert answer.status_code == 503


async def test_html_fault_answers_with_a_page():
    async with open_bench(with_fault(FaultKind.HTML)) as bench:
        answer = await bench.call("v1/sms/store", **one_message())
    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


async def test_json_fault_accepts_and_cuts_the_answer():
    async with open_bench(with_fault(FaultKind.JSON)) as bench:
        answer = await bench.call("v1/sms/store", **one_message())
        assert await accepted(bench) == 1
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()


async def test_close_fault_breaks_off():
    async with open_bench(with_fault(FaultKind.CLOSE)) as bench:
        with pytest.raises(httpx.RemoteProtocolError):
            await bench.call("v1/sms/store", **one_message())
        assert await accepted(bench) == 0


async def test_timeout_fault_accepts_and_never_answers():
    async with open_bench(with_fault(FaultKind.TIMEOUT, next=1)) as bench:
        body = one_message() | {"reference": "lote-1", "webhook_url": "http://gateway.test/w"}
        with pytest.raises(httpx.ReadTimeout):
            await bench.call("v1/sms/store", **body)
        assert await accepted(bench) == 1
        await bench.advance(1)
        found = await bench.call("v1/sms/status/request", reference="lote-1")
    assert [entry["status_code"] for entry in found.json()["messages"]] == [3]
    assert [body["reference"] for body in bench.mailbox.bodies] == ["lote-1"]


async def test_throttle_fault_says_when_to_come_back():
    async with open_bench(with_fault(FaultKind.THROTTLE, every=2)) as bench:
        answers = [await bench.call("v1/sms/store", **one_message()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 200, 429]
    assert answers[1].headers["Retry-After"] == "60"


async def test_fault_keeps_to_its_path():
    async with open_bench(with_fault(FaultKind.ERROR, path="/sms/store")) as bench:
        balance = await bench.call("v1/sms/balance")
        store = await bench.call("v1/sms/store", **one_message())
    assert (balance.status_code, store.status_code) == (200, 500)


async def test_fault_keeps_to_its_time():
    async with open_bench(with_fault(FaultKind.ERROR, after=10, during=5)) as bench:
        statuses = []
        for _ in range(4):
            statuses.append((await bench.call("v1/sms/balance")).status_code)
            await bench.advance(5)
    assert statuses == [200, 200, 500, 200]


async def test_fault_happens_as_often_as_its_probability():
    switches = manual(faults=(Fault(kind=FaultKind.ERROR, probability=0.25),), seed=7, rate_limit=0)
    async with open_bench(switches) as bench:
        answers = [await bench.call("v1/sms/balance") for _ in range(400)]
    failed = sum(answer.status_code == 500 for answer in answers)
    assert 60 < failed < 140


async def test_faults_are_counted_and_can_be_switched_off():
    async with open_bench(with_fault(FaultKind.ERROR)) as bench:
        await bench.call("v1/sms/balance")
        await bench.control("switches", faults=[])
        good = await bench.call("v1/sms/balance")
        state = (await bench.http.get("http://kolmeya.test/_simulator/state")).json()
    assert good.status_code == 200
    assert state["faults"] == {"error": 1}


async def test_latency_comes_after_the_work():
    async with open_bench(manual(latency=3600)) as bench:
        calling = asyncio.create_task(bench.call("v1/sms/store", **one_message()))
        for _ in range(100):
            if await accepted(bench):
                break
            await asyncio.sleep(0)
        assert await accepted(bench) == 1
        assert not calling.done()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling


async def test_answer_comes_after_the_latency():
    async with open_bench(manual(latency=0.01)) as bench:
        assert (await bench.call("v1/sms/store", **one_message())).status_code == 200
