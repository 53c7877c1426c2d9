"""Identifiers in the order of time (UUIDv7, RFC 9562)."""

import uuid_utils


def new_id() -> str:
    """Return a UUIDv7, greater than any that this process made before."""
    return str(uuid_utils.uuid7())
