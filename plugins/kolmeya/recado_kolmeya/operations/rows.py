"""Reads the rows of Kolmeya's answers into the Structs of the replies."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from typing import Generic, NamedTuple, TypeVar, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from recado_kolmeya import parts
from recado_kolmeya.operations.kinds import UnreadableError
from recado_kolmeya.parts import tell_unread

Row = TypeVar("Row", bound=Struct)

MOST_ROWS = 300_000
"""Rows of a report; what there is beyond them shows in ``truncated``."""
_ROWS_AT_ONCE = 500  # between two looks at what else there is to do


def entries_of(section: object) -> list[object]:
    """Return the entries of a list, of an object that PHP wrote for one, or the one entry."""
    entries = parts.entries_of(section)
    if entries is None:
        raise UnreadableError("it is no list")
    return entries


class Rows(Generic[Row]):
    """The rows of a report, each read as soon as it comes: JSON takes several times the memory.

    Attributes:
        rows: Those that can be read.
        unreadable: How many can't.
        most: How many are wanted, readable or not.
        truncated: Whether there are, or may be, more.
    """

    def __init__(self, kind: type[Row], zone: ZoneInfo, most: int | None = None) -> None:
        self.rows: list[Row] = []
        self.unreadable = 0
        self.most = min(most or MOST_ROWS, MOST_ROWS)
        self.truncated = False
        self._kind = kind
        self._zone = zone

    @property
    def room(self) -> int:
        """How many more rows are wanted."""
        return self.most - len(self.rows) - self.unreadable

    async def add(self, entries: Sequence[object]) -> None:
        """Read the entries that there is room for; others may work meanwhile."""
        room = self.room
        self.truncated |= len(entries) > room
        for number, entry in enumerate(entries[:room], 1):
            self._read(entry)
            if number % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _read(self, entry: object) -> None:
        odd: list[str] = []
        try:
            self.rows.append(read_row(entry, self._kind, self._zone, odd))
        except UnreadableError:
            self.unreadable += 1
            tell_unread(self._kind.__name__)
            return
        for key in odd:
            tell_unread(f"{self._kind.__name__}.{key}")


async def read_rows(entries: Sequence[object], kind: type[Row], zone: ZoneInfo) -> Rows[Row]:
    """Read the rows of a list that came in one answer."""
    found = Rows(kind, zone)
    await found.add(entries)
    return found


def read_row(value: object, kind: type[Row], zone: ZoneInfo, odd: list[str] | None = None) -> Row:
    """Read an object of Kolmeya's JSON, or raise ``UnreadableError``.

    With ``odd`` a value that may be None is, where it can't be read, and is named there: the row is
    worth more than the one thing.
    """
    if not isinstance(value, dict):
        raise UnreadableError("it is no object")
    found: dict[str, object] = {}
    for field in _fields_of(kind):
        try:
            part = field.read(value.get(field.key), zone)
        except UnreadableError:
            if odd is None or field.needed:
                raise
            part = None
            odd.append(field.key)
        if part is None and field.needed:
            raise UnreadableError(f"there is no {field.key}")
        found[field.name] = part
    return kind(**found)


def rows_within(kind: type[Row]) -> Callable[[object, ZoneInfo], list[Row]]:
    """Return what reads a list of rows within a row."""

    def read(value: object, zone: ZoneInfo) -> list[Row]:
        return [read_row(entry, kind, zone) for entry in entries_of(value)]

    return read


def row_within(kind: type[Row]) -> Callable[[object, ZoneInfo], Row | None]:
    """Return what reads a row within a row."""

    def read(value: object, zone: ZoneInfo) -> Row | None:
        return None if value is None or value == [] else read_row(value, kind, zone)

    return read


class _Field(NamedTuple):
    name: str
    key: str
    needed: bool
    read: Callable[[object, ZoneInfo], object]


@cache
def _fields_of(kind: type[Struct]) -> tuple[_Field, ...]:
    """Return how each field of a row is read: its type's annotation says so."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        _Field(
            field.name,
            field.encode_name,
            type(None) not in getattr(hints[field.name].__origin__, "__args__", ()),
            next(part for part in hints[field.name].__metadata__ if callable(part)),
        )
        for field in msgspec.structs.fields(kind)
    )
