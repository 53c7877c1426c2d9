"""Pages of a list, as the framework writes them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from recado_kolmeya.simulator.calls import Call

Row = TypeVar("Row")


def paginate(
    call: Call,
    rows: Sequence[Row],
    page: int,
    size: int,
    write: Callable[[Row], object],
) -> dict[str, object]:
    """Write one page of a list as the framework's paginator does.

    Args:
        call: The call, whose address the links repeat.
        rows: The whole list.
        page: The page asked for, from 1.
        size: How many rows a page has.
        write: Turns a row into what is answered.
    """
    last = max(1, -(-len(rows) // size))
    shown = rows[(page - 1) * size : page * size]
    first_row = (page - 1) * size + 1 if shown else None
    return {
        "current_page": page,
        "data": [write(row) for row in shown],
        "first_page_url": _address(call, 1),
        "from": first_row,
        "last_page": last,
        "last_page_url": _address(call, last),
        "next_page_url": _address(call, page + 1) if page < last else None,
        "path": call.url,
        "per_page": size,
        "prev_page_url": _address(call, page - 1) if page > 1 else None,
        "to": first_row + len(shown) - 1 if first_row is not None else None,
        "total": len(rows),
    }


def with_links(call: Call, pages: dict[str, object], last: int, page: int) -> dict[str, object]:
    """Add the list of links that some of the vendor's paginators carry."""
    links: list[dict[str, object]] = [
        {"url": pages["prev_page_url"], "label": "&laquo; Previous", "active": False}
    ]
    links += [
        {"url": _address(call, number), "label": str(number), "active": number == page}
        for number in range(1, last + 1)
    ]
    links.append({"url": pages["next_page_url"], "label": "Next &raquo;", "active": False})
    return {**pages, "links": links}


def pagination(total: int, page: int, size: int) -> dict[str, int]:
    """Write the short form that reports carry."""
    return {
        "current_page": page,
        "total": total,
        "per_page": size,
        "last_page": max(1, -(-total // size)),
    }


def _address(call: Call, page: int) -> str:
    return f"{call.url}?page={page}"
