import asyncio
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa
from recado_core import (
    AccountError,
    Category,
    InDoubtError,
    Outcome,
    PermanentSendError,
    SendResult,
    SuppressionReason,
    TransientSendError,
)
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.accounts.limits import Purpose
from recado_core.engine.dispatch import settling
from recado_core.engine.dispatch.claims import Claims
from recado_core.engine.failures import UnavailableError
from recado_core.engine.settings import RouteSettings
from recado_core.engine.store.schema import dispatches, events, messages, stats_changes
from recado_core.engine.store.statements import outbox

from .conftest import accept_all
from .resilience.troubles import until, until_status


async def test_a_batch_of_a_thousand_goes_out_in_one_call(house):
    ids = await house.accept_many(1000)
    await house.settle()
    assert house.vendor.sizes == [1000]
    assert set(await house.statuses(ids[:3])) == {"sent"}


async def test_the_vendor_gets_what_was_accepted(house):
    message_id = await house.accept(
        to="(11) 90000-0001", text="Olá, {{ name }}!", variables={"name": "Ana"}, sender_id="28000"
    )
    await house.settle()
    (message,) = house.vendor.sent
    assert message.id == message_id
    assert message.to == "+5511900000001"
    assert message.text == "Olá, Ana!"
    assert message.sender_id == "28000"


async def test_no_batch_is_larger_than_the_account_allows(open_house):
    async with open_house(accounts={"main": {"batch_size": 3}}) as house:
        await house.accept_many(7)
        await house.settle()
        assert house.vendor.sizes == [3, 3, 1]


async def test_urgent_messages_go_first(open_house):
    async with open_house(capabilities={"max_batch": 1}) as house:
        low = await house.accept(priority=1)
        usual = await house.accept()
        urgent = await house.accept(priority=9)
        await house.settle()
        assert [message.id for message in house.vendor.sent] == [urgent, usual, low]


async def test_within_a_call_the_urgent_go_first_then_those_that_are_due_for_longest(house):
    later = house.clock.now() + timedelta(seconds=10)
    scheduled = [await house.accept(scheduled_at=later) for _ in range(2)]
    early = [await house.accept() for _ in range(2)]
    urgent = await house.accept(scheduled_at=later, priority=9)
    low = await house.accept(priority=1)
    house.clock.advance(20)
    await house.settle()
    assert [message.id for message in house.vendor.sent] == [urgent, *early, *scheduled, low]
    assert len(house.vendor.batches) == 1


async def test_a_category_with_batches_of_its_own_travels_apart_and_first(open_house):
    capabilities = {"own_batches": {Category.OTP: 2}}
    async with open_house(capabilities=capabilities) as house:
        await house.accept_many(3)
        await house.accept_many(3, category="otp")
        await house.accept_many(2, category="marketing")
        await house.settle()
        carried = [[str(m.category) for m in batch.messages] for batch in house.vendor.batches]
        assert carried == [
            ["otp", "otp"],
            ["otp"],
            ["transactional"] * 3 + ["marketing"] * 2,
        ]


async def test_those_that_go_first_leave_a_turn_to_the_others(open_house):
    async with open_house(capabilities={"own_batches": {Category.OTP: 1}}) as house:
        await house.accept_many(25, category="otp")
        await house.accept_many(2)
        await house.settle()
        carried = [str(batch.messages[0].category) for batch in house.vendor.batches]
        assert carried == ["otp"] * 10 + ["transactional"] + ["otp"] * 15


async def test_refused_messages_bear_the_vendors_reason(house):
    def answer(batch):
        first, second, third = batch.messages
        return [
            SendResult(message_id=first.id, outcome=Outcome.ACCEPTED, provider_ref="r1"),
            SendResult(
                message_id=second.id, outcome=Outcome.REJECTED, code="21", text="número inválido"
            ),
            SendResult(message_id=third.id, outcome=Outcome.SUPPRESSED, code="blacklist"),
        ]

    house.vendor.answers.append(answer)
    ids = await house.accept_many(3)
    await house.settle()
    assert await house.statuses(ids) == ["sent", "rejected", "suppressed"]
    rejected = await house.show(ids[1])
    assert (rejected.code, rejected.status_text) == ("21", "número inválido")
    assert rejected.events[-1].code == "21"


async def test_a_message_that_the_answer_leaves_out_is_unknown_not_sent_again(house):
    house.vendor.answers.append(lambda batch: accept_all(batch)[:1])
    ids = await house.accept_many(2)
    await house.settle()
    assert sorted(await house.statuses(ids)) == ["sent", "unknown"]
    await house.advance(7200)
    assert len(house.vendor.batches) == 1


async def test_transient_failures_are_retried_by_the_table_and_then_given_up(open_house):
    async with open_house(retry_delays=(60.0, 180.0)) as house:
        house.vendor.answers = [TransientSendError("try later", code="503")] * 9
        message_id = await house.accept()
        await house.settle()
        assert await house.status(message_id) == "queued"
        await house.advance(50)
        assert len(house.vendor.batches) == 1
        await house.advance(20)
        assert len(house.vendor.batches) == 2
        await house.advance(200)
        assert len(house.vendor.batches) == 3
        shown = await house.show(message_id)
        assert str(shown.status) == "failed"
        assert shown.code == "503"
        assert [attempt.outcome for attempt in shown.attempts] == ["transient"] * 3


async def test_the_next_account_takes_over_when_retries_run_out(open_house):
    async with open_house(accounts={"main": {}, "backup": {}}, retry_delays=()) as house:
        house.vendors["main"].answers = [TransientSendError("down", code="503")]
        message_id = await house.accept()
        await house.settle()
        shown = await house.show(message_id)
        assert (str(shown.status), shown.account) == ("sent", "backup")
        assert [attempt.account for attempt in shown.attempts] == ["main", "backup"]


async def test_a_throttled_message_waits_as_asked_and_loses_no_attempt(open_house):
    async with open_house(retry_delays=()) as house:
        slow_down = TransientSendError("slow down", code="429", retry_after=30, throttled=True)
        house.vendor.answers = [slow_down] * 3
        message_id = await house.accept()
        for _ in range(3):
            await house.settle()
            assert await house.status(message_id) == "queued"
            await house.advance(29)
            await house.advance(2)
        assert await house.status(message_id) == "sent"
        assert len(house.vendor.batches) == 4


async def test_a_provider_that_only_asks_for_patience_gives_way_to_the_next_account(open_house):
    async with open_house(accounts={"main": {}, "backup": {}}, retry_delays=(60.0,)) as house:
        house.vendors["main"].answers = [
            TransientSendError("maintenance", code="503", retry_after=30)
        ] * 5
        message_id = await house.accept()
        await house.settle()
        await house.advance(20)
        assert await house.status(message_id) == "queued"
        await house.advance(11)
        shown = await house.show(message_id)
        assert (str(shown.status), shown.account) == ("sent", "backup")
        assert len(house.vendors["main"].batches) == 2


async def test_a_failing_provider_is_left_alone_for_a_while(open_house):
    async with open_house(capabilities={"max_batch": 1}) as house:
        house.vendor.answers = [TransientSendError("down", code="503")] * 2
        await house.accept_many(5)
        await house.settle()
        assert len(house.vendor.batches) == 1
        await house.advance(1.5)
        assert len(house.vendor.batches) == 2
        await house.advance(1)
        assert len(house.vendor.batches) == 2
        await house.advance(10)
        assert len(house.vendor.batches) == 5


async def test_an_account_error_pauses_the_account_and_its_messages_wait(house):
    house.vendor.answers.append(AccountError("Unauthenticated.", code="401"))
    ids = await house.accept_many(3)
    await house.settle()
    assert await house.statuses(ids) == ["queued"] * 3
    account = await house.engine.accounts.get("main")
    assert account.status == "paused"
    assert "Unauthenticated." in account.reason
    await house.advance(7200)
    assert len(house.vendor.batches) == 1
    await house.engine.accounts.resume("main")
    await house.settle()
    assert await house.statuses(ids) == ["sent"] * 3


@pytest.mark.parametrize(
    "error",
    [
        TransientSendError("down", code="500"),
        TransientSendError("busy", code="429", retry_after=5),
        PermanentSendError("no", code="422"),
        InDoubtError("silence"),
    ],
)
async def test_other_errors_do_not_pause_the_account(house, error):
    house.vendor.answers.append(error)
    await house.accept()
    await house.settle()
    assert (await house.engine.accounts.get("main")).status == "active"


async def test_messages_of_a_paused_account_go_to_the_next_of_their_route(open_house):
    async with open_house(accounts={"main": {}, "backup": {}}) as house:
        house.vendors["main"].answers = [AccountError("blocked", code="403")]
        ids = await house.accept_many(4)
        await house.settle()
        assert {(await house.show(key)).account for key in ids} == {"backup"}
        assert await house.statuses(ids) == ["sent"] * 4
        later = await house.accept()
        await house.settle()
        assert (await house.show(later)).account == "backup"


async def test_one_bad_message_does_not_spoil_its_batch(house):
    def answer(batch):
        if any(message.text == "bad" for message in batch.messages):
            raise PermanentSendError("the request is wrong", code="422")
        return accept_all(batch)

    house.vendor.answers = [answer] * 100
    good = await house.accept_many(40)
    bad = await house.accept(text="bad")
    more = await house.accept_many(40)
    await house.settle()
    assert await house.status(bad) == "rejected"
    assert set(await house.statuses(good + more)) == {"sent"}
    sent = [
        m.id for b in house.vendor.batches for m in b.messages if b.reference in house.vendor.known
    ]
    assert len(sent) == len(set(sent)) == 80
    assert len(house.vendor.batches) < 25


@pytest.mark.whole
async def test_a_provider_that_refuses_everything_is_not_asked_without_end(house):
    house.vendor.answers = [PermanentSendError("no such page", code="404")] * 5000
    ids = await house.accept_many(150)
    await house.settle()
    assert {await house.status(key) for key in ids[::15]} == {"rejected"}
    assert len(house.vendor.batches) < 140  # 299 would find each bad one alone


async def test_a_plugin_that_breaks_leaves_its_batch_in_doubt(house):
    house.vendor.answers.append(ZeroDivisionError())
    message_id = await house.accept()
    await house.settle()
    assert await house.status(message_id) == "sending"
    await house.advance(60)
    assert await house.status(message_id) == "sent"
    assert house.vendor.lookups


async def test_the_rate_is_kept(open_house):
    async with open_house(accounts={"main": {"rate": "4/60s", "batch_size": 1}}) as house:
        await house.accept_many(9)
        await house.settle()
        assert len(house.vendor.batches) == 2  # half at once, the others spread
        await house.advance(14)
        assert len(house.vendor.batches) == 2
        await house.advance(2)
        assert len(house.vendor.batches) == 3
        await house.advance(16)
        assert len(house.vendor.batches) == 4
        await house.advance(16)
        assert len(house.vendor.batches) == 4  # the first two are not sixty seconds old
        for _ in range(8):
            await house.advance(31)
        assert len(house.vendor.batches) == 9


async def test_the_daily_limit_is_kept_until_midnight_of_the_gateways_zone(open_house):
    async with open_house(accounts={"main": {"daily_limit": 5}}) as house:
        ids = await house.accept_many(8)
        await house.settle()
        assert house.vendor.sizes == [5]
        await house.advance(3600)
        assert house.vendor.sizes == [5]
        await house.advance(24 * 3600)
        assert house.vendor.sizes == [5, 3]
        assert set(await house.statuses(ids)) == {"sent"}


async def test_a_message_whose_time_has_run_out_is_not_sent(house):
    await house.engine.accounts.pause("main")
    message_id = await house.accept(expires_at=house.clock.now() + timedelta(seconds=60))
    await house.advance(61)
    await house.engine.accounts.resume("main")
    await house.settle()
    assert await house.status(message_id) == "expired"
    assert house.vendor.batches == []


async def test_stopping_finishes_what_is_in_flight_and_leaves_the_rest_queued(open_house):
    async with open_house(accounts={"main": {"batch_size": 2, "concurrency": 1}}) as house:
        called, answer = asyncio.Event(), asyncio.Event()
        send = house.vendor.send

        async def slowly(batch):
            called.set()
            await answer.wait()
            return await send(batch)

        house.vendor.send = slowly
        ids = await house.accept_many(6)
        await house.engine.start()
        async with asyncio.timeout(10):
            await called.wait()
        stopping = asyncio.create_task(house.engine.stop())
        await asyncio.sleep(0)
        answer.set()
        async with asyncio.timeout(10):
            await stopping
        assert sorted(await house.statuses(ids)) == ["queued"] * 4 + ["sent"] * 2


async def test_weights_share_the_messages_out(open_house):
    route = RouteSettings(accounts=["main", "other"], weights=[3, 1])
    async with open_house(accounts={"main": {}, "other": {}}, routes=[route]) as house:
        await house.accept_many(400)
        await house.settle()
        main, other = (len(house.vendors[name].sent) for name in ("main", "other"))
        assert main + other == 400
        assert 240 < main < 360  # 300 expected; these bounds are seven standard deviations off


async def test_a_half_of_a_refused_batch_is_an_attempt_of_its_own(house):
    def later(batch):
        transient = Outcome.TRANSIENT
        return [
            SendResult(message_id=message.id, outcome=transient, code="9", text="later")
            for message in batch.messages
        ]

    ids = await house.accept_many(4)
    house.vendor.answers = [PermanentSendError("bad batch", code="400"), later]
    await house.settle()
    await house.advance(4000)
    attempts = (await house.show(ids[0])).attempts
    assert [attempt.outcome for attempt in attempts] == ["accepted", "accepted"]
    async with house.database.read() as connection:
        found = await connection.execute(
            sa.select(events.c.id)
            .join(dispatches, dispatches.c.id == events.c.dispatch_id)
            .where(dispatches.c.outcome == "permanent")
        )
        assert found.all() == []  # nothing became of a message by the batch that was refused


@pytest.fixture
def claims(monkeypatch):
    """The sizes of the batches of each claim that found any."""
    take, found = Claims.take, []

    async def noting(self, most=1):
        batches = await take(self, most)
        assert len(batches) <= most
        found.extend([[batch.size for batch in batches]] if batches else [])
        return batches

    monkeypatch.setattr(Claims, "take", noting)
    return found


async def run_until_sent(house, ids):
    await house.engine.start()
    try:
        await until(lambda: len(house.vendor.sent) >= len(ids))
    finally:
        await house.engine.stop()


@pytest.mark.whole
async def test_where_there_is_much_to_do_a_claim_takes_as_many_batches_as_may_go_at_once(
    open_house, claims
):
    async with open_house(
        accounts={"main": {"concurrency": 3}}, capabilities={"max_batch": 10}
    ) as house:
        ids = await house.accept_many(75)
        await run_until_sent(house, ids)
        assert [len(set(house.vendor.sizes) - {10, 5}), sum(house.vendor.sizes)] == [0, 75]
        assert sorted(message.id for message in house.vendor.sent) == sorted(ids)
        assert claims[0] == [10]
        assert max(map(len, claims)) > 1
        assert max(map(len, claims)) <= 3
        assert await house.statuses(ids) == ["sent"] * 75
        assert house.engine._carried() == set()  # noqa: SLF001  # nobody else tells


@pytest.mark.whole
async def test_a_claim_takes_no_more_batches_than_the_rate_allows(open_house, claims):
    async with open_house(
        accounts={"main": {"concurrency": 8, "rate": "4/60s"}}, capabilities={"max_batch": 5}
    ) as house:
        ids = await house.accept_many(50)
        await run_until_sent(house, ids[:10])
        assert house.vendor.sizes == [5, 5]  # half of the rate, then evenly
        assert sum(map(sum, claims)) == 10
        assert Counter(await house.statuses(ids)) == {"sent": 10, "queued": 40}


@pytest.mark.whole
async def test_calls_that_others_make_during_a_claim_of_many_are_within_the_rate(
    open_house, monkeypatch
):
    take, asks = Claims.take, []

    async def asking(self, most=1):
        if most > 1:
            budget, now = house.engine.accounts.by_name["main"].budget, house.clock.now()
            while budget.wait(now.timestamp(), Purpose.ASK) <= 0:
                budget.spend(now.timestamp(), Purpose.ASK)
                asks.append(now)
        return await take(self, most)

    monkeypatch.setattr(Claims, "take", asking)
    async with open_house(
        accounts={"main": {"rate": "20/60s", "concurrency": 12, "batch_size": 4}}
    ) as house:
        ids = await house.accept_many(400)
        await run_until_sent(house, ids[:12])
        assert asks
        assert len(asks) + len(house.vendor.batches) <= 20


async def test_a_call_that_takes_long_keeps_no_other_from_going(open_house):
    async with open_house(
        accounts={"main": {"concurrency": 2}}, capabilities={"max_batch": 1}
    ) as house:
        send, over = house.vendor.send, asyncio.Event()

        async def hang_first(batch):
            house.vendor.send = send
            await over.wait()
            return await send(batch)

        house.vendor.send = hang_first
        ids = await house.accept_many(9)
        await house.engine.start()
        await until(lambda: len(house.vendor.sent) == 8)
        over.set()
        await until(lambda: len(house.vendor.sent) == 9)
        await house.engine.stop()
        assert await house.statuses(ids) == ["sent"] * 9


async def test_those_that_go_first_leave_a_turn_to_the_others_in_a_claim_of_many(open_house):
    async with open_house(
        accounts={"main": {"batch_size": 1}}, capabilities={"own_batches": {Category.OTP: 1}}
    ) as house:
        await house.engine.run_once()  # by which its node is known
        await house.accept_many(25, category="otp")
        await house.accept_many(4)
        (dispatcher,) = house.engine._dispatchers  # noqa: SLF001  # as it is where much is to do
        claims = dispatcher._claims  # noqa: SLF001
        taken = [*await claims.take(6), *await claims.take(30)]
        batches = [await claims.read(each) for each in taken]
        carried = [str(batch[0]["category"]) for batch in batches]
        row = ["otp"] * 10 + ["transactional"]
        assert carried == row + row + ["otp"] * 5 + ["transactional"] * 2
        assert [each.size for each in taken] == [len(batch) for batch in batches]
        assert dispatcher.carried == {each.dispatch_id for each in taken}


@pytest.mark.whole
@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_a_running_worker_goes_on_after_a_claim_that_can_not_be_read(
    open_house, monkeypatch, caplog
):
    read, failed = outbox.rows_of_claim, []

    async def fail(_, dispatch_id):
        failed.append(dispatch_id)
        raise ZeroDivisionError

    async with open_house(accounts={"main": {"rate": "2/60s"}}) as house:
        begun, ids = house.clock.now(), await house.accept_many(7)
        monkeypatch.setattr(outbox, "rows_of_claim", fail)
        await house.engine.start()
        await until(lambda: failed)
        await until_status(house, ids, "queued")
        await asyncio.sleep(0.1)
        assert len(failed) == 1  # it rests for a moment, and the clock stands still
        house.clock.advance(1)
        await until(lambda: len(failed) == 2)
        monkeypatch.setattr(outbox, "rows_of_claim", read)

        def all_sent():
            house.clock.advance(0.01)  # no call was made yet, so that the rate lets it go at once
            return len(house.vendor.sent) == 7

        await until(all_sent)
        await house.engine.stop()
        assert house.clock.now() < begun + timedelta(seconds=30)
        assert await house.statuses(ids) == ["sent"] * 7
    assert caplog.text.count("messages can't be read and wait") == 1


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_a_claim_that_can_not_be_read_is_given_back(open_house, monkeypatch):
    read = outbox.rows_of_claim

    async def fail(*_):
        monkeypatch.setattr(outbox, "rows_of_claim", read)
        raise ZeroDivisionError

    async with open_house(capabilities={"lookup": False}) as house:
        ids = await house.accept_many(3)
        monkeypatch.setattr(outbox, "rows_of_claim", fail)
        with pytest.raises(ZeroDivisionError):
            await house.engine.run_once()
        assert await house.statuses(ids) == ["queued"] * 3
        await house.settle()
        await house.advance(300)
        assert await house.statuses(ids) == ["sent"] * 3
        assert house.vendor.sizes == [3]


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_a_late_dlr_settles_a_message_whose_next_claim_was_given_back(
    open_house, monkeypatch
):
    def later(batch):
        transient = Outcome.TRANSIENT
        return [SendResult(message_id=it.id, outcome=transient, code="9") for it in batch.messages]

    read = outbox.rows_of_claim

    async def fail(*_):
        monkeypatch.setattr(outbox, "rows_of_claim", read)
        raise ZeroDivisionError

    async with open_house(capabilities={"lookup": False}) as house:
        message_id = await house.accept()
        house.vendor.answers = [later]
        await house.settle()
        monkeypatch.setattr(outbox, "rows_of_claim", fail)
        house.clock.advance(4000)
        with pytest.raises(ZeroDivisionError):
            await house.engine.run_once()
        assert await house.status(message_id) == "queued"
        await house.webhook(["status", {"message_id": message_id, "status": "delivered"}])
        await house.engine.receive.process()
        await house.advance(4000)
        assert await house.status(message_id) == "delivered"
        assert len(house.vendor.batches) == 1


def results_of(rows, **said):
    made = {"outcome": Outcome.ACCEPTED} | said
    return [
        SendResult(**{"message_id": row["id"], "provider_ref": f"v-{row['id']}"} | made)
        for row in rows
    ]


ROWS = [{"id": "a"}, {"id": "b"}]
FIRST, SECOND = results_of(ROWS)


def test_an_answer_that_says_no_more_than_that_all_is_taken_is_its_references():
    assert settling.taken_as(ROWS, [FIRST, SECOND]) == ["v-a", "v-b"]


@pytest.mark.parametrize(
    "results",
    [
        [],
        [FIRST],
        [SECOND, FIRST],
        [FIRST, SECOND, SECOND],
        *(
            [FIRST, *results_of(ROWS[1:], **said)]
            for said in (
                {"outcome": Outcome.TRANSIENT},
                {"outcome": Outcome.UNKNOWN},
                {"code": "0"},
                {"text": "ok"},
                {"suppression": SuppressionReason.INVALID},
                {"provider_ref": None},
                {"provider_ref": ""},
                {"provider_ref": "a\0b"},
                {"provider_ref": "não"},
                {"provider_ref": "v" * 256},
            )
        ),
    ],
)
def test_any_other_answer_is_looked_at_message_by_message(results):
    assert settling.taken_as(ROWS, results) is None


async def all_but_ids(house, table, ids=None):
    statement = sa.select(table).order_by(table.c.id)
    if ids is not None:
        column = table.c.id if table is messages else table.c.message_id
        statement = statement.where(column.in_(ids))
    async with house.database.read() as connection:
        rows = (await connection.execute(statement)).mappings().all()
    own = {"id", "message_id", "provider_ref", "dispatch_id", "batch_id", "value"}
    return [{name: value for name, value in row.items() if name not in own} for row in rows]


async def test_what_is_written_of_a_batch_at_once_is_what_is_written_message_by_message(
    house, monkeypatch
):
    written = []
    for look in (settling.taken_as, lambda *_: None):
        monkeypatch.setattr(settling, "taken_as", look)
        ids = await house.accept_many(30)
        ids.append(await house.accept(text="a" * 200, to="+5511900000000"))
        await house.settle()
        shown = [await house.show(message_id) for message_id in ids]
        assert [each.provider_ref for each in shown] == [f"ref-{key}" for key in ids]
        of_messages = await all_but_ids(house, messages, ids)
        told = [row | {"data": str(row["data"])} for row in await all_but_ids(house, events, ids)]
        told.sort(key=lambda row: row["type"])
        written.append((of_messages, told, len(await all_but_ids(house, stats_changes))))
    (quick, quick_told, counted), (long, long_told, counted_in_all) = written
    assert (quick, quick_told) == (long, long_told)
    assert counted_in_all == 2 * counted


async def test_a_dlr_that_overtakes_the_answer_to_a_batch_stands(house):
    ids = await house.accept_many(30)
    send = house.vendor.send

    async def overtaken(batch):
        house.vendor.send = send
        results = await send(batch)
        await house.webhook(["status", {"message_id": ids[7], "status": "delivered"}])
        await house.engine.receive.process()
        return results

    house.vendor.send = overtaken
    await house.settle()
    assert await house.statuses(ids) == ["sent"] * 7 + ["delivered"] + ["sent"] * 22
    assert [(await house.show(key)).provider_ref for key in ids] == [f"ref-{key}" for key in ids]


def go_away(monkeypatch, *, committed):
    """Let the database go away at the next claim, before its commit or just after it."""
    gone = []

    def failing(take):
        async def taking(*arguments):
            if not committed and not gone:
                gone.append(True)
                raise UnavailableError("gone")
            taken = await take(*arguments)
            if not gone:
                gone.append(True)
                raise UnavailableError("gone")
            return taken

        return taking

    for way in ("_take_at_once", "_take_in_turn"):
        monkeypatch.setattr(Claims, way, failing(getattr(Claims, way)))


@pytest.mark.parametrize("lookup", [True, False])
@pytest.mark.parametrize("committed", [True, False])
async def test_a_claim_that_nobody_was_told_of_is_given_back(
    open_house, monkeypatch, lookup, committed
):
    async with open_house(capabilities={"lookup": lookup}) as house:
        ids = await house.accept_many(5)
        go_away(monkeypatch, committed=committed)
        with pytest.raises(UnavailableError):
            await house.settle()
        await house.engine._node.beat()  # noqa: SLF001  # which doubts the dispatches that nobody carries
        assert house.vendor.sizes == []
        await house.settle()
        assert house.vendor.sizes == [5]
        for _ in range(3):
            await house.advance(30)
        assert house.vendor.sizes == [5]
        assert set(await house.statuses(ids)) == {"sent"}
        (shown,) = (await house.show(ids[0])).attempts
        assert shown.outcome == "accepted"
        carried = [each.carried for each in house.engine._dispatchers]  # noqa: SLF001  # nobody tells
        assert carried == [set()] * len(carried)


async def test_an_agents_message_of_a_category_with_its_own_calls_holds_up_no_other_of_it(
    open_house,
):
    own_calls = {"own_batches": {Category.OTP: 1}}
    one_by_one = {"main": {"concurrency": 1, "batch_size": 1}}
    async with open_house(accounts=one_by_one, capabilities=own_calls) as house:
        for number in range(4):
            await house.accept(to=f"+551190000010{number}", text="urgent", priority=9)
        for text, category in (("agent's", Category.TRANSACTIONAL), ("agent's code", Category.OTP)):
            draft = Draft(to="+5511900000001", text=text, category=category, priority=7)
            await house.engine.accept.message(draft, reply=True, origin="desk")
        await house.accept(text="code", category=Category.OTP, priority=5)
        await house.settle()
        texts = [message.text for message in house.vendor.sent]
        assert texts == ["agent's code", "code", *["urgent"] * 4, "agent's"]
