"""Counting every request that an account's provider makes, and holding back those that can wait."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from recado_core.engine.limits import CallBudget, Purpose
from recado_core.engine.settling import LONGEST_ASKED
from recado_core.http import retry_after

SPENT = "recado_spent"
"""Under which a request remembers what was spent when it left."""


class Call(msgspec.Struct):
    """What a provider is being asked for now; ``paid`` requests of it are counted already."""

    purpose: Purpose
    paid: int


_call: ContextVar[Call | None] = ContextVar("call", default=None)


@contextmanager
def calling(purpose: Purpose, *, paid: int = 0) -> Iterator[None]:
    """Say why the provider is called in this block, whatever requests it makes of it."""
    token = _call.set(Call(purpose=purpose, paid=paid))
    try:
        yield
    finally:
        _call.reset(token)


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
                await _wait(budget, purpose, monotonic)
            budget.spend(monotonic())
        request.extensions[SPENT] = budget.spent

    async def learn(response: httpx.Response) -> None:
        now = monotonic()
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            asked = retry_after(response, datetime.now(UTC))
            budget.close(now + min(asked or 0.0, LONGEST_ASKED))
        limit, left = (_number(response, name) for name in ("Limit", "Remaining"))
        if limit is not None and left is not None:
            budget.learn(limit, left, response.request.extensions[SPENT], now)

    return {"request": [admit], "response": [learn]}


async def _wait(budget: CallBudget, purpose: Purpose, monotonic: Callable[[], float]) -> None:
    wait = budget.wait(monotonic(), purpose)
    while wait > 0:
        await asyncio.sleep(wait)
        wait = budget.wait(monotonic(), purpose)  # others may have called meanwhile


def _number(response: httpx.Response, name: str) -> int | None:
    # As Laravel, GitHub and most others write it; the IETF's draft has it without the X.
    for header in (f"X-RateLimit-{name}", f"RateLimit-{name}"):
        text = response.headers.get(header, "").strip()
        if text.isdecimal() and len(text) < 10:  # noqa: PLR2004  # no count is as long
            return int(text)
    return None
