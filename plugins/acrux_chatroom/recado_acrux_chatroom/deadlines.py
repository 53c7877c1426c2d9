"""When the parts of one delivery end, by the clock of the event loop.

The engine waits for a delivery as long as for two calls, and takes one that it cut off for one in
doubt. So what goes before the call leaves it the time of one, and what follows it ends before that.
"""

import asyncio

import httpx
import msgspec

BEFORE = 1.0
"""For how many times the patience with one call Odoo may be asked things before it is told."""

IN_ALL = 1.9
"""After how many times that nothing goes on beside the call itself."""


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """The deadlines of one delivery; None where no call has one.

    ``questions`` is that of what is asked before the call, ``rest`` of what follows it.
    """

    questions: float | None
    rest: float | None


def begin(http: httpx.AsyncClient) -> Deadlines:
    """Return the deadlines of a delivery that begins now."""
    patience = http.timeout.read
    if patience is None:
        return Deadlines(questions=None, rest=None)
    now = asyncio.get_running_loop().time()
    return Deadlines(questions=now + BEFORE * patience, rest=now + IN_ALL * patience)
