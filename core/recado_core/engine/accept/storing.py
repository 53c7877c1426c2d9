"""Storing messages with their events and conversations: those of many calls in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.acceptances import events_of
from recado_core.engine.checks.checking import Verdict
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey, Once
from recado_core.engine.failures import IdempotencyMismatchError
from recado_core.engine.grouping import Grouping
from recado_core.engine.messages import conversing
from recado_core.engine.messages.telling import Telling, Told
from recado_core.engine.store.database import Database, is_down
from recado_core.engine.store.statements import messages
from recado_core.engine.store.steps import Step
from recado_core.messages import Status

Row = dict[str, Any]

AT_ONCE = {"sqlite": 2, "postgresql": 3}
"""Full groups that are stored at once: PostgreSQL has many writers, and SQLite's one shall not wait
for the next group when it is done with one."""

Guard = Callable[[AsyncConnection], Awaitable[bool]]
"""Is asked within the transaction that stores messages whether they shall be stored after all."""


class OvertakenError(Exception):
    """A guard said no: another node has done the same, or nobody waits; nothing was stored."""


class Unit(msgspec.Struct, frozen=True):
    """The messages of one call, what the checks say of them, and what their storing depends on.

    ``reply`` is that an agent answers by them.
    """

    rows: list[Row]
    verdicts: Sequence[Verdict]
    key: IdempotencyKey | None
    answer: Answer
    reply: bool = False
    guard: Guard | None = None


class _Prepared(msgspec.Struct, frozen=True):
    """Messages made ready for the database: they, and all that is written of them."""

    rows: list[Row]
    told: Told


_Result = Answer | IdempotencyMismatchError | OvertakenError


class Storing:
    """Stores messages by group commit.

    Args:
        database: The store.
        once: Knows the calls that were made before.
        telling: The way into the event log.
        wake: Wakes the accounts that have something to do now.
        now: The clock.
    """

    def __init__(
        self,
        database: Database,
        once: Once,
        telling: Telling,
        wake: Callable[[set[str]], None],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._once = once
        self._telling = telling
        self._wake = wake
        self._now = now
        self._group = Grouping(
            self._commit,
            weigh=lambda unit: len(unit.rows),
            is_fatal=is_down,
            at_once=AT_ONCE[database.dialect],
        )

    async def store(self, unit: Unit) -> Answer:
        """Store a call's messages, or give the answer of the first call with its key.

        Raises:
            OvertakenError: The guard said no.
            IdempotencyMismatchError: The key came before, with another body.
        """
        return await self._group.submit(unit)

    def put(self, unit: Unit, end: asyncio.Future[Answer]) -> None:
        """Store a call's messages for one who waits for its end already, as ``store`` does."""
        self._group.put(unit, end)

    def _prepare(self, units: Sequence[Unit]) -> _Prepared:
        rows = [row for unit in units for row in unit.rows]
        verdicts = [verdict for unit in units for verdict in unit.verdicts]
        dialect = self._database.dialect
        prepared = self._telling.prepare(dialect, *events_of(rows, verdicts))
        steps = [*messages.inserted(dialect, rows), *prepared.steps]
        return _Prepared(rows=rows, told=Told(steps=steps, sinks=prepared.sinks))

    async def _store_at_once(
        self, reserved: Sequence[Step], whole: _Prepared, opened: Told
    ) -> bool:
        """Store messages with the conversations that they open, if it goes in one step."""
        steps = [*reserved, *whole.told.steps, *opened.steps]
        if not await self._database.write_at_once(steps):
            return False
        self._telling.wake(whole.told)
        self._telling.wake(opened)
        return True

    async def _commit(self, units: list[Unit]) -> Sequence[_Result]:
        results = await self._store(units)
        queued = Status.QUEUED
        self._wake(
            {
                row["account"]
                for unit, result in zip(units, results, strict=True)
                if result is unit.answer
                for row in unit.rows
                if row["status"] == queued
            }
        )
        return results

    async def _store(self, units: list[Unit]) -> Sequence[_Result]:
        whole = self._prepare(units)  # before the transaction, for which others wait
        if self._database.sqlite and all(map(_is_plain, units)):
            opened = conversing.opened(whole.rows, self._now(), self._telling)
            reserved = self._once.reserving([(unit.key, unit.answer) for unit in units])
            if await self._store_at_once(reserved, whole, opened):
                return [unit.answer for unit in units]
        return await self._store_in_turn(units, whole)

    async def _store_in_turn(self, units: Sequence[Unit], whole: _Prepared) -> list[_Result]:
        """Store messages as guards and earlier calls allow it."""

        async def work(connection: AsyncConnection) -> list[_Result | None]:
            refused = [
                unit.guard is not None and not await unit.guard(connection) for unit in units
            ]
            asked = [
                (unit.key, unit.answer) for unit, no in zip(units, refused, strict=True) if not no
            ]
            earlier = iter(await self._once.reserve(connection, asked))
            ends: list[_Result | None] = [
                OvertakenError() if no else next(earlier) for no in refused
            ]
            fresh = [unit for unit, end in zip(units, ends, strict=True) if end is None]
            prepared = whole if len(fresh) == len(units) else self._prepare(fresh)
            now = self._now()
            await conversing.note_sent(
                connection, prepared.rows, now, self._telling, beside=prepared.told
            )
            replies = [
                row
                for unit in fresh
                if unit.reply
                for row in unit.rows
                if row["status"] != Status.SUPPRESSED
            ]
            await conversing.note_replies(connection, replies, now)
            return ends

        ends = await self._database.write(work)
        return [end or unit.answer for unit, end in zip(units, ends, strict=True)]


def _is_plain(unit: Unit) -> bool:
    """Tell whether a unit asks for nothing but that its messages be stored, once."""
    return unit.guard is None and not unit.reply
