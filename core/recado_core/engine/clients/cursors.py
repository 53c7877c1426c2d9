"""Cursors of lists: where the next page begins, as clients carry it."""

import base64
import binascii
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from recado_core.engine.failures import DraftError, Fault


def make_cursor(last_id: str) -> str:
    """Return the cursor of a page that ended with this id."""
    return _pack(last_id.encode())


def read_cursor(cursor: str) -> str:
    """Return the id with which the page before ended, or raise ``DraftError``."""
    try:
        return str(UUID(_unpack(cursor).decode()))
    except ValueError as error:
        raise _no_cursor() from error


def make_timed_cursor(at: datetime, last_id: str) -> str:
    """Return the cursor of a page in the order of time that ended with this."""
    return _pack(msgspec.json.encode((at, last_id)))


def read_timed_cursor(cursor: str, key: Any = UUID) -> tuple[datetime, str]:  # noqa: ANN401  # a type
    """Return the time and the id with which the page before ended, or raise ``DraftError``.

    Args:
        cursor: What ``make_timed_cursor`` made.
        key: What an id is.
    """
    try:
        at, last_id = msgspec.json.decode(_unpack(cursor), type=tuple[datetime, key])
        if at.tzinfo is None:
            raise _no_cursor()
    except (ValueError, msgspec.DecodeError) as error:
        raise _no_cursor() from error
    return at, str(last_id)


def make_list_cursor(listed: str, after: int | str) -> str:
    """Return the cursor of a page of a list that ended with this, for that list alone."""
    return _pack(msgspec.json.encode((listed, after)))


def read_list_cursor(cursor: str, listed: str, key: Any) -> Any:  # noqa: ANN401  # a type, and what it makes
    """Return with what the page before ended, or raise ``DraftError``, as of another list's.

    Args:
        cursor: What ``make_list_cursor`` made.
        listed: Of which list.
        key: What its pages end with.
    """
    try:
        of, after = msgspec.json.decode(_unpack(cursor), type=tuple[str, Any])
        if of != listed:
            detail = "is of another list, or of one with another filter"
            raise DraftError([Fault(pointer="/cursor", detail=detail)])
        return msgspec.convert(after, key)
    except (ValueError, msgspec.DecodeError) as error:
        raise _no_cursor() from error


def _pack(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unpack(cursor: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except binascii.Error as error:
        raise _no_cursor() from error


def _no_cursor() -> DraftError:
    return DraftError([Fault(pointer="/cursor", detail="is not a cursor of ours")])
