import asyncio
import itertools
import json

import pytest
from recado_core import MalformedWebhookError
from recado_core.engine.failures import NotFoundError
from recado_core.engine.messages.messages import MessageFilter
from recado_core.engine.receive import arrivals, webhooks
from recado_core.engine.receive.arrivals import Arrivals
from recado_core.engine.receive.readings import Readings
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import messages
from recado_core.engine.store.statements import inbox
from recado_core.engine.store.statements.events import of_message
from recado_core.engine.store.statements.many import update_many
from recado_core.http import WebhookRequest

from .conftest import VendorReceiver
from .resilience.troubles import until


async def sent(house, count=1):
    ids = await house.accept_many(count)
    await house.settle()
    return ids


async def steps(house, message_id):
    return [event.type for event in (await house.show(message_id)).events]


async def test_a_dlr_settles_its_message(house):
    (message_id,) = await sent(house)
    await house.deliver(message_id, code="3", text="entregue")
    shown = await house.show(message_id)
    assert (str(shown.status), shown.code, shown.status_text) == ("delivered", "3", "entregue")
    assert await steps(house, message_id) == [
        "message.accepted",
        "message.sent",
        "message.delivered",
    ]


async def test_a_dlr_is_matched_by_the_vendors_reference(house):
    (message_id,) = await sent(house)
    await house.webhook(["status", {"provider_ref": f"ref-{message_id}", "status": "undelivered"}])
    await house.settle()
    assert await house.status(message_id) == "undelivered"


@pytest.fixture(params=["foreseen", "foreseen one by one", "in turn"])
def taken(request, monkeypatch):
    """Let DLRs be taken by the shortest way, by the short one, or by the long one."""

    async def foresee_nothing(*_arguments):
        return None

    if request.param == "in turn":
        monkeypatch.setattr(Arrivals, "foresee", foresee_nothing)
    if request.param == "foreseen one by one":
        monkeypatch.setattr(arrivals, "foresee_at_once", foresee_nothing)


@pytest.mark.usefixtures("taken")
async def test_a_dlr_with_anothers_id_is_matched_by_the_vendors_reference(house):
    first, second, third = await sent(house, 3)
    said = [
        {"message_id": first, "provider_ref": f"ref-{first}", "status": "delivered"},
        {"message_id": new_id(), "provider_ref": f"ref-{second}", "status": "expired"},
        {"provider_ref": f"ref-{third}", "status": "undelivered"},
    ]
    await house.webhook(*(["status", each] for each in said))
    await house.settle()
    statuses = [await house.status(each) for each in (first, second, third)]
    assert statuses == ["delivered", "expired", "undelivered"]


@pytest.mark.usefixtures("taken")
async def test_a_dlr_with_an_empty_reference_is_matched_by_its_id(house):
    (message_id,) = await sent(house)
    await house.webhook(
        ["status", {"message_id": message_id, "provider_ref": "", "status": "delivered"}]
    )
    await house.settle()
    assert await house.status(message_id) == "delivered"


@pytest.mark.usefixtures("taken")
async def test_a_dlr_with_another_reference_is_of_another_attempt(house):
    (message_id,) = await sent(house)
    await house.webhook(
        ["status", {"message_id": message_id, "provider_ref": "other", "status": "delivered"}]
    )
    await house.settle()
    assert await house.status(message_id) == "sent"


async def test_the_same_webhook_again_changes_nothing(house):
    (message_id,) = await sent(house)
    for _ in range(3):
        await house.deliver(message_id)
    assert (await steps(house, message_id)).count("message.delivered") == 1


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "delivered", "expired"])))
async def test_reordered_dlrs_never_move_a_final_status(house, order):
    (message_id,) = await sent(house)
    for status in order:
        await house.deliver(message_id, status)
    first_final = next(status for status in order if status != "sent")
    assert await house.status(message_id) == first_final


async def test_read_follows_delivered(house):
    (message_id,) = await sent(house)
    await house.deliver(message_id)
    await house.deliver(message_id, "read")
    assert await house.status(message_id) == "read"


async def test_a_status_that_the_plugin_does_not_know_changes_nothing(house):
    (message_id,) = await sent(house)
    await house.deliver(message_id, "unknown", code="99")
    assert await house.status(message_id) == "sent"


async def test_several_dlrs_of_one_message_in_one_body_follow_each_other(house):
    (message_id,) = await sent(house)
    await house.webhook(
        ["status", {"message_id": message_id, "status": "delivered"}],
        ["status", {"message_id": message_id, "status": "read"}],
    )
    await house.settle()
    assert await house.status(message_id) == "read"


async def test_a_dlr_that_overtakes_the_answer_to_the_send_is_not_lost(house):
    ids = await house.accept_many(2)

    async def early(batch):
        await house.webhook(
            *(
                ["status", {"message_id": message.id, "provider_ref": "x", "status": "delivered"}]
                for message in batch.messages
            )
        )
        await house.engine.receive.process()
        return await send(batch)

    send, house.vendor.send = house.vendor.send, early
    await house.settle()
    assert await house.statuses(ids) == ["delivered"] * 2


async def test_a_dlr_by_an_unrecorded_vendors_reference_waits_for_it(house):
    await house.webhook(["status", {"provider_ref": "soon", "status": "delivered"}])
    await house.settle()
    (message_id,) = await sent(house)
    async with house.database.transaction() as connection:
        await update_many(connection, messages, [{"id": message_id, "provider_ref": "soon"}])
    await house.advance(3)
    assert await house.status(message_id) == "delivered"


async def test_a_dlr_for_an_unknown_message_is_put_aside_in_the_end(house):
    await house.webhook(["status", {"message_id": "nobody", "status": "delivered"}])
    for seconds in (0, 3, 11, 61, 601, 3600):
        await house.advance(seconds)
    (message_id,) = await sent(house)
    assert await house.status(message_id) == "sent"


async def test_another_accounts_dlr_changes_nothing(open_house):
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        (message_id,) = await sent(house)
        await house.webhook(
            ["status", {"message_id": message_id, "status": "delivered"}], account="other"
        )
        await house.settle()
        assert await house.status(message_id) == "sent"


NO_ID = {
    "status": {"message_id": "?", "status": "delivered"},
    "rejected": {"batch_reference": "?", "code": "1"},
    "message": {"provider_ref": "m1", "sender": "+5511900000001", "text": "oi"}
    | {"answers_message_id": "?"},
}


@pytest.mark.parametrize("bad", ["\0", "\ud800"], ids=["nul", "half a character"])
@pytest.mark.parametrize("kind", NO_ID)
async def test_an_id_that_no_database_takes_is_nobodys_and_holds_up_no_other(house, kind, bad):
    (message_id,) = await sent(house)
    fields = {
        name: f"{message_id}{bad}" if value == "?" else value for name, value in NO_ID[kind].items()
    }
    good = ["status", {"message_id": message_id, "status": "delivered"}]
    await house.webhook(raw=json.dumps([[kind, fields], good]).encode())
    await house.settle()
    assert await house.status(message_id) == "delivered"


@pytest.mark.parametrize("bad", ["\0", "\ud800"], ids=["nul", "half a character"])
async def test_beside_an_id_that_no_database_takes_the_reference_counts(house, bad):
    (message_id,) = await sent(house)
    fields = {"message_id": bad, "provider_ref": f"ref-{message_id}", "status": "delivered"}
    await house.webhook(raw=json.dumps([["status", fields]]).encode())
    await house.settle()
    assert await house.status(message_id) == "delivered"


async def test_a_dlr_of_another_attempt_changes_nothing(house):
    (message_id,) = await sent(house)
    await house.deliver(message_id, provider_ref="of-another-attempt")
    assert await house.status(message_id) == "sent"


async def test_a_whole_batch_can_be_rejected_later_but_not_what_is_final(house):
    ids = await sent(house, 3)
    await house.deliver(ids[0])
    reference = house.vendor.batches[0].reference
    await house.webhook(["rejected", {"batch_reference": reference, "text": "homologação"}])
    await house.settle()
    assert await house.statuses(ids) == ["delivered", "rejected", "rejected"]
    assert (await house.show(ids[1])).status_text == "homologação"


async def test_an_mo_is_linked_to_the_mt_that_the_vendor_names(house):
    ids = await sent(house, 3)
    await house.webhook(
        [
            "message",
            {
                "provider_ref": "reply-1",
                "sender": "11900000001",
                "text": "Não, obrigado 👍",
                "answers_message_id": ids[1],
            },
        ]
    )
    await house.settle()
    (mo,) = (await house.engine.messages.list(_inbound())).items
    mt = await house.show(ids[1])
    assert (mo.text, mo.answers, mo.sender) == ("Não, obrigado 👍", ids[1], mt.to)
    assert str(mo.status) == "received"
    assert await steps(house, mo.id) == ["message.received"]


async def test_an_mo_without_a_name_is_linked_to_the_last_mt_to_its_sender(house):
    await house.accept(to="+5511900000007", text="one")
    await house.settle()
    house.clock.advance(5)
    last = await house.accept(to="+5511900000007", text="two")
    await house.settle()
    await house.webhook(
        ["message", {"provider_ref": "r", "sender": "+5511900000007", "text": "sim"}]
    )
    await house.settle()
    (mo,) = (await house.engine.messages.list(_inbound())).items
    assert mo.answers == last


async def test_an_mo_from_a_stranger_is_received(house):
    await house.webhook(
        ["message", {"provider_ref": "r", "sender": "+5521900000009", "text": "oi"}]
    )
    await house.settle()
    (mo,) = (await house.engine.messages.list(_inbound())).items
    assert (mo.sender, mo.answers) == ("+5521900000009", None)


async def test_the_same_mo_in_two_webhooks_is_received_once(house):
    item = {"provider_ref": "reply-1", "sender": "+5511900000001", "text": "SIM"}
    await house.webhook(["message", item])
    await house.webhook(["message", item], ["status", {"message_id": "x", "status": "sent"}])
    await house.settle()
    assert len((await house.engine.messages.list(_inbound())).items) == 1


async def test_a_body_that_cannot_be_read_is_refused_and_not_stored(house):
    with pytest.raises(MalformedWebhookError):
        await house.webhook(raw=b"<html>")
    assert await house.engine.receive.process() == 0


@pytest.mark.parametrize("account", ["main", "nobody"])
async def test_a_wrong_token_is_refused_before_anything_is_read(house, account):
    request = WebhookRequest(url="https://x", headers={}, query={}, body=b"not even JSON")
    with pytest.raises(NotFoundError):
        await house.engine.receive.webhook(account, "wrong", request)
    assert await house.engine.receive.process() == 0


async def test_the_token_is_not_stored_with_the_webhook(house):
    await house.webhook(["status", {"message_id": "x", "status": "sent"}])
    token = house.engine.accounts.webhook_path("main").rsplit("/", 1)[1]
    async with house.database.transaction() as connection:
        (row,) = await inbox.lock_pending(connection, house.clock.now(), 10)
    assert token not in repr(row)


async def test_a_webhook_is_read_once_and_again_only_after_a_restart(house, monkeypatch):
    ids = await sent(house, 2)
    parse, bodies = VendorReceiver.parse, []

    def parse_and_note(receiver, request):
        bodies.append(request.body)
        return parse(receiver, request)

    monkeypatch.setattr(VendorReceiver, "parse", parse_and_note)
    await house.webhook(["status", {"message_id": ids[0], "status": "delivered"}])
    await house.settle()
    assert len(bodies) == 1
    await house.webhook(["status", {"message_id": ids[1], "status": "delivered"}])
    forgetful = Readings(most=0)
    monkeypatch.setattr(house.engine.receive, "_readings", forgetful)  # as it is after a restart
    await house.settle()
    assert bodies[1:] == [bodies[1]] * 2
    assert await house.statuses(ids) == ["delivered"] * 2


async def test_each_event_tells_the_providers_time_as_it_was_written(house):
    ids, times = await sent(house, 2), ["2026-01-05T12:00:00Z", "2026-01-05T09:00:00-03:00"]
    await house.webhook(
        *(
            ["status", {"message_id": message_id, "status": "delivered", "at": at}]
            for message_id, at in zip(ids, times, strict=True)
        )
    )
    await house.settle()
    async with house.database.read() as connection:
        told = [await of_message(connection, message_id) for message_id in ids]
    assert [each[-1]["data"]["provider_time"] for each in told] == times


async def test_large_webhooks_are_processed_a_few_at_a_time(house, monkeypatch):
    monkeypatch.setattr(webhooks, "BYTES", 250)
    ids = await sent(house, 6)
    for message_id in ids[:-1]:
        await house.webhook(["status", {"message_id": message_id, "status": "delivered"}])
    large = {"message_id": ids[-1], "status": "delivered", "text": "x" * 1000}
    await house.webhook(["status", large])
    counts = [await house.engine.receive.process() for _ in range(5)]
    assert counts == [2, 2, 1, 1, 0]
    assert await house.statuses(ids) == ["delivered"] * 6


async def test_worker_goes_on_with_what_did_not_go_at_once(house, monkeypatch):
    monkeypatch.setattr(webhooks, "BYTES", 1)
    ids = await sent(house, 5)
    for message_id in ids:
        await house.webhook(["status", {"message_id": message_id, "status": "delivered"}])
    running = asyncio.create_task(house.engine.receive.run())

    async def are_delivered():
        return await house.statuses(ids) == ["delivered"] * 5

    await until(are_delivered)
    house.engine.receive.stop()
    await running


async def test_one_webhook_that_breaks_does_not_hold_up_the_others(house, monkeypatch):
    ids = await sent(house, 2)
    await house.webhook(["status", {"message_id": ids[0], "status": "delivered", "text": "poison"}])
    await house.webhook(["status", {"message_id": ids[1], "status": "delivered"}])

    def exploding(work):
        async def explode(arrivals, connection, account, items, now):
            if any(getattr(item, "text", None) == "poison" for item in items):
                raise ZeroDivisionError
            return await work(arrivals, connection, account, items, now)

        return explode

    for name in ("foresee", "take"):
        monkeypatch.setattr(Arrivals, name, exploding(getattr(Arrivals, name)))
    await house.settle()
    assert await house.statuses(ids) == ["sent", "delivered"]


def _inbound():
    return MessageFilter(direction="in")


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_a_dlr_that_changes_nothing_is_judged_again_if_its_message_has_changed(
    house, monkeypatch
):
    foresee = Arrivals.foresee
    told, repeated = await sent(house, 2)

    async def overtake(*arguments):
        foreseen = await foresee(*arguments)
        change = [{"id": repeated, "status": "unknown"}]
        await house.database.write(lambda connection: update_many(connection, messages, change))
        return foreseen

    monkeypatch.setattr(Arrivals, "foresee", overtake)
    await house.webhook(
        ["status", {"message_id": told, "status": "delivered"}],
        ["status", {"message_id": repeated, "status": "sent"}],
    )
    await house.engine.receive.process()
    assert await house.statuses([told, repeated]) == ["delivered", "sent"]
