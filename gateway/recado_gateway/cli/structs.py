"""A Struct as a person reads it: its fields, and the lists in it as tables."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import TypeGuard

import msgspec

from recado_gateway.cli.output import is_terminal, print_table, say, shorten
from recado_gateway.cli.times import local_time

EMPTY: tuple[object, ...] = (None, "", [], (), {})


def print_struct(value: msgspec.Struct, zone: str) -> bool:
    """Print the fields that are not empty, and each list of Structs as a table of its own.

    Return whether there was anything to print.
    """
    tables = {name: found for name, found in _filled(value) if _is_table(found)}
    fields = list(fields_of(value, zone, without=tables))
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

    In a terminal a long text is cut; in a file or another program's input it is whole.
    """
    written = [dict(fields_of(row, zone)) for row in rows]
    heads = [
        field.encode_name
        for field in msgspec.structs.fields(rows[0])
        if any(field.encode_name in row for row in written)
    ]
    fit = shorten if is_terminal() else _on_one_line
    print_table(heads, ([fit(row.get(head, "")) for head in heads] for row in written))


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
            return ", ".join(cell(found, zone) for found in value)
    return "" if value is None else str(value)


def _filled(value: msgspec.Struct) -> Iterator[tuple[str, object]]:
    for field in msgspec.structs.fields(value):
        found = getattr(value, field.name)
        if found not in EMPTY:
            yield field.encode_name, found


def _is_table(value: object) -> TypeGuard[Sequence[msgspec.Struct]]:
    return isinstance(value, list | tuple) and all(isinstance(it, msgspec.Struct) for it in value)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
