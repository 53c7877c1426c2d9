import json
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import (
    AccountContext,
    AccountError,
    InboundMessage,
    PermanentSendError,
    Secret,
    TransientSendError,
)
from recado_core.testing import Clock, FakeVendor
from recado_kolmeya.polling import hours_since
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.simulator.inprocess import WEBHOOK_URL

from .bench import batch, magic, message, open_gateway, plain

PAYLOADS = Path(__file__).parent / "payloads"
NOW = Clock().now()
HOUR = 3600


@pytest.fixture
def anyio_backend():
    return "asyncio"


def payload(name):
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def page_of(*replies, number=1, **changes):
    page = payload("replies_page_1") | {"current_page": number, "next_page_url": None}
    if replies:
        page["data"] = list(replies)
    return page | changes


def reply(number, **changes):
    one = json.loads(json.dumps(payload("replies_page_1")["data"][0]))
    return one | {"id": number, "reply": f"Resposta {number}"} | changes


def vendor_of(*answers):
    return FakeVendor(
        *(httpx.Response(200, json=one) if isinstance(one, dict) else one for one in answers)
    )


def provider_of(vendor, **settings):
    chosen = {"token": Secret("a-token-of-tests"), "campaign_replies": False} | settings
    return KolmeyaProvider(
        AccountContext(
            account="kolmeya_main",
            settings=KolmeyaSettings(**chosen),
            http=vendor.client(),
            now=Clock().now,
        )
    )


async def poll(provider, since=NOW - timedelta(hours=24)):
    return [reply async for page in provider.poll_replies(since) for reply in page]


async def take(provider, taken):
    async for page in provider.poll_replies(NOW):
        taken += page


async def told_by(*answers, **settings):
    """Return the texts that come of these answers, and the bodies that were asked."""
    vendor = vendor_of(*answers)
    replies = await poll(provider_of(vendor, **settings))
    return [each.text for each in replies], [json.loads(r.content) for r in vendor.requests]


# ---------------------------------------------------------------- what is asked


async def test_replies_are_asked_for_by_hours_and_page():
    vendor = vendor_of(
        payload("replies_page_1"), payload("replies_page_2"), payload("campaign_replies_page")
    )
    await poll(provider_of(vendor, campaign_replies=True))
    assert [(request.url.path, json.loads(request.content)) for request in vendor.requests] == [
        ("/api/v1/sms/replys", {"period": 24}),
        ("/api/v1/sms/replys", {"period": 24, "page": 2}),
        ("/api/v1/sms/replys-web", {"period": 24}),
    ]


async def test_paths_are_the_accounts():
    vendor = vendor_of(page_of(), page_of())
    settings = {"replies_path": "sms/replies", "campaign_replies_path": "web/replies"}
    await poll(provider_of(vendor, campaign_replies=True, **settings))
    assert [str(request.url) for request in vendor.requests] == [
        "https://kolmeya.com.br/api/v1/sms/replies",
        "https://kolmeya.com.br/api/v1/web/replies",
    ]


@pytest.mark.parametrize(
    ("ago", "hours"),
    [
        (timedelta(days=-1), 1),
        (timedelta(), 1),
        (timedelta(seconds=1), 1),
        (timedelta(hours=1), 1),
        (timedelta(hours=1, seconds=1), 2),
        (timedelta(hours=167, minutes=1), 168),
        (timedelta(days=7), 168),
        (timedelta(days=3650), 168),
    ],
)
def test_period_is_in_whole_hours_that_kolmeya_takes(ago, hours):
    assert hours_since(NOW - ago, NOW) == hours


@given(st.timedeltas(timedelta(), timedelta(hours=168)))
def test_period_reaches_back_far_enough_and_little_further(ago):
    asked = timedelta(hours=hours_since(NOW - ago, NOW))
    assert timedelta() <= asked - ago <= timedelta(hours=1)


# ---------------------------------------------------------------- where it ends


async def test_pages_are_read_up_to_the_last():
    pages = [page_of(reply(n), number=n, next_page_url="x" if n < 4 else None) for n in range(1, 5)]
    texts, asked = await told_by(*pages)
    assert texts == [f"Resposta {n}" for n in range(1, 5)]
    assert [body.get("page") for body in asked] == [None, 2, 3, 4]


@pytest.mark.parametrize(
    "second",
    [
        page_of(reply(1), number=1, next_page_url="x"),  # the wish for a page is passed over
        page_of(reply(2), number=1, next_page_url="x"),  # and a reply has come meanwhile
        page_of(reply(1), number=2, next_page_url="x"),  # the same page under another number
        page_of(reply(2), number=7, next_page_url="x"),
        page_of(reply(2), number=None, next_page_url="x"),
        page_of(number=2, data=[], next_page_url="x"),
        page_of(number=2, data={}, next_page_url="x"),
        page_of(number=2, data=None, next_page_url="x"),
    ],
)
async def test_pages_that_lead_nowhere_are_not_followed(second):
    texts, asked = await told_by(page_of(reply(1), next_page_url="x"), second)
    assert texts == ["Resposta 1"]
    assert len(asked) == 2


async def test_pages_that_go_round_in_a_circle_are_left():
    pages = [page_of(reply(n % 2), number=n, next_page_url="x") for n in (1, 2, 3)]
    texts, _ = await told_by(*pages)
    assert texts == ["Resposta 1", "Resposta 0"]


class EndlessVendor:
    """Answers every page with a new reply, and names a further one."""

    def __init__(self, **changes):
        self.count = 0
        self.changes = changes

    def client(self):
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, _request):
        self.count += 1
        more = {"next_page_url": "x", "last_page": self.count + 1, "total": None}
        page = page_of(reply(self.count), number=self.count, **more) | self.changes
        return httpx.Response(200, json=page)


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({"total": 7, "per_page": 2}, 6),
        ({"total": "7", "per_page": "2"}, 6),
        ({"total": 10**9, "per_page": 1}, 25),
        ({"total": 7, "per_page": 0}, 25),
        ({"total": None, "per_page": 2}, 25),
    ],
)
async def test_pages_without_an_end_are_left(changes, most, caplog, monkeypatch):
    monkeypatch.setattr("recado_kolmeya.polling._MOST_PAGES", 25)
    vendor = EndlessVendor(**changes)
    assert len(await poll(provider_of(vendor))) == vendor.count == most
    (record,) = caplog.records
    assert (record.levelno, record.pages) == (logging.WARNING, most)


async def test_service_that_gives_no_further_page_is_told_of_once(caplog):
    path = "sms/no-further-page"
    for _ in range(2):
        await told_by(page_of(reply(1), next_page_url="x"), replies_path=path)
    (record,) = caplog.records
    assert (record.levelno, record.path) == (logging.WARNING, path)


@pytest.mark.parametrize(("last", "count"), [(2, 2), ("2", 2), (1, 1), (None, 1)])
async def test_last_page_counts_where_no_next_one_is_named(last, count):
    pages = [page_of(reply(n), number=n, last_page=last) for n in (1, 2)]
    for page in pages:
        del page["next_page_url"]
    texts, _ = await told_by(*pages)
    assert len(texts) == count


async def test_page_of_odd_entries_spoils_no_other():
    odd = [3, None, {}, {"id": 1}, reply(2, message=None), reply(3, reply=None), reply(4, id={})]
    first = page_of(*odd, next_page_url="x")
    texts, _ = await told_by(first, page_of("odd", reply(5), number=2))
    assert texts == ["Resposta 5"]


async def test_reply_in_no_known_encoding_spoils_no_other():
    body = json.dumps(page_of(reply(1), reply(2), reply(3)))
    odd = body.replace("Resposta 2", "N\xe3o").encode("latin-1")
    texts, _ = await told_by(httpx.Response(200, content=odd))
    assert texts == ["Resposta 1", "Resposta 3"]


async def test_entries_keyed_by_position_are_read():
    texts, _ = await told_by(page_of(data={"0": reply(1), "2": reply(2)}))
    assert texts == ["Resposta 1", "Resposta 2"]


# ---------------------------------------------------------------- what is told


async def test_reply_without_an_id_is_the_same_of_whatever_type_the_others_are():
    found = []
    for answered_id in (7001, 7001.0, "7001"):
        answered = {"id": answered_id, "reference": "order-17", "phone": "11900000001"}
        (one,) = await poll(provider_of(vendor_of(page_of(reply(1, id=None, message=answered)))))
        found.append(one)
    assert found[0] == found[1] == found[2]


async def test_campaigns_number_may_come_as_any_type():
    page = payload("campaign_replies_page")
    found = []
    for job in (7001, 7001.0, "7001"):
        entries = [each | {"job": job} for each in page["data"]]
        vendor = vendor_of(page_of(), page | {"data": entries})
        found.append(await poll(provider_of(vendor, campaign_replies=True)))
    assert found[0] == found[1] == found[2] != []


@pytest.mark.parametrize(
    "vendor_id", ["33333333-3333-4333-8333-333333333333", 7001, "7001", 7001.0]
)
async def test_reply_is_known_by_kolmeyas_id(vendor_id):
    (found,) = await poll(provider_of(vendor_of(page_of(reply(1, id=vendor_id)))))
    assert found.provider_ref == str(vendor_id).removesuffix(".0")
    assert found.received_at == datetime(2025, 11, 16, 17, 30, tzinfo=UTC)


async def test_reply_to_another_systems_message_names_none_of_ours():
    answered = {"id": "v-1", "reference": "order-17", "phone": "11900000001"}
    (found,) = await poll(provider_of(vendor_of(page_of(reply(1, message=answered)))))
    assert (found.answers_message_id, found.answers_provider_ref) == (None, "v-1")


# ---------------------------------------------------------------- trouble


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401, json={"message": "Unauthenticated."}), AccountError),
        (httpx.Response(422, json={"message": "x"}), PermanentSendError),
        (httpx.Response(429), TransientSendError),
        (httpx.Response(200, text="<html>"), TransientSendError),
        (httpx.Response(200, json={"message": "?"}), TransientSendError),
        (httpx.Response(200, json={"data": 3}), TransientSendError),
        (httpx.Response(200, json=[]), TransientSendError),
        (httpx.ReadTimeout("silence"), TransientSendError),
        (httpx.ConnectError("down"), TransientSendError),
    ],
)
@pytest.mark.parametrize("at", [0, 1])
async def test_page_that_can_not_be_read_raises_after_those_that_can(answer, error, at):
    pages = [page_of(reply(1), next_page_url="x")][:at]
    provider = provider_of(vendor_of(*pages, answer))
    taken = []
    with pytest.raises(error):
        await take(provider, taken)
    assert len(taken) == at


@pytest.mark.parametrize("status", [403, 404, 405, 422])
async def test_account_without_campaigns_still_hears_the_other_replies(status, caplog):
    refused = httpx.Response(status, json={"message": "Não autorizado."})
    provider = provider_of(
        vendor_of(page_of(reply(1)), refused, page_of(reply(2)), refused), campaign_replies=True
    )
    assert [each.text for each in await poll(provider)] == ["Resposta 1"]
    assert [each.text for each in await poll(provider)] == ["Resposta 2"]
    (record,) = caplog.records
    assert (record.levelno, record.account) == (logging.WARNING, "kolmeya_main")


@pytest.mark.parametrize("answer", [httpx.Response(401), httpx.Response(503), httpx.Response(302)])
async def test_campaigns_that_can_not_be_asked_for_now_are_no_matter_of_permission(answer):
    provider = provider_of(vendor_of(page_of(), answer), campaign_replies=True)
    with pytest.raises((AccountError, TransientSendError)):
        await poll(provider)


# ---------------------------------------------------------------- against the simulator


def refs(replies):
    return sorted(each.provider_ref for each in replies)


@pytest.mark.parametrize("per_page", [1, 2, 5, 1000])
@pytest.mark.parametrize("form", ["array", "object"])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_poll_and_webhook_tell_the_same_replies(per_page, form, wrapped):
    switches = {"replies_per_page": per_page, "reply_form": form, "webhook_payload": wrapped}
    sent = batch(*(message(magic(30, area)) for area in range(11, 16)))
    async with open_gateway(**switches) as gateway:
        results = await gateway.provider.send(sent)
        await gateway.bench.advance(10)
        webhooks = [each for each in gateway.received() if isinstance(each, InboundMessage)]
        polled = await poll(gateway.provider, gateway.now() - timedelta(minutes=1))
    key = {"key": lambda each: each.provider_ref}
    assert sorted(polled, **key) == sorted(webhooks, **key)
    assert len(polled) == 5
    assert {each.answers_message_id for each in polled} == {each.id for each in sent.messages}
    assert {each.answers_provider_ref for each in polled} == {r.provider_ref for r in results}


@pytest.mark.parametrize("drop", [{"webhooks": False}, {"webhook_drop": 1.0}])
async def test_replies_without_webhooks_are_all_polled(drop):
    async with open_gateway(reply_every=2, replies_per_page=7, **drop) as gateway:
        await gateway.provider.send(plain(100))
        await gateway.bench.advance(10)
        assert gateway.received() == []
        polled = await poll(gateway.provider, gateway.now() - timedelta(hours=1))
    assert len(set(refs(polled))) == len(polled) == 50


async def test_reply_that_comes_between_two_pages_loses_none():
    async with open_gateway(reply_every=1, replies_per_page=2) as gateway:
        sent = plain(6)
        await gateway.provider.send(sent)
        await gateway.bench.advance(10)
        found = []
        async for page in gateway.provider.poll_replies(gateway.now()):
            found += refs(page)
            if len(found) == 2:
                await gateway.bench.control("replies", reference=sent.messages[0].id, text="E?")
        everything = await poll(gateway.provider, gateway.now())
    assert len(everything) == 7
    assert len(set(refs(everything)) - set(found)) == 1  # the new one, which the next poll finds


@pytest.mark.parametrize("hours", [1, 30, 167])
async def test_replies_of_an_outage_are_caught_up(hours):
    async with open_gateway(reply_every=1) as gateway:
        await gateway.provider.send(plain(3))
        await gateway.bench.advance(10)
        stopped = gateway.now()
        await gateway.bench.advance(hours * HOUR - 20)
        assert len(await poll(gateway.provider, stopped - timedelta(seconds=10))) == 3


async def test_older_replies_than_kolmeya_keeps_are_asked_for_in_vain():
    async with open_gateway(reply_every=1) as gateway:
        await gateway.provider.send(plain(3))
        stopped = gateway.now()
        await gateway.bench.advance(10)
        await gateway.bench.advance(200 * HOUR)
        assert await poll(gateway.provider, stopped) == []


async def start_campaign(gateway, *phones):
    messages = [{"phone": phone, "message": "Promoção"} for phone in phones]
    answer = await gateway.bench.control(
        "campaigns", messages=messages, name="Natal", webhook_url=WEBHOOK_URL
    )
    await gateway.bench.advance(10)
    return answer.json()["id"]


@pytest.mark.parametrize("per_page", [1, 1000])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_campaigns_replies_are_one_message_each_however_they_come(per_page, wrapped):
    switches = {"replies_per_page": per_page, "webhook_payload": wrapped}
    async with open_gateway(**switches) as gateway:
        job = await start_campaign(gateway, 11900000001, 11900000002)
        for phone in (11900000001, 11900000002):
            await gateway.bench.control("replies", job=job, phone=phone, text="Quero 🎉")
        await gateway.bench.advance(0)
        webhooks = [each for each in gateway.received() if isinstance(each, InboundMessage)]
        polled = await poll(gateway.provider, gateway.now())
    assert refs(webhooks) == refs(polled)
    assert {each.sender for each in polled} == {"+5511900000001", "+5511900000002"}
    assert all(each.answers_message_id is None for each in polled)
    assert {each.received_at for each in polled} == {each.received_at for each in webhooks}


async def test_same_answer_to_two_campaigns_is_two_messages():
    async with open_gateway() as gateway:
        jobs = [await start_campaign(gateway, 11900000001) for _ in range(2)]
        for job in jobs:
            await gateway.bench.control("replies", job=job, phone=11900000001, text="Quero")
        polled = await poll(gateway.provider, gateway.now())
    assert all(one != other for one, other in pairwise(refs(polled)))
    assert len(polled) == 2


async def test_campaigns_replies_can_be_left_alone():
    async with open_gateway({"campaign_replies": False}) as gateway:
        job = await start_campaign(gateway, 11900000001)
        await gateway.bench.control("replies", job=job, phone=11900000001, text="Quero")
        assert await poll(gateway.provider, gateway.now()) == []
        assert gateway.bench.simulator.world.state.calls["/v1/sms/replys-web"] == 0


@pytest.mark.parametrize("form", ["message", "errors"])
async def test_bad_token_is_told_when_replies_are_asked_for(form):
    async with open_gateway({"token": Secret("another-token")}, error_form=form) as gateway:
        with pytest.raises(AccountError, match="Unauthenticated"):
            await poll(gateway.provider, gateway.now())
