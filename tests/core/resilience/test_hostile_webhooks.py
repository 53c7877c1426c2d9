"""What vendors and their plugins do wrong in webhooks: only what it is about is held up."""

import asyncio
import json

import pytest
import sqlalchemy as sa
from recado_core import TransientSendError
from recado_core.engine.receive import webhooks
from recado_core.engine.store.schema import inbox, messages

from ..conftest import VendorReceiver

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
on_postgres = pytest.mark.parametrize("database_url", ["postgres_url"], indirect=True)
DAY = 24 * 3600


async def stored(house):
    """Return state and error of every webhook, the oldest first."""
    async with house.database.read() as connection:
        rows = await connection.execute(
            sa.select(inbox.c.state, inbox.c.error).order_by(inbox.c.id)
        )
        return [tuple(row) for row in rows]


@on_sqlite
async def test_without_lookup_what_may_have_been_taken_is_unknown_until_a_dlr_tells(open_house):
    async with open_house(capabilities={"lookup": False}) as house:
        house.vendor.answers = [TransientSendError("Bad Gateway", code="502", possibly_taken=True)]
        ids = await house.accept_many(2)
        await house.settle()
        await house.advance(DAY)
        assert await house.statuses(ids) == ["unknown"] * 2
        await house.deliver(ids[0], provider_ref="r1")
        await house.advance(DAY)
        assert await house.statuses(ids) == ["delivered", "unknown"]
        assert house.vendor.sizes == [2]


async def test_a_dlr_for_a_message_that_is_queued_again_saves_it_from_going_twice(house):
    house.vendor.answers = [TransientSendError("down", code="503")]
    ids = await house.accept_many(3)
    await house.settle()
    assert await house.statuses(ids) == ["queued"] * 3
    await house.webhook(
        ["status", {"message_id": ids[0], "status": "sent", "provider_ref": "r1"}],
        ["status", {"message_id": ids[1], "status": "delivered"}],
    )
    await house.settle()
    await house.advance(120)
    assert await house.statuses(ids) == ["sent", "delivered", "sent"]
    assert (await house.show(ids[0])).provider_ref == "r1"
    assert [message.id for message in house.vendor.batches[1].messages] == ids[2:]


@on_sqlite
async def test_a_dlr_of_the_failed_attempt_does_not_stop_the_next(house):
    house.vendor.answers = [TransientSendError("down", code="503")]
    failures = ("undelivered", "rejected", "expired")
    ids = await house.accept_many(len(failures))
    await house.settle()
    await house.webhook(
        *(
            ["status", {"message_id": key, "status": told}]
            for key, told in zip(ids, failures, strict=True)
        )
    )
    await house.settle()
    assert await house.statuses(ids) == ["queued"] * 3
    await house.advance(120)
    assert await house.statuses(ids) == ["sent"] * 3


async def test_a_dlr_that_overtakes_the_answer_leaves_room_for_the_vendors_reference(house):
    send = house.vendor.send

    async def early(batch):
        (message,) = batch.messages
        await house.webhook(["status", {"message_id": message.id, "status": "delivered"}])
        assert await house.engine.receive.process() == 1
        return await send(batch)

    house.vendor.send = early
    message_id = await house.accept()
    await house.settle()
    shown = await house.show(message_id)
    assert (str(shown.status), shown.provider_ref) == ("delivered", f"ref-{message_id}")


@on_postgres  # where a statement may have 32,767 parameters
async def test_forty_webhooks_of_a_thousand_dlrs_are_processed_at_once(house, monkeypatch):
    monkeypatch.setattr(webhooks, "BYTES", 1_000_000_000)
    ids = await house.accept_many(1000)
    await house.settle()
    names = ids + [f"nobody-{number}" for number in range(39_000)]
    await asyncio.gather(
        *(
            house.webhook(
                *(
                    [
                        "status",
                        {"message_id": key, "provider_ref": f"ref-{key}", "status": "delivered"},
                    ]
                    for key in names[start::40]
                )
            )
            for start in range(40)
        )
    )
    assert await house.engine.receive.process() == 40
    async with house.database.read() as connection:
        told = sa.select(sa.func.count()).where(messages.c.status == "delivered")
        assert (await connection.execute(told)).scalar() == 1000


POISON = {
    "long": ["status", {"message_id": "ID", "status": "undelivered", "code": "x" * 100}],
    "nul": ["status", {"message_id": "ID", "status": "undelivered", "code": "\0", "text": "\0"}],
    "half a character": ["status", {"message_id": "ID", "status": "delivered", "text": "\ud800"}],
    "no id": ["status", {"status": "delivered"}],
    "nul in an id": ["status", {"message_id": "\0", "provider_ref": "\0", "status": "delivered"}],
    "half an id": ["status", {"message_id": "\ud800", "status": "delivered"}],
    "nul in an MO": ["message", {"provider_ref": "m1", "sender": "+5511900000001", "text": "a\0"}],
    "half an MO": ["message", {"provider_ref": "m2", "sender": "+5511900000001", "text": "\ud83d"}],
    "long sender": ["message", {"provider_ref": "m3", "sender": "1" * 400, "text": "oi"}],
    "no time": ["message", {"provider_ref": "m4", "sender": "1", "text": "", "received_at": "x"}],
}


async def test_a_webhook_that_cannot_be_processed_is_kept_and_holds_up_no_other(house):
    ids = await house.accept_many(len(POISON) + 1)
    await house.settle()
    for item, message_id in zip(POISON.values(), ids, strict=False):
        await house.webhook(raw=json.dumps([item]).replace('"ID"', f'"{message_id}"').encode())
    await house.webhook(["status", {"message_id": ids[-1], "status": "delivered"}])
    assert await house.engine.receive.process() == len(POISON) + 1
    assert await house.status(ids[-1]) == "delivered"
    assert await house.statuses(ids[:2]) == ["undelivered"] * 2
    kept = dict(zip([*POISON, "good"], await stored(house), strict=True))
    assert {kept[name][0] for name in ("long", "nul", "nul in an MO", "good")} == {"done"}
    assert all(error if state == "pending" else state == "done" for state, error in kept.values())


@on_sqlite
async def test_a_webhook_on_which_the_plugin_breaks_is_kept_until_it_reads_it(house, monkeypatch):
    def explode(*_):
        raise ZeroDivisionError

    message_id = await house.accept()
    await house.settle()
    with monkeypatch.context() as patch:
        patch.setattr(VendorReceiver, "parse", explode)
        await house.webhook(["status", {"message_id": message_id, "status": "delivered"}])
        await house.settle()
        await house.advance(60)
    assert await house.status(message_id) == "sent"
    await house.advance(3600)
    assert await house.status(message_id) == "delivered"


@on_sqlite
async def test_a_webhook_that_was_given_up_is_tried_again_when_its_sender_repeats_it(house):
    await house.engine.accounts.pause("main")
    message_id = await house.accept()
    told = ["status", {"provider_ref": f"ref-{message_id}", "status": "delivered"}]
    await house.webhook(told)
    for _ in range(7):
        assert await house.engine.receive.process() == 1
        house.clock.advance(DAY)
    assert await house.engine.receive.process() == 0
    assert [state for state, _ in await stored(house)] == ["failed"]
    await house.engine.accounts.resume("main")
    await house.settle()
    await house.webhook(told)
    await house.settle()
    assert await house.status(message_id) == "delivered"
    assert [state for state, _ in await stored(house)] == ["done"]
