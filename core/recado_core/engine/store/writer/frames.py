"""What the gateway and the process that writes say to each other: frames of MessagePack.

A frame is its length in 8 bytes, the highest first, and so many bytes.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from recado_core.engine.store.steps import ChangedError, Exactly, Guard, Step, Steps

_LENGTH = 8
_PLAIN: dict[type, Callable[[Any], object]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: bytes.__bytes__,
}
_BUILTIN = {kind.__name__: kind for kind in (OverflowError, TypeError, ValueError)}
"""Errors that are not SQLite's, with which its driver refuses values."""


def _plain(value: object) -> object:
    """Return a value of a plain type's subclass as SQLite's driver takes it, or refuse it so."""
    for kind, read in _PLAIN.items():
        if isinstance(value, kind):
            return read(value)
    raise sqlite3.ProgrammingError(f"type '{type(value).__name__}' is not supported")


_encode_into = msgspec.msgpack.Encoder(enc_hook=_plain).encode_into


class _Told(msgspec.Struct, frozen=True, array_like=True):
    """A step; ``expected`` is what a guard expects, or how many rows must change."""

    statement: str
    values: list[Any]
    is_many: bool = False
    is_guard: bool = False
    expected: Any = None

    @classmethod
    def of(cls, step: Step | Guard) -> "_Told":
        if isinstance(step, Guard):
            return cls(step.statement, [*step.values], is_guard=True, expected=step.expected)
        if isinstance(step, Exactly):
            statement, values, rows = step.statement, step.values, step.rows
        else:
            (statement, values), rows = step, None
        if isinstance(values, list):
            return cls(statement, values, is_many=True, expected=rows)
        return cls(statement, [*values], expected=rows)

    def read(self) -> Step | Guard:
        if self.is_guard:
            return Guard(self.statement, self.values, self.expected)
        values = self.values if self.is_many else tuple(self.values)
        if self.expected is None:
            return self.statement, values
        return Exactly(self.statement, values, self.expected)


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A transaction to be carried out; its answer bears the same number."""

    number: int
    told: list[_Told]

    @classmethod
    def of(cls, number: int, steps: Steps) -> "Request":
        """Return the request for these steps."""
        return cls(number, [_Told.of(step) for step in steps])

    def steps(self) -> Steps:
        """Return its steps."""
        return [each.read() for each in self.told]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What came of a transaction: how many rows each step has changed, or an error.

    ``error`` is the name of the error's class, empty where there is none; ``code`` is SQLite's.
    """

    number: int
    counts: Sequence[int] = ()
    error: str = ""
    text: str = ""
    code: int | None = None

    @classmethod
    def of(cls, number: int, counts: Sequence[int], error: BaseException | None) -> "Answer":
        """Return the answer to a request."""
        if error is None:
            return cls(number, counts)
        code = getattr(error, "sqlite_errorcode", None)
        return cls(number, (), type(error).__name__, str(error), code)

    def failure(self) -> Exception | None:
        """Return the error as it was raised where the transaction was carried out, if it was."""
        if not self.error:
            return None
        if self.error == ChangedError.__name__:
            return ChangedError()
        if self.error in _BUILTIN:
            return _BUILTIN[self.error](self.text)
        kind = getattr(sqlite3, self.error, None)
        if not (isinstance(kind, type) and issubclass(kind, sqlite3.Error)):
            return sqlite3.DatabaseError(f"{self.error}: {self.text}")
        failure = kind(self.text)
        if self.code is not None:
            failure.sqlite_errorcode = self.code
        return failure


def frame(content: object) -> bytearray:
    """Return what is said as a frame."""
    body = bytearray(_LENGTH)
    _encode_into(content, body, _LENGTH)
    body[:_LENGTH] = (len(body) - _LENGTH).to_bytes(_LENGTH, "big")
    return body


class Frames:
    """Puts frames together again from the pieces in which they come."""

    def __init__(self) -> None:
        self._come = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytearray]:
        """Take a piece; return the content of each frame that it completes."""
        self._come += piece
        while len(self._come) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._come[:_LENGTH], "big")
            if len(self._come) < end:
                return
            content = self._come[_LENGTH:end]
            del self._come[:end]
            yield content
