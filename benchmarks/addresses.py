#!/usr/bin/env python3
"""How long a number takes to be read, by the short cut and by the long way.

Run it with the interpreter of an environment that has recado-core:
``.venv/bin/python benchmarks/addresses.py``.
"""

import sys
import timeit

from recado_core.addresses import normalise_number, read_number

_REGION = "BR"
_CALLS = 5_000
_ROUNDS = 5
_TEXTS = (
    "+5511900000001",
    "+551130000001",
    "5511900000001",
    "11900000001",
    "(11) 90000-0001",
    "0 15 11 90000-0001",
    "+55 (11) 9.0000-0001",
    "+14155550123",
    "+351912345678",
    "+1 415 555 0123",
)


def microseconds(statement: str, text: str) -> float:
    """Return what one call takes in the quickest of several rounds."""
    names = {
        "normalise_number": normalise_number,
        "read_number": read_number,
        "text": text,
        "region": _REGION,
    }
    rounds = timeit.repeat(statement, globals=names, number=_CALLS, repeat=_ROUNDS)
    return min(rounds) / _CALLS * 1e6


def main() -> None:
    """Print a line for each notation."""
    sys.stdout.write(f"{'text':22}{'short cut':>12}{'long way':>12}{'numbers/s':>12}\n")
    for text in _TEXTS:
        quick = microseconds("normalise_number(text, region)", text)
        slow = microseconds("read_number(text, region)", text)
        sys.stdout.write(f"{text:22}{quick:9.2f} µs{slow:9.2f} µs{1e6 / quick:12,.0f}\n")


if __name__ == "__main__":
    main()
