"""Reads a list that comes in pages, in each of the ways in which Kolmeya writes them."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from recado_kolmeya.operations.answers import list_in
from recado_kolmeya.operations.kinds import read_count
from recado_kolmeya.operations.steps import Steps
from recado_kolmeya.operations.windows import Joined, subtract


class Page(NamedTuple):
    """The rows of a page, its number and the last one's, if the answer tells them."""

    rows: list[object]
    number: int | None = None
    last: int | None = None


def read_page(value: object, key: str) -> Page:
    """Read a page: with the framework's paginator, a ``pagination``, or neither."""
    rows = list_in(value, key)
    head = value.get("pagination", value) if isinstance(value, dict) else None
    if not isinstance(head, dict):
        return Page(rows)
    return Page(rows, read_count(head.get("current_page")), read_count(head.get("last_page")))


async def gather_pages(ask_page: Callable[[int], Awaitable[Page]], steps: Steps) -> Joined:
    """Return the rows of all pages, ``truncated`` if Kolmeya gives another than was asked for.

    Where no answer says how many there are, the end is a page that is empty or the same as the one
    before: the live service was seen to leave that out, and may then not know of pages at all.
    """
    rows: list[object] = []
    before: list[object] = []
    number, ahead = 0, 1
    while ahead:
        number += 1
        page = await ask_page(number)
        if number > 1 and page.number not in {None, number}:
            steps.count_call(1 - ahead)
            return Joined(rows, truncated=True)
        if page.last is not None:
            left = max(0, page.last - number) if page.rows else 0
            rows += page.rows
        elif subtract(page.rows, before):
            left = 1
            rows += page.rows
        else:
            left = 0
        steps.count_call(left - ahead + 1)
        before, ahead = page.rows, left
    return Joined(rows, truncated=False)
