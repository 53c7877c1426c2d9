"""Reads a list that comes in pages, in each of the ways in which Kolmeya writes them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from recado_core import Progress

from recado_kolmeya.operations.answers import list_in
from recado_kolmeya.operations.kinds import read_count
from recado_kolmeya.operations.rows import Row, Rows
from recado_kolmeya.operations.steps import Steps
from recado_kolmeya.operations.windows import identify

USUAL_PAGE = 1000
"""Rows of a page where a call does not say how many; a page of as many may not be the last."""
MOST_PAGES = 10_000
_MORE_PAGES = 2  # than the first page told of, for what has come meanwhile


class Page(NamedTuple):
    """The rows of a page, its number, the last one's and the count of all, if the answer tells."""

    rows: list[object]
    number: int | None = None
    last: int | None = None
    total: int | None = None


AskPage = Callable[[int], Awaitable[Page]]


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


async def gather_pages(parts: Sequence[AskPage], found: Rows[Row], progress: Progress) -> None:
    """Read all pages of every part of a report.

    Args:
        parts: What asks for a page of each, by its number.
        found: Takes the rows.
        progress: Is told of every call.
    """
    steps = Steps(progress, len(parts))
    for done, ask_page in enumerate(parts):
        if done and not found.room:
            found.truncated = True
            steps.drop_rest()
            return
        await _gather_part(ask_page, found, steps)


async def _gather_part(ask_page: AskPage, found: Rows[Row], steps: Steps) -> None:
    """Read all pages, and once each row that has moved on to a later page.

    Where no answer says how many pages there are, the end is one that is empty, or mostly like
    those before it: the live service was seen to leave that out, and may not know of pages at all.
    ``truncated`` are rows of which fewer come than the first page tells of, or than there may be.
    """
    first = page = await ask_page(1)
    most = min(MOST_PAGES, (first.last or MOST_PAGES) + _MORE_PAGES)
    known: Counter[bytes] = Counter()
    again: list[object] = []
    count, number = 0, 1
    while True:
        fresh, alike = _part_known(page.rows, known)
        if _is_repeated(page, number, alike):
            found.truncated |= len(page.rows) >= USUAL_PAGE or page.number not in {None, number}
            break
        await found.add(fresh)
        count += len(fresh)
        again += alike
        left = (page.last - number if page.last else 1) if fresh else 0
        if left <= 0 or number >= most or not found.room:
            found.truncated |= left > 0 or number < (page.last or 0)
            break
        steps.count_call(left)
        number += 1
        page = await ask_page(number)
    steps.count_call()
    if first.total and count < first.total:
        found.truncated |= count + len(again) < first.total
        await found.add(again[: first.total - count])  # they did not move: they are but alike


def _is_repeated(page: Page, number: int, alike: list[object]) -> bool:
    """Tell whether another page came than was asked for: those before it, most of all."""
    if number == 1:
        return False
    return page.number not in {None, number} or (
        page.last is None and 2 * len(alike) > len(page.rows)
    )


def _part_known(rows: list[object], known: Counter[bytes]) -> tuple[list[object], list[object]]:
    """Return the rows that are new, and those that a page before has had as often."""
    page: Counter[bytes] = Counter()
    fresh: list[object] = []
    alike: list[object] = []
    for row in rows:
        identity = identify(row)
        page[identity] += 1
        (fresh if page[identity] > known[identity] else alike).append(row)
    for identity, times in page.items():
        known[identity] = max(known[identity], times)
    return fresh, alike
