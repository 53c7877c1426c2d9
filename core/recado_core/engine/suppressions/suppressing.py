"""Changing the suppression list: its entries, their events, and what providers are to be told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import ProviderType
from recado_core.engine.messages.transitions import Change
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import events, messages, pushes
from recado_core.engine.store.statements import suppressions as store
from recado_core.messages import SuppressionReason

Row = dict[str, Any]


FROM_PROVIDER = "provider:"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What shall stand on the suppression list; an empty text means any."""

    reason: SuppressionReason
    source: str
    address: str = ""
    document_hash: str = ""
    channel: str = ""
    category: str = ""
    expires_at: datetime | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Return what makes two entries the same one."""
        return tuple(str(getattr(self, name)) for name in store.KEY)


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """What came of putting entries on the list: their rows.

    By their ids ``added`` are new, and ``prolonged`` last longer than they did.
    """

    rows: list[Row]
    added: set[str]
    prolonged: set[str]


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries an account's provider is told of."""

    account: str
    reasons: frozenset[str]
    channels: frozenset[str]


class Suppressing:
    """The one way on to the suppression list, and off it.

    Args:
        settings: Which accounts' providers are told of which reasons, and how long what they tell
            is believed.
        kinds: The kinds of provider by id.
    """

    def __init__(self, settings: EngineSettings, kinds: Mapping[str, ProviderType]) -> None:
        self._pushed = [
            Pushed(
                account=name,
                reasons=frozenset(account.push_suppressions),
                channels=kinds[account.provider].channels | {""},
            )
            for name, account in settings.accounts.items()
            if account.push_suppressions
        ]
        self._learned_for = timedelta(days=settings.suppressions.learned_days)

    async def put(
        self,
        connection: AsyncConnection,
        entries: Iterable[Entry],
        now: datetime,
        *,
        with_events: bool = True,
    ) -> Put:
        """Put entries on the list; one that is there already lasts as long as the longer of both.

        Args:
            connection: The transaction's.
            entries: Which.
            now: The time.
            with_events: Whether every new entry has an event of its own.
        """
        wanted = {entry.key: entry for entry in entries}
        there = await self._there(connection, wanted.values())
        rows = [_row(entry, there.get(key), now) for key, entry in wanted.items()]
        mine = {row["id"] for row in rows}
        changed = [row for row in rows if row != there.get(store.key_of(row))]
        stored = {store.key_of(row): row for row in await store.upsert(connection, changed, now)}
        added = [
            row
            for key, row in stored.items()
            if row["id"] in mine and _is_over(there.get(key), now)
        ]
        await self._mark(connection, list(stored.values()), now)
        if with_events:
            await events.append(
                connection, [_event("suppression.added", row, now) for row in added]
            )
        new = {row["id"] for row in added}
        return Put(
            rows=[stored.get(store.key_of(row), row) for row in rows],
            added=new,
            prolonged={row["id"] for row in stored.values()} - new,
        )

    async def drop(
        self,
        connection: AsyncConnection,
        ids: Sequence[str],
        now: datetime,
        *,
        why: str,
        learned: bool = True,
    ) -> list[Row]:
        """Take entries off the list; return those that were on it.

        Args:
            connection: The transaction's.
            ids: Which.
            now: The time.
            why: What the event says of it.
            learned: Whether a provider is told of the end of an entry that it has told us of.
        """
        gone = await store.delete(connection, ids)
        await self._mark(connection, gone, now, learned=learned)
        await events.append(
            connection, [_event("suppression.removed", row, now, why=why) for row in gone]
        )
        return gone

    async def learn(
        self, connection: AsyncConnection, account: str, changes: Sequence[Change], now: datetime
    ) -> None:
        """Put on the list those to whom an account's provider says that it never sends.

        What it has from us is no news, and must not outlast what it was told for.
        """
        said = {each.message_id: each.suppression for each in changes if each.suppression}
        if not said or not self._learned_for:
            return
        addressed = await messages.addressed(connection, said)
        ours = await self._told(connection, account, {row["address"] for row in addressed}, now)
        entries = [
            Entry(
                address=row["address"],
                channel=row["channel"],
                reason=said[row["id"]],
                source=learned_from(account),
                expires_at=now + self._learned_for,
            )
            for row in addressed
            if row["address"] not in ours
        ]
        await self.put(connection, entries, now)

    def is_telling(self, account: str) -> bool:
        """Tell whether an account's provider is told of opt-outs."""
        return any(
            each.account == account and SuppressionReason.OPT_OUT in each.reasons
            for each in self._pushed
        )

    async def _told(
        self, connection: AsyncConnection, account: str, addresses: set[str], now: datetime
    ) -> set[str]:
        """Return those of the addresses of which an account's provider has been told by us.

        Those too that it has yet to hear are no longer on the list.
        """
        found: set[str] = set()
        for each in self._pushed:
            if each.account == account:
                found |= await pushes.waiting(connection, account, addresses)
                found |= await store.listed(
                    connection,
                    addresses,
                    each.reasons,
                    each.channels,
                    now,
                    but_from=learned_from(account),
                )
        return found

    async def _there(
        self, connection: AsyncConnection, entries: Iterable[Entry]
    ) -> dict[tuple[str, ...], Row]:
        addresses = {entry.address for entry in entries if entry.address}
        hashes = {entry.document_hash for entry in entries if not entry.address}
        found = await store.concerning(connection, addresses, hashes)
        return {store.key_of(row): row for row in found}

    async def _mark(
        self,
        connection: AsyncConnection,
        rows: Sequence[Row],
        now: datetime,
        *,
        learned: bool = False,
    ) -> None:
        """Note which providers may have to be told.

        A document is stored as a hash, so that no provider can be told of one.
        """
        for each in self._pushed:
            addresses = {
                row["address"]
                for row in rows
                if row["address"]
                and not row["document_hash"]
                and row["reason"] in each.reasons
                and row["channel"] in each.channels
                and (learned or row["source"] != learned_from(each.account))
            }
            await pushes.mark(connection, each.account, addresses, now)


def learned_from(account: str) -> str:
    """Return the source of what an account's provider has told us."""
    return f"{FROM_PROVIDER}{account}"


def _is_over(there: Row | None, now: datetime) -> bool:
    return there is None or (there["expires_at"] is not None and there["expires_at"] <= now)


def _row(entry: Entry, there: Row | None, now: datetime) -> Row:
    if there is None:
        return {
            "id": new_id(),
            "address": entry.address,
            "document_hash": entry.document_hash,
            "channel": entry.channel,
            "category": entry.category,
            "reason": entry.reason,
            "source": entry.source,
            "created_at": now,
            "expires_at": entry.expires_at,
        }
    if _is_over(there, now):
        return there | {"source": entry.source, "expires_at": entry.expires_at}
    return there | {"expires_at": _later(there["expires_at"], entry.expires_at)}


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


def _event(kind: str, row: Row, now: datetime, *, why: str | None = None) -> Row:
    data = {
        "id": row["id"],
        "address": row["address"] or None,
        "by_document": bool(row["document_hash"]),
        "channel": row["channel"] or None,
        "category": row["category"] or None,
        "reason": row["reason"],
        "source": row["source"],
        "expires_at": row["expires_at"],
    }
    return events.new_event(kind, now, text=why, data=data)
