"""Statements on ``events``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import conversations, events
from recado_core.engine.store.statements.many import Step, insert_many, inserting, rows_of
from recado_core.engine.store.statements.prepared import Prepared

Row = dict[str, Any]


def new_event(  # noqa: PLR0913  # the columns
    kind: str,
    time: datetime,
    *,
    message_id: str | None = None,
    account: str | None = None,
    dispatch_id: str | None = None,
    from_status: str | None = None,
    to_status: str | None = None,
    code: str | None = None,
    text: str | None = None,
    data: Row | None = None,
) -> Row:
    """Return an event's row; columns that are not given are empty."""
    return {
        "id": new_id(),
        "type": kind,
        "time": time,
        "message_id": message_id,
        "account": account,
        "dispatch_id": dispatch_id,
        "from_status": from_status,
        "to_status": to_status,
        "code": code,
        "text": text,
        "data": data,
    }


def appended(dialect: str, rows: Sequence[Row]) -> list[Step]:
    """Return the steps that append to the event log; every row has the same columns."""
    return inserting(dialect, events, rows)


def appended_if_opened(rows: Sequence[Row]) -> list[Step]:
    """Return SQLite's steps that append events of conversations, if it was they that opened them.

    Args:
        rows: They, each with the conversation's ``id`` in its data.
    """
    return _IF_OPENED.steps(
        [{f"{name}_": row[name] for name in _OPENING} | {"of_": row["data"]["id"]} for row in rows]
    )


_OPENING = ("id", "type", "time", "account", "data")
_IF_OPENED = Prepared(
    sa.insert(events).from_select(
        _OPENING,
        sa.select(
            *(sa.bindparam(f"{name}_", type_=events.c[name].type) for name in _OPENING)
        ).where(sa.exists().where(conversations.c.id == sa.bindparam("of_"))),
    )
)


async def append(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Append to the event log; every row has the same columns."""
    await insert_many(connection, events, rows)


async def of_message(connection: AsyncConnection, message_id: str) -> list[Row]:
    """Return a message's events, oldest first."""
    statement = sa.select(events).where(events.c.message_id == message_id).order_by(events.c.id)
    return rows_of(await connection.execute(statement))
