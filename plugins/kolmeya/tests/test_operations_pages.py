import pytest
from recado_kolmeya.operations import pages
from recado_kolmeya.operations.pages import USUAL_PAGE, Page, gather_pages
from recado_kolmeya.operations.steps import Steps


@pytest.fixture
def anyio_backend():
    return "asyncio"


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
        return await gather_pages(self.ask, Steps(lambda *step: self.told.append(step)))


def rows(*numbers):
    return [{"telefone": number, "status": "enviado"} for number in numbers]


async def test_pages_are_joined():
    vendor = Vendor(Page(rows(1, 2), 1, 2, 3), Page(rows(3), 2, 2, 3))
    assert await vendor.gather() == (rows(1, 2, 3), False)
    assert vendor.told[-1] == (2, 2)


async def test_a_row_that_moves_on_to_the_next_page_comes_once():
    vendor = Vendor(Page(rows(1, 2), 1, 2, 3), Page(rows(2, 3), 2, 2, 3))
    assert await vendor.gather() == (rows(1, 2, 3), False)


async def test_rows_that_are_alike_are_as_many_as_the_vendor_says():
    assert await Vendor(Page(rows(1, 1), 1, 1)).gather() == (rows(1, 1), False)
    vendor = Vendor(Page(rows(1, 1), 1, 2, 3), Page(rows(1), 2, 2, 3))
    assert await vendor.gather() == (rows(1, 1, 1), False)


async def test_fewer_rows_than_are_told_of_are_cut_off():
    vendor = Vendor(Page(rows(1, 2), 1, 2, 4), Page(rows(3), 2, 2, 4))
    assert await vendor.gather() == (rows(1, 2, 3), True)


async def test_an_empty_page_before_the_last_is_cut_off():
    vendor = Vendor(Page(rows(1), 1, 3), Page([], 2, 3))
    assert await vendor.gather() == (rows(1), True)


async def test_a_vendor_without_pages_gives_the_same_again_and_it_counts_once():
    changed = [*rows(1, 2), {"telefone": 3, "status": "entregue"}, *rows(4)]
    vendor = Vendor(Page(rows(1, 2, 3)), Page(changed))
    assert await vendor.gather() == (rows(1, 2, 3), False)
    assert vendor.asked == 2


async def test_a_full_page_that_is_given_again_may_not_be_all():
    full = rows(*range(USUAL_PAGE))
    assert await Vendor(Page(full)).gather() == (full, True)


async def test_pages_without_a_count_end_with_an_empty_one():
    vendor = Vendor(Page(rows(1, 2)), Page(rows(3, 4)), Page([]))
    assert await vendor.gather() == (rows(1, 2, 3, 4), False)


async def test_another_page_than_was_asked_for_is_cut_off():
    vendor = Vendor(Page(rows(1), 1, 3), Page(rows(2), 1, 3))
    assert await vendor.gather() == (rows(1), True)


@pytest.mark.parametrize("last", [10**17, None])
async def test_one_page_for_ever_ends(last):
    vendor = Vendor(Page(rows(1), None, last))
    joined = await vendor.gather()
    assert joined.rows == rows(1)
    assert vendor.asked == 2


@pytest.mark.parametrize("tells", [True, False])
async def test_new_pages_for_ever_end(tells, monkeypatch):
    monkeypatch.setattr(pages, "MOST_PAGES", 50)
    asked = []

    async def ask(number):
        asked.append(number)
        page = rows(number)
        return Page(page, number, number + 1) if tells else Page(page)

    joined = await gather_pages(ask, Steps(lambda *_: None))
    assert (len(asked), joined.truncated) == (50, True)
