from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct
from recado_kolmeya.operations import pages
from recado_kolmeya.operations import rows as operation_rows
from recado_kolmeya.operations.kinds import Number
from recado_kolmeya.operations.pages import USUAL_PAGE, Page, gather_pages
from recado_kolmeya.operations.rows import Rows

ZONE = ZoneInfo("America/Sao_Paulo")


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Lost(Struct, frozen=True, kw_only=True):
    telefone: Number


class Vendor:
    """Gives pages, the last one again and again, and counts what is asked for."""

    def __init__(self, *answers):
        self.answers = answers
        self.asked = 0
        self.told = []

    async def ask(self, number):
        self.asked += 1
        assert number == self.asked
        return self.answers[min(number, len(self.answers)) - 1]

    async def gather(self):
        found = Rows(Lost, ZONE)
        await gather_pages([self.ask], found, lambda *step: self.told.append(step))
        return [row.telefone for row in found.rows], found.truncated


def rows(*numbers):
    return [{"telefone": number, "status": "enviado"} for number in numbers]


async def test_pages_are_joined():
    vendor = Vendor(Page(rows(1, 2), 1, 2, 3), Page(rows(3), 2, 2, 3))
    assert await vendor.gather() == ([1, 2, 3], False)
    assert vendor.told[-1] == (2, 2)


async def test_a_row_that_moves_on_to_the_next_page_comes_once():
    vendor = Vendor(Page(rows(1, 2), 1, 2, 3), Page(rows(2, 3), 2, 2, 3))
    assert await vendor.gather() == ([1, 2, 3], False)


async def test_rows_that_are_alike_are_as_many_as_the_vendor_says():
    assert await Vendor(Page(rows(1, 1), 1, 1)).gather() == ([1, 1], False)
    vendor = Vendor(Page(rows(1, 1), 1, 2, 3), Page(rows(1), 2, 2, 3))
    assert await vendor.gather() == ([1, 1, 1], False)


async def test_fewer_rows_than_are_told_of_are_cut_off():
    vendor = Vendor(Page(rows(1, 2), 1, 2, 4), Page(rows(3), 2, 2, 4))
    assert await vendor.gather() == ([1, 2, 3], True)


async def test_an_empty_page_before_the_last_is_cut_off():
    vendor = Vendor(Page(rows(1), 1, 3), Page([], 2, 3))
    assert await vendor.gather() == ([1], True)


async def test_a_vendor_without_pages_gives_the_same_again_and_it_counts_once():
    changed = [*rows(1, 2), {"telefone": 3, "status": "entregue"}, *rows(4)]
    vendor = Vendor(Page(rows(1, 2, 3)), Page(changed))
    assert await vendor.gather() == ([1, 2, 3], False)
    assert vendor.asked == 2


async def test_a_full_page_that_is_given_again_may_not_be_all():
    full = rows(*range(USUAL_PAGE))
    assert await Vendor(Page(full)).gather() == ([*range(USUAL_PAGE)], True)


async def test_pages_without_a_count_end_with_an_empty_one():
    vendor = Vendor(Page(rows(1, 2)), Page(rows(3, 4)), Page([]))
    assert await vendor.gather() == ([1, 2, 3, 4], False)


async def test_another_page_than_was_asked_for_is_cut_off():
    vendor = Vendor(Page(rows(1), 1, 3), Page(rows(2), 1, 3))
    assert await vendor.gather() == ([1], True)


@pytest.mark.parametrize("last", [10**17, None])
async def test_one_page_for_ever_ends(last):
    vendor = Vendor(Page(rows(1), None, last))
    assert await vendor.gather() == ([1], last is not None)
    assert vendor.asked == 2
    assert vendor.told[-1] == (2, 2)


@pytest.mark.parametrize(("tells", "most"), [(True, 4), (False, 50)])
async def test_new_pages_for_ever_end(tells, most, monkeypatch):
    monkeypatch.setattr(pages, "MOST_PAGES", 50)
    vendor = Vendor(*(Page(rows(n), n, n + 1) if tells else Page(rows(n)) for n in range(1, 99)))
    assert await vendor.gather() == ([*range(1, most + 1)], True)
    assert vendor.told[-1] == (most, most)


async def test_a_row_that_moved_on_as_others_came_comes_once():
    vendor = Vendor(Page(rows(1, 2), 1, 2, 3), Page(rows(2, 3), 2, 2, 4))
    assert await vendor.gather() == ([1, 2, 3], False)


async def test_report_of_more_rows_than_a_reply_holds_ends_there_and_says_so(monkeypatch):
    monkeypatch.setattr(operation_rows, "MOST_ROWS", 3)
    vendor = Vendor(Page(rows(1, 2), 1, 2), Page(rows(3, 4), 2, 2))
    told = []
    found = Rows(Lost, ZONE)
    await gather_pages([vendor.ask] * 3, found, lambda *step: told.append(step))
    assert ([row.telefone for row in found.rows], found.truncated) == ([1, 2, 3], True)
    assert told == [(1, 4), (2, 4), (2, 2)]


@pytest.mark.parametrize(
    ("last", "steps"), [(1, [(1, 2), (2, 2)]), (2, [(1, 3), (2, 3), (3, 4), (4, 4)])]
)
async def test_parts_follow_each_other_and_more_of_their_calls_may_turn_out(last, steps):
    async def ask(number):
        return Page(rows(number), number, last)

    told = []
    await gather_pages([ask, ask], Rows(Lost, ZONE), lambda *step: told.append(step))
    assert told == steps
