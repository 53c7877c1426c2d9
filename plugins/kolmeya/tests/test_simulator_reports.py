"""Reports: their rows as they were seen, and the rules of their fields."""

from datetime import timedelta

import pytest
from recado_kolmeya.simulator import Switches
from recado_kolmeya.simulator.inprocess import open_bench

STATUSES = "v1/sms/reports/statuses"
REQUESTS = "v1/sms/reports/requests"
INVALIDS = "v1/sms/reports/invalid-records"
ACCESSES = "v1/sms/accesses"
QUANTITIES = "v1/sms/reports/quantity-jobs"


@pytest.fixture
def anyio_backend():
    return "asyncio"


def manual(**changes):
    return Switches(clock="manual", **changes)


def moment(bench, **ago):
    return (bench.simulator.world.clock.local() - timedelta(**ago)).strftime("%Y-%m-%d %H:%M")


def day(bench, **ago):
    return moment(bench, **ago)[:10]


async def store(bench, *phones, **fields):
    messages = [
        {"phone": phone, "message": f"Olá {number}", "reference": f"m-{number}"}
        for number, phone in enumerate(phones, 1)
    ]
    return (await bench.call("v1/sms/store", messages=messages, **fields)).json()


async def sent_an_hour_ago(bench):
    await store(bench, 11900000001, 11999900004, tenant_segment_id=109)
    await bench.advance(3600)


async def test_status_rows_are_as_observed():
    async with open_bench() as bench:
        sent = bench.simulator.world.clock.local().strftime("%d/%m/%Y %H:%M")
        await sent_an_hour_ago(bench)
        answer = await bench.call(STATUSES, start_at=moment(bench, hours=2), limit=100)
    first, second = answer.json()["messages"]
    assert first == {
        "telefone": 11900000001,
        "nome": "",
        "cpf": 0,
        "mensagem": "Olá 1",
        "status": "entregue",
        "enviada_em": sent,
        "parametros": {},
        "lote": 1,
        "job": first["job"],
        "centro_custo": "CORPORATIVO",
        "api": "Kolmeya",
        "broker": "Kolmeya",
        "produto": "SMS",
    }
    assert isinstance(first["job"], int)
    assert second["status"] == "Não entregue"


async def test_status_rows_may_be_as_documented():
    async with open_bench(manual(report_form="documented")) as bench:
        await sent_an_hour_ago(bench)
        answer = await bench.call(STATUSES, start_at=moment(bench, hours=2), limit=100)
    row = answer.json()["messages"][0]
    assert (row["telefone"], row["cpf"], row["parametros"]) == ("11900000001", "0", [])


async def test_rows_above_the_limit_are_left_out_unmentioned():
    async with open_bench() as bench:
        await sent_an_hour_ago(bench)
        answer = await bench.call(STATUSES, start_at=moment(bench, hours=2), limit=1)
    assert list(answer.json()) == ["messages"]
    assert len(answer.json()["messages"]) == 1


async def test_status_report_keeps_to_its_span():
    async with open_bench() as bench:
        await sent_an_hour_ago(bench)
        span = {"start_at": moment(bench, hours=5), "end_at": moment(bench, hours=3)}
        answer = await bench.call(STATUSES, **span, limit=100)
    assert answer.json() == {"messages": []}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"limit": 30001}, "limit"),
        ({"limit": None}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"start_at": None}, "start_at"),
        ({"start_at": "2025-11-01T00:00"}, "start_at"),
        ({"start_at": "2025-11-01"}, "start_at"),
        ({"start_at": "01/11/2025 00:00"}, "start_at"),
        ({"start_at": "2025-13-01 00:00"}, "start_at"),
        ({"start_at": {"days": 8}}, "end_at"),
        ({"end_at": {"hours": 3}}, "end_at"),
        ({"end_at": {"hours": -3}}, "end_at"),
    ],
)
async def test_wrong_status_report_is_refused(change, field):
    async with open_bench() as bench:
        body = {"start_at": moment(bench, hours=2), "end_at": moment(bench, minutes=1), "limit": 9}
        for name, value in change.items():
            body[name] = moment(bench, **value) if isinstance(value, dict) else value
        answer = await bench.call(STATUSES, **body)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


async def test_statuses_of_a_job_are_paged_without_saying_so():
    async with open_bench() as bench:
        await store(bench, *range(11900000001, 11900000006))
        await store(bench, 11900000009)
        span = {"start_at": moment(bench, hours=1), "limit": 9}
        await bench.advance(60)
        job = (await bench.call(STATUSES, **span)).json()["messages"][0]["job"]
        first = (await bench.call(f"{STATUSES}/{job}", per_page=3)).json()
        second = (await bench.call(f"{STATUSES}/{job}", per_page=3, page=2)).json()
        await bench.control("switches", report_form="documented")
        documented = (await bench.call(f"{STATUSES}/{job}", per_page=3, page=2)).json()
        unknown = (await bench.call(f"{STATUSES}/77")).json()
    assert list(first) == ["messages"]
    assert [row["mensagem"] for row in first["messages"]] == ["Olá 1", "Olá 2", "Olá 3"]
    assert [row["mensagem"] for row in second["messages"]] == ["Olá 4", "Olá 5"]
    assert documented["pagination"] == {
        "current_page": 2,
        "total": 5,
        "per_page": 3,
        "last_page": 2,
        "from": 4,
        "to": 5,
    }
    assert unknown["pagination"]["total"] == 0


@pytest.mark.parametrize("fields", [{"per_page": 5001}, {"per_page": 0}, {"page": 0}])
async def test_wrong_page_of_a_job_is_refused(fields):
    async with open_bench() as bench:
        answer = await bench.call(f"{STATUSES}/1", **fields)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == list(fields)


async def test_requests_are_listed_newest_first():
    async with open_bench() as bench:
        old = await store(bench, 11900000001, 11999900010, reference="lote-1")
        await bench.advance(60)
        new = await store(bench, 11900000002)
        span = {"start_at": day(bench, days=1), "end_at": day(bench)}
        answer = (await bench.call(REQUESTS, **span)).json()
        second = (await bench.call(REQUESTS, **span, per_page=1, page=2)).json()
    assert [row["id"] for row in answer["requests"]] == [new["id"], old["id"]]
    row = answer["requests"][1]
    assert (row["reference"], row["quantity"], row["valids"], row["invalids"]) == (
        "lote-1",
        2,
        1,
        1,
    )
    assert answer["requests"][0]["reference"] is None
    assert [row["id"] for row in second["requests"]] == [old["id"]]
    assert second["pagination"] == {
        "current_page": 2,
        "total": 2,
        "per_page": 1,
        "last_page": 2,
    }


@pytest.mark.parametrize(
    ("path", "change", "field"),
    [
        (REQUESTS, {"start_at": {"days": 32}}, "end_at"),
        (REQUESTS, {"end_at": None}, "end_at"),
        (REQUESTS, {"end_at": {"days": 3}}, "end_at"),
        (REQUESTS, {"start_at": "2025-11-01 00:00"}, "start_at"),
        (REQUESTS, {"per_page": 1001}, "per_page"),
        (ACCESSES, {"limit": 5001}, "limit"),
        (ACCESSES, {"limit": None}, "limit"),
        (ACCESSES, {"start_at": None}, "start_at"),
        (ACCESSES, {"start_at": "01/11/2025"}, "start_at"),
        (ACCESSES, {"end_at": {"days": 3}}, "end_at"),
        (INVALIDS, {"origin": "sms"}, "origin"),
        (INVALIDS, {"origin": None}, "origin"),
        (INVALIDS, {"date": None}, "date"),
        (INVALIDS, {"date": "22/04/2025"}, "date"),
        (INVALIDS, {"segments": 1}, "segments"),
        (INVALIDS, {"job_id": "x"}, "job_id"),
        (QUANTITIES, {"period": "2025-1"}, "period"),
        (QUANTITIES, {"period": "11/2025"}, "period"),
    ],
)
async def test_wrong_report_is_refused(path, change, field):
    async with open_bench() as bench:
        body = {
            "start_at": day(bench, days=1),
            "end_at": day(bench),
            "limit": 9,
            "origin": "api",
            "date": day(bench),
        }
        for name, value in change.items():
            body[name] = day(bench, **value) if isinstance(value, dict) else value
        answer = await bench.call(path, **body)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


async def test_accesses_have_no_longest_span():
    async with open_bench() as bench:
        answer = await bench.call(ACCESSES, start_at=day(bench, days=300), limit=5000)
    assert answer.json() == {"accesses": [], "totalAccesses": 0}


async def test_invalid_records_tell_why_a_request_lost_a_phone():
    async with open_bench(manual(segments=("109:CORPORATIVO", "7:VENDAS"))) as bench:
        await store(bench, 11999900010, 11999900011, 11999900012, 11999900013, 11900000001)
        await store(bench, 11999900010, tenant_segment_id=7)
        body = {"origin": "api", "date": day(bench)}
        answer = (await bench.call(INVALIDS, **body, per_page="2")).json()
        every = (await bench.call(INVALIDS, **body)).json()["data"]
        sales = (await bench.call(INVALIDS, **body, segments=[7])).json()["data"]
        job = (await bench.call(INVALIDS, **body, job_id=every[0]["job"])).json()["data"]
        web = (await bench.call(INVALIDS, origin="web", date=day(bench))).json()["data"]
        past = (await bench.call(INVALIDS, origin="api", date=day(bench, days=1))).json()["data"]
    assert [row["tipo"] for row in every] == [
        "Inválido",
        "Blacklist",
        "Não perturbe (SP)",
        "Duplicado",
        "Inválido",
    ]
    assert every[0]["telefone"] == "11999900010"
    assert [row["centro_custo"] for row in sales] == ["VENDAS"]
    assert len(job) == 4
    assert web == past == []
    assert (answer["total"], answer["last_page"], len(answer["data"])) == (5, 3, 2)
    assert [link["label"] for link in answer["links"]] == [
        "&laquo; Previous",
        "1",
        "2",
        "3",
        "Next &raquo;",
    ]
    assert [link["active"] for link in answer["links"]] == [False, True, False, False, False]


async def test_catalogues_are_as_observed():
    async with open_bench() as bench:
        segments = (await bench.call("v1/sms/segments")).json()
        layouts = (await bench.call("v1/sms/layouts")).json()
        await bench.control("switches", segments=["8103:VENDAS", "8105:COBRANÇA"])
        others = (await bench.call("v1/sms/segments")).json()
    assert segments == {"segments": [{"id": 109, "name": "CORPORATIVO"}]}
    assert [each["name"] for each in others["segments"]] == ["VENDAS", "COBRANÇA"]
    assert layouts[0]["items"][0] == {"id": 901, "name": "Nome", "type": "name", "position": 2}
