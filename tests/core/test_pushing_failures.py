import logging
from functools import partial

import pytest
from recado_core import AccountError, InDoubtError, PermanentSendError, TransientSendError
from recado_core.engine.accounts.limits import Purpose

from .pushing_house import (
    ANA,
    BACK,
    BIA,
    CAIO,
    EVERY_REASON,
    REFUSED,
    SILENT,
    add,
    add_all,
    failing,
    numbers,
    open_for_pushing,
    records,
    refusing,
    remove_all,
    say_nothing,
    waiting,
)

# Failures are judged here by statements that test_pushing runs on PostgreSQL too.
pytestmark = [
    pytest.mark.whole,
    pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True),
]

HOUR, DAY = 3600, 86_400


@pytest.fixture
def open_pushing(open_house):
    return partial(open_for_pushing, open_house)


@pytest.fixture
async def house(open_pushing):
    async with open_pushing() as opened:
        yield opened


# ---------------------------------------------------------------- a provider that fails


@pytest.mark.parametrize(
    "error",
    [
        TransientSendError("down", code="503"),
        TransientSendError("down", code="500", possibly_taken=True),
        InDoubtError("silence"),
        ValueError("broken"),
    ],
    ids=["transient", "possibly taken", "in doubt", "broken"],
)
async def test_failure_is_tried_again_after_growing_delays(house, error):
    house.vendor.before_change = failing(error)
    await add(house)
    await house.settle()
    for calls, delay in enumerate((5, 10, 20), start=1):
        await house.advance(delay - 1)
        assert len(house.vendor.changes) == calls
        await house.advance(1)
        assert len(house.vendor.changes) == calls + 1
    house.vendor.before_change = None
    await house.advance(600)
    assert house.vendor.suppressed == {ANA}
    assert await waiting(house) == 0


async def test_delays_grow_to_ten_minutes(house):
    house.vendor.before_change = failing(TransientSendError("down", code="503"))
    await add(house)
    await house.settle()
    for calls, delay in enumerate((5, 10, 20, 40, 80, 160, 320, 600, 600), start=2):
        await house.advance(delay)
        assert len(house.vendor.changes) == calls
    await house.advance(599)
    assert len(house.vendor.changes) == calls


async def test_trouble_is_told_once_and_so_is_its_end(house, caplog):
    caplog.set_level(logging.INFO)
    house.vendor.before_change = failing(TransientSendError("down", code="503"))
    await add_all(house, numbers(8))
    for _ in range(5):
        await house.advance(600)
    assert [record.reason for record in records(caplog, SILENT)] == ["down"]
    assert not records(caplog, BACK)
    house.vendor.before_change = None
    await house.advance(600)
    assert house.vendor.suppressed == set(numbers(8))
    assert len(records(caplog, BACK)) == 1


async def test_provider_that_is_down_is_called_but_once_a_round(house):
    house.vendor.before_change = failing(TransientSendError("down", code="503"))
    await add_all(house, numbers(12))
    await house.settle()
    assert len(house.vendor.changes) == 1
    house.vendor.before_change = None
    await house.advance(5)
    assert house.vendor.suppressed == set(numbers(12))


async def test_no_answer_in_time_is_tried_again(open_pushing):
    accounts = {"main": EVERY_REASON | {"timeout": 0.02}}
    async with open_pushing(accounts) as house:
        house.vendor.before_change = say_nothing
        await add(house)
        await house.settle()
        assert len(house.vendor.changes) == 1
        house.vendor.before_change = None
        await house.advance(5)
        assert house.vendor.suppressed == {ANA}


async def test_answer_that_the_contract_does_not_know_is_none(house):
    async def say_no(_name, _addresses):
        return False

    house.vendor.before_change = say_no
    await add(house)
    await house.settle()
    assert await waiting(house) == 1
    house.vendor.before_change = None
    await house.advance(5)
    assert await waiting(house) == 0


@pytest.mark.parametrize(("asked", "waits"), [(0.0, 5), (120.0, 120), (1e9, HOUR)])
async def test_provider_is_left_alone_for_as_long_as_it_asks(house, asked, waits):
    house.vendor.before_change = failing(TransientSendError("later", retry_after=asked))
    await add(house)
    await house.settle()
    house.vendor.before_change = None
    await house.advance(waits - 1)
    assert len(house.vendor.changes) == 1
    await house.advance(1)
    assert house.vendor.suppressed == {ANA}


async def test_provider_that_asks_for_fewer_calls_is_in_order(house, caplog):
    house.vendor.before_change = failing(TransientSendError("slower", throttled=True))
    await add(house)
    for _ in range(5):
        await house.advance(60)
    assert len(house.vendor.changes) == 5
    assert not records(caplog, SILENT)
    house.vendor.before_change = failing(TransientSendError("down"))
    await house.advance(60)
    house.vendor.before_change = None
    await house.advance(5)  # the first delay: those before were no attempts
    assert house.vendor.suppressed == {ANA}


async def test_account_error_waits_for_the_longest_delay(house, caplog):
    house.vendor.before_change = failing(AccountError("no such token", code="401"))
    await add_all(house, numbers(4))
    await house.settle()
    house.vendor.before_change = None
    await house.advance(599)
    assert len(house.vendor.changes) == 1
    assert [record.reason for record in records(caplog, SILENT)] == ["no such token"]
    await house.advance(1)
    assert house.vendor.suppressed == set(numbers(4))


async def test_paused_account_is_not_called_until_it_is_resumed(house):
    await house.engine.accounts.pause("main")
    await add(house)
    await house.settle()
    await house.advance(DAY)
    assert house.vendor.changes == []
    await house.engine.accounts.resume("main")
    await house.settle()
    assert house.vendor.suppressed == {ANA}


async def test_calls_keep_to_the_accounts_budget(house):
    budget = house.engine.accounts.find("main").budget
    monotonic = house.clock.now().timestamp()
    budget.close(monotonic + 300)
    assert budget.wait(monotonic, Purpose.ASK) > 0
    await add(house)
    await house.advance(299)
    assert house.vendor.changes == []
    await house.advance(1)
    assert house.vendor.suppressed == {ANA}


# ---------------------------------------------------------------- an address that is refused


@pytest.mark.parametrize("bad", [[0], [17], [3, 4, 5, 39], list(range(20))])
async def test_refused_address_spoils_no_other_and_is_dropped(open_pushing, caplog, bad):
    addresses = numbers(40)
    refused = [addresses[index] for index in bad]
    async with open_pushing(max_suppress=1000) as house:
        house.vendor.before_change = refusing(refused)
        await add_all(house, addresses)
        await house.settle()
        assert house.vendor.suppressed == set(addresses) - set(refused)
        assert await waiting(house) == 0
        calls = len(house.vendor.changes)
        await house.advance(DAY)
        assert len(house.vendor.changes) == calls
    told = records(caplog, REFUSED)
    assert sorted(record.address for record in told) == [
        f"+5511*****{address[-4:]}" for address in refused
    ]
    assert all(address not in str(vars(record)) for record in told for address in refused)


async def test_address_that_is_refused_alone_is_dropped_with_a_warning(house, caplog):
    house.vendor.before_change = refusing([ANA])
    await add(house)
    await house.settle()
    assert await waiting(house) == 0
    (told,) = records(caplog, REFUSED)
    assert (told.account, told.address, told.change, told.code, told.reason) == (
        "main",
        "+5511*****0001",
        "suppress",
        "422",
        "telefone inválido",
    )


async def test_address_that_was_refused_is_told_of_when_it_changes_again(house):
    house.vendor.before_change = refusing([ANA])
    await add(house)
    await house.settle()
    house.vendor.before_change = None
    await remove_all(house, ANA)
    await house.settle()
    assert house.vendor.changes[-1] == ("unsuppress", [ANA])


@pytest.mark.parametrize("count", [2, 1000])
async def test_refusal_of_all_of_many_is_not_about_the_addresses(open_pushing, caplog, count):
    async with open_pushing(max_suppress=1000) as house:
        house.vendor.before_change = refusing(numbers(count))
        await add_all(house, numbers(count))
        await house.settle()
        assert not records(caplog, REFUSED)
        assert len(records(caplog, SILENT)) == 1
        assert await waiting(house) == count
        calls = len(house.vendor.changes)
        assert calls < 150
        await house.advance(599)
        assert len(house.vendor.changes) == calls
        house.vendor.before_change = None
        await house.advance(1)
        assert house.vendor.suppressed == set(numbers(count))


async def test_refusal_to_take_off_says_nothing_of_putting_on(house, caplog):
    await add_all(house, [ANA, BIA])
    await house.settle()
    await remove_all(house, ANA)
    await remove_all(house, BIA)
    await add(house, CAIO)
    house.vendor.before_change = refusing([ANA, BIA])
    await house.settle()
    assert house.vendor.suppressed == {ANA, BIA, CAIO}
    assert not records(caplog, REFUSED)
    assert await waiting(house) == 2


async def test_failure_among_parts_loses_none_of_them(open_pushing, caplog):
    addresses = numbers(8)

    async def fail_in_the_middle(_, some):
        if len(house.vendor.changes) == 5:
            raise TransientSendError("down", code="503")
        if addresses[0] in some:
            raise PermanentSendError("telefone inválido", code="422")

    async with open_pushing(max_suppress=8) as house:
        house.vendor.before_change = fail_in_the_middle
        await add_all(house, addresses)
        await house.settle()
        assert 0 < await waiting(house) < 8
        await house.advance(5)
        assert house.vendor.suppressed == set(addresses[1:])
        assert len(records(caplog, REFUSED)) == 1
        assert await waiting(house) == 0
