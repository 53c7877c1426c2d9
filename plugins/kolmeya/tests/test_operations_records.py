from datetime import timedelta

import pytest
from recado_core import PermanentSendError
from recado_kolmeya.operations import accesses, invalids

from .account import FORMS, open_world

forms = pytest.mark.parametrize("form", FORMS)
CENTRES = ("109:CORPORATIVO", "7:VENDAS")


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def click(world, job, *phones, **fields):
    for phone in phones:
        answer = await world.bench.control("accesses", job=job, phone=phone, **fields)
        assert answer.status_code == 201


# ---------------------------------------------------------------- invalid records


@forms
async def test_phones_that_were_lost_are_told_with_the_reason(form):
    async with open_world(report_form=form) as (world, account):
        await world.store(11999900010, 11999900011, 123, 11900000001)
        made = world.now()
        by_api = await account.run("reports-invalid-records", origin="api")
        await world.start_campaign(11900000001, 11900000001)
        by_web = await account.run("reports-invalid-records", origin="web", date=world.day())
    assert [(row.telefone, row.tipo) for row in by_api.data] == [
        ("+5511999900010", "Inválido"),
        ("+5511999900011", "Blacklist"),
        ("123", "Inválido"),
    ]
    row = by_api.data[0]
    assert (row.criado_em, row.centro_custo, row.api, row.produto) == (
        made,
        "CORPORATIVO",
        "Kolmeya",
        "SMS",
    )
    assert by_api.unreadable == 0
    assert [(lost.telefone, lost.tipo) for lost in by_web.data] == [("+5511900000001", "Duplicado")]
    assert account.asked[0] == {
        "origin": "api",
        "date": world.day(),
        "per_page": "40000",
        "page": "1",
    }


async def test_days_are_asked_for_one_by_one_all_pages_of_each(monkeypatch):
    monkeypatch.setattr(invalids, "_PAGE", 2)
    async with open_world() as (world, account):
        first = world.day()
        lost = []
        for day in range(4):
            await world.store(11900000001, *[11999900010] * day)
            lost += [world.day()] * day
            await world.advance(days=1)
        last = world.day(1)
        told = await account.run("reports-invalid-records", origin="api", date=first, end_date=last)
    days = [(row.criado_em - timedelta(hours=3)).date().isoformat() for row in told.data]
    assert days == lost
    assert [body["date"] for body in account.asked] == [
        *[world.day(4), world.day(3), world.day(2)],
        *[world.day(1)] * 2,
    ]
    assert account.progress == [(1, 4), (2, 4), (3, 4), (4, 5), (5, 5)]


async def test_records_can_be_of_one_job_and_of_some_cost_centres():
    async with open_world({"segment": 7}, segments=CENTRES) as (world, account):
        await world.store(11999900010)
        await world.store(11999900010, tenant_segment_id=7)
        own = await account.run("reports-invalid-records", origin="api")
        every = await account.run("reports-invalid-records", origin="api", segments=[])
        other = await account.run("reports-invalid-records", origin="api", segments=[109])
        job = every.data[0].job
        one = await account.run("reports-invalid-records", origin="api", segments=[], job_id=job)
    assert [row.centro_custo for row in own.data] == ["VENDAS"]
    assert [row.centro_custo for row in every.data] == ["CORPORATIVO", "VENDAS"]
    assert [row.centro_custo for row in other.data] == ["CORPORATIVO"]
    assert one.data == other.data


@pytest.mark.parametrize("days", [{"date": "2999-01-01"}, {"end_date": "2999-01-01"}])
async def test_day_to_come_is_refused_before_any_call(days):
    async with open_world() as (_, account):
        with pytest.raises(PermanentSendError, match="it lies in the future"):
            await account.run("reports-invalid-records", origin="api", **days)
    assert account.exchanges == []


# ---------------------------------------------------------------- accesses


@forms
async def test_clicks_are_read_into_one_form(form):
    async with open_world(report_form=form) as (world, account):
        job = await world.start_campaign(11900000001, name="Ana", text="Veja")
        began = world.now()
        await world.advance(seconds=90)
        await click(world, job, 11900000001, is_robot=True)
        clicked = world.now()
        told = await account.run("accesses", start_at=world.day(1))
    (access,) = told.accesses
    assert (access.job_id, access.tenant_segment_id, access.cpf) == (job, 109, None)
    assert (access.job_created_at, access.accessed_at) == (began, clicked)
    assert (access.fullphone, access.name, access.message) == ("+5511900000001", "Ana", "Veja")
    assert access.is_robot is True
    assert (told.total_accesses, told.truncated, told.unreadable) == (1, False, 0)
    assert account.asked == [{"start_at": world.day(1), "end_at": world.day(), "limit": 5000}]


async def test_clicks_can_be_of_people_and_of_one_cost_centre():
    async with open_world({"segment": 7}, segments=CENTRES) as (world, account):
        messages = [{"phone": 11900000001, "message": "Veja"}]
        jobs = [
            (await world.bench.control("campaigns", messages=messages, tenant_segment_id=each))
            for each in (7, 109)
        ]
        for job in (each.json()["id"] for each in jobs):
            await click(world, job, 11900000001)
            await click(world, job, 11900000001, is_robot=True)
        today = {"start_at": world.day()}
        own = await account.run("accesses", **today)
        every = await account.run("accesses", **today, tenant_segment_id=None)
        people = await account.run("accesses", **today, tenant_segment_id=109, is_robot=False)
        robots = await account.run("accesses", **today, is_robot=1)
    assert {access.tenant_segment_id for access in own.accesses} == {7}
    assert len(every.accesses) == 4
    assert [(a.tenant_segment_id, a.is_robot) for a in people.accesses] == [(109, False)]
    assert [(a.tenant_segment_id, a.is_robot) for a in robots.accesses] == [(7, True)]


@forms
async def test_full_answers_are_halved_by_days(form, monkeypatch):
    monkeypatch.setattr(accesses, "MOST_ACCESSES", 4)
    async with open_world(report_form=form) as (world, account):
        first = world.day()
        moments = []
        for day in range(9):
            job = await world.start_campaign(11900000001)
            for _ in range(day % 4):
                await click(world, job, 11900000001)
                moments.append(world.now())
                await world.advance(seconds=1)
            await world.reach(hour=23 if day % 2 else 0)
        told = await account.run("accesses", start_at=first)
    assert sorted(access.accessed_at for access in told.accesses) == moments
    assert told.total_accesses == len(moments)
    assert not told.truncated
    assert account.progress[-1] == (len(account.exchanges), len(account.exchanges))


async def test_day_of_clicks_that_overflows_is_told():
    async with open_world() as (world, account):
        job = await world.start_campaign(11900000001)
        await click(world, job, 11900000001)
        clicks = world.bench.simulator.world.state.clicks
        clicks *= 5001
        day = world.day()
        await world.advance(days=2)
        told = await account.run("accesses", start_at=day)
    assert (len(told.accesses), told.total_accesses, told.truncated) == (5000, 5001, True)


@pytest.mark.parametrize(("limit", "truncated"), [(2, True), (4, False)])
async def test_limit_is_of_all_clicks(limit, truncated):
    async with open_world() as (world, account):
        job = await world.start_campaign(11900000001)
        for _ in range(3):
            await click(world, job, 11900000001)
            await world.advance(days=1)
        told = await account.run("accesses", start_at=world.day(4), limit=limit)
    assert len(told.accesses) == min(3, limit)
    assert (told.total_accesses, told.truncated) == (3, truncated)
