"""Identifiers in the order of time (UUIDv7, RFC 9562)."""

import uuid_utils

_RANDOM = 2**32
"""The values of the random bits at the end, after the time and the counter of this process."""


def new_id() -> str:
    """Return a UUIDv7, greater than any that this process made before."""
    return str(uuid_utils.uuid7())


def new_ids(count: int) -> list[str]:
    """Return many at once, in their order: one, and those that follow it in its random bits.

    The next that this process makes has a greater counter, and so is greater than all of them.
    """
    first = str(uuid_utils.uuid7())
    start = min(int(first[-8:], 16), _RANDOM - count)
    head = first[:-8]
    return [f"{head}{value:08x}" for value in range(start, start + count)]
