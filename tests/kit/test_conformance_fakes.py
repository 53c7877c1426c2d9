"""The kit's fakes, which other tests stand on too."""

import asyncio
import json
import logging
import socket
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import msgspec
import pytest
from recado_core import Secret, WebhookRequest
from recado_core.testing import Clock, FakeVendor, make_batch, make_event, make_id, make_message
from recado_core.testing.disclosure import (
    find_credentials,
    find_numbers,
    find_secrets,
    find_shown,
    tell_error,
)
from recado_core.testing.payloads import mutilated, read_strings, retold
from recado_core.testing.watch import Watch

# ---------------------------------------------------------------- clock


async def test_clock_stands_still_until_it_is_moved():
    clock = Clock(datetime(2026, 1, 5, 12, tzinfo=UTC))
    began = clock.now()
    assert clock.now() == began
    assert clock.advance(90) == began + timedelta(seconds=90)
    clock.advance(timedelta(days=1))
    await clock.sleep(10)
    assert clock.now() == began + timedelta(days=1, seconds=100)


def test_clock_goes_neither_back_nor_without_a_zone():
    with pytest.raises(ValueError, match="never goes back"):
        Clock().advance(-1)
    with pytest.raises(ValueError, match="aware"):
        Clock(datetime(2026, 1, 5))  # noqa: DTZ001  # the fault


# ---------------------------------------------------------------- samples


def test_ids_are_new_uuids_of_version_7_in_order():
    ids = [make_id() for _ in range(1000)]
    assert sorted(set(ids)) == ids
    assert {UUID(one).version for one in ids} == {7}
    assert {UUID(one).variant for one in ids} == {"specified in RFC 4122"}


def test_batch_has_a_message_for_every_address():
    batch = make_batch(1000, lambda index: make_message(index, sender_id="kit"))
    assert len({message.to for message in batch.messages}) == 1000
    assert len({batch.reference} | {message.id for message in batch.messages}) == 1001
    assert {message.sender_id for message in batch.messages} == {"kit"}


def test_sample_texts_have_accents_and_emoji():
    text = "".join(message.text for message in make_batch(3).messages)
    assert "ã" in text
    assert any(ord(character) > 0xFFFF for character in text)


def test_event_tells_of_a_message():
    event = make_event("message.failed", account="other")
    assert (event.data["status"], event.data["account"]) == ("failed", "other")
    assert event.data["to"].startswith("+")
    assert make_event("message.received").data["sender"].startswith("+")


# ---------------------------------------------------------------- vendor


async def test_vendor_answers_in_turn_and_the_last_answer_stays():
    vendor = FakeVendor(
        httpx.Response(500), lambda request: httpx.Response(200, text=request.url.path)
    )
    async with vendor.client() as http:
        got = [await http.get(f"https://kit.example.com/{n}") for n in range(3)]
    assert [answer.status_code for answer in got] == [500, 200, 200]
    assert got[2].text == "/2"
    assert [request.url.path for request in vendor.requests] == ["/0", "/1", "/2"]


async def test_vendor_raises_the_same_failure_again_and_again():
    vendor = FakeVendor(httpx.ReadTimeout("kit"))
    depths = []
    async with vendor.client() as http:
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout) as caught:
                await http.get("https://kit.example.com")
            depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


async def test_vendor_without_an_answer_says_who_asked():
    async with FakeVendor().client() as http:
        with pytest.raises(LookupError, match="GET /kit came and no answer is queued"):
            await http.get("https://kit.example.com/kit")


async def test_slow_vendor_moves_the_clock():
    clock = Clock()
    began = clock.now()
    async with FakeVendor(httpx.Response(200), clock=clock, delay=0.5).client() as http:
        await http.get("https://kit.example.com")
        await http.get("https://kit.example.com")
    assert clock.now() - began == timedelta(seconds=1)


# ---------------------------------------------------------------- watch


async def test_watch_sees_what_is_done_behind_the_kits_back():
    clock = Clock()
    began = clock.now()
    watch = Watch("recado_core", clock)
    with watch.on():
        await asyncio.sleep(2)
        time.sleep(3)  # noqa: ASYNC251  # the fault
        httpx.Client(verify=False).close()  # noqa: S501  # quick to make
        with pytest.raises(OSError, match="lets nothing out"):
            socket.create_connection(("192.0.2.1", 443))
        logging.getLogger("recado_core.kit").debug("%s", "told", extra={"more": "kept"})
    assert clock.now() - began == timedelta(seconds=5)
    assert watch.sleeps == [2, 3]
    assert watch.clients == ["httpx.Client"]
    assert watch.connections
    (record,) = [text for text in watch.logs if "told" in text]
    assert "kept" in record


async def test_watch_leaves_everything_as_it_was():
    before = (asyncio.sleep, time.sleep, httpx.AsyncClient.__init__, socket.socket.connect)
    levels = [logging.getLogger(name).level for name in ("", "httpx", "recado_core")]
    with Watch("recado_core").on():
        assert asyncio.sleep is not before[0]
    assert (asyncio.sleep, time.sleep, httpx.AsyncClient.__init__, socket.socket.connect) == before
    assert [logging.getLogger(name).level for name in ("", "httpx", "recado_core")] == levels


# ---------------------------------------------------------------- disclosure


class Inner(msgspec.Struct):
    password: Secret


class Settings(msgspec.Struct):
    token: Secret
    other: Secret | None
    inner: list[Inner]


def test_secrets_are_found_however_deep():
    settings = Settings(token=Secret("a" * 9), other=None, inner=[Inner(password=Secret("b" * 9))])
    assert find_secrets(settings) == {
        "settings.token": "a" * 9,
        "settings.inner.0.password": "b" * 9,
    }


@pytest.mark.parametrize(
    "text",
    [
        "key: sé/cret+1!",
        "?key=s%C3%A9%2Fcret%2B1%21",
        '"s\\u00e9/cret+1!"',
        "Basic c8OpL2NyZXQrMSE=",
    ],
)
def test_secret_is_seen_in_every_dress(text):
    assert find_shown([("log", text)], {"token": "sé/cret+1!"}) == ["log shows token"]
    assert find_shown([("log", "innocent")], {"token": "sé/cret+1!"}) == []


def test_credentials_are_taken_from_what_was_sent():
    request = httpx.Request(
        "GET", "https://kit.example.com", headers={"authorization": "Basic YWJjOmRlZg=="}
    )
    assert find_credentials([request]) == {"the authorization header": "YWJjOmRlZg=="}


def test_error_is_told_with_its_causes():
    cause = ValueError("the cause")
    error = RuntimeError("the error")
    error.__cause__ = cause
    assert "the cause" in tell_error(error)


@pytest.mark.parametrize("text", ["+5511900000001", "11900000001", "to=900000001"])
def test_whole_number_is_seen_with_and_without_its_codes(text):
    assert find_numbers([("log", text)], ["+5511900000001"])


@pytest.mark.parametrize("text", ["+55119*****0001", "0001", "5511"])
def test_masked_number_is_none(text):
    assert not find_numbers([("log", text)], ["+5511900000001"])


# ---------------------------------------------------------------- payloads


def arriving(kind, body):
    return WebhookRequest(
        url="https://kit.example.com", headers={"content-type": kind}, query={}, body=body
    )


def test_texts_are_read_from_json_and_forms():
    assert "olá" in read_strings("application/json", '{"a": [{"b": "olá"}, 1]}'.encode())
    assert "1" in read_strings("application/json", b'{"a": 1}')
    assert read_strings("application/x-www-form-urlencoded", b"a=ol%C3%A1+b&c=") == ["olá b", ""]
    assert read_strings("text/xml", b"<a>b</a>") == ["<a>b</a>"]


def test_reply_is_retold_in_both_spellings_of_json():
    variants = retold(arriving("application/json", b'{"a": {"t": "SIM", "u": "SIM!"}}'), "SIM", "É")
    assert [json.loads(variant.body) for variant in variants] == [
        {"a": {"t": "É", "u": "SIM!"}}
    ] * 2
    assert len({variant.body for variant in variants}) == 2


def test_reply_is_retold_in_a_form():
    (variant,) = retold(arriving("application/x-www-form-urlencoded", b"a=SIM&b=1"), "SIM", "É +")
    assert variant.body == b"a=%C3%89+%2B&b=1"


def test_text_that_is_no_field_can_not_be_retold():
    assert retold(arriving("application/json", b'{"a": "SIM!"}'), "SIM", "É") == []
    assert retold(arriving("application/x-www-form-urlencoded", b"a=SIM!"), "SIM", "É") == []


def test_mutilation_reaches_every_field():
    bodies = [
        json.loads(r.body) for r in mutilated(arriving("application/json", b'{"a": [{"b": 1}]}'))
    ]
    assert {} in bodies  # without a
    assert {"a": [{}]} in bodies  # without b
    assert {"a": None} in bodies
    assert {"a": [{"b": "kit"}]} in bodies
    forms = [r.body for r in mutilated(arriving("application/x-www-form-urlencoded", b"a=1&b=2"))]
    assert b"b=2" in forms
    assert b"b=2&a=" in forms
