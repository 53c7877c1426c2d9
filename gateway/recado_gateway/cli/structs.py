"""A Struct as a person reads it: its fields, and the lists in it as tables."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import TypeGuard

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from recado_gateway.cli.output import (
    UNLIMITED,
    console,
    print_table,
    say,
    shorten,
)
from recado_gateway.cli.times import local_time

EMPTY: tuple[object, ...] = (None, "", [], (), {})

NONE = "none"
GAP = "  "
TEXT_WIDTHS = (UNLIMITED, 40, 20)
"""To how many characters the texts of a table are cut, until it fits."""


def print_struct(value: msgspec.Struct, zone: str) -> bool:
    """Print the fields that say something, and each list of Structs as a table of its own.

    Return whether there was anything to print. What is empty or has its default says nothing, but
    for an empty list: that there is none may be what somebody wants to know.
    """
    tables = {name: found for name, found in _filled(value) if _is_table(found)}
    fields = [
        (field.encode_name, cell(found, zone) or NONE)
        for field in msgspec.structs.fields(value)
        if field.encode_name not in tables
        and (found := getattr(value, field.name)) not in (None, "", {}, field.default)
    ]
    if fields:
        print_table(("", ""), fields)
    alone = len(tables) == 1 and not fields
    for index, (name, rows) in enumerate(tables.items()):
        if not alone:
            say(f"\n{name}" if fields or index else name)
        print_rows(rows, zone)
    return bool(fields or tables)


def fields_of(
    value: msgspec.Struct, zone: str, without: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a Struct's fields that are not empty."""
    for name, found in _filled(value):
        if name not in without:
            yield name, cell(found, zone)


def print_rows(rows: Sequence[msgspec.Struct], zone: str) -> None:
    """Print Structs of one type as a table, without the columns that are empty in every row.

    Where it is too wide for the terminal its texts are cut, and where that does not help each row
    stands by itself, a field on a line. In a file or another program's input all is whole.
    """
    terminal = console()
    written = [dict(fields_of(row, zone)) for row in rows]
    heads = [
        head for head in rows[0].__struct_encode_fields__ if any(head in row for row in written)
    ]
    for most in TEXT_WIDTHS:
        cells = [[shorten(row.get(head, ""), most) for head in heads] for row in written]
        widths = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
        if sum(widths) + len(GAP) * (len(widths) - 1) <= terminal.width:
            _print_columns(terminal, [heads, *cells], widths)
            return
    longest = max(map(len, heads))
    for index, row in enumerate(written):
        if index:
            say()
        for name, text in row.items():
            say(f"{name.ljust(longest)}{GAP}{shorten(text, UNLIMITED)}")


def _print_columns(
    terminal: Console, lines: Sequence[Sequence[str]], widths: Sequence[int]
) -> None:
    # Not by rich's tables, which take seconds for a thousand rows
    for index, line in enumerate(lines):
        text = GAP.join(map(set_cell_size, line, widths)).rstrip()
        if index:
            say(text)
        else:
            terminal.print(Text(text, "bold"))


def cell(value: object, zone: str) -> str:
    """Return a value in words: times in this zone, what is nested as ``name=value``."""
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return local_time(value, zone)
        case msgspec.Struct() | dict():
            pairs = value.items() if isinstance(value, dict) else _filled(value)
            return ", ".join(f"{name}={cell(found, zone)}" for name, found in pairs)
        case list() | tuple() | set() | frozenset():
            nested = any(isinstance(found, msgspec.Struct | dict) for found in value)
            return ("; " if nested else ", ").join(cell(found, zone) for found in value)
    return "" if value is None else str(value)


def _filled(value: msgspec.Struct) -> Iterator[tuple[str, object]]:
    for name, field in zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True):
        found = getattr(value, field)
        if found not in EMPTY:
            yield name, found


def _is_table(value: object) -> TypeGuard[Sequence[msgspec.Struct]]:
    return isinstance(value, list | tuple) and all(isinstance(it, msgspec.Struct) for it in value)
