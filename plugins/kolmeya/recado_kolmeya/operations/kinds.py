"""The kinds of values in Kolmeya's answers, each with what reads it from whatever arrives.

The description types fewer shapes than were seen: a number may be a text, a text a number, an
absent CPF a 0, an empty object a list. A kind stands as the type of a reply's field; one whose type
has no ``None`` must be there.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from recado_kolmeya.money import read_money
from recado_kolmeya.phones import read_phone
from recado_kolmeya.times import read_time

_ABSENT = frozenset({"", "-"})
_CPF_DIGITS = 11
_FLAGS = {"0": False, "false": False, "nao": False, "não": False, "n": False} | dict.fromkeys(
    ("1", "true", "sim", "s"), True
)

_is_count = re.compile(r"-?[0-9]{1,18}|[0-9]{1,3}(?:\.[0-9]{3}){1,5}").fullmatch
_begins_as_date = re.compile(r"20[0-9]{2}-").match


class UnreadableError(msgspec.ValidationError):
    """A value, or a whole answer, that is not of the kind that belongs there."""


def read_text(value: object, _zone: ZoneInfo) -> str | None:
    """Read a text as it is; a number becomes one."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)
    raise UnreadableError("it is no text")


def read_count(value: object, _zone: ZoneInfo | None = None) -> int | None:
    """Read a whole number, also ``"12"`` and ``"1.234"``."""
    if isinstance(value, bool | dict | list):
        raise UnreadableError("it is no number")
    if isinstance(value, float):
        if not value.is_integer():
            raise UnreadableError("it is no whole number")
        return int(value)
    text = _bare(value)
    if text in _ABSENT:
        return None
    if not _is_count(text):
        raise UnreadableError("it is no whole number")
    return int(text.replace(".", ""))


def read_number_of(value: object, _zone: ZoneInfo) -> str | None:
    """Read a phone: in E.164, or as it came if it is no number of Brazil."""
    text = _bare(_scalar(value))
    digits = read_phone(text)
    return (digits if digits.strip("0+") else "") or text.strip("0") or None


def read_document(value: object, _zone: ZoneInfo) -> str | None:
    """Read a CPF: its digits with the zeros in front that a number lacks; 0 is none."""
    digits = re.sub(r"[.\-/ ]", "", _bare(_scalar(value)))
    if not digits.strip("0"):
        return None
    if not (digits.isascii() and digits.isdigit()):
        raise UnreadableError("it is no CPF")
    return digits.zfill(_CPF_DIGITS)


def read_moment(value: object, zone: ZoneInfo) -> datetime | None:
    """Read a time of the account's zone, or one that states its own."""
    text = _bare(_scalar(value))
    if text in _ABSENT or text.startswith("0000"):
        return None
    moment = _moment(text, zone)
    if moment is None:
        raise UnreadableError("it is no time")
    return moment


def read_moment_or_text(value: object, zone: ZoneInfo) -> str | None:
    """Read a time into RFC 3339 where it is one."""
    text = read_text(value, zone)
    moment = None if text is None else _moment(text.strip(), zone)
    return text if moment is None else moment.isoformat().replace("+00:00", "Z")


def read_amount(value: object, _zone: ZoneInfo) -> Decimal | None:
    """Read an amount in reais."""
    text = _bare(_scalar(value))
    if text in _ABSENT:
        return None
    try:
        return read_money(text)
    except InvalidOperation as error:
        raise UnreadableError("it is no amount") from error


def read_flag(value: object, _zone: ZoneInfo) -> bool | None:
    """Read yes or no, which comes as ``"1"``."""
    text = str(value).casefold() if isinstance(value, bool) else _bare(_scalar(value)).casefold()
    if text in _ABSENT:
        return None
    try:
        return _FLAGS[text]
    except KeyError:
        raise UnreadableError("it is neither yes nor no") from None


def read_fields(value: object, zone: ZoneInfo) -> dict[str, str | None]:
    """Read the fields of a message: an object, a list of values, or an empty list for neither."""
    if value is None:
        return {}
    if isinstance(value, list):
        value = {str(position): part for position, part in enumerate(value)}
    if not isinstance(value, dict):
        raise UnreadableError("it is no object")
    return {
        str(key): msgspec.json.encode(part).decode()
        if isinstance(part, dict | list | bool)
        else read_text(part, zone)
        for key, part in value.items()
    }


Text = Annotated[str | None, read_text]
Words = Annotated[str, read_text]
Id = Annotated[str, read_text]
Count = Annotated[int | None, read_count]
Number = Annotated[int, read_count]
Phone = Annotated[
    str | None,
    read_number_of,
    Meta(description="E.164; as Kolmeya has it where it is no number of Brazil"),
]
Document = Annotated[str | None, read_document, Meta(description="CPF, digits alone")]
Moment = Annotated[datetime | None, read_moment, Meta(description="in UTC")]
MomentOrText = Annotated[
    str | None,
    read_moment_or_text,
    Meta(description="RFC 3339 in UTC where it is a time, else Kolmeya's text"),
]
Amount = Annotated[Decimal | None, read_amount, Meta(description="in reais")]
Flag = Annotated[bool | None, read_flag]
Fields = Annotated[
    dict[str, str | None],
    read_fields,
    Meta(description="what the message's line held, by name, or by position from 0"),
]


@lru_cache(maxsize=4096)  # a report has thousands of rows to the minute
def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    found = read_time(text, zone)
    if found is not None:
        return found
    if not _begins_as_date(text):  # fromisoformat takes 1711111420959 for a day of 1711
        return None
    try:
        stated = datetime.fromisoformat(text)
        return (stated if stated.tzinfo else stated.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _scalar(value: object) -> object:
    if isinstance(value, bool | dict | list):
        raise UnreadableError("it is no single value")
    return value


def _bare(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
