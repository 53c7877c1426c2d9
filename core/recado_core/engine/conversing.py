"""What messages do to conversations, in the transaction that takes the messages in."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.identifiers import new_id
from recado_core.engine.store import conversations as store
from recado_core.engine.store import events
from recado_core.messages import Status

Row = dict[str, Any]
Key = tuple[str, str, str]


class ConversationStatus(StrEnum):
    """Where a conversation stands."""

    NEW = "new"  # waits for an agent
    CURRENT = "current"  # an agent has it
    DONE = "done"  # closed, until the person writes again


async def note_sent(connection: AsyncConnection, rows: Iterable[Row], now: datetime) -> None:
    """Open the conversations that MTs are the first messages of."""
    wanted = {_key(row): row for row in rows if row["status"] != Status.SUPPRESSED}
    if not wanted:
        return
    known = await store.known(connection, {address for _, _, address in wanted})
    fresh = [_new(key, now) for key in wanted if key not in known]
    await store.insert(connection, fresh)
    await events.append(connection, [tell("conversation.opened", row, now) for row in fresh])


async def note_received(
    connection: AsyncConnection, rows: Sequence[Row], now: datetime
) -> dict[str, Row]:
    """Open, reopen or go on with the conversations of MOs; return them by the MOs' ids."""
    if not rows:
        return {}
    keys = {_key(row) for row in rows}
    addresses = {address for _, _, address in keys}
    known = await store.known(connection, addresses)
    fresh = [_new(key, now) for key in sorted(keys - known)]
    await store.insert(connection, fresh)
    there = {_key(row): row for row in await store.lock_addresses(connection, addresses)}
    opened = {row["id"] for row in fresh}
    for row in rows:
        conversation = there[_key(row)]
        if conversation["status"] == ConversationStatus.DONE:
            opened.add(conversation["id"])
            conversation |= {"status": ConversationStatus.NEW, "agent": None, "opened_at": now}
        conversation["unread"] += 1
        conversation["last_activity"] = conversation["last_received_at"] = now
    changed = {key: there[key] for key in keys}
    await store.write(connection, list(changed.values()))
    told = [
        tell("conversation.opened", row, now) for row in changed.values() if row["id"] in opened
    ]
    await events.append(connection, told)
    return {row["id"]: changed[_key(row)] for row in rows}


async def note_reply(connection: AsyncConnection, conversation_id: str, now: datetime) -> None:
    """Note that an agent has answered, and so has seen what was written."""
    row = await store.lock(connection, conversation_id)
    if row is not None:
        row |= {"unread": 0, "last_activity": now, "last_sent_at": now}
        await store.write(connection, [row])


def tell(kind: str, row: Row, now: datetime) -> Row:
    """Return the event of a conversation."""
    data = {
        "id": row["id"],
        "account": row["account"],
        "channel": row["channel"],
        "address": row["address"],
        "status": row["status"],
        "agent": row["agent"],
        "unread": row["unread"],
    }
    return events.new_event(kind, now, account=row["account"], data=data)


def _new(key: Key, now: datetime) -> Row:
    account, channel, address = key
    return {
        "id": new_id(),
        "account": account,
        "channel": channel,
        "address": address,
        "status": ConversationStatus.NEW,
        "agent": None,
        "unread": 0,
        "opened_at": now,
        "last_activity": now,
        "last_received_at": None,
        "last_sent_at": None,
    }


def _key(row: Row) -> Key:
    return row["account"], row["channel"], row["address"]
