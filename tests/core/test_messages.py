import json
from datetime import timedelta

import pytest
from recado_core import InDoubtError, OnFailure, Outcome, Refusal, SendResult, TransientSendError
from recado_core.engine.failures import ConflictError, DraftError, NotFoundError
from recado_core.engine.messages.messages import MessageFilter

NOBODY = "018f0000-0000-7000-8000-000000000000"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


async def found(house, **wanted):
    return [m.id for m in (await house.engine.messages.list(MessageFilter(**wanted))).items]


async def pages(house, limit, **wanted):
    """Return every page of a list."""
    made, cursor = [], None
    for _ in range(10):
        page = await house.engine.messages.list(MessageFilter(**wanted), limit, cursor)
        made.append([message.id for message in page.items])
        cursor = page.next_cursor
        if cursor is None:
            return made
    raise AssertionError("the list has no end")


async def test_a_list_has_the_newest_first_page_by_page(house):
    ids = await house.accept_many(7)
    newest = ids[::-1]
    assert await pages(house, 3) == [newest[:3], newest[3:6], newest[6:]]
    assert await pages(house, 7) == [newest]
    assert await pages(house, 50, status="delivered") == [[]]


@on_sqlite
async def test_pages_stand_still_while_messages_come(house):
    ids = await house.accept_many(4)
    first = await house.engine.messages.list(MessageFilter(), 2)
    await house.accept_many(3)
    rest = await house.engine.messages.list(MessageFilter(), 50, first.next_cursor)
    assert [message.id for message in rest.items] == ids[1::-1]


@on_sqlite
async def test_the_end_of_a_full_page_is_the_end(house):
    await house.accept_many(4)
    page = await house.engine.messages.list(MessageFilter(), 4)
    assert (len(page.items), page.next_cursor) == (4, None)


async def test_every_filter_narrows_the_list(open_house):
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        one = await house.accept(to="+5521900000001", reference="order-1")
        start = house.clock.advance(60)
        two = await house.accept(to="+5511900000002", account="other", reference="order-2")
        await house.settle()
        await house.webhook(
            ["message", {"provider_ref": "mo-1", "sender": "+5521900000001", "text": "sim"}]
        )
        await house.settle()
        (answer,) = await found(house, direction="in")
        end = house.clock.advance(60)
        batch = await house.accept_many(2)
        batch_id = (await house.show(batch[0])).batch_id
        assert await found(house, to="+5521900000001") == [answer, one]
        assert await found(house, to="+5521900000001", direction="out") == [one]
        assert await found(house, account="other") == [two]
        assert await found(house, reference="order-2") == [two]
        assert await found(house, status="queued") == batch[::-1]
        assert await found(house, batch_id=batch_id) == batch[::-1]
        assert await found(house, since=start, until=end) == [answer, two]
        assert await found(house, until=start) == [one]
        assert await found(house, since=end) == batch[::-1]
        assert await found(house, channel="sms", direction="out", status="sent") == [two, one]
        assert await found(house, channel="whatsapp") == []
        assert await found(house, campaign_id=NOBODY) == []


@on_sqlite
async def test_a_cursor_of_another_make_is_an_error(house):
    for cursor in ("%", "AAAA", "bm90IGFuIGlk", "é", "A", "!!!!", "0" * 48):
        with pytest.raises(DraftError) as caught:
            await house.engine.messages.list(MessageFilter(), 10, cursor)
        assert [fault.pointer for fault in caught.value.faults] == ["/cursor"]


@on_sqlite
async def test_what_is_not_there_is_not_found(house):
    for message_id in (NOBODY, "", "x", "' OR 1=1 --"):
        for call in (
            house.engine.messages.get,
            house.engine.messages.cancel,
            house.engine.accept.resend,
        ):
            with pytest.raises(NotFoundError):
                await call(message_id)


async def test_a_message_is_told_with_all_that_happened_to_it(open_house):
    async with open_house(retry_delays=(60.0,)) as house:
        house.vendor.answers = [TransientSendError("down", code="503")]
        message_id = await house.accept()
        await house.settle()
        failed_at = house.clock.now()
        await house.advance(70)
        await house.deliver(message_id, code="3", text="ok", provider_ref=f"ref-{message_id}")
        shown = await house.show(message_id)
        assert [event.type for event in shown.events] == [
            "message.accepted",
            "message.queued",
            "message.sent",
            "message.delivered",
        ]
        again = shown.events[1]
        assert (again.from_status, again.to_status) == ("sending", "queued")
        assert (again.code, again.text, again.account) == ("503", "down", "main")
        assert again.data["next_attempt"]["account"] == "main"
        assert (shown.events[3].code, shown.events[3].text) == ("3", "ok")
        first, second = shown.attempts
        assert [batch.reference for batch in house.vendor.batches] == [first.id, second.id]
        assert (first.outcome, first.code, first.text) == ("transient", "503", "down")
        assert (first.started_at, first.finished_at) == (failed_at, failed_at)
        assert (second.outcome, second.account, second.batch_size) == ("accepted", "main", 1)
        assert shown.provider_ref == f"ref-{message_id}"


@on_sqlite
async def test_an_attempt_under_way_is_told_as_open(house):
    seen = []

    async def look(batch):
        seen.append(await house.show(batch.messages[0].id))
        raise InDoubtError("silence", code="timeout")

    house.vendor.send = look
    message_id = await house.accept()
    await house.engine.run_once()
    (attempt,) = seen[0].attempts
    assert (str(seen[0].status), attempt.outcome, attempt.finished_at) == ("sending", "open", None)
    (attempt,) = (await house.show(message_id)).attempts
    assert (attempt.outcome, attempt.finished_at) == ("doubt", None)


@on_sqlite
async def test_an_mo_is_told_from_the_persons_side(house):
    await house.webhook(
        [
            "message",
            {
                "provider_ref": "mo-1",
                "sender": "+5511900000001",
                "recipient": "28000",
                "text": "não 👎",
            },
        ]
    )
    await house.settle()
    (message_id,) = await found(house)
    shown = await house.show(message_id)
    assert (shown.direction, str(shown.status)) == ("in", "received")
    assert (shown.sender, shown.to, shown.sender_id) == ("+5511900000001", "28000", None)
    assert shown.text == "não 👎"
    for call in (house.engine.messages.cancel, house.engine.accept.resend):
        with pytest.raises(NotFoundError):
            await call(message_id)


@on_sqlite
async def test_a_queued_message_can_be_cancelled_once(house):
    message_id = await house.accept()
    told = await house.engine.messages.cancel(message_id)
    assert (told.id, str(told.status)) == (message_id, "canceled")
    with pytest.raises(ConflictError, match="canceled"):
        await house.engine.messages.cancel(message_id)
    await house.settle()
    assert house.vendor.batches == []
    events = (await house.show(message_id)).events
    assert [event.type for event in events] == ["message.accepted", "message.canceled"]


def answering(outcome):
    return lambda batch: [
        SendResult(message_id=message.id, outcome=outcome) for message in batch.messages
    ]


@on_sqlite
async def test_only_what_waits_can_be_cancelled_and_only_what_did_not_arrive_sent_again(
    open_house,
):
    async with open_house(retry_delays=()) as house:
        later = house.clock.now() + timedelta(hours=1)
        ids = {
            "scheduled": await house.accept(scheduled_at=later),
            "canceled": await house.accept(),
            "expired": await house.accept(expires_at=house.clock.now() + timedelta(seconds=1)),
        }
        await house.engine.messages.cancel(ids["canceled"])
        house.clock.advance(1)
        await house.settle()
        for status, answer in {
            "failed": TransientSendError("down", code="503"),
            "rejected": answering(Outcome.REJECTED),
            "suppressed": answering(Outcome.SUPPRESSED),
            "unknown": lambda _: [],
            "sent": answering(Outcome.ACCEPTED),
            "delivered": answering(Outcome.ACCEPTED),
            "undelivered": answering(Outcome.ACCEPTED),
        }.items():
            house.vendor.answers.append(answer)
            ids[status] = await house.accept()
            await house.advance(2)
        for status in ("delivered", "undelivered"):
            await house.deliver(ids[status], status)
        ids["queued"] = await house.accept()
        assert {status: await house.status(ids[status]) for status in ids} == {
            status: status for status in ids
        }
        resent, refused = set(), set()
        for status, message_id in ids.items():
            try:
                await house.engine.accept.resend(message_id)
            except ConflictError as error:
                assert status in str(error)  # noqa: PT017  # each is either refused or taken
                refused.add(status)
            else:
                resent.add(status)
        assert resent == {"failed", "expired", "undelivered", "unknown"}
        assert refused == ids.keys() - resent
        for status in ids.keys() - {"scheduled", "queued"}:
            with pytest.raises(ConflictError, match=status):
                await house.engine.messages.cancel(ids[status])


@on_sqlite
async def test_a_resent_message_is_a_new_one_linked_to_the_old(open_house):
    async with open_house(retry_delays=()) as house:
        house.vendor.answers.append(TransientSendError("down", code="503"))
        old = await house.accept(
            text="Olá, {{ name }}",
            variables={"name": "Ana"},
            sender_id="28000",
            reference="order-17",
            priority=7,
            category="otp",
            metadata={"a": [1]},
        )
        await house.settle()
        house.clock.advance(5)
        told = json.loads((await house.engine.accept.resend(old)).body)
        assert told["resend_of"] == old
        assert told["id"] != old
        await house.settle()
        first, second = await house.show(old), await house.show(told["id"])
        assert (str(first.status), str(second.status)) == ("failed", "sent")
        assert second.resend_of == old
        for name in ("to", "text", "sender_id", "reference", "priority", "category", "metadata"):
            assert getattr(second, name) == getattr(first, name)


class OptedOut:
    """A check that forbids everything once it is told to."""

    id = "blacklist"
    on_failure = OnFailure.HOLD
    time_limit = 5.0
    everyone = False

    async def check(self, recipients):
        return [Refusal(check=self.id, reason="opted out") if self.everyone else None] * len(
            recipients
        )


@on_sqlite
async def test_a_resend_passes_the_checks_and_the_routes_of_its_time(open_house):
    check = OptedOut()
    async with open_house(
        accounts={"main": {}, "backup": {}}, checks=[check], retry_delays=()
    ) as house:
        house.vendors["main"].answers.append(lambda _: [])
        old = await house.accept()
        await house.settle()
        assert await house.status(old) == "unknown"
        await house.engine.accounts.pause("main")
        told = json.loads((await house.engine.accept.resend(old)).body)
        assert (told["status"], told["account"]) == ("queued", "backup")
        check.everyone = True
        told = json.loads((await house.engine.accept.resend(old)).body)
        assert (told["status"], told["reason"]) == ("suppressed", "opted out")
