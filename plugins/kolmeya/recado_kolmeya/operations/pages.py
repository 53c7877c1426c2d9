"""Reads a list that comes in pages, in each of the ways in which Kolmeya writes them."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from recado_kolmeya.operations.answers import list_in
from recado_kolmeya.operations.kinds import read_count
from recado_kolmeya.operations.steps import Steps
from recado_kolmeya.operations.windows import Joined, identify

USUAL_PAGE = 1000
"""Rows of a page where a call does not say how many; a page of as many may not be the last."""
MOST_PAGES = 10_000


class Page(NamedTuple):
    """The rows of a page, its number, the last one's and the count of all, if the answer tells."""

    rows: list[object]
    number: int | None = None
    last: int | None = None
    total: int | None = None


def read_page(value: object, key: str) -> Page:
    """Read a page: with the framework's paginator, a ``pagination``, or neither."""
    rows = list_in(value, key)
    head = value.get("pagination", value) if isinstance(value, dict) else None
    if not isinstance(head, dict):
        return Page(rows)
    number, last, total = (
        read_count(head.get(name)) for name in ("current_page", "last_page", "total")
    )
    return Page(rows, number, last, total)


async def gather_pages(ask_page: Callable[[int], Awaitable[Page]], steps: Steps) -> Joined:
    """Return the rows of all pages; of more than are told of, those that moved on but once.

    Where no answer says how many pages there are, the end is one that is empty or like those before
    it: the live service was seen to leave that out, and may then not know of pages at all. It is
    ``truncated`` where Kolmeya gives another page than was asked for, or fewer rows than it tells.
    """
    every: list[object] = []
    unlike: list[object] = []
    known: Counter[bytes] = Counter()
    number, ahead = 0, 1
    while True:
        number += 1
        page = await ask_page(number)
        is_asked_for = number == 1 or page.number in {None, number}
        fresh = _take_fresh(page.rows, known) if is_asked_for else []
        is_repeated = page.last is None and number > 1 and 2 * len(fresh) < len(page.rows)
        if is_asked_for and not is_repeated:
            every += page.rows
            unlike += fresh
        is_more = bool(fresh) and not is_repeated and number < (page.last or number + 1)
        left = (page.last - number if page.last else 1) if is_more and number < MOST_PAGES else 0
        steps.count_call(left - ahead + 1)
        ahead = left
        if not left:
            is_told = page.total is not None and len(every) <= page.total
            rows = every if is_told else unlike
            return Joined(rows, _is_cut(page, rows, number, is_asked_for, is_more, is_repeated))


def _is_cut(  # noqa: PLR0913, PLR0917  # what there is to know of the last page
    page: Page,
    rows: list[object],
    number: int,
    is_asked_for: bool,  # noqa: FBT001
    is_more: bool,  # noqa: FBT001
    is_repeated: bool,  # noqa: FBT001
) -> bool:
    """Tell whether there are, or may be, more rows than those of the pages that came."""
    if not is_asked_for or is_more or number < (page.last or 0):
        return True
    return (is_repeated and len(page.rows) >= USUAL_PAGE) or len(rows) < (page.total or 0)


def _take_fresh(rows: list[object], known: Counter[bytes]) -> list[object]:
    """Return the rows that are not known, as often as they are not, and know them from now on."""
    page: Counter[bytes] = Counter()
    fresh: list[object] = []
    for row in rows:
        identity = identify(row)
        page[identity] += 1
        if page[identity] > known[identity]:
            fresh.append(row)
    known |= page
    return fresh
