"""Web campaigns: their webhooks, pause and play, and their part in the reports."""

import re
from datetime import timedelta

import pytest
from recado_kolmeya.simulator import Switches
from recado_kolmeya.simulator.inprocess import WEBHOOK_URL, open_bench

STAMP = re.compile(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d")


@pytest.fixture
def anyio_backend():
    return "asyncio"


def manual(**changes):
    return Switches(clock="manual", **changes)


async def start(bench, *phones, **fields):
    messages = [
        {"phone": phone, "message": "Promoção", "name": "Ana", "custom_data": {"campo": "valor"}}
        for phone in phones
    ]
    body = {"messages": messages, "name": "Natal", "webhook_url": WEBHOOK_URL} | fields
    return (await bench.control("campaigns", **body)).json()["id"]


def kinds(bench):
    return [body["type"] for body in bench.mailbox.bodies]


async def test_status_webhook_of_a_campaign_is_as_documented():
    async with open_bench() as bench:
        job = await start(bench, 5511900000001, 11999900004)
        await bench.advance(1)
        (body,) = bench.mailbox.bodies
    data = body.pop("data")
    assert isinstance(body.pop("timestamp"), int)
    assert body == {"job_id": job, "job_name": "Natal", "type": 2, "type_description": "STATUS"}
    assert [(each["fullphone"], each["code"], each["message"]) for each in data] == [
        (11900000001, 3, "entregue"),
        (11999900004, 4, "não entregue"),
    ]
    assert data[0]["custom_data"] == {"campo": "valor"}


async def test_lost_phones_are_told_first():
    async with open_bench(manual(blacklist=(11900000002,))) as bench:
        await start(bench, 1, 11999900014, 11900000001, 11900000001, 11999900012, 11900000002)
        await bench.advance(0)
        (body,) = bench.mailbox.bodies
    assert (body["type"], body["type_description"]) == (1, "INVALID_RECORD")
    assert [each["code"] for each in body["data"]] == [7, 8, 9, 10, 11]
    assert body["data"][0]["message"] == "Inválido"


async def test_reply_to_a_campaign_is_told_and_listed():
    async with open_bench() as bench:
        job = await start(bench, 11900000001)
        await bench.advance(1)
        await bench.control("replies", job=job, phone=11900000001, text="Quero")
        await bench.advance(0)
        web = (await bench.call("v1/sms/replys-web", period=24)).json()
        api = (await bench.call("v1/sms/replys", period=24)).json()
        body = bench.mailbox.bodies[-1]
    assert (body["type"], body["data"][0]["reply"]) == (3, "Quero")
    assert api["total"] == 0
    (row,) = web["data"]
    assert (row["job"], row["phone"], row["message"]) == (str(job), 11900000001, "Promoção")
    assert row["parameters"] == {"campo": "valor"}
    assert STAMP.fullmatch(row["send_at"])
    assert STAMP.fullmatch(row["received_at"])


async def test_parameters_of_a_reply_may_be_an_empty_list():
    async with open_bench() as bench:
        body = {"messages": [{"phone": 11900000001, "message": "Oi"}]}
        job = (await bench.control("campaigns", **body)).json()["id"]
        await bench.control("replies", job=job, phone=11900000001, text="Quero")
        web = (await bench.call("v1/sms/replys-web")).json()
    assert web["data"][0]["parameters"] == []


async def test_click_on_a_short_link_is_told_and_listed():
    async with open_bench() as bench:
        job = await start(bench, 11900000001)
        await bench.control("accesses", job=job, phone=11900000001)
        await bench.control("accesses", job=job, phone=11900000001, is_robot=True)
        await bench.advance(1)
        yesterday = bench.simulator.world.clock.local() - timedelta(days=1)
        body = {"start_at": yesterday.strftime("%Y-%m-%d"), "limit": 10}
        every = (await bench.call("v1/sms/accesses", **body)).json()
        people = (await bench.call("v1/sms/accesses", **body, is_robot=0)).json()
        other = (await bench.call("v1/sms/accesses", **body, tenant_segment_id=7)).json()
        one = (await bench.call("v1/sms/accesses", **body | {"limit": 1})).json()
    assert kinds(bench) == [4, 4, 2]
    assert bench.mailbox.bodies[0]["data"][0].keys() >= {"useragent", "ip"}
    assert (every["totalAccesses"], people["totalAccesses"], other["totalAccesses"]) == (2, 1, 0)
    assert (len(one["accesses"]), one["totalAccesses"]) == (1, 2)
    row = people["accesses"][0]
    assert (row["job_id"], row["fullphone"], row["is_robot"]) == (job, 11900000001, "0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row["accessed_at"])


@pytest.mark.parametrize(("by_homologation", "kind"), [(True, 5), (False, 6)])
async def test_campaign_may_be_rejected(by_homologation, kind):
    async with open_bench() as bench:
        job = await start(bench, 11900000001)
        await bench.control("reject", job=job, by_homologation=by_homologation)
        await bench.advance(1)
        (body,) = bench.mailbox.bodies
    assert body["type"] == kind
    assert list(body["data"]) == ["message"]


async def test_paused_campaign_goes_on_when_played():
    async with open_bench() as bench:
        job = await start(bench, 11900000001)
        paused = await bench.call(f"v1/sms/jobs/{job}/pause")
        await bench.advance(60)
        assert bench.mailbox.bodies == []
        played = await bench.call(f"v1/sms/jobs/{job}/play")
        await bench.advance(60)
        assert kinds(bench) == [2]
    assert (paused.status_code, paused.json()) == (200, {"message": "Job pausado"})
    assert (played.status_code, played.json()) == (200, {"message": "Job reiniciado"})


@pytest.mark.parametrize("action", ["pause", "play"])
async def test_unknown_or_finished_campaign_cannot_be_paused(action):
    async with open_bench() as bench:
        job = await start(bench, 11900000001)
        await bench.advance(1)
        for number in (job, 77):
            answer = await bench.call(f"v1/sms/jobs/{number}/{action}")
            assert answer.status_code == 404
            assert answer.json()["message"]


async def test_jobs_of_the_last_week_are_listed():
    async with open_bench() as bench:
        await start(bench, 11900000001)
        await bench.advance(8 * 24 * 3600)
        job = await start(bench, 11900000001)
        jobs = (await bench.call("v1/sms/reports/jobs")).json()["jobs"]
        await bench.control("switches", report_form="documented")
        documented = (await bench.call("v1/sms/reports/jobs")).json()["jobs"]
    (row,) = jobs
    assert list(row) == ["id", "created", "approved"]
    assert row["id"] == job
    assert STAMP.fullmatch(row["created"])
    assert documented == str(job)


async def test_campaigns_of_a_month_are_summed_up():
    async with open_bench() as bench:
        job = await start(bench, 11900000001, 11999900004, 11999900006, 1)
        await bench.advance(1)
        await bench.control("replies", job=job, phone=11900000001, text="Quero")
        now = bench.simulator.world.clock.local()
        month = now.strftime("%Y-%m")
        past = (now.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
        rows = (await bench.call("v1/sms/reports/quantity-jobs", period=month)).json()["jobs"]
        default = (await bench.call("v1/sms/reports/quantity-jobs")).json()["jobs"]
        empty = (await bench.call("v1/sms/reports/quantity-jobs", period=past)).json()
        await bench.control("switches", report_form="documented")
        bare = (await bench.call("v1/sms/reports/quantity-jobs", period=month)).json()
    (row,) = rows
    assert rows == default == bare
    assert empty == {"jobs": []}
    assert len(row) == 36
    assert row.pop("job") == job
    assert all(isinstance(value, str) for value in row.values())
    wanted = ("total_arquivo", "validos", "entregues", "nao_entregues", "respostas")
    assert [row[name] for name in wanted] == ["4", "3", "1", "2", "1"]
    assert row["valor_pago"] == "R$0,24"


async def test_campaign_stands_in_the_status_report():
    async with open_bench() as bench:
        job = await start(bench, 11900000001)
        await bench.advance(60)
        rows = (await bench.call(f"v1/sms/reports/statuses/{job}")).json()["messages"]
        today = bench.simulator.world.clock.local().strftime("%Y-%m-%d")
        await start(bench, 1)
        lost = (await bench.call("v1/sms/reports/invalid-records", origin="web", date=today)).json()
    assert rows[0]["parametros"] == {"campo": "valor"}
    assert rows[0]["nome"] == "Ana"
    assert [row["telefone"] for row in lost["data"]] == ["1"]
