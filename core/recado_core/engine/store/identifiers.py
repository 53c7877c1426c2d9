"""Identifiers in the order of time (UUIDv7, RFC 9562)."""

import sys
from array import array

import uuid_utils

_RANDOM_VALUES = 2**32
_RANDOM_DIGITS = 8


def new_id() -> str:
    """Return a UUIDv7, greater than any that this process made before."""
    return str(uuid_utils.uuid7())


def new_ids(count: int) -> list[str]:
    """Return many at once, in their order, greater than any that this process made before.

    They have the time and the counter of one and differ in the random bits at its end; the next one
    that is made has a greater counter.
    """
    if count == 1:
        return [new_id()]
    first = str(uuid_utils.uuid7())
    head = first[:-_RANDOM_DIGITS]
    start = min(int(first[-_RANDOM_DIGITS:], 16), _RANDOM_VALUES - count)
    values = array("I", range(start, start + count))
    if sys.byteorder == "little":
        values.byteswap()
    digits = values.tobytes().hex()  # of all, for each by itself takes twice as long
    ends = range(0, len(digits), _RANDOM_DIGITS)
    return [head + digits[end : end + _RANDOM_DIGITS] for end in ends]
