"""Lists in Kolmeya's JSON: an entry that can't be read is left out and spoils no other."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import msgspec
from msgspec import Raw

from recado_kolmeya.refusals import UNREADABLE
from recado_kolmeya.wire import Scalar

logger = logging.getLogger(__name__)

Part = TypeVar("Part", bound=msgspec.Struct)
Value = TypeVar("Value")

_raw_list = msgspec.json.Decoder(list[Raw])
_raw_object = msgspec.json.Decoder(dict[str, Raw])


def read_section(
    section: Raw, decoder: msgspec.json.Decoder[list[Part]], kind: type[Part]
) -> list[Part]:
    """Decode a list at once; one by one where an entry is odd or an object stands for it.

    Raises:
        msgspec.ValidationError: It is neither a list nor an object.
    """
    try:
        return decoder.decode(section)
    except UNREADABLE:
        return read_each(_split(section, kind), kind)


def read_each(parts: Iterable[Raw], kind: type[Part]) -> list[Part]:
    """Decode the entries that can be; a text in no known encoding is found out only here."""
    found: list[Part] = []
    for part in parts:
        try:
            found.append(msgspec.json.decode(part, type=kind))
        except UNREADABLE:
            tell_unread("entry")
    return found


def read_id(value: Scalar) -> str | None:
    """Return an id of Kolmeya's as a text, the same of whatever type it comes; 0 names nothing."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if isinstance(value, bool) or not value else str(value)


def entries_of(section: object) -> list[object] | None:
    """Return the entries of a decoded list, as ``read_section`` has those of one in JSON.

    ``None`` is an empty list; of whatever is no list at all the entries are None.
    """
    if section is None or isinstance(section, list):
        return section or []
    if not isinstance(section, dict):
        return None
    keyed = all(isinstance(part, dict) for part in section.values())
    return list(section.values()) if keyed else [section]


def values_of(section: Sequence[Value] | Mapping[str, Value] | None) -> list[Value]:
    """Return the entries of a list, which PHP writes as an object where it has gaps."""
    return list(section.values() if isinstance(section, Mapping) else section or ())


@lru_cache(maxsize=16)
def tell_unread(part: str) -> None:
    """Log once that something can't be read."""
    logger.info("kolmeya sent something that can't be read", extra={"part": part})


def _split(section: Raw, kind: type[msgspec.Struct]) -> Iterable[Raw]:
    """Return the entries of a list, of an object that PHP wrote for one, or the one entry."""
    if bytes(section).startswith(b"["):
        return _raw_list.decode(section)
    fields = _raw_object.decode(section)
    return [section] if fields.keys() & set(kind.__struct_fields__) else fields.values()
