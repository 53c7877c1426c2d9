from datetime import UTC, datetime, timedelta

import httpx
import pytest
from recado_core import PermanentSendError
from recado_kolmeya.operations import reports

from .account import FORMS, open_account, open_world

forms = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def anyio_backend():
    return "asyncio"


def texts(reply):
    return sorted(row.mensagem for row in reply.messages)


def sent(*groups):
    return sorted(f"{text} {number}" for text, count in groups for number in range(1, count + 1))


@forms
async def test_rows_are_read_into_one_form(form):
    async with open_world(report_form=form) as (world, account):
        await world.store(11900000001, text="Olá, ação 🎉")
        custom = {"Nome": "Ana", "Valor": "R$ 3"}
        job = await world.start_campaign(1130000001, cpf=1144477735, name="Ana", custom_data=custom)
        began = world.now()
        await world.advance(minutes=1)
        reply = await account.run("reports-statuses", start_at=world.ago(minutes=2))
    plain, campaign = reply.messages
    assert (plain.telefone, plain.cpf, plain.nome, plain.parametros) == (
        "+5511900000001",
        None,
        "",
        {},
    )
    assert (plain.mensagem, plain.status, plain.enviada_em) == (
        "Olá, ação 🎉 1",
        "entregue",
        began,
    )
    assert (campaign.telefone, campaign.cpf, campaign.nome) == (
        "+551130000001",
        "01144477735",
        "Ana",
    )
    named = custom if form == "observed" else {"0": "Ana", "1": "R$ 3"}
    assert campaign.parametros == named
    assert (campaign.lote, campaign.job, campaign.centro_custo) == (1, job, "CORPORATIVO")
    assert (campaign.api, campaign.broker, campaign.produto) == ("Kolmeya", "Kolmeya", "SMS")
    assert (reply.truncated, reply.unreadable) == (False, 0)
    assert account.progress == [(1, 1)]


async def test_span_is_sent_in_minutes_of_the_accounts_clock():
    async with open_world() as (world, account):
        await world.reach(hour=0, minute=30)
        local = world.clock.local()
        start = (world.now() - timedelta(minutes=59, seconds=1)).isoformat()
        end = (world.now() - timedelta(minutes=10, seconds=1)).isoformat()
        await account.run("reports-statuses", start_at=start, end_at=end)
        await account.run("reports-statuses", start_at=start)
    yesterday, today = local.date() - timedelta(days=1), local.date()
    begin = f"{yesterday} 23:30"
    assert account.asked == [
        {"start_at": begin, "end_at": f"{today} 00:20", "limit": 30000},
        {"start_at": begin, "end_at": f"{today} 00:29", "limit": 30000},
    ]


@pytest.mark.parametrize(("seconds", "minute"), [(4, 29), (5, 30)])
async def test_minute_that_the_vendors_clock_may_not_have_begun_is_not_asked_for(seconds, minute):
    async with open_world() as (world, account):
        await world.reach(hour=0, minute=30, second=seconds)
        for start in (world.ago(hours=1), world.ago()):
            await account.run("reports-statuses", start_at=start)
            await account.run("reports-statuses", start_at=start, end_at=world.ago())
    assert {body["end_at"][-5:] for body in account.asked} == {f"00:{minute}"}
    assert account.asked[-1]["start_at"] == account.asked[-1]["end_at"]


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        ("2018-02-17T23:30-02:00", "2018-02-17T23:15-03:00", ("17 23:00", "18 00:00")),
        ("2018-02-17T22:10-02:00", "2018-02-17T23:15-03:00", ("17 22:10", "18 00:00")),
        ("2018-02-17T23:30-02:00", "2018-02-18T01:20-03:00", ("17 23:00", "18 01:20")),
        ("2018-02-17T22:10-02:00", "2018-02-18T01:20-03:00", ("17 22:10", "18 01:20")),
    ],
)
async def test_hour_that_comes_twice_is_asked_for_whole(start, end, asked):
    async with open_world() as (_, account):
        reply = await account.run(
            "reports-statuses",
            start_at=datetime.fromisoformat(start).isoformat(),
            end_at=datetime.fromisoformat(end).isoformat(),
        )
    (body,) = account.asked
    assert (body["start_at"], body["end_at"]) == tuple(f"2018-02-{each}" for each in asked)
    assert not reply.truncated


@pytest.mark.parametrize(
    ("now", "end", "truncated"),
    [("23:15-02:00", "23:15", False), ("23:15-03:00", "23:15", True)],
)
async def test_hour_that_comes_twice_is_cut_off_while_it_lasts(now, end, truncated):
    clock = datetime.fromisoformat(f"2018-02-17T{now}") + timedelta(seconds=30)
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, json={"messages": []}))
    async with open_account(vendor, lambda: clock.astimezone(UTC)) as account:
        reply = await account.run("reports-statuses", start_at="2018-02-17T23:05:00-02:00")
    (body,) = account.asked
    assert (body["start_at"], body["end_at"]) == ("2018-02-17 23:00", f"2018-02-17 {end}")
    assert reply.truncated is truncated


async def test_value_that_cannot_be_read_costs_itself_and_not_its_row():
    odd = {"telefone": 11900000001, "mensagem": "Olá", "cpf": "***.456.789-**", "lote": 1.5}
    rows = [odd, {"telefone": 11900000002, "mensagem": "Olá"}, "?"]
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, json={"messages": rows}))
    async with open_account(vendor, None) as account:
        reply = await account.run("reports-statuses-job", jobId=5000001)
    assert [row.telefone for row in reply.messages] == ["+5511900000001", "+5511900000002"]
    assert (reply.messages[0].cpf, reply.messages[0].lote) == (None, None)
    assert reply.unreadable == 1


async def test_end_within_the_present_minute_is_that_minute():
    async with open_world() as (world, account):
        await world.advance(seconds=30)
        await account.run("reports-statuses", start_at=world.ago(), end_at=world.ago())
        minute = f"{world.clock.local():%Y-%m-%d %H:%M}"
    assert account.asked == [{"start_at": minute, "end_at": minute, "limit": 30000}]


async def test_longer_spans_are_split_into_weeks_and_joined():
    async with open_world() as (world, account):
        start = world.ago()
        for day in range(30):
            await world.store(11900000001, 11900000002, text=f"dia {day}")
            await world.advance(days=1)
        reply = await account.run("reports-statuses", start_at=start)
    assert texts(reply) == sent(*((f"dia {day}", 2) for day in range(30)))
    assert len(account.exchanges) == 5
    assert account.progress == [(n, 5) for n in range(1, 6)]


@forms
async def test_message_of_the_second_at_a_seam_comes_once(form):
    """The windows share that second; a message of the same minute stands in the later alone."""
    async with open_world(report_form=form) as (world, account):
        start = world.ago()
        await world.advance(days=7)
        await world.store(11900000001, text="na costura")
        await world.advance(seconds=30)
        await world.store(11900000001, text="na costura")
        await world.advance(days=7)
        reply = await account.run("reports-statuses", start_at=start)
    assert texts(reply) == ["na costura 1", "na costura 1"]
    assert len(account.exchanges) == 2


@forms
async def test_full_answers_are_halved_until_nothing_is_left_out(form, monkeypatch):
    monkeypatch.setattr(reports, "MOST_STATUSES", 4)
    groups = [(f"grupo {number}", 3) for number in range(20)]
    async with open_world(report_form=form) as (world, account):
        start = world.ago()
        for text, count in groups:
            await world.store(*range(11900000001, 11900000001 + count), text=text)
            await world.advance(minutes=1, seconds=7)
        await world.advance(minutes=1)
        reply = await account.run("reports-statuses", start_at=start)
    assert texts(reply) == sent(*groups)
    assert not reply.truncated
    dones = [done for done, _ in account.progress]
    totals = [total for _, total in account.progress]
    assert dones == [*range(1, len(account.exchanges) + 1)]
    assert totals == sorted(totals)
    assert totals[-1] == dones[-1] > 20


async def test_minute_that_overflows_is_told(monkeypatch):
    monkeypatch.setattr(reports, "MOST_STATUSES", 10)
    async with open_world() as (world, account):
        start = world.ago()
        await world.advance(seconds=1)
        await world.store(*range(11900000001, 11900000012))
        await world.advance(days=1)
        await world.store(11900000001, text="depois")
        await world.advance(minutes=2)
        reply = await account.run("reports-statuses", start_at=start)
    assert reply.truncated
    assert texts(reply) == sent(("Olá", 10), ("depois", 1))


async def test_more_than_thirty_thousand_rows_in_four_minutes_come_whole():
    async with open_world() as (world, account):
        start = world.ago()
        for block in range(31):
            if block == 16:
                await world.advance(minutes=3)
            phones = range(11900000000 + 1000 * block, 11900000000 + 1000 * (block + 1))
            await world.store(*phones, text=f"{block}")
        await world.advance(minutes=1)
        reply = await account.run("reports-statuses", start_at=start)
    assert len({row.telefone for row in reply.messages}) == len(reply.messages) == 31_000
    assert not reply.truncated
    assert len(account.exchanges) == 3


@pytest.mark.parametrize(("limit", "truncated"), [(2, True), (5, True), (6, False)])
async def test_limit_is_of_the_whole_reply(limit, truncated):
    async with open_world() as (world, account):
        start = world.ago()
        for week in range(5):
            await world.store(11900000001, text=f"{week}")
            await world.advance(days=7)
        reply = await account.run("reports-statuses", start_at=start, limit=limit)
    assert len(reply.messages) == min(5, limit)
    assert reply.truncated is truncated
    assert account.asked[0]["limit"] == limit
    assert account.progress[-1][0] == account.progress[-1][1]


@pytest.mark.parametrize("name", ["start_at", "end_at"])
async def test_future_is_refused_before_any_call(name):
    async with open_world() as (world, account):
        span = {"start_at": world.ago(hours=1), name: world.ago(seconds=-1)}
        with pytest.raises(PermanentSendError, match=f"^{name}: it lies in the future"):
            await account.run("reports-statuses", **span)
    assert account.exchanges == []


@forms
async def test_job_comes_in_all_its_pages(form, monkeypatch):
    monkeypatch.setattr(reports, "_JOB_PAGE", 4)
    async with open_world(report_form=form) as (world, account):
        job = await world.start_campaign(*range(11900000001, 11900000011))
        await world.start_campaign(11900000099)
        await world.advance(minutes=1)
        reply = await account.run("reports-statuses-job", jobId=job)
    assert [row.telefone for row in reply.messages] == [
        f"+55119000000{n:02d}" for n in range(1, 11)
    ]
    assert {row.job for row in reply.messages} == {job}
    pages = 3 if form == "documented" else 4  # the end is not told, so that it must be met
    assert account.asked == [{"per_page": 4, "page": n} for n in range(1, pages + 1)]
    assert account.progress[-1] == (pages, pages)


@forms
async def test_unknown_job_has_sent_nothing(form):
    async with open_world(report_form=form) as (_, account):
        reply = await account.run("reports-statuses-job", jobId=7)
    assert reply.messages == []
    assert account.progress == [(1, 1)]


async def test_service_that_knows_no_pages_tells_a_job_once():
    rows = [{"telefone": 11900000001, "mensagem": f"Olá {number}"} for number in range(3)]
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, json={"messages": rows}))
    async with open_account(vendor, None) as account:
        reply = await account.run("reports-statuses-job", jobId=5000001)
    assert texts(reply) == ["Olá 0", "Olá 1", "Olá 2"]
    assert not reply.truncated
    assert account.progress == [(1, 2), (2, 2)]


async def test_requests_come_in_all_pages_the_newest_first(monkeypatch):
    monkeypatch.setattr(reports, "_REQUESTS_PAGE", 3)
    async with open_world() as (world, account):
        first = world.day()
        made = []
        for day in range(40):
            stored = await world.store(11900000001, 11999900010, reference=f"lote-{day}")
            made.append((stored["id"], f"lote-{day}", world.now()))
            await world.advance(days=1)
        reply = await account.run("reports-requests", start_at=first)
    told = [(row.id, row.reference, row.created_at) for row in reply.requests]
    assert told == made[::-1]
    newest = reply.requests[0]
    assert (newest.status, newest.quantity, newest.valids, newest.invalids) == ("Válido", 2, 1, 1)
    spans = {(body["start_at"], body["end_at"]) for body in account.asked}
    assert len(spans) == 2
    assert account.progress[-1] == (len(account.exchanges), len(account.exchanges))


async def test_request_made_meanwhile_doubles_none(monkeypatch):
    monkeypatch.setattr(reports, "_REQUESTS_PAGE", 2)
    async with open_world() as (world, account):
        made = [(await world.store(11900000001))["id"] for _ in range(5)]

        async def store_before_second_page():
            if len(account.exchanges) == 1:
                await world.store(11900000001)

        account.recorder.before = store_before_second_page
        reply = await account.run("reports-requests", start_at=world.day())
    assert [row.id for row in reply.requests] == made[::-1]


async def test_days_are_those_of_the_accounts_zone():
    async with open_world() as (world, account):
        await world.reach(hour=23, minute=30)
        assert world.now().date() != world.clock.local().date()
        await account.run("reports-requests", start_at=world.day(1))
        with pytest.raises(PermanentSendError, match=r"^end_at: it lies in the future"):
            await account.run(
                "reports-requests", start_at=world.day(1), end_at=world.now().date().isoformat()
            )
    assert [body["end_at"] for body in account.asked] == [world.day()]


async def test_zone_of_the_account_decides():
    async with open_world({"timezone": "America/Manaus"}) as (world, account):
        await world.store(11900000001)
        moment = world.now()
        await world.advance(hours=2)
        reply = await account.run("reports-statuses", start_at=moment.isoformat())
    in_manaus = moment - timedelta(hours=4)
    assert account.asked[0]["start_at"] == f"{in_manaus:%Y-%m-%d %H:%M}"
    assert reply.messages[0].enviada_em == moment + timedelta(hours=1)
    assert reply.messages[0].enviada_em.tzinfo is UTC
