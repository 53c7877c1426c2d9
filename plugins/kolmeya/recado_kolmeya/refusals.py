"""What Kolmeya says when it refuses: its error bodies, in every shape seen, as text for a person.

Documented are ``{"message": text}`` and, for 422, ``{"message": text, "errors": {field: [text]}}``;
seen was ``{"errors": [text]}``; a proxy answers in HTML, and a failing server nothing.
"""

import html
import re
from collections.abc import Iterator
from typing import Any

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, or not of the wanted shape."""

_LONGEST_BODY = 4_000  # of which no more is read for a person
_DEEPEST = 4

_markup = re.compile(r"(?is)<(script|style|head)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>")
_title = re.compile(r"(?is)<title[^>]*>(.*?)</title")
_message_key = re.compile(r"messages\.([0-9]{1,4})(?:\.\w+)*").fullmatch

# No captured reply to a send without credit is known: these words are a guess.
_no_credit = re.compile(
    r"(?i)sem\s+(?:saldo|cr[eé]ditos?)|(?:saldo|cr[eé]ditos?)[^.;]{0,20}(?:insuficiente|esgotado)"
    r"|insufficient\s+(?:balance|funds|credits?)"
).search


def read_refusal(content: bytes) -> str:
    """Return what an error body says, or an empty text; not yet fit to be shown."""
    try:
        value = msgspec.json.decode(content)
    except UNREADABLE:
        return _strip_markup(_start_of(content))
    if isinstance(value, dict):
        known = [value[key] for key in ("message", "error", "errors") if value.get(key)]
        value = known or value
    return join_texts(value)


def join_texts(value: object) -> str:
    """Return every text within a JSON value, each once; a field's name stands before its text."""
    return "; ".join(dict.fromkeys(_texts(value, _DEEPEST)))


def named_messages(content: bytes) -> dict[int, str]:
    """Return the messages that a 422 refuses, by position, if it refuses nothing else.

    Laravel names a field of a list's item ``messages.3.phone``.
    """
    try:
        errors = msgspec.json.decode(content, type=_Validation).errors
    except UNREADABLE:
        return {}
    named: dict[int, str] = {}
    for key, value in errors.items():
        match = _message_key(key)
        if match is None:
            return {}
        position = int(match[1])
        text = join_texts(value)
        named[position] = f"{named[position]}; {text}" if position in named else text
    return named


def is_json(content: bytes) -> bool:
    """Say whether a body is JSON at all."""
    try:
        msgspec.json.decode(content)
    except UNREADABLE:
        return False
    return True


def tells_no_credit(text: str) -> bool:
    """Say whether a refusal seems to be about the account's balance."""
    return _no_credit(text) is not None


class _Validation(msgspec.Struct):
    errors: dict[str, Any]


def _texts(value: object, deepest: int) -> Iterator[str]:
    if deepest == 0 or value is None:
        return
    if isinstance(value, dict):
        for key, part in value.items():
            text = "; ".join(dict.fromkeys(_texts(part, deepest - 1)))
            if text:
                yield f"{key}: {text}"
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, deepest - 1)
    elif text := " ".join(str(value).split()):
        yield text


def _start_of(content: bytes) -> str:
    """Return as much of a page as is read, which ends in no half of a phone's digits."""
    start = content[:_LONGEST_BODY].decode(errors="replace")
    return start if len(content) <= _LONGEST_BODY else start.rstrip("0123456789 .-()")


def _strip_markup(text: str) -> str:
    title = _title.search(text)
    bare = html.unescape(title[1] if title else _markup.sub(" ", text))
    return " ".join(bare.split())
