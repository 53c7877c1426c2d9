"""The simulator's answers against the vendor's own description, where that lies beside us."""

import copy
import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from recado_kolmeya.simulator import Switches
from recado_kolmeya.simulator.inprocess import open_bench
from recado_kolmeya.simulator.routes import OPERATIONS, TRY_WEBHOOK

DESCRIPTION = Path(__file__).parents[4] / "shared" / "reference" / "kolmeya-openapi.json"

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.exists(), reason="the vendor's description is not beside the repository"
)

# The description types lists, rows and jobs otherwise than the live service was seen to answer.
DOCUMENTED = Switches(clock="manual", lists="object", report_form="documented")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def description():
    return json.loads(DESCRIPTION.read_text())


def check(description, path, answer, status=200):
    assert answer.status_code == status
    response = description["paths"][path]["post"]["responses"][str(status)]
    if "$ref" in response:
        response = description["components"]["responses"][response["$ref"].rpartition("/")[2]]
    if "content" not in response:
        assert answer.content == b""
        return
    schema = response["content"]["application/json"]["schema"]
    assert answer.headers["Content-Type"] == "application/json"
    jsonschema.validate(answer.json(), schema | {"components": description["components"]})


def message(phone, text="Olá", reference="m-1"):
    return {"phone": phone, "message": text, "reference": reference}


def test_every_operation_is_there(description):
    assert set(description["paths"]) == {*OPERATIONS, TRY_WEBHOOK}
    assert all(list(operations) == ["post"] for operations in description["paths"].values())


@pytest.mark.parametrize("name", ["store", "store-token"])
async def test_store_is_as_described(description, name):
    phones = [11900000001, 11999900010, 11999900011, 11999900012]
    async with open_bench(DOCUMENTED) as bench:
        body = {"messages": [message(phone) for phone in phones], "reference": "lote-1"}
        answer = await bench.call("v1/sms/store", **body)
        token = await bench.call("v1/sms/store-token", **body | {"messages": [message(phones[0])]})
    if name == "store":
        check(description, "/v1/sms/store", answer)
    else:
        schema = copy.deepcopy(description)
        properties = schema["paths"]["/v1/sms/store-token"]["post"]["responses"]["200"]["content"][
            "application/json"
        ]["schema"]["properties"]
        # One message cannot be valid, on the blacklist and not to be disturbed at once.
        properties["blacklist"] = properties["not_disturb"] = {"maxItems": 0}
        check(schema, "/v1/sms/store-token", token)


async def test_statuses_are_as_described(description):
    async with open_bench() as bench:
        body = {"messages": [message(11900000001), message(11999900004, reference="m-2")]}
        stored = (await bench.call("v1/sms/store", **body, reference="lote-1")).json()
        for seconds in (0, 0.1, 1):
            await bench.advance(seconds)
            request = await bench.call("v1/sms/status/request", id=stored["id"])
            one = await bench.call("v1/sms/status/message", reference="m-2")
            check(description, "/v1/sms/status/request", request)
            check(description, "/v1/sms/status/message", one)
        missing = await bench.call("v1/sms/status/message", reference="m-9")
    check(description, "/v1/sms/status/message", missing, 404)


@pytest.mark.parametrize(
    "path", ["/v1/sms/balance", "/v1/sms/segments", "/v1/sms/apis", "/v1/sms/layouts"]
)
async def test_catalogue_is_as_described(description, path):
    async with open_bench() as bench:
        check(description, path, await bench.call(path[1:]))


async def test_replies_are_as_described(description):
    async with open_bench(Switches(clock="manual", replies_per_page=1)) as bench:
        body = {"messages": [message(11999900030), message(11999900031, reference="m-2")]}
        await bench.call("v1/sms/store", **body, reference="lote-1")
        await bench.advance(1)
        for page in (1, 2):
            check(
                description,
                "/v1/sms/replys",
                await bench.call("v1/sms/replys", period=24, page=page),
            )


async def test_blacklist_is_as_described(description):
    phones = [{"phone": "11900000001"}]
    async with open_bench() as bench:
        for path, status in (("/v1/blacklist/store", 201), ("/v1/blacklist/destroy", 204)):
            check(description, path, await bench.call(path[1:], phones=phones), status)
            check(description, path, await bench.call(path[1:], phones=[]), 422)


async def test_reports_on_requests_are_as_described(description):
    async with open_bench(DOCUMENTED) as bench:
        await bench.call("v1/sms/store", messages=[message(11900000001), message(11999900010)])
        await bench.advance(60)
        now = bench.simulator.world.clock.local()
        yesterday, today = (now - timedelta(days=1)).strftime("%Y-%m-%d"), now.strftime("%Y-%m-%d")
        statuses = await bench.call(
            "v1/sms/reports/statuses", start_at=f"{yesterday} 00:00", limit=10
        )
        job = statuses.json()["messages"][0]["job"]
        by_job = await bench.call(f"v1/sms/reports/statuses/{job}")
        requests = await bench.call("v1/sms/reports/requests", start_at=yesterday, end_at=today)
        day = (now - timedelta(seconds=60)).strftime("%Y-%m-%d")
        invalid = await bench.call("v1/sms/reports/invalid-records", origin="api", date=day)
    check(description, "/v1/sms/reports/statuses", statuses)
    check(description, "/v1/sms/reports/statuses/{jobId}", by_job)
    check(description, "/v1/sms/reports/requests", requests)
    check(description, "/v1/sms/reports/invalid-records", invalid)
    assert len(requests.json()["requests"]) == len(invalid.json()["data"]) == 1


async def test_campaigns_are_as_described(description):
    async with open_bench(DOCUMENTED) as bench:
        rows = [{"phone": 11900000001, "message": "Oi", "custom_data": {"field": "value"}}]
        job = (await bench.control("campaigns", messages=rows)).json()["id"]
        check(
            description,
            "/v1/sms/jobs/{smsJob}/pause",
            await bench.call(f"v1/sms/jobs/{job}/pause"),
        )
        check(
            description, "/v1/sms/jobs/{smsJob}/play", await bench.call(f"v1/sms/jobs/{job}/play")
        )
        for action in ("pause", "play"):
            answer = await bench.call(f"v1/sms/jobs/77/{action}")
            check(description, f"/v1/sms/jobs/{{smsJob}}/{action}", answer, 404)
        await bench.control("replies", job=job, phone=11900000001, text="Quero")
        await bench.control("accesses", job=job, phone=11900000001)
        yesterday = bench.simulator.world.clock.local() - timedelta(days=1)
        start = yesterday.strftime("%Y-%m-%d")
        replies = await bench.call("v1/sms/replys-web", period=24)
        accesses = await bench.call("v1/sms/accesses", start_at=start, limit=10)
        jobs = await bench.call("v1/sms/reports/jobs")
        quantities = await bench.call("v1/sms/reports/quantity-jobs")
    check(description, "/v1/sms/replys-web", replies)
    check(description, "/v1/sms/accesses", accesses)
    check(description, "/v1/sms/reports/jobs", jobs)
    check(description, "/v1/sms/reports/quantity-jobs", quantities)
    assert len(replies.json()["data"]) == len(accesses.json()["accesses"]) == 1
    assert len(quantities.json()) == 1


async def test_webhook_test_is_as_described(description):
    async with open_bench() as bench:
        good = await bench.call("v1/sms/webhook", webhook_url="http://gateway.test/w")
        bad = await bench.call("v1/sms/webhook", webhook_url="x")
    check(description, TRY_WEBHOOK, good)
    check(description, TRY_WEBHOOK, bad, 422)


@pytest.mark.parametrize("path", [*OPERATIONS, TRY_WEBHOOK])
async def test_refusals_are_as_described(description, path):
    url = path[1:].format(jobId="1", smsJob="1")
    async with open_bench(Switches(clock="manual", allowed_ips=("192.0.2.7",))) as bench:
        forbidden = await bench.call(url)
        unknown = await bench.http.post(url, headers={"Authorization": "Bearer wrong"})
    check(description, path, forbidden, 403)
    check(description, path, unknown, 401)
