"""Asks Kolmeya, and tells apart what can be read of its answers, what not, and what is refused."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from recado_core import InDoubtError, Progress

from recado_kolmeya.operations.kinds import UnreadableError
from recado_kolmeya.operations.rows import Row, Rows, entries_of, read_rows
from recado_kolmeya.provider import KolmeyaProvider

T = TypeVar("T")


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
    return provider.connection.read_by(response, _decoding(read))


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
    return provider.connection.read_by(response, _decoding(read), InDoubtError)


async def ask_rows(
    provider: KolmeyaProvider,
    path: str,
    key: str,
    kind: type[Row],
    progress: Progress,
) -> Rows[Row]:
    """Ask for a list that comes in one answer."""
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


def _decoding(read: Callable[[Any], T]) -> Callable[[bytes], T]:
    return lambda body: read(msgspec.json.decode(body))
