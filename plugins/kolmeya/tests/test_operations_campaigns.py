from decimal import Decimal

import httpx
import pytest
from recado_core import InDoubtError, PermanentSendError

from .account import FORMS, open_account, open_world


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_campaign_is_paused_and_goes_on():
    async with open_world() as (world, account):
        job = await world.start_campaign(11900000001)
        paused = await account.run("jobs-pause", smsJob=job)
        await world.advance(minutes=10)
        while_paused = world.bench.simulator.world.state.campaigns[job].finished
        resumed = await account.run("jobs-play", smsJob=job)
        await world.advance(minutes=10)
        after = world.bench.simulator.world.state.campaigns[job].finished
    assert (paused.message, resumed.message) == ("Job pausado", "Job reiniciado")
    assert (while_paused, after) == (False, True)
    assert [exchange[0].url.path for exchange in account.exchanges] == [
        f"/api/v1/sms/jobs/{job}/pause",
        f"/api/v1/sms/jobs/{job}/play",
    ]
    assert account.progress == [(1, 1)]


@pytest.mark.parametrize("name", ["jobs-pause", "jobs-play"])
async def test_campaign_that_is_unknown_or_over_is_refused_in_kolmeyas_words(name):
    async with open_world() as (world, account):
        over = await world.start_campaign(11900000001)
        await world.advance(minutes=1)
        for job in (7, over):
            with pytest.raises(PermanentSendError, match=rf"HTTP 404: .*{job}"):
                await account.run(name, smsJob=job)


@pytest.mark.parametrize("answer", [httpx.Response(200, text="<html>"), httpx.ReadTimeout("")])
async def test_pause_without_a_clear_answer_is_in_doubt(answer):
    def reply(_request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with open_account(httpx.MockTransport(reply), None) as account:
        with pytest.raises(InDoubtError):
            await account.run("jobs-pause", smsJob=1)


@pytest.mark.parametrize("form", FORMS)
async def test_campaigns_of_the_week_are_listed(form):
    async with open_world(report_form=form) as (world, account):
        await world.start_campaign(11900000001)
        await world.advance(days=8)
        jobs = [await world.start_campaign(11900000001), await world.start_campaign(11900000002)]
        began = world.now()
        told = await account.run("reports-jobs")
    assert [job.id for job in told.jobs] == jobs
    moments = {(job.created, job.approved) for job in told.jobs}
    assert moments == ({(began, began)} if form == "observed" else {(None, None)})
    assert told.unreadable == 0


@pytest.mark.parametrize(
    ("jobs", "ids", "unreadable"),
    [
        ("", [], 0),
        ("[]", [], 0),
        ("5000001", [5000001], 0),
        ("5000001;5000002 5000003", [5000001, 5000002, 5000003], 0),
        ('[{"id": "5000001", "created": "16/11/2025 14:30:00"}]', [5000001], 0),
        ('{"3": {"id": 5000001}, "5": {"id": 5000002}}', [5000001, 5000002], 0),
        ("5000001, nenhum", [5000001], 1),
        ([{"id": 5000001, "created": "ontem"}, {"id": "um"}], [5000001], 1),
        (None, [], 0),
    ],
)
async def test_campaigns_listed_as_a_text_are_read(jobs, ids, unreadable):
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, json={"jobs": jobs}))
    async with open_account(vendor, None) as account:
        told = await account.run("reports-jobs")
    assert ([job.id for job in told.jobs], told.unreadable) == (ids, unreadable)


@pytest.mark.parametrize("form", FORMS)
async def test_month_of_campaigns_is_told_in_numbers(form):
    phones = [11900000001, 11900000002, 11999900004, 11999900010, 11999900011]
    async with open_world(report_form=form, price="12.50", reply_text="SIM") as (world, account):
        job = await world.start_campaign(*phones)
        began = world.now()
        await world.advance(seconds=30)
        await world.bench.control("replies", job=job, phone=11900000001, text="Quero")
        await world.bench.control("accesses", job=job, phone=11900000002)
        (summary,) = (await account.run("reports-quantity-jobs")).jobs
    assert account.asked == [{"period": f"{world.clock.local(began.timestamp()):%Y-%m}"}]
    assert (summary.job, summary.centro_custo, summary.mensagem) == (job, "CORPORATIVO", "Oferta")
    counts = (summary.total_arquivo, summary.validos, summary.enviados, summary.entregues)
    assert counts == (5, 3, 3, 2)
    assert (summary.nao_entregues, summary.respostas, summary.acessos) == (1, 1, 1)
    assert (summary.invalidos_telefones, summary.blacklist, summary.duplicados) == (1, 1, 0)
    assert summary.inicio_processamento == summary.data_hora_inicio == began
    assert summary.envio == began.isoformat().replace("+00:00", "Z")
    assert summary.valor_pago == Decimal("37.50")


async def test_months_are_asked_for_one_by_one():
    vendor = httpx.MockTransport(lambda request: httpx.Response(200, content=answer_of(request)))

    def answer_of(request):
        month = request.content.decode().partition(": ")[2] or request.content.decode()
        return b'[{"job": %d}]' % int("".join(c for c in month if c.isdigit()))

    async with open_world() as (world, _), open_account(vendor, world.now) as account:
        told = await account.run("reports-quantity-jobs", period="2024-11", end_period="2025-02")
    assert [job.job for job in told.jobs] == [202411, 202412, 202501, 202502]
    assert account.progress == [(1, 4), (2, 4), (3, 4), (4, 4)]


async def test_campaign_in_numbers_bears_what_kolmeya_leaves_open():
    row = {"job": 1, "validos": "1.234", "enviados": "", "entregues": "-", "envio": "Imediato"}
    row |= {"fim_processamento": "0000-00-00 00:00:00", "valor_pago": "1500.50"}
    rows = [row, {"job": 2, "fim_processamento": "logo"}, {"validos": "1"}]
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, json=rows))
    async with open_world() as (world, _), open_account(vendor, world.now) as account:
        told = await account.run("reports-quantity-jobs")
    summary, odd = told.jobs
    assert (odd.job, odd.fim_processamento) == (2, None)
    assert told.unreadable == 1
    assert (summary.validos, summary.enviados, summary.entregues) == (1234, None, None)
    assert (summary.envio, summary.fim_processamento) == ("Imediato", None)
    assert summary.valor_pago == Decimal("1500.50")


@pytest.mark.parametrize(
    ("months", "field"),
    [
        ({"period": "2999-01"}, "period"),
        ({"period": "2025-01", "end_period": "2999-01"}, "end_period"),
    ],
)
async def test_month_to_come_is_refused_before_any_call(months, field):
    async with open_world() as (_, account):
        with pytest.raises(PermanentSendError, match=f"^{field}: it lies in the future"):
            await account.run("reports-quantity-jobs", **months)
    assert account.exchanges == []
