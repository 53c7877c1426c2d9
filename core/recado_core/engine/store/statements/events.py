"""Statements on ``events``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import Instant, conversations, events
from recado_core.engine.store.statements.among import json_of_map
from recado_core.engine.store.statements.many import (
    insert_many,
    inserting,
    inserting_alike,
    rows_of,
)
from recado_core.engine.store.statements.prepared import Prepared
from recado_core.engine.store.steps import Step

Row = dict[str, Any]

TOLD = ("id", "account", "channel", "address", "status", "agent", "unread")
"""What the event of a conversation says of it."""


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


def appended_alike(
    dialect: str, event: Row, ids: Sequence[str], message_ids: Sequence[str]
) -> Step:
    """Return the step that appends what many messages have had alike.

    Args:
        dialect: The database's.
        event: It, but for its id and its message.
        ids: The events'.
        message_ids: The message of each.
    """
    own = {"id": ids, "message_id": message_ids}
    shared = {name: value for name, value in event.items() if name not in own}
    if dialect == "postgresql":
        return inserting_alike(events, shared, own)
    values = {f"{name}_": value for name, value in shared.items()}
    listed = json_of_map(dict(zip(ids, message_ids, strict=True)))
    return _ALIKE.step(values | {"ids": listed})


def told_of_opened(kind: str, now: datetime) -> Step:
    """Return SQLite's step that appends the events of conversations which the step before inserted.

    Each bears its conversation's id.

    Args:
        kind: The events' type.
        now: The time.
    """
    return _OF_OPENED.step({"type_": kind, "now_": now})


_GIVEN = sa.func.json_each(sa.bindparam("ids", type_=sa.Text)).table_valued("key", "value").c
_HAD_ALIKE = {
    "id": _GIVEN.key,
    "message_id": _GIVEN.value,
    **{
        column.name: sa.bindparam(f"{column.name}_", type_=column.type)
        for column in events.c
        if column.name not in {"id", "message_id"}
    },
}
_ALIKE = Prepared(sa.insert(events).from_select(list(_HAD_ALIKE), sa.select(*_HAD_ALIKE.values())))
_C = conversations.c
_OPENED = {
    "id": _C.id,
    "type": sa.bindparam("type_", type_=sa.String()),
    "time": sa.bindparam("now_", type_=Instant()),
    "account": _C.account,
    "data": sa.func.json_object(*(part for name in TOLD for part in (name, _C[name]))),
}
# What an INSERT inserts has the highest numbers, one after another, and nobody else writes. Where
# nothing was inserted, the last row is another table's. The number is found once, before the first
# row is looked for: from the first event on, the last row that was inserted is another.
_LAST = 9223372036854775807
_BEFORE_FIRST = sa.case(
    (
        sa.func.changes() > sa.literal_column("0"),
        sa.func.last_insert_rowid() - sa.func.changes(),
    ),
    else_=sa.literal_column(str(_LAST)),
)
_OF_OPENED = Prepared(
    sa.insert(events).from_select(
        list(_OPENED),
        sa.select(*_OPENED.values()).where(
            sa.literal_column("conversations.rowid") > _BEFORE_FIRST
        ),
    )
)


async def append(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Append to the event log; every row has the same columns."""
    await insert_many(connection, events, rows)


async def of_message(connection: AsyncConnection, message_id: str) -> list[Row]:
    """Return a message's events, oldest first."""
    statement = sa.select(events).where(events.c.message_id == message_id).order_by(events.c.id)
    return rows_of(await connection.execute(statement))
