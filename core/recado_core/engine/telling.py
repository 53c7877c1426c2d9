"""Telling of what happened: the event log, statistics, a delivery for every sink that wants it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.identifiers import new_id
from recado_core.engine.store import deliveries, events, stats
from recado_core.engine.tallies import Tallies
from recado_core.sinks import EventSubject

log = logging.getLogger(__name__)

Row = dict[str, Any]


class Outlet(msgspec.Struct, frozen=True, kw_only=True):
    """A sink, and which events it wants."""

    sink: str
    types: frozenset[str]
    wants: Callable[[EventSubject], bool]


class Telling:
    """The one way into the event log of what statistics count and sinks may want to hear.

    An event, what it adds to statistics and its deliveries are written in one transaction with what
    they tell of.
    """

    def __init__(
        self, outlets: Sequence[Outlet], wake: Callable[[str], None], tallies: Tallies
    ) -> None:
        self.tallies = tallies
        self._outlets = outlets
        self._types = frozenset[str]().union(*(outlet.types for outlet in outlets))
        self._wake = wake
        self._broken: set[str] = set()

    async def tell(
        self,
        connection: AsyncConnection,
        told: Sequence[Row],
        about: Mapping[str, Row] | None = None,
    ) -> None:
        """Append events, count them, and add a delivery for every sink that wants one of them.

        Args:
            connection: The transaction's.
            told: The events (``store.events.new_event``).
            about: The message or conversation of each event, by the event's id, with ``account``,
                ``channel``, ``address`` and ``origin``, a message also with what ``tallies`` needs;
                without it no sink hears of them. Those of messages have it always.
        """
        await events.append(connection, told)
        await stats.note(connection, self.tallies.count(told, about or {}))
        if not self._types or not about:
            return
        rows = [
            self._delivery(outlet.sink, event, about[event["id"]])
            for event in told
            if event["type"] in self._types
            for outlet in self._outlets
            if event["type"] in outlet.types
            and self._is_wanted(outlet, _subject(event["type"], about[event["id"]]))
        ]
        await deliveries.insert(connection, rows)
        for sink in {row["sink"] for row in rows}:
            self._wake(sink)

    def _is_wanted(self, outlet: Outlet, subject: EventSubject) -> bool:
        """Ask the sink's plugin, which must not spoil what the event tells of when it breaks."""
        try:
            return bool(outlet.wants(subject))
        except Exception:
            if outlet.sink not in self._broken:
                log.exception(
                    "sink plugin broke on what it wants; it is told of all",
                    extra={"sink": outlet.sink},
                )
            self._broken.add(outlet.sink)
            return True

    def _delivery(self, sink: str, event: Row, about: Row) -> Row:
        created_at: datetime = event["time"]
        return {
            "id": new_id(),
            "sink": sink,
            "event_id": event["id"],
            "thread": f"{about['account']}/{about['channel']}/{about['address']}",
            "created_at": created_at,
            "due_at": created_at,
        }


def _subject(kind: str, about: Row) -> EventSubject:
    return EventSubject(
        type=kind,
        account=about["account"],
        channel=about["channel"],
        origin=about.get("origin"),
    )
