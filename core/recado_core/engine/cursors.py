"""Cursors of lists: where the next page begins, as clients carry it."""

import base64
from uuid import UUID

from recado_core.engine.failures import DraftError, Fault


def make_cursor(last_id: str) -> str:
    """Return the cursor of a page that ended with this id."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Return the id with which the page before ended, or raise ``DraftError``."""
    try:
        return str(UUID(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()))
    except ValueError as error:
        raise DraftError([Fault(pointer="/cursor", detail="is not a cursor of ours")]) from error
