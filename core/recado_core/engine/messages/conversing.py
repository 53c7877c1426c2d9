"""What messages do to conversations, in the transaction that takes the messages in."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.messages.telling import Telling, Told
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import conversations as store
from recado_core.engine.store.statements import events
from recado_core.messages import Status

Row = dict[str, Any]
Key = tuple[str, str, str]


TOLD = ("id", "account", "channel", "address", "status", "agent", "unread")
"""What the event of a conversation says of it."""

BY_API = "api"
"""The origin of what an agent answers by the API; no sink is called so."""


class ConversationStatus(StrEnum):
    """Where a conversation stands."""

    NEW = "new"  # waits for an agent
    CURRENT = "current"  # an agent has it
    DONE = "done"  # closed, until the person writes again


_NEW: Final = ConversationStatus.NEW


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Conversations that are new, and the events that tell of them."""

    rows: list[Row]
    told: Told


async def foresee_sent(
    connection: AsyncConnection, rows: Iterable[Row], now: datetime, telling: Telling
) -> Opening:
    """Make ready what ``note_sent`` is most likely to write; the connection only reads."""
    new = await _unknown(connection, _wanted(rows))
    return _opening(connection.dialect.name, [_new(key, now) for key in sorted(new)], now, telling)


def opened(opening: Opening) -> Told:
    """Return how SQLite writes conversations that must not be there yet, and their events."""
    steps = [*store.inserted("sqlite", opening.rows), *opening.told.steps]
    return Told(steps=steps, sinks=opening.told.sinks)


def opened_if_new(rows: Iterable[Row], now: datetime, telling: Telling) -> Told:
    """Return how SQLite opens the conversations of few MTs without a look before.

    Those that are there stay as they are, and nothing is told of them.
    """
    new = [_new(key, now) for key in sorted(_wanted(rows))]
    told = _prepare("sqlite", _openings(new), now, telling, if_opened=True)
    return Told(steps=[*store.inserted_if_new(new), *told.steps], sinks=told.sinks)


async def note_sent(  # noqa: PLR0913  # the messages, and what goes to the database with theirs
    connection: AsyncConnection,
    rows: Iterable[Row],
    now: datetime,
    telling: Telling,
    *,
    foreseen: Opening | None = None,
    beside: Told | None = None,
) -> None:
    """Open the conversations that MTs are the first messages of.

    Args:
        connection: The transaction's.
        rows: The MTs.
        now: The time.
        telling: Where the events go.
        foreseen: What is written if no conversation has been opened since.
        beside: What is written before, in any case.
    """
    dialect = connection.dialect.name
    new = await _unknown(connection, _wanted(rows))
    opening = foreseen
    if opening is None or {_key(row) for row in opening.rows} != new:
        opening = _opening(dialect, [_new(key, now) for key in sorted(new)], now, telling)
    steps = list(beside.steps) if beside else []
    if dialect == "sqlite":  # no other transaction can have got ahead of this one
        steps += store.inserted(dialect, opening.rows)
    else:
        opened = await store.insert(connection, opening.rows)
        if len(opened) < len(opening.rows):
            opening = _opening(dialect, opened, now, telling)
    await telling.write(connection, opening.told, steps)
    if beside:
        telling.wake(beside)


async def note_received(
    connection: AsyncConnection, rows: Sequence[Row], now: datetime, telling: Telling
) -> dict[str, Row]:
    """Open, reopen or go on with the conversations of MOs; return them by the MOs' ids."""
    if not rows:
        return {}
    keys = {_key(row) for row in rows}
    addresses = {address for _, _, address in keys}
    opened = {row["id"] for row in await _open(connection, keys, now)}
    there = {_key(row): row for row in await store.lock_addresses(connection, addresses)}
    for row in rows:
        conversation = there[_key(row)]
        if conversation["status"] == ConversationStatus.DONE:
            opened.add(conversation["id"])
            conversation |= {"status": ConversationStatus.NEW, "agent": None, "opened_at": now}
        conversation["unread"] += 1
        conversation["last_activity"] = conversation["last_received_at"] = now
    changed = {key: there[key] for key in keys}
    await store.write(connection, list(changed.values()))
    told = _openings(row for row in changed.values() if row["id"] in opened)
    await tell(connection, told, now, telling)
    return {row["id"]: changed[_key(row)] for row in rows}


async def note_replies(connection: AsyncConnection, rows: Sequence[Row], now: datetime) -> None:
    """Note that agents have answered by these MTs, and so have seen what was written."""
    if not rows:
        return
    keys = {_key(row) for row in rows}
    there = await store.lock_addresses(connection, {address for _, _, address in keys})
    seen = [row for row in there if _key(row) in keys]
    for row in seen:
        row |= {"unread": 0, "last_activity": now, "last_sent_at": now}
    await store.write(connection, seen)


async def note_seen(connection: AsyncConnection, account: str, channel: str, address: str) -> None:
    """Note that an agent has seen what a person wrote."""
    there = await store.lock_addresses(connection, [address])
    seen = [row for row in there if _key(row) == (account, channel, address) and row["unread"]]
    for row in seen:
        row["unread"] = 0
    await store.write(connection, seen)


async def tell(
    connection: AsyncConnection,
    told: Sequence[tuple[str, Row]],
    now: datetime,
    telling: Telling,
) -> None:
    """Append events of conversations: the type, and the conversation as it is now."""
    await telling.write(connection, _prepare(connection.dialect.name, told, now, telling))


def _prepare(
    dialect: str,
    told: Sequence[tuple[str, Row]],
    now: datetime,
    telling: Telling,
    *,
    if_opened: bool = False,
) -> Told:
    rows, about = [], {}
    for kind, row in told:
        data = {name: row[name] for name in TOLD}
        event = events.new_event(kind, now, account=row["account"], data=data)
        rows.append(event)
        about[event["id"]] = row
    return telling.prepare(dialect, rows, about, if_opened=if_opened)


def _openings(rows: Iterable[Row]) -> list[tuple[str, Row]]:
    return [("conversation.opened", row) for row in rows]


def _opening(dialect: str, rows: list[Row], now: datetime, telling: Telling) -> Opening:
    return Opening(rows=rows, told=_prepare(dialect, _openings(rows), now, telling))


def _wanted(rows: Iterable[Row]) -> set[Key]:
    suppressed = Status.SUPPRESSED
    return {_key(row) for row in rows if row["status"] != suppressed}


async def _unknown(connection: AsyncConnection, keys: set[Key]) -> set[Key]:
    """Return those that have no conversation yet."""
    return keys - await store.known(connection, {address for _, _, address in keys})


async def _open(connection: AsyncConnection, keys: set[Key], now: datetime) -> list[Row]:
    """Open the conversations of these that are not there yet; return those."""
    # In one order everywhere: two processes that insert the same must not wait crosswise.
    new = sorted(await _unknown(connection, keys))
    return await store.insert(connection, [_new(key, now) for key in new])


def _new(key: Key, now: datetime) -> Row:
    account, channel, address = key
    return {
        "id": new_id(),
        "account": account,
        "channel": channel,
        "address": address,
        "status": _NEW,
        "agent": None,
        "unread": 0,
        "opened_at": now,
        "last_activity": now,
        "last_received_at": None,
        "last_sent_at": None,
    }


def _key(row: Row) -> Key:
    return row["account"], row["channel"], row["address"]
