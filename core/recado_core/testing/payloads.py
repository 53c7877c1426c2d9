"""Bodies read, and changed, without knowing their vendor: JSON and forms."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

from recado_core.http import WebhookRequest

WRONG_VALUES: tuple[object, ...] = (None, True, -1, 1.5, "", "kit", [], [None], {}, {"kit": None})
"""What a field is given in turn to see whether ``parse`` survives it."""

UNKNOWN_BODIES = (b'{"kit": {"other": [1, null]}}', b"{}")
"""JSON objects that are no vendor's."""

NO_OBJECTS = (b"[]", b"[1]", b"null", b"42", b'"kit"')
"""JSON that no vendor sends at all."""

GARBAGE = (
    b"",
    b"\x00\xff\xfe\x80",
    b"{",
    b"{]}",
    b'{"kit": ',
    b"<html><body>kit</body></html>",
    b"kit",
)
"""Bytes that are no JSON, some of them no text either."""


def is_json(content_type: str) -> bool:
    """Tell whether a body of this type is JSON."""
    return "json" in content_type


def read_strings(content_type: str, body: bytes) -> list[str]:
    """Return every text and number that a body carries, decoded; the whole body at worst."""
    text = body.decode(errors="replace")
    if "form" in content_type:
        return [value for _, value in parse_qsl(text, keep_blank_values=True)]
    try:
        return [str(value) for _, value in walk(json.loads(text))]
    except ValueError:
        return [text]


def walk(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:  # noqa: ANN401
    """Yield the path and value of everything in a JSON value, containers included."""
    if path:
        yield path, value
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in inner:
        yield from walk(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: object) -> Any:  # noqa: ANN401  # any JSON
    """Return a copy of a JSON value in which one place holds something else."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def dropped(value: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401  # any JSON
    """Return a copy of a JSON value that lacks one place."""
    copy = value.copy()
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = dropped(value[path[0]], path[1:])
    return copy


def with_body(request: WebhookRequest, body: bytes) -> WebhookRequest:
    """Return the request with another body."""
    return WebhookRequest(
        url=request.url,
        headers=request.headers,
        query=request.query,
        body=body,
        method=request.method,
    )


def retold(request: WebhookRequest, old: str, new: str) -> list[WebhookRequest]:
    """Return the request with one text for another, once for each way to encode it."""
    kind = request.headers.get("content-type", "")
    if "form" in kind:
        fields = parse_qsl(request.body.decode(), keep_blank_values=True)
        told = [(name, new if value == old else value) for name, value in fields]
        return [with_body(request, urlencode(told).encode())] if told != fields else []
    whole = json.loads(request.body)
    told = whole
    for path, value in walk(whole):
        if value == old:
            told = replaced(told, path, new)
    if told == whole:
        return []
    plain, escaped = (json.dumps(told, ensure_ascii=ascii_only) for ascii_only in (False, True))
    return [with_body(request, plain.encode()), with_body(request, escaped.encode())]


def mutilated(request: WebhookRequest) -> Iterator[WebhookRequest]:
    """Yield the request with every field dropped, and with every field of every wrong type."""
    if "form" in request.headers.get("content-type", ""):
        fields = parse_qsl(request.body.decode(), keep_blank_values=True)
        for index, (name, _) in enumerate(fields):
            rest = fields[:index] + fields[index + 1 :]
            for change in (
                rest,
                [*rest, (name, "")],
                [*rest, (name, "kit")],
                [*fields, (name, "")],
            ):
                yield with_body(request, urlencode(change).encode())
    elif is_json(request.headers.get("content-type", "")):
        whole = json.loads(request.body)
        for path, _ in walk(whole):
            yield with_body(request, json.dumps(dropped(whole, path)).encode())
            for value in WRONG_VALUES:
                yield with_body(request, json.dumps(replaced(whole, path, value)).encode())
