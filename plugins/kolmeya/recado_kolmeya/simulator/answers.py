"""What the vendor answers, and the refusals it knows."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

JSON = b"application/json"
HTML = b"text/html; charset=UTF-8"

encode = msgspec.json.Encoder().encode


class Answer(Struct, frozen=True):
    """A status, a body and what goes into the head."""

    status: int = 200
    body: bytes = b""
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class RefusedError(Exception):
    """Ends the work on a call with an answer that is not the wished-for one."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_answer(value: object, status: int = 200) -> Answer:
    """Answer with a value as JSON."""
    return Answer(status, encode(value))


def message(text: str, status: int) -> Answer:
    """Answer as the framework does, with ``{"message": ...}``."""
    return json_answer({"message": text}, status)


def error_list(text: str, status: int) -> Answer:
    """Answer with ``{"errors": [...]}``, the form seen on the live service."""
    return json_answer({"errors": [text]}, status)


def invalid(errors: Mapping[str, Sequence[str]]) -> RefusedError:
    """Refuse with 422 and the texts for each field, the first of them in ``message`` too."""
    texts = [text for each in errors.values() for text in each]
    more = len(texts) - 1
    rest = f" (and {more} more error{'s' * (more > 1)})" if more else ""
    body = {"message": texts[0] + rest, "errors": dict(errors)}
    return RefusedError(json_answer(body, 422))
