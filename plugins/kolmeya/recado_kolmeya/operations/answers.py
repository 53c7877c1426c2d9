"""Asks Kolmeya, and reads its answers into the Structs of the replies."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_type_hints
from zoneinfo import ZoneInfo

import httpx
import msgspec
from msgspec import Struct
from recado_core import InDoubtError, Progress, SendError, TransientSendError

from recado_kolmeya.connection import Connection
from recado_kolmeya.operations.kinds import UnreadableError
from recado_kolmeya.parts import tell_unread
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.refusals import UNREADABLE

T = TypeVar("T")
Row = TypeVar("Row", bound=Struct)

_ROWS_AT_ONCE = 500  # between two looks at what else there is to do


async def ask(
    provider: KolmeyaProvider,
    path: str,
    read: Callable[[Any], T],
    body: Struct | None = None,
) -> T:
    """Ask a question and read its answer.

    Args:
        provider: Whose account is asked about.
        path: Below ``v1``.
        read: Makes of the answer's JSON what it says, or raises ``UnreadableError``.
        body: The question's fields.

    Raises:
        SendError: Kolmeya refuses, can't be asked now, or gives an answer that makes no sense.
    """
    response = await provider.connection.ask(path, body)
    return _read(provider.connection, response, read, TransientSendError)


async def change(
    provider: KolmeyaProvider,
    path: str,
    read: Callable[[Any], T],
    body: Struct | None = None,
) -> T:
    """Ask for a change and read its answer; the arguments are those of ``ask``.

    Raises:
        InDoubtError: It went out and no usable answer came: it may have been done.
        SendError: It has not been done.
    """
    response = await provider.connection.post(path, body)
    return _read(provider.connection, response, read, InDoubtError)


async def ask_rows(
    provider: KolmeyaProvider,
    path: str,
    key: str,
    kind: type[Row],
    progress: Progress,
) -> tuple[list[Row], int]:
    """Ask for a list that comes in one answer; return its rows, and how many can't be read."""
    entries = await ask(provider, path, lambda value: list_in(value, key))
    progress(1, 1)
    return await read_rows(entries, kind, provider.zone)


def list_in(value: object, key: str) -> list[object]:
    """Return the list under a key, or the bare one; raise if there is none."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or key not in value:
        raise UnreadableError(f"there is no {key}")
    return entries_of(value[key])


def entries_of(section: object) -> list[object]:
    """Return the entries of a list, of an object that PHP wrote for one, or the one entry."""
    if section is None:
        return []
    if isinstance(section, list):
        return section
    if isinstance(section, dict):
        keyed = all(isinstance(part, dict) for part in section.values())
        return list(section.values()) if keyed else [section]
    raise UnreadableError("it is no list")


async def read_rows(
    entries: Sequence[object], kind: type[Row], zone: ZoneInfo
) -> tuple[list[Row], int]:
    """Return the rows that can be read, and how many can't; others may work meanwhile."""
    rows: list[Row] = []
    for number, entry in enumerate(entries, 1):
        try:
            rows.append(read_row(entry, kind, zone))
        except UnreadableError:
            tell_unread(kind.__name__)
        if number % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return rows, len(entries) - len(rows)


def read_row(value: object, kind: type[Row], zone: ZoneInfo) -> Row:
    """Read an object of Kolmeya's JSON, or raise ``UnreadableError``."""
    if not isinstance(value, dict):
        raise UnreadableError("it is no object")
    found: dict[str, object] = {}
    for field in _fields_of(kind):
        try:
            part = field.read(value.get(field.key), zone)
        except UnreadableError:
            if field.needed:
                raise
            tell_unread(f"{kind.__name__}.{field.key}")
            part = None  # the row is worth more than the one thing
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


def _read(
    connection: Connection,
    response: httpx.Response,
    read: Callable[[Any], T],
    unreadable: type[SendError],
) -> T:
    if not response.is_success:
        raise connection.error_for(response)
    try:
        return read(msgspec.json.decode(response.content))
    except (*UNREADABLE, UnreadableError) as error:
        raise unreadable(
            connection.tell_unreadable(response),
            code=str(response.status_code),
            raw=connection.raw_of(response),
        ) from error
