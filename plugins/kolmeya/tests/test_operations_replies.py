from datetime import timedelta

import httpx
import pytest

from .account import open_account, open_world


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_replies_of_all_pages_are_joined_the_newest_first():
    async with open_world(replies_per_page=2) as (world, account):
        stored = await world.store(*range(11900000001, 11900000006), reference="lote-1")
        await world.advance(minutes=1)
        for number in range(1, 6):
            await world.bench.control("replies", reference=f"m-{number}", text=f"Não {number} 🎉")
            await world.advance(seconds=1)
        replies = await account.run("replys")
        last = world.now() - timedelta(seconds=1)
    assert [reply.reply for reply in replies.data] == [f"Não {n} 🎉" for n in (5, 4, 3, 2, 1)]
    newest = replies.data[0]
    assert newest.received_at == last
    assert (newest.message.id, newest.message.reference, newest.message.phone) == (
        stored["valids"][4]["id"],
        "m-5",
        "+5511900000005",
    )
    assert (newest.request.id, newest.request.reference) == (stored["id"], "lote-1")
    assert (replies.truncated, replies.unreadable) == (False, 0)
    assert account.asked == [{"period": 24, "page": page} for page in (1, 2, 3)]
    assert account.progress == [(1, 3), (2, 3), (3, 3)]


async def test_reply_that_comes_between_two_pages_doubles_none():
    async with open_world(replies_per_page=2) as (world, account):
        await world.store(*range(11900000001, 11900000005))
        await world.advance(minutes=1)
        for number in (1, 2, 3):
            await world.bench.control("replies", reference=f"m-{number}", text="SIM")

        async def reply_before_second_page():
            if len(account.exchanges) == 1:
                await world.bench.control("replies", reference="m-4", text="SIM")

        account.recorder.before = reply_before_second_page
        replies = await account.run("replys")
    references = [reply.message.reference for reply in replies.data]
    assert sorted(references) == ["m-1", "m-2", "m-3"]


async def test_only_the_hours_that_were_asked_for_are_told():
    async with open_world() as (world, account):
        await world.store(11900000001, 11900000002)
        await world.advance(minutes=1)
        await world.bench.control("replies", reference="m-1", text="ontem")
        await world.advance(hours=30)
        await world.bench.control("replies", reference="m-2", text="hoje")
        day = await account.run("replys", period=24)
        week = await account.run("replys", period=168)
    assert [reply.reply for reply in day.data] == ["hoje"]
    assert [reply.reply for reply in week.data] == ["hoje", "ontem"]


async def test_replies_to_campaigns_carry_what_the_line_held():
    async with open_world(replies_per_page=1) as (world, account):
        plain = await world.start_campaign(11900000001)
        rich = await world.start_campaign(11900000002, custom_data={"Nome": "Ana", "Valor": "3"})
        began = world.now()
        await world.advance(minutes=1)
        await world.bench.control("replies", job=plain, phone=11900000001, text="Quero")
        await world.bench.control("replies", job=rich, phone=11900000002, text="Não")
        replies = await account.run("replys-web", period=1)
        received = world.now()
        by_api = await account.run("replys")
    assert [(r.job, r.phone, r.parameters, r.reply) for r in replies.data] == [
        (rich, "+5511900000002", {"Nome": "Ana", "Valor": "3"}, "Não"),
        (plain, "+5511900000001", {}, "Quero"),
    ]
    assert replies.data[0].message == "Oferta"
    assert replies.data[0].send_at == began
    assert replies.data[0].received_at == received
    assert by_api.data == []


async def test_paths_of_replies_are_the_accounts():
    paths = {"replies_path": "sms/reply", "campaign_replies_path": "sms/reply-web"}
    async with open_world(paths) as (_, account):
        for name, path in (("replys", "reply"), ("replys-web", "reply-web")):
            with pytest.raises(Exception, match=r"Not found\."):
                await account.run(name)
            assert account.exchanges[-1][0].url.path.endswith(f"/v1/sms/{path}")


@pytest.mark.parametrize("name", ["replys", "replys-web"])
async def test_service_that_gives_the_first_page_again_is_told_of(name):
    row = {"id": "33333333-3333-4333-8333-333333333333", "job": "5000001", "reply": "SIM"}
    page = {"current_page": 1, "last_page": 7, "data": [row]}
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, json=page))
    async with open_account(vendor, None) as account:
        told = await account.run(name)
    assert [reply.id for reply in told.data] == [row["id"]]
    assert told.truncated
    assert account.progress == [(1, 7), (2, 2)]
