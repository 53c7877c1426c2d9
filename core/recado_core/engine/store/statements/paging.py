"""The part of a statement that a list in the order of time needs to give a page."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa


def newest_first(
    statement: sa.Select[Any],
    at: sa.ColumnElement[datetime],
    key: sa.ColumnElement[str],
    before: tuple[datetime, str] | None,
    limit: int,
) -> sa.Select[Any]:
    """Return the statement of one page.

    Args:
        statement: Selects the whole list.
        at: The column of the time.
        key: The column that tells rows of one time apart.
        before: The time and the key with which the page before ended.
        limit: How many rows at the most.
    """
    statement = statement.order_by(at.desc(), key.desc()).limit(limit)
    if before is None:
        return statement
    last_at, last_key = before
    return statement.where(sa.or_(at < last_at, sa.and_(at == last_at, key < last_key)))
