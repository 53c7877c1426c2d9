import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
import sqlalchemy as sa
from recado_core import Outcome, SendResult, TransientSendError
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.failures import DraftError
from recado_core.engine.messages import conversing
from recado_core.engine.settings import RouteSettings
from recado_core.engine.statistics import statistics
from recado_core.engine.statistics.statistics import Group, StatsQuery, figures_of
from recado_core.engine.store.schema import stats, stats_changes
from recado_core.testing import Clock

pytestmark = pytest.mark.whole

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
PRICED = {"main": {"price": "0.08"}, "backup": {"price": "0.1"}}
FAILOVER = {"accounts": PRICED, "routes": [RouteSettings(accounts=list(PRICED))]}


async def totals(house, **wanted):
    return (await house.engine.statistics.query(StatsQuery(**wanted))).totals


async def changes_left(house):
    async with house.database.read() as connection:
        count = sa.select(sa.func.count()).select_from(stats_changes)
        return (await connection.execute(count)).scalar()


async def test_cost_is_segments_times_price_once_it_is_taken(open_house):
    async with open_house(accounts={"main": {"price": "0.08"}}) as house:
        message_id = await house.accept(text="oi " * 80, cost_centre="shop")
        shown = await house.show(message_id)
        assert (shown.segments, shown.cost, shown.cost_centre) == (2, None, "shop")
        await house.settle()
        told = msgspec.json.decode(msgspec.json.encode(await house.show(message_id)))
        assert (told["status"], told["cost"]) == ("sent", "0.16")
        await house.deliver(message_id)
        assert (await house.show(message_id)).cost == Decimal("0.16")
        found = await totals(house, cost_centre="shop")
        assert (found.cost, found.segments, found.delivery_rate) == (Decimal("0.16"), 2, 1.0)


async def test_account_without_a_price_has_no_cost(house):
    message_id = await house.accept()
    await house.settle()
    assert (await house.show(message_id)).cost is None
    found = await totals(house)
    assert (found.sent, found.cost) == (1, Decimal("0.00"))


async def test_what_no_provider_took_costs_nothing(open_house):
    def refuse(batch):
        return [SendResult(message_id=m.id, outcome=Outcome.REJECTED) for m in batch.messages]

    async with open_house(accounts={"main": {"price": "0.08"}}) as house:
        house.vendor.answers = [refuse]
        message_id = await house.accept()
        await house.settle()
        assert (await house.show(message_id)).cost is None
        found = await totals(house)
        assert (found.sent, found.failed, found.cost) == (0, 1, Decimal("0.00"))
        assert found.delivery_rate is None


async def test_failover_is_paid_where_it_was_taken(open_house):
    async with open_house(retry_delays=(), **FAILOVER) as house:
        house.vendors["main"].answers = [TransientSendError("busy")]
        message_id = await house.accept()
        await house.settle()
        shown = await house.show(message_id)
        assert (shown.account, shown.cost) == ("backup", Decimal("0.10"))
        wanted = StatsQuery(group_by=(Group.ACCOUNT,))
        items = (await house.engine.statistics.query(wanted)).items
        assert {item.account: (item.accepted, item.sent) for item in items} == {
            "backup": (0, 1),
            "main": (1, 0),
        }


async def test_message_that_an_earlier_account_took_after_all_is_that_accounts(open_house):
    async with open_house(retry_delays=(), **FAILOVER) as house:
        house.vendors["main"].answers = [TransientSendError("busy")]
        house.vendors["backup"].answers = [TransientSendError("busy", retry_after=600)]
        await house.engine.accounts.pause("backup")
        message_id = await house.accept()
        await house.settle()
        assert (await house.show(message_id)).account == "backup"
        for status in ("sent", "delivered"):
            said = {"message_id": message_id, "provider_ref": "late", "status": status}
            await house.webhook(["status", said], account="main")
            await house.settle()
        shown = await house.show(message_id)
        assert (shown.account, str(shown.status)) == ("main", "delivered")
        assert shown.cost == Decimal("0.08")
        assert (await totals(house, account="main")).delivered == 1
        assert (await totals(house, account="backup")).sent == 0


async def test_price_of_later_days_changes_nothing_of_before(open_house):
    async with open_house(accounts={"main": {"price": "0.08"}}) as house:
        before = await house.accept()
        await house.settle()
    async with open_house(accounts={"main": {"price": "0.10"}}) as house:
        await house.accept()
        await house.settle()
        await house.deliver(before)
        assert (await house.show(before)).cost == Decimal("0.08")
        assert (await totals(house)).cost == Decimal("0.18")


async def test_message_counts_for_the_day_on_which_it_was_created(open_house):
    late = datetime(2026, 1, 6, 2, 59, tzinfo=UTC)  # 23:59 of the 5th in São Paulo
    async with open_house(clock=Clock(late)) as house:
        message_id = await house.accept()
        await house.settle()
        await house.advance(3600)
        await house.accept()
        await house.settle()
        await house.deliver(message_id)
        items = (await house.engine.statistics.query(StatsQuery())).items
        assert [(item.day, item.sent, item.delivered) for item in items] == [
            (date(2026, 1, 5), 1, 1),
            (date(2026, 1, 6), 1, 0),
        ]
        assert (await house.engine.statistics.query(StatsQuery())).until == date(2026, 1, 6)


async def test_reply_counts_for_the_campaign_and_the_day_on_which_it_was_written(house):
    async def move_on(_connection, _faults):
        return True

    draft = Draft(to="+5511900000001", text="oi", cost_centre="shop")
    mark = {"campaign_id": "spring", "recipient": 1}
    await house.engine.accept.walk([draft], [mark], move_on)
    await house.settle()
    await house.advance(86_400)
    said = {"provider_ref": "mo-1", "sender": "+5511900000001", "text": "oi"}
    for _ in range(2):
        await house.webhook(["message", said])
        await house.settle()
    stranger = said | {"provider_ref": "mo-2", "sender": "+5511900000002"}
    await house.webhook(["message", stranger])
    await house.settle()
    wanted = StatsQuery(group_by=(Group.CAMPAIGN, Group.COST_CENTRE, Group.DAY))
    items = (await house.engine.statistics.query(wanted)).items
    told = [
        (item.campaign, item.cost_centre, str(item.day), item.sent, item.received, item.replies)
        for item in items
    ]
    assert told == [
        (None, None, "2026-01-06", 0, 1, 0),
        ("spring", "shop", "2026-01-05", 1, 0, 0),
        ("spring", "shop", "2026-01-06", 0, 1, 1),
    ]
    found = await house.engine.statistics.of_campaigns(["spring", "never"])
    assert found["never"] == Counter()
    assert (found["spring"]["accepted"], found["spring"]["replies"]) == (1, 1)
    assert figures_of(found["spring"]).replies == 1


async def test_figures_are_the_same_before_and_after_they_are_folded(house):
    await house.accept_many(20)
    engine = house.engine.statistics
    before, forever = await engine.query(StatsQuery()), await engine.of_accounts()
    assert await changes_left(house) > 0
    assert await engine.fold() == 1  # 20 messages of one request are one change
    assert await changes_left(house) == 0
    assert await engine.fold() == 0
    assert await engine.query(StatsQuery()) == before
    assert await engine.of_accounts() == forever == {"main": Counter(accepted=20)}


async def test_nothing_is_lost_or_counted_twice_when_two_nodes_fold_at_once(
    open_house, monkeypatch
):
    monkeypatch.setattr(statistics, "AT_ONCE", 7)
    async with open_house() as one, open_house(clock=one.clock) as other:

        async def send():
            for _ in range(25):
                await one.accept()

        async def fold(house):
            while not sent.done() or await changes_left(one):
                await house.engine.statistics.fold()
                await asyncio.sleep(0)

        sent = asyncio.create_task(send())
        async with asyncio.timeout(60):
            await asyncio.gather(sent, fold(one), fold(one), fold(other), fold(other))
        for house in (one, other):
            assert (await totals(house)).accepted == 25
        async with one.database.read() as connection:
            rows = (await connection.execute(sa.select(stats))).mappings().all()
        assert {(row["day"], row["metric"]): row["value"] for row in rows} == {
            ("2026-01-05", "accepted"): 25,
            ("", "accepted"): 25,
        }


async def test_what_is_rolled_back_is_not_counted(house, monkeypatch):
    note = conversing.note_replies

    async def note_and_fail(*arguments):  # it comes after all that is counted
        await note(*arguments)
        raise ZeroDivisionError

    monkeypatch.setattr(conversing, "note_replies", note_and_fail)
    with pytest.raises(ZeroDivisionError):  # an agent's: others are stored in one step
        await house.engine.accept.message(Draft(to="+5511900000001", text="oi"), reply=True)
    monkeypatch.undo()
    assert (await totals(house)).accepted == 0


@on_sqlite
async def test_worker_folds(house, monkeypatch):
    monkeypatch.setattr("recado_core.engine.runtime.FOLD", 0.02)
    await house.engine.start()
    await house.accept()
    async with asyncio.timeout(30):
        while True:  # the worker tells nobody when it has done its work
            if (await totals(house)).sent and not await changes_left(house):
                break
            await asyncio.sleep(0.02)


@on_sqlite
@pytest.mark.parametrize(
    ("wanted", "since", "until"),
    [
        ({}, date(2025, 12, 7), date(2026, 1, 5)),
        ({"until": date(2025, 3, 1)}, date(2025, 1, 31), date(2025, 3, 1)),
        ({"since": date(2020, 1, 1)}, date(2020, 1, 1), date(2026, 1, 5)),
        ({"until": date(1, 1, 2)}, date(1, 1, 1), date(1, 1, 2)),
    ],
)
async def test_days_are_the_last_thirty_unless_told(house, wanted, since, until):
    found = await house.engine.statistics.query(StatsQuery(**wanted))
    assert (found.since, found.until, found.items) == (since, until, [])


@on_sqlite
async def test_days_that_end_before_they_begin_are_refused(house):
    tomorrow = house.clock.now().date() + timedelta(days=1)
    with pytest.raises(DraftError, match="/from: lies after the last day"):
        await house.engine.statistics.query(StatsQuery(since=tomorrow))
