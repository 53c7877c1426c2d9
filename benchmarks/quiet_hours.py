#!/usr/bin/env python3
"""How long the check of quiet hours takes for 1000 recipients, by day and by night.

Run it with the interpreter of an environment that has recado-core:
``.venv/bin/python benchmarks/quiet_hours.py``.
"""

import asyncio
import random
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

from recado_core import Category
from recado_core.checks import Recipient
from recado_core.engine.checks.quiet_hours import QuietHoursCheck
from recado_core.engine.checks.zones import subdivision_of
from recado_core.engine.settings import QuietHoursSettings

_RECIPIENTS = 1000
_ROUNDS = 15
_HOURS = QuietHoursSettings(
    weekdays="09:00-21:00", saturday="10:00-16:00", sunday="closed", holidays="BR"
)
_DAY = datetime(2026, 11, 23, 15, tzinfo=UTC)
_NIGHT = datetime(2026, 11, 22, 3, tzinfo=UTC)
_AREAS = [area for area in range(11, 100) if subdivision_of(f"+55{area}900000001")]
_ADDRESSES = {
    "Brazil, all area codes": [f"+55{area}9{n:08}" for n in range(15) for area in _AREAS],
    "United States": [f"+1212555{n:04}" for n in range(_RECIPIENTS)],
    "United States, toll-free": [f"+1800555{n:04}" for n in range(_RECIPIENTS)],
    "Russia, mobile": [f"+7900{n:07}" for n in range(_RECIPIENTS)],
}


def milliseconds(addresses: list[str], at: datetime, step: timedelta) -> tuple[float, float, int]:
    """Return what the first and the median round take, each of a check with nothing remembered."""
    recipients = [
        Recipient(address=address, channel="sms", category=Category.MARKETING, at=at + n * step)
        for n, address in enumerate(addresses[:_RECIPIENTS])
    ]
    rounds, deferred = [], 0
    for _ in range(_ROUNDS):
        check = QuietHoursCheck({"sms": _HOURS}, "America/Sao_Paulo", random.random)
        began = time.perf_counter()
        answers = asyncio.run(check.check(recipients))
        rounds.append((time.perf_counter() - began) * 1e3)
        deferred = sum(answer is not None for answer in answers)
    return rounds[0], statistics.median(rounds), deferred


def main() -> None:
    """Print a line for each kind of recipients and of times."""
    sys.stdout.write(f"{_RECIPIENTS} recipients{'':30}{'first':>10}{'median':>13}  deferred\n")
    for name, addresses in _ADDRESSES.items():
        for when, at, step in (
            ("by day", _DAY, timedelta(0)),
            ("by night", _NIGHT, timedelta(0)),
            ("each at a time of its own", _NIGHT, timedelta(minutes=1)),
        ):
            first, median, deferred = milliseconds(addresses, at, step)
            label = f"{name}, {when}"
            sys.stdout.write(f"{label:52}{first:7.1f} ms{median:10.1f} ms{deferred:10}\n")


if __name__ == "__main__":
    main()
