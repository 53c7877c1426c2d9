"""Statements on ``events``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import events
from recado_core.engine.store.statements.many import insert_many

Row = dict[str, Any]

_EMPTY: Row = dict.fromkeys(column.name for column in events.columns)


def new_event(kind: str, time: datetime, **columns: Any) -> Row:  # noqa: ANN401  # of any column
    """Return an event's row; columns that are not given are empty."""
    return _EMPTY | {"id": new_id(), "type": kind, "time": time} | columns


async def append(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Append to the event log; every row has the same columns."""
    await insert_many(connection, events, rows)


async def of_message(connection: AsyncConnection, message_id: str) -> list[Row]:
    """Return a message's events, oldest first."""
    statement = sa.select(events).where(events.c.message_id == message_id).order_by(events.c.id)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
