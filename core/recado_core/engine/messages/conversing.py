"""What messages do to conversations, in the transaction that takes the messages in."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.messages.telling import Telling, Told, thread_of
from recado_core.engine.store.identifiers import new_id, new_ids
from recado_core.engine.store.statements import conversations as store
from recado_core.engine.store.statements import deliveries, events
from recado_core.messages import Status
from recado_core.sinks import Lane

Row = dict[str, Any]
Key = tuple[str, str, str]


OPENED = "conversation.opened"
"""The type of the event that one was opened, or opened again."""
BY_API = "api"
"""The origin of what an agent answers by the API; no sink is called so."""


class ConversationStatus(StrEnum):
    """Where a conversation stands."""

    NEW = "new"  # waits for an agent
    CURRENT = "current"  # an agent has it
    DONE = "done"  # closed, until the person writes again


_NEW: Final = ConversationStatus.NEW
_key: Callable[[Row], Key] = itemgetter("account", "channel", "address")


def opened(rows: Iterable[Row], now: datetime, telling: Telling) -> Told:
    """Return how SQLite opens the conversations that MTs are the first messages of.

    Those that are there stay as they are, and nothing is told of them; the sinks that would be told
    are woken all the same.
    """
    suppressed = Status.SUPPRESSED
    addresses: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        if row["status"] != suppressed:
            addresses[row["account"], row["channel"]].add(row["address"])
    told = Told(steps=[])
    for account, channel in sorted(addresses):
        some = sorted(addresses[account, channel])
        ids = dict(zip(some, new_ids(len(some)), strict=True))
        told.steps.append(store.opened(account, channel, ids, now))
        told.steps.append(events.told_of_opened(OPENED, now))
        about = {"account": account, "channel": channel}
        for sink, lane in telling.hearers(OPENED, about):
            told.sinks.add(sink)
            before, after = thread_of(about, lane)
            like = {"sink": sink, "background": lane is Lane.NOTE, "now": now, "ending": after}
            deliveries_of = dict(zip(new_ids(len(some)), ids.values(), strict=True))
            told.steps.append(deliveries.inserted_if_told(like, before, deliveries_of))
    return told


async def note_sent(
    connection: AsyncConnection,
    rows: Iterable[Row],
    now: datetime,
    telling: Telling,
    *,
    beside: Told | None = None,
) -> None:
    """Open the conversations that MTs are the first messages of.

    Args:
        connection: The transaction's.
        rows: The MTs.
        now: The time.
        telling: Where the events go.
        beside: What is written before.
    """
    if connection.dialect.name == "sqlite":
        opening = opened(rows, now, telling)
    else:
        new = await _open(connection, _wanted(rows), now)
        opening = _prepare("postgresql", [(OPENED, row) for row in new], now, telling)
    await telling.write(connection, opening, beside.steps if beside else ())
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
    told = [(OPENED, row) for row in changed.values() if row["id"] in opened]
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
    dialect: str, told: Sequence[tuple[str, Row]], now: datetime, telling: Telling
) -> Told:
    rows, about = [], {}
    for kind, row in told:
        data = {name: row[name] for name in events.TOLD}
        event = events.new_event(kind, now, account=row["account"], data=data)
        rows.append(event)
        about[event["id"]] = row
    return telling.prepare(dialect, rows, about)


def _wanted(rows: Iterable[Row]) -> set[Key]:
    suppressed = Status.SUPPRESSED
    return {_key(row) for row in rows if row["status"] != suppressed}


async def _open(connection: AsyncConnection, keys: set[Key], now: datetime) -> list[Row]:
    """Open the conversations of these that are not there yet; return those."""
    new = keys - await store.known(connection, {address for _, _, address in keys})
    # In one order everywhere: two processes that insert the same must not wait crosswise.
    return await store.insert(connection, [_new(key, now) for key in sorted(new)])


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
