"""Telling of what happened: the event log, statistics, a delivery for every sink that wants it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.statistics.tallies import Tallies
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import deliveries, events, stats
from recado_core.engine.store.statements.many import take_steps
from recado_core.engine.store.steps import Step
from recado_core.sinks import EventSubject, Lane

log = logging.getLogger(__name__)

Row = dict[str, Any]

ENDINGS = {Lane.CONVERSATION: "", Lane.OUTCOME: deliveries.OUTCOME, Lane.NOTE: deliveries.NOTE}
"""How the threads of the lanes end."""
MANY = 8
"""Events from which on those that are alike are written by a statement of their own."""


class Outlet(msgspec.Struct, frozen=True, kw_only=True):
    """A sink, which events it wants, and in which order each is told."""

    sink: str
    types: frozenset[str]
    wants: Callable[[EventSubject], bool]
    lane: Callable[[EventSubject], Lane]


class Happened(msgspec.Struct, frozen=True):
    """What many MTs have had alike: the event but for its id and its message, and these of each."""

    event: Row
    ids: list[str]
    rows: list[Row]

    def each(self) -> Iterator[tuple[Row, Row]]:
        """Yield every event, and the message that it is about."""
        for event_id, row in zip(self.ids, self.rows, strict=True):
            yield self.event | {"id": event_id, "message_id": row["id"]}, row


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Events made ready for the database, and the sinks to wake when they are there."""

    steps: list[Step]
    sinks: set[str] = set()


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
        self._broken: set[tuple[str, str]] = set()

    async def tell(
        self,
        connection: AsyncConnection,
        told: Sequence[Row],
        about: Mapping[str, Row] | None = None,
    ) -> None:
        """Append events, count them, and add a delivery for every sink that wants one of them.

        Args:
            connection: The transaction's.
            told: The events (``store.statements.events.new_event``).
            about: The message or conversation of each event, by the event's id, with ``account``,
                ``channel``, ``address`` and ``origin``, a message also with what ``tallies`` needs;
                without it no sink hears of them. Those of messages have it always.
        """
        await self.write(connection, self.prepare(connection.dialect.name, told, about))

    async def write(
        self, connection: AsyncConnection, told: Told, beside: Sequence[Step] = ()
    ) -> None:
        """Write what ``prepare`` has made ready, after what it tells of.

        Args:
            connection: The transaction's.
            told: The events.
            beside: The steps that write what they tell of; they go to the database together.
        """
        await take_steps(connection, [*beside, *told.steps])
        self.wake(told)

    def wake(self, told: Told) -> None:
        """Wake the sinks that events are for."""
        for sink in told.sinks:
            self._wake(sink)

    def prepare(
        self,
        dialect: str,
        told: Sequence[Row],
        about: Mapping[str, Row] | None = None,
        alike: Sequence[Happened] = (),
    ) -> Told:
        """Make ready what ``tell`` writes; before the transaction, it keeps nobody waiting.

        Args:
            dialect: The database's.
            told: As in ``tell``.
            about: As in ``tell``.
            alike: What many messages have had alike, besides.
        """
        known = about or {}
        counted = self.tallies.count(told, known, ((each.event, each.rows) for each in alike))
        singly = [*told]
        steps: list[Step] = []
        for each in alike:
            if len(each.ids) < MANY:
                singly += [event for event, _ in each.each()]
            else:
                ids = [row["id"] for row in each.rows]
                steps.append(events.appended_alike(dialect, each.event, each.ids, ids))
        wanted = [event for event in told if event["type"] in self._types]
        heard = [(event, known[event["id"]]) for event in wanted] if known else []
        for each in alike:
            if each.event["type"] in self._types:
                heard += each.each()
        heard.sort(key=lambda pair: pair[0]["id"])  # a thread hears in the order of what happened
        rows = self._deliveries(heard)
        steps += events.appended(dialect, singly)
        steps += stats.noted(dialect, counted)
        steps += deliveries.inserted(dialect, rows)
        return Told(steps=steps, sinks={row["sink"] for row in rows})

    def _deliveries(self, heard: Sequence[tuple[Row, Row]]) -> list[Row]:
        """Return the deliveries of events, each with what it is about."""
        return [
            _delivery(sink, lane, event, about)
            for event, about in heard
            for sink, lane in self.hearers(event["type"], about)
        ]

    def hearers(self, kind: str, about: Row) -> list[tuple[str, Lane]]:
        """Return the sinks that want events of a type, and in which order they are told them.

        Args:
            kind: The type.
            about: What they are about, as in ``tell``.
        """
        asked = [
            (outlet, _subject(outlet, kind, about))
            for outlet in self._outlets
            if kind in outlet.types
        ]
        return [
            (outlet.sink, self._lane(outlet, subject))
            for outlet, subject in asked
            if self._is_wanted(outlet, subject)
        ]

    def _is_wanted(self, outlet: Outlet, subject: EventSubject) -> bool:
        """Ask the sink's plugin, which must not spoil what the event tells of when it breaks."""
        try:
            return bool(outlet.wants(subject))
        except Exception:
            if self._is_first_break(outlet.sink, "wants"):
                log.exception(
                    "sink plugin broke on what it wants; it is told of all",
                    extra={"sink": outlet.sink},
                )
            return True

    def _lane(self, outlet: Outlet, subject: EventSubject) -> Lane:
        """Ask the sink's plugin, as above."""
        try:
            return Lane(outlet.lane(subject))
        except Exception:
            if self._is_first_break(outlet.sink, "lane"):
                log.exception(
                    "sink plugin broke on a lane; the event goes in the conversation's",
                    extra={"sink": outlet.sink},
                )
            return Lane.CONVERSATION

    def _is_first_break(self, sink: str, where: str) -> bool:
        known = (sink, where) in self._broken
        self._broken.add((sink, where))
        return not known


def thread_of(about: Row, lane: Lane) -> tuple[str, str]:
    """Return what stands before and after the address in the thread of a lane's deliveries."""
    return f"{about['account']}/{about['channel']}/", ENDINGS[lane]


def _delivery(sink: str, lane: Lane, event: Row, about: Row) -> Row:
    created_at: datetime = event["time"]
    before, after = thread_of(about, lane)
    return {
        "id": new_id(),
        "sink": sink,
        "event_id": event["id"],
        "thread": before + about["address"] + after,
        "background": lane is Lane.NOTE,
        "created_at": created_at,
        "due_at": created_at,
    }


def _subject(outlet: Outlet, kind: str, about: Row) -> EventSubject:
    origin = about.get("origin")
    return EventSubject(
        type=kind,
        account=about["account"],
        channel=about["channel"],
        origin=origin,
        own=origin == outlet.sink,
    )
