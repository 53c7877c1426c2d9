"""Counting every request that an account's provider makes, and holding back those that can wait."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from recado_core.engine.accounts.limits import CallBudget, Purpose
from recado_core.engine.policy import LONGEST_ASKED
from recado_core.errors import TransientSendError
from recado_core.http import retry_after

NUMBER = "recado_number"
"""Under which a request remembers which call of the account it is."""

LONGEST_WAIT = 90.0
"""Seconds that a call is held back; what must wait longer is told to come again."""

EPOCH_BEGINS = 1e9
"""From which on the value of a ``Reset`` header is a time of the clock, not a number of seconds."""


class Call(msgspec.Struct):
    """What a provider is being asked for now; ``paid`` requests of it are counted already."""

    purpose: Purpose
    paid: int


_call: ContextVar[Call | None] = ContextVar("call", default=None)


@contextmanager
def calling(budget: CallBudget, purpose: Purpose, *, paid: int = 0) -> Iterator[None]:
    """Say why the provider is called in this block, whatever requests it makes of it.

    Args:
        budget: The account's.
        purpose: Why it is called.
        paid: How many of its requests the budget has counted already.
    """
    call = Call(purpose=purpose, paid=paid)
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)
        for _ in range(call.paid):  # made by another road than the client's, or not made
            budget.depart()


def hooks_for(budget: CallBudget, monotonic: Callable[[], float]) -> Mapping[str, list[Any]]:
    """Return the event hooks by which a provider's client keeps to the account's budget."""

    async def admit(request: httpx.Request) -> None:
        call = _call.get()
        if call is not None and call.paid:
            call.paid -= 1
        else:
            purpose = call.purpose if call is not None else Purpose.ASK
            # What sending needs beside its first request is not held back: its time-out runs.
            if purpose is not Purpose.SEND:
                await wait_for_turn(budget, purpose, monotonic)
            budget.spend(monotonic(), purpose)
        request.extensions[NUMBER] = budget.depart()

    async def learn(response: httpx.Response) -> None:
        now = monotonic()
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            asked = retry_after(response, datetime.now(UTC))
            budget.close(now + min(asked or 0.0, LONGEST_ASKED))
        limit, left = (_number(response, name) for name in ("Limit", "Remaining"))
        if limit is not None and left is not None:
            number: int = response.request.extensions[NUMBER]
            budget.learn(limit, left, number, now, _resets_in(response))

    return {"request": [admit], "response": [learn]}


async def wait_for_turn(
    budget: CallBudget, purpose: Purpose, monotonic: Callable[[], float]
) -> None:
    """Wait until a call may be made.

    Raises:
        TransientSendError: That would take too long.
    """
    waited = 0.0
    while (wait := budget.wait(monotonic(), purpose)) > 0:
        if waited + wait > LONGEST_WAIT:
            text = "the account's calls are used up, or kept for sending"
            raise TransientSendError(text, retry_after=wait, throttled=True)
        await asyncio.sleep(wait)
        waited += wait


def _resets_in(response: httpx.Response) -> float | None:
    value = _number(response, "Reset")
    if value is None:
        return None
    seconds = value - datetime.now(UTC).timestamp() if value >= EPOCH_BEGINS else float(value)
    return min(max(0.0, seconds), LONGEST_ASKED)


def _number(response: httpx.Response, name: str) -> int | None:
    # As Laravel, GitHub and most others write it; the IETF's draft has it without the X.
    for header in (f"X-RateLimit-{name}", f"RateLimit-{name}"):
        text = response.headers.get(header, "").strip()
        if text.isdecimal() and len(text) <= 10:  # noqa: PLR2004  # no count or time is longer
            return int(text)
    return None
