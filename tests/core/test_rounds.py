import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from recado_core import ConfigurationError, InboundMessage, TransientSendError
from recado_core.engine.accounts.limits import Purpose
from recado_core.engine.accounts.pacing import wait_for_turn
from recado_core.engine.messages.messages import MessageFilter
from recado_core.engine.receive import arrivals
from recado_core.engine.store.schema import events
from recado_core.testing import Clock

pytestmark = pytest.mark.whole

HOUR = timedelta(hours=1)


@pytest.fixture
def open_asking(open_house):
    """Open a house whose vendor is asked for MOs every 300 and for the balance every 900 s."""

    def opened(accounts=None, **settings):
        return open_house(
            accounts=accounts,
            capabilities={"poll_replies": True, "balance": True, "rate": "500/60s"},
            **settings,
        )

    return opened


def reply(number, **fields):
    given = {
        "provider_ref": f"reply-{number}",
        "sender": f"+5511{900000000 + number}",
        "text": f"SIM {number}",
    }
    return InboundMessage(**given | fields)


async def received(house):
    page = await house.engine.messages.list(MessageFilter(direction="in"))
    return sorted(message.text for message in page.items)


async def account_events(house):
    statement = sa.select(events.c.type, events.c.data).where(events.c.message_id.is_(None))
    async with house.database.read() as connection:
        return [tuple(row) for row in await connection.execute(statement.order_by(events.c.id))]


async def test_what_people_wrote_is_asked_for_page_by_page(open_asking):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        mt = await house.accept(to="+5511900000002")
        house.vendor.pages = [[reply(1)], [], [reply(2, answers_message_id=mt), reply(3)]]
        await house.settle()
        assert await received(house) == ["SIM 1", "SIM 2", "SIM 3"]
        page = await house.engine.messages.list(MessageFilter(direction="in", to="+5511900000002"))
        assert [message.answers for message in page.items] == [mt]


async def test_a_reply_that_a_webhook_brought_is_not_taken_twice(open_asking):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        house.vendor.pages = [[reply(1), reply(2), reply(1)]]
        await house.webhook(
            ["message", {"provider_ref": "reply-1", "sender": "+5511900000001", "text": "SIM 1"}]
        )
        await house.settle()
        await house.advance(301)
        await house.webhook(
            ["message", {"provider_ref": "reply-2", "sender": "+5511900000002", "text": "SIM 2"}]
        )
        await house.settle()
        assert await received(house) == ["SIM 1", "SIM 2"]


async def test_an_mo_is_tied_to_its_mt_by_the_vendors_reference(house):
    first = await house.accept(to="+5511900000001")
    await house.settle()
    await house.accept(to="+5511900000001")
    await house.settle()
    item = {
        "provider_ref": "r",
        "sender": "+5511900000001",
        "text": "SIM",
        "answers_provider_ref": f"ref-{first}",
    }
    await house.webhook(["message", item])
    await house.settle()
    (mo,) = (await house.engine.messages.list(MessageFilter(direction="in"))).items
    assert mo.answers == first


async def test_asking_goes_back_an_hour_behind_the_last_time(open_asking):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        began = house.clock.now()
        await house.settle()
        assert house.vendor.asked_since == [began - HOUR]
        await house.advance(299)
        assert len(house.vendor.asked_since) == 1
        await house.advance(2)
        await house.advance(301)
        assert house.vendor.asked_since[1:] == [
            began - HOUR,
            began + timedelta(seconds=301) - HOUR,
        ]


async def test_after_an_outage_all_of_it_is_caught_up(open_asking):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        began = house.clock.now()
        await house.settle()
        house.clock.advance(48 * 3600)
        await house.settle()
        assert house.vendor.asked_since[-1] == began - HOUR


async def test_what_could_not_be_asked_is_asked_for_again(open_asking):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        began = house.clock.now()
        house.vendor.pages = [[reply(1)], TransientSendError("down", code="503")]
        await house.settle()
        assert await received(house) == ["SIM 1"]
        house.vendor.pages = [[reply(1)], [reply(2)]]
        await house.advance(301)
        assert house.vendor.asked_since == [began - HOUR] * 2
        assert await received(house) == ["SIM 1", "SIM 2"]


async def test_two_nodes_ask_but_once(open_asking):
    async with open_asking() as house, open_asking(clock=house.clock) as other:
        house.vendor.balances = [Decimal(1)]
        await house.settle()
        other.vendor.balances = [Decimal(1)]
        await other.settle()
        assert (len(house.vendor.asked_since), len(other.vendor.asked_since)) == (1, 0)


async def test_nothing_is_asked_where_the_configuration_says_never(open_asking):
    async with open_asking(reply_poll=0.0, balance_poll=0.0) as house:
        await house.settle()
        assert house.vendor.asked_since == []
        assert (await house.engine.accounts.get("main")).balance is None


async def test_a_low_balance_is_told_once_until_it_recovers(open_asking):
    accounts = {"main": {"balance_threshold": Decimal("100.00")}}
    async with open_asking(accounts) as house:
        house.vendor.balances = [
            Decimal(text) for text in ("100.00", "99.99", "50", "100.5", "99.9", "99")
        ]
        told = []
        for _ in range(6):
            await house.settle()
            told.append([kind for kind, _ in await account_events(house)])
            house.clock.advance(901)
        low = "account.balance_low"
        assert told == [[], [low], [low], [low], [low, low], [low, low]]
        assert (await account_events(house))[0][1] == {"balance": "99.99", "threshold": "100.00"}
        view = await house.engine.accounts.get("main")
        assert (view.balance, view.balance_low) == (Decimal(99), True)
        assert view.balance_threshold == Decimal("100.00")


async def test_the_balance_that_a_person_asks_for_counts_too(open_asking):
    accounts = {"main": {"balance_threshold": 5}}
    async with open_asking(accounts, balance_poll=0.0) as house:
        house.vendor.balances = [Decimal(3)]
        assert (await house.engine.accounts.balance("main")).balance == Decimal(3)
        assert [kind for kind, _ in await account_events(house)] == ["account.balance_low"]


async def test_the_last_balance_outlives_a_restart(open_asking):
    async with open_asking() as house:
        house.vendor.balances = [Decimal("12.50")]
        await house.settle()
        async with open_asking(clock=house.clock) as again:
            view = await again.engine.accounts.get("main")
            assert (view.balance, view.balance_at) == (Decimal("12.50"), house.clock.now())


async def test_a_vendor_that_tells_no_balance_leaves_the_last_one(open_asking, caplog):
    async with open_asking() as house:
        error = TransientSendError("down", code="503")
        house.vendor.balances = [Decimal(7), error, error, Decimal(8)]
        for _ in range(3):
            await house.settle()
            house.clock.advance(901)
        assert (await house.engine.accounts.get("main")).balance == Decimal(7)
        assert [r.message for r in caplog.records].count("provider can't be asked now") == 1
        await house.settle()
        assert (await house.engine.accounts.get("main")).balance == Decimal(8)


async def test_a_threshold_needs_a_provider_that_tells_the_balance(open_house):
    with pytest.raises(ConfigurationError, match=r"accounts\.main\.balance_threshold"):
        async with open_house(accounts={"main": {"balance_threshold": 1}}):
            pass


async def test_more_pages_than_the_budget_holds_are_read_in_one_round(open_asking, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)
        house.clock.advance(seconds)

    async with open_asking(accounts={"main": {"rate": "10/60s"}}) as house:
        house.vendor.balances = [Decimal(1)]
        house.vendor.pages = [[reply(number)] for number in range(1, 26)]
        asked = house.vendor.poll_replies
        budget = house.engine.accounts.find("main").budget

        async def calling_pages(since):
            async for page in asked(since):
                await wait_for_turn(budget, Purpose.ASK, lambda: house.clock.now().timestamp())
                budget.spend(house.clock.now().timestamp(), Purpose.ASK)
                yield page

        house.vendor.poll_replies = calling_pages
        monkeypatch.setattr(asyncio, "sleep", sleep)
        await house.settle()
        assert len(await received(house)) == 25
        assert waited
        assert len(house.vendor.asked_since) == 1


@pytest.mark.parametrize(
    "bad",
    [
        reply(2, sender="+55119\ud83d0000002"),
        reply(2, sender="\0" * 400, recipient="\0" * 400, channel="c" * 40),
        reply(2, received_at=datetime(2026, 1, 5, 9)),  # noqa: DTZ001  # as a plugin might
    ],
)
async def test_an_odd_reply_is_taken_as_well_as_it_can_be(open_asking, bad):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        house.vendor.pages = [[reply(1), bad], [reply(3)]]
        await house.settle()
        assert await received(house) == ["SIM 1", "SIM 2", "SIM 3"]


async def test_a_reply_that_cannot_be_stored_holds_up_no_other(open_asking, monkeypatch, caplog):
    row_of = arrivals._inbound_row  # noqa: SLF001  # what a plugin can't be made to break

    def break_one(account, item, mt, now):
        if item.text == "SIM 2":
            raise ZeroDivisionError
        return row_of(account, item, mt, now)

    monkeypatch.setattr(arrivals, "_inbound_row", break_one)
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        house.vendor.pages = [[reply(1), reply(2)], [reply(3)]]
        await house.settle()
        assert await received(house) == ["SIM 1", "SIM 3"]
        assert "a reply can't be stored" in [record.message for record in caplog.records]


@pytest.mark.parametrize(
    "page",
    [None, reply(1), [{"text": "SIM"}], (each for each in [reply(1)]), map(reply, [1])],
    ids=["none", "one", "dicts", "generator", "map"],
)
async def test_a_page_of_another_kind_is_no_page(open_asking, page):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        began = house.clock.now()
        house.vendor.pages = [page]
        await house.settle()
        assert await received(house) == []
        house.vendor.pages = [[reply(1)]]
        await house.advance(301)
        assert house.vendor.asked_since == [began - HOUR] * 2
        assert await received(house) == ["SIM 1"]


async def test_a_clock_that_was_wrong_once_stops_no_round(open_house):
    capabilities = {"poll_replies": True, "balance": True}
    ahead = Clock(Clock().now() + timedelta(days=30))
    async with open_house(capabilities=capabilities, clock=ahead) as house:
        house.vendor.balances = [Decimal(1)]
        await house.settle()
    right = Clock()
    async with open_house(capabilities=capabilities, clock=right) as house:
        house.vendor.balances = [Decimal(2)]
        await house.settle()
        assert house.vendor.asked_since == [right.now() - HOUR]
        assert (await house.engine.accounts.get("main")).balance == Decimal(2)


async def test_shorter_rounds_count_from_the_restart(open_asking):
    async with open_asking(reply_poll=86_400.0, balance_poll=86_400.0) as house:
        house.vendor.balances = [Decimal(1)]
        await house.settle()
        house.clock.advance(60)
        async with open_asking(clock=house.clock, reply_poll=30.0, balance_poll=30.0) as again:
            again.vendor.balances = [Decimal(2)]
            await again.settle()
            assert len(again.vendor.asked_since) == 1
            assert (await again.engine.accounts.get("main")).balance == Decimal(2)


async def test_replies_without_a_reference_or_with_long_ones_are_told_apart(open_asking):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        house.vendor.pages = [
            [
                reply(1, provider_ref=""),
                reply(2, provider_ref=""),
                reply(3, provider_ref="r" * 300 + "1"),
                reply(4, provider_ref="r" * 300 + "2"),
            ]
        ]
        await house.settle()
        await house.advance(301)
        assert await received(house) == ["SIM 1", "SIM 2", "SIM 3", "SIM 4"]


async def test_trouble_in_the_middle_is_told_once(open_asking, caplog):
    async with open_asking() as house:
        house.vendor.balances = [Decimal(1)]
        house.vendor.pages = [[reply(1)], TransientSendError("down", code="503")]
        for _ in range(3):
            await house.settle()
            house.clock.advance(301)
        messages = [record.message for record in caplog.records]
        assert messages.count("provider can't be asked now") == 1
        assert "provider answers again" not in messages


@pytest.mark.parametrize("told", [None, 1.5, "7", Decimal("NaN"), Decimal("Infinity")])
async def test_a_balance_that_is_no_number_is_none(open_asking, told):
    async with open_asking({"main": {"balance_threshold": 5}}) as house:
        house.vendor.balances = [told]
        await house.settle()
        assert (await house.engine.accounts.get("main")).balance is None
        with pytest.raises(TransientSendError):
            await house.engine.accounts.balance("main")


async def test_without_its_threshold_a_balance_is_not_low(open_asking):
    async with open_asking({"main": {"balance_threshold": 5}}) as house:
        house.vendor.balances = [Decimal(1)]
        await house.settle()
        assert (await house.engine.accounts.get("main")).balance_low
    async with open_asking(clock=house.clock) as house:
        assert not (await house.engine.accounts.get("main")).balance_low


async def test_the_serving_process_tells_of_a_balance_that_another_has_asked_for(
    open_asking, caplog
):
    accounts = {"main": {"balance_threshold": 5}}
    async with (
        open_asking(accounts, balance_poll=0.0) as serving,
        open_asking(accounts, clock=serving.clock, balance_poll=0.0) as other,
    ):
        other.vendor.balances = [Decimal(1)]
        await other.engine.accounts.balance("main")
        assert "balance is low" not in [record.message for record in caplog.records]
        await serving.settle()
        await serving.settle()
        assert [record.message for record in caplog.records].count("balance is low") == 1
