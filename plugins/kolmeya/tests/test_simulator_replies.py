"""Replies: phones that answer, and the poll for what they said."""

import re

import pytest
from recado_kolmeya.simulator import Switches
from recado_kolmeya.simulator.inprocess import WEBHOOK_URL, open_bench

REPLIES = "v1/sms/replys"
HOUR = 3600


@pytest.fixture
def anyio_backend():
    return "asyncio"


def manual(**changes):
    return Switches(clock="manual", **changes)


def fixed():
    return 1763314200.0  # 2025-11-16 17:30:00 UTC


async def store(bench, count, text="Olá"):
    messages = [
        {"phone": 11900000001 + n, "message": text, "reference": f"m-{n}"} for n in range(count)
    ]
    body = {"messages": messages, "reference": "lote-1", "webhook_url": WEBHOOK_URL}
    return (await bench.call("v1/sms/store", **body)).json()


async def poll(bench, **fields):
    return (await bench.call(REPLIES, **fields)).json()


@pytest.mark.parametrize("key", ["id", "reference", "phone"])
async def test_phone_answers_when_told(key):
    async with open_bench() as bench:
        stored = await store(bench, 2)
        names = {"id": stored["valids"][1]["id"], "reference": "m-1", "phone": "+5511900000002"}
        made = await bench.control("replies", text="Não, obrigado 👍", **{key: names[key]})
        await bench.advance(0)
        page = await poll(bench, period=24)
        told = bench.mailbox.bodies[-1]["reply"][0]
    assert made.status_code == 201
    (row,) = page["data"]
    assert re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d", row["received_at"])
    assert row["reply"] == told["reply"] == "Não, obrigado 👍"
    assert row["id"] == told["id"] == made.json()["id"]
    assert row["message"] == {
        "id": stored["valids"][1]["id"],
        "reference": "m-1",
        "phone": "11900000002",
    }
    assert row["request"] == {"id": stored["id"], "reference": "lote-1"}


async def test_nobody_answers_what_was_not_sent():
    async with open_bench() as bench:
        await store(bench, 1)
        answer = await bench.control("replies", phone=11900000009, text="Oi")
    assert answer.status_code == 404


async def test_time_is_written_in_brasilia():
    async with open_bench() as bench:
        bench.simulator.world.clock.advance(fixed() - bench.simulator.world.clock.now())
        await store(bench, 1)
        await bench.control("replies", reference="m-0", text="Oi")
        page = await poll(bench)
    assert page["data"][0]["received_at"] == "16/11/2025 14:30:00"


async def test_every_nth_delivered_message_is_answered():
    async with open_bench(manual(reply_every=5, reply_text="Quero")) as bench:
        await store(bench, 12)
        await store(bench, 12)
        await bench.advance(1)
        page = await poll(bench)
    assert [row["reply"] for row in page["data"]] == ["Quero"] * 4
    assert sorted(row["message"]["reference"] for row in page["data"]) == [
        "m-2",
        "m-4",
        "m-7",
        "m-9",
    ]


async def test_word_in_the_text_is_answered():
    async with open_bench(manual(reply_word="responda")) as bench:
        await store(bench, 1, text="Por favor, RESPONDA sim")
        await store(bench, 1, text="Olá")
        await bench.advance(1)
        assert (await poll(bench))["total"] == 1


async def test_pages_link_to_one_another():
    async with open_bench(manual(reply_every=1, replies_per_page=2)) as bench:
        await store(bench, 5)
        await bench.advance(1)
        pages = [await poll(bench, period=24)]
        while pages[-1]["next_page_url"]:
            answer = await bench.http.post(pages[-1]["next_page_url"], json={"period": 24})
            pages.append(answer.json())
        by_body = await poll(bench, period=24, page=2)
    url = "http://kolmeya.test/api/v1/sms/replys"
    assert [page["current_page"] for page in pages] == [1, 2, 3]
    assert [(page["from"], page["to"]) for page in pages] == [(1, 2), (3, 4), (5, 5)]
    assert {(page["last_page"], page["total"], page["per_page"]) for page in pages} == {(3, 5, 2)}
    assert pages[1]["prev_page_url"] == f"{url}?page=1"
    assert pages[1]["next_page_url"] == pages[1]["last_page_url"] == f"{url}?page=3"
    assert pages[1]["path"] == url
    assert by_body == pages[1]
    assert len({row["id"] for page in pages for row in page["data"]}) == 5


@pytest.mark.parametrize(
    "sending", [{}, {"content": b""}, {"data": {"period": "24"}}, {"json": {"period": 24}}]
)
async def test_empty_or_form_body_is_accepted(sending):
    async with open_bench() as bench:
        answer = await bench.http.post(REPLIES, **sending)
    assert answer.status_code == 200
    assert answer.json()["data"] == []
    assert answer.json()["from"] is None


async def test_period_defaults_to_a_day():
    async with open_bench() as bench:
        await store(bench, 1)
        await bench.control("replies", reference="m-0", text="Oi")
        await bench.advance(25 * HOUR)
        assert (await poll(bench))["total"] == 0
        assert (await poll(bench, period=26))["total"] == 1


async def test_replies_are_kept_for_a_week():
    async with open_bench() as bench:
        await store(bench, 1)
        await bench.control("replies", reference="m-0", text="Oi")
        await bench.advance(167.9 * HOUR)
        assert (await poll(bench, period=168))["total"] == 1
        await bench.advance(0.2 * HOUR)
        assert (await poll(bench, period=168))["total"] == 0


@pytest.mark.parametrize("path", [REPLIES, "v1/sms/replys-web"])
@pytest.mark.parametrize("period", [169, 0, "x", [1], True])
async def test_wrong_period_is_refused(path, period):
    async with open_bench() as bench:
        answer = await bench.call(path, period=period)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["period"]
