import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from recado_core import AddressError, Category, ContentError
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.failures import DraftError
from recado_core.engine.messages.messages import MessageFilter
from recado_core.engine.settings import RouteMatch, RouteSettings

from .test_drafts import BAD, PICTURE, Album

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


async def answer_to(house, **fields):
    draft = Draft(**{"to": "+5511900000001", "text": "oi"} | fields)
    return json.loads((await house.engine.accept.message(draft)).body)


async def pointers_of(house, **fields):
    with pytest.raises(DraftError) as caught:
        await answer_to(house, **fields)
    return [fault.pointer for fault in caught.value.faults]


async def stored(house):
    return (await house.engine.messages.list(MessageFilter(), limit=100)).items


async def test_the_answer_tells_what_became_of_the_draft(house):
    told = await answer_to(
        house,
        to="(11) 90000-0001",
        text="Olá, {{ name }} 👋",
        variables={"name": "Ana"},
        sender_id="28000",
        reference="order-17",
        category=Category.OTP,
        metadata={"order": 17, "tags": ["a", None, True], "größe": 1.5},
    )
    message_id = told.pop("id")
    assert told == {
        "status": "queued",
        "channel": "sms",
        "to": "+5511900000001",
        "account": "main",
        "segments": 1,
        "encoding": "ucs2",
        "category": "otp",
        "sender_id": "28000",
        "reference": "order-17",
        "created_at": "2026-01-05T12:00:00Z",
        "scheduled_at": None,
        "expires_at": None,
        "reason": None,
        "reasons": [],
        "resend_of": None,
    }
    shown = await house.show(message_id)
    assert (shown.to, shown.text, shown.sender_id) == ("+5511900000001", "Olá, Ana 👋", "28000")
    assert shown.metadata == {"order": 17, "tags": ["a", None, True], "größe": 1.5}
    assert (shown.reference, shown.category, shown.direction) == ("order-17", "otp", "out")
    assert (shown.created_at, shown.status_at) == (house.clock.now(), house.clock.now())
    (accepted,) = shown.events
    assert (accepted.type, accepted.from_status) == ("message.accepted", None)
    assert (accepted.to_status, accepted.time) == (shown.status, house.clock.now())
    assert shown.attempts == []


@on_sqlite
async def test_times_are_kept_to_the_microsecond(house):
    in_brazil = timezone(timedelta(hours=-3))
    scheduled_at = datetime(2026, 2, 1, 9, 30, 0, 123457, tzinfo=in_brazil)
    expires_at = datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)
    message_id = await house.accept(scheduled_at=scheduled_at, expires_at=expires_at)
    shown = await house.show(message_id)
    assert (shown.scheduled_at, shown.expires_at) == (scheduled_at, expires_at)
    assert shown.scheduled_at.tzinfo is UTC


async def test_an_accepted_message_outlives_the_engine_that_took_it(open_house):
    async with open_house() as first:
        message_id = await first.accept()
        async with open_house(clock=first.clock) as second:  # the first was not closed
            assert await second.status(message_id) == "queued"
            await second.settle()
            assert [message.id for message in second.vendor.sent] == [message_id]


@pytest.mark.whole
@on_sqlite
async def test_what_was_answered_is_stored_whenever_the_process_is_killed(open_house, database_url):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).with_name("accept_until_killed.py"),
        database_url,
        stdout=asyncio.subprocess.PIPE,
    )
    answered = [await process.stdout.readline() for _ in range(50)]
    process.kill()
    answered += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    ids = {line.decode().strip() for line in answered if line.endswith(b"\n")}
    assert len(ids) >= 50
    async with open_house() as house:
        assert set(await house.statuses(ids)) == {"queued"}


@on_sqlite
async def test_a_bad_draft_stores_nothing(house):
    for fields, pointers in BAD.values():
        assert await pointers_of(house, **fields) == pointers
    assert await stored(house) == []


@on_sqlite
async def test_the_account_must_be_there_and_carry_the_channel(house):
    house.engine.plugins.channels["album"] = Album()
    assert await pointers_of(house, account="nobody") == ["/account"]
    assert await pointers_of(house, account="main", channel="album") == ["/account"]
    assert await pointers_of(house, channel="album", media=[PICTURE]) == ["/to"]
    assert await stored(house) == []


@on_sqlite
async def test_without_a_route_only_a_named_account_will_do(open_house):
    async with open_house(routes=[]) as house:
        assert await pointers_of(house) == ["/to"]
        assert (await answer_to(house, account="main"))["account"] == "main"


@on_sqlite
@pytest.mark.parametrize(
    ("error", "pointer"),
    [(ContentError("no links, please"), "/text"), (AddressError("no landlines"), "/to")],
)
async def test_what_the_vendor_is_known_to_refuse_is_not_accepted(open_house, error, pointer):
    seen = []

    def check_message(message):
        seen.append(message)
        if "http" in message.text:
            raise error

    async with open_house(kind={"check_message": check_message}) as house:
        assert await pointers_of(house, text="http://example.com") == [pointer]
        told = await answer_to(house, text="oi", sender_id="28000", category=Category.OTP)
        assert len(await stored(house)) == 1
    assert (seen[-1].id, seen[-1].to, seen[-1].text) == (told["id"], "+5511900000001", "oi")
    assert (seen[-1].sender_id, seen[-1].category) == ("28000", Category.OTP)


@on_sqlite
async def test_the_route_chooses_the_account(open_house):
    routes = [
        RouteSettings(accounts=["bulk"], match=RouteMatch(category=Category.MARKETING)),
        RouteSettings(accounts=["local", "bulk"], match=RouteMatch(prefix="+55")),
    ]
    async with open_house(accounts={"local": {}, "bulk": {}}, routes=routes) as house:
        assert (await answer_to(house))["account"] == "local"
        assert (await answer_to(house, category=Category.MARKETING))["account"] == "bulk"
        assert (await answer_to(house, account="bulk"))["account"] == "bulk"
        assert await pointers_of(house, to="+12025550100") == ["/to"]
        await house.engine.accounts.pause("local")
        assert (await answer_to(house))["account"] == "bulk"
        assert (await answer_to(house, account="local"))["account"] == "local"


@on_sqlite
async def test_a_named_account_has_no_fallback(open_house):
    async with open_house(accounts={"main": {}, "backup": {}}) as house:
        named = await house.accept(account="main")
        routed = await house.accept()
        await house.engine.accounts.pause("main")
        await house.settle()
        assert await house.statuses([named, routed]) == ["queued", "sent"]
        assert (await house.show(routed)).account == "backup"


@on_sqlite
async def test_national_numbers_are_read_in_the_configured_region(open_house):
    async with open_house(default_region="PT") as house:
        assert (await answer_to(house, to="912 345 678"))["to"] == "+351912345678"


@on_sqlite
async def test_what_is_accepted_while_the_engine_runs_is_sent(house):
    all_sent, send = asyncio.Event(), house.vendor.send

    async def note(batch):
        results = await send(batch)
        if len(house.vendor.sent) == 20:
            all_sent.set()
        return results

    house.vendor.send = note
    await house.engine.start()
    ids = await asyncio.gather(*(house.accept() for _ in range(20)))
    async with asyncio.timeout(20):
        await all_sent.wait()
    await house.engine.stop()
    assert set(await house.statuses(ids)) == {"sent"}


@on_sqlite
async def test_an_account_that_is_known_not_to_carry_a_message_is_passed_over(open_house):
    def refuse(message):
        raise AddressError(f"reaches Brazilian numbers only, not those of {message.channel}")

    async with open_house(accounts={"main": {}, "backup": {}, "last": {}}) as house:
        main = house.engine.accounts.find("main")
        main.kind = msgspec.structs.replace(main.kind, check_message=refuse)
        told = await answer_to(house, to="+14155550123")
        assert told["account"] == "backup"
        for name in ("backup", "last"):
            account = house.engine.accounts.find(name)
            account.kind = msgspec.structs.replace(account.kind, check_message=refuse)
        assert await pointers_of(house, to="+14155550123") == ["/to"]
