"""Reads a list that comes in pages, in each of the ways in which Kolmeya writes them."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import NamedTuple

from recado_kolmeya.operations.answers import list_in
from recado_kolmeya.operations.kinds import UnreadableError, read_count
from recado_kolmeya.operations.steps import Steps
from recado_kolmeya.operations.windows import subtract


class Page(NamedTuple):
    """The rows of a page, and how many pages there are, if the answer says so."""

    rows: list[object]
    last: int | None


def read_page(value: object, key: str, number: int) -> Page:
    """Read a page: with the framework's paginator, a ``pagination``, or neither.

    Raises:
        UnreadableError: It is no page, or another one than was asked for.
    """
    rows = list_in(value, key)
    head = value.get("pagination", value) if isinstance(value, dict) else None
    if not isinstance(head, dict):
        return Page(rows, None)
    if read_count(head.get("current_page")) not in {None, number}:
        raise UnreadableError("it is another page")
    return Page(rows, read_count(head.get("last_page")))


async def gather_pages(ask_page: Callable[[int], Awaitable[Page]], steps: Steps) -> list[object]:
    """Return the rows of all pages.

    Where no answer says how many there are, the end is a page that is empty or the same as the one
    before: the live service was seen to leave that out, and may then not know of pages at all.
    """
    rows: list[object] = []
    before: list[object] = []
    ahead = 1
    for number in count(1):
        page = await ask_page(number)
        if page.last is None:
            left = int(bool(subtract(page.rows, before)))
            rows += page.rows if left else []
        else:
            left = max(0, page.last - number) if page.rows else 0
            rows += page.rows
        steps.count_call(left - ahead + 1)
        if not left:
            break
        before, ahead = page.rows, left
    return rows
