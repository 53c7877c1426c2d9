from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from recado_core import ConfigurationError, InboundMessage, TransientSendError
from recado_core.engine.messages import MessageFilter
from recado_core.engine.schema import events

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
