"""The process that writes: ``python -m recado_core.engine.store.writer.program SETTINGS``.

It commits what comes on one pipe and tells on another what came of it, and ends when the first is
closed: by the gateway, or by the gateway's end. What it has not told of is as with any database
that goes away: committed or not.
"""

import gc
import os
import signal
import sqlite3
import sys
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from recado_core.engine.store.steps import carry_out, execute
from recado_core.engine.store.writer.frames import Answer, Frames, Request, frame

PIECE = 1 << 20
"""Bytes that are read from a pipe at once."""

_request = msgspec.msgpack.Decoder(Request).decode


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection to SQLite is opened.

    ``arguments`` and ``options`` are those of ``sqlite3.connect``, ``pragmas`` the statements with
    which it begins.
    """

    arguments: list[Any]
    options: dict[str, Any]
    pragmas: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is given: the file descriptors of its two pipes, and what it opens."""

    requests: int
    answers: int
    opening: Opening
    together: int


class _Transaction:
    """A request, and what came of it."""

    def __init__(self, request: Request) -> None:
        self.number = request.number
        self.result: Any = ()
        self.error: BaseException | None = None
        self._request = request

    def work(self, cursor: sqlite3.Cursor) -> list[int]:
        return execute(cursor, self._request.steps())


def write(settings: Settings) -> None:
    """Carry out what comes, until nothing can come any more."""
    connection = sqlite3.connect(*settings.opening.arguments, **settings.opening.options)
    connection.isolation_level = None
    connection.executescript(settings.opening.pragmas)
    tell = partial(_tell, settings.answers)
    tell([])  # that it is ready
    frames, waiting = Frames(), deque[_Transaction]()
    while True:
        os.set_blocking(settings.requests, not waiting)
        try:
            piece = os.read(settings.requests, PIECE)
        except BlockingIOError:  # nothing more has come: it is their turn
            carry_out(connection, waiting, tell, settings.together)
            continue
        if not piece:
            while waiting:
                carry_out(connection, waiting, tell, settings.together)
            return
        waiting += [_Transaction(_request(each)) for each in frames.feed(piece)]


def _tell(answers: int, some: Sequence[_Transaction]) -> None:
    left = memoryview(frame([Answer.of(it.number, it.result, it.error) for it in some]))
    while left:
        left = left[os.write(answers, left) :]


def main(settings: str) -> str | None:
    """Write with these settings, in JSON; return what went wrong, if anything did."""
    # What stops the gateway must not stop this: there is more to write until the gateway has ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.freeze()
    try:
        write(msgspec.json.decode(settings, type=Settings))
    except sqlite3.Error as error:
        return f"recado: the process that writes can't open the database: {error}"
    except BrokenPipeError:  # the gateway has gone, and nobody waits
        return None
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
