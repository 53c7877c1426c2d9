"""Identifiers in the order of time (UUIDv7, RFC 9562)."""

import sys
from array import array

import uuid_utils

_RANDOM_VALUES = 2**32
_RANDOM_DIGITS = 8
_BETWEEN = " "


def new_id() -> str:
    """Return a UUIDv7, greater than any that this process made before."""
    return str(uuid_utils.uuid7())


def new_ids(count: int) -> list[str]:
    """Return many at once, in their order, greater than any that this process made before.

    They have the time and the counter of one and differ in the random bits at its end; the next one
    that is made has a greater counter.
    """
    if count < 2:  # noqa: PLR2004  # none, or one
        return [new_id() for _ in range(count)]
    first = str(uuid_utils.uuid7())
    head = first[:-_RANDOM_DIGITS]
    start = min(int(first[-_RANDOM_DIGITS:], 16), _RANDOM_VALUES - count)
    values = array("I", range(start, start + count))
    if sys.byteorder == "little":
        values.byteswap()
    # Written and parted all at one go, for each by itself takes twice as long.
    ends = values.tobytes().hex(_BETWEEN, values.itemsize)
    return (head + ends.replace(_BETWEEN, _BETWEEN + head)).split(_BETWEEN)
