"""What operations send, against the vendor's own description, where that lies beside us."""

import json
from pathlib import Path

import jsonschema
import pytest
from recado_kolmeya.simulator.routes import find_operation

from .account import FORMS, open_world
from .test_operations_requests import NAMES

DESCRIPTION = Path(__file__).parents[4] / "shared" / "reference" / "kolmeya-openapi.json"

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.exists(), reason="the vendor's description is not beside the repository"
)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def description():
    return json.loads(DESCRIPTION.read_text())


def check(description, request, answer):
    """Validate one call, and its answer where the simulator follows the description."""
    path, _ = find_operation(request.method, request.url.path.removeprefix("/api"))
    operation = description["paths"][path]["post"]
    assert request.headers["Content-Type"] == request.headers["Accept"] == "application/json"
    components = {"components": description["components"]}
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(json.loads(request.content), schema | components)
    else:
        assert request.content == b""
    content = operation["responses"][str(answer.status_code)].get("content")
    if content:
        schema = content["application/json"]["schema"]
        jsonschema.validate(answer.json(), schema | components)
    else:
        assert answer.content == b""
    return path


def requests_of(world, stored, job):
    phones = [{"phone": "+5511900000009", "document": "11144477735"}, {"phone": "11900000009"}]
    span = {"start_at": world.day(9), "end_at": world.day()}
    return {
        "status-request": {"id": stored["id"]},
        "status-message": {"reference": "m-1"},
        "replys": {},
        "replys-web": {"period": 168},
        **{key: {} for key in ("segments", "apis", "layouts", "reports-jobs")},
        **{key: {"phones": phones} for key in ("blacklist-store", "blacklist-destroy")},
        **{key: {"smsJob": job} for key in ("jobs-pause", "jobs-play")},
        "reports-statuses": {"start_at": world.ago(days=9), "end_at": world.ago(), "limit": 10},
        "reports-statuses-job": {"jobId": job},
        "reports-requests": span,
        "reports-quantity-jobs": {},
        "reports-invalid-records": {"origin": "api", "segments": [109], "job_id": 1000001},
        "accesses": span | {"is_robot": False, "tenant_segment_id": 109, "limit": 10},
        "webhook": {"webhook_url": "https://gateway.example.com/w"},
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("settings", [{}, {"tenant_id": 3, "segment": 109, "sms_api_id": 47}])
async def test_calls_and_answers_are_as_described(description, form, settings):
    async with open_world(settings, report_form=form, final_delay=600) as (world, account):
        stored = await world.store(11900000001, 11999900010, reference="lote-1")
        job = await world.start_campaign(11900000002, custom_data={"field": "value"})
        await world.bench.control("replies", reference="m-1", text="SIM")
        await world.bench.control("replies", job=job, phone=11900000002, text="SIM")
        await world.bench.control("accesses", job=job, phone=11900000002)
        await world.advance(minutes=1)
        requests = requests_of(world, stored, job)
        assert requests.keys() == set(NAMES)
        called = set()
        for name, fields in requests.items():
            first = len(account.exchanges)
            await account.run(name, **fields)
            for request, answer in account.exchanges[first:]:
                if form == "documented" or not name.startswith("reports-"):
                    called.add(check(description, request, answer))
    others = {"/v1/sms/store", "/v1/sms/store-token", "/v1/sms/balance"}
    reports = {path for path in description["paths"] if "/reports/" in path}
    missing = set(description["paths"]) - others - called
    assert missing == (set() if form == "documented" else reports)
