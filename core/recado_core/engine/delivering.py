"""Bringing events to one sink: in order within a conversation, many conversations at once."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.database import Database
from recado_core.engine.grouping import Grouping
from recado_core.engine.messages import view_message
from recado_core.engine.settings import SinkSettings
from recado_core.engine.store import deliveries, events
from recado_core.engine.vendor_words import clip_text
from recado_core.errors import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
    UnreachableError,
)
from recado_core.messages import Event
from recado_core.sinks import Sink

log = logging.getLogger(__name__)

Row = dict[str, Any]

IDLE = 1.0
"""Seconds after which an idle sink looks for retries, and for what other processes told."""
SHORTEST_REST = 1.0
"""Seconds that a sink is left alone the first time that it takes nothing; then twice as long."""
LONGEST_REST = 60.0
"""Seconds that it is left alone at the most."""
LONGEST_ASKED = 3600.0
"""Seconds that a business system may ask for at the most."""
SLACK = 10.0
"""Seconds beside the call itself for which a delivery is kept from other nodes."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended: what is written of its delivery."""

    id_: str
    state_: str
    attempts_: int
    repeated_: bool
    due_at_: datetime
    settled_at_: datetime | None
    error_: str | None


class Delivering:
    """Carries the deliveries of one sink.

    A sink that takes nothing at all is left alone, longer each time, and then asked with one event
    only; that counts against none. What only one event meets is counted, and in the end that event
    is given up, so that it holds up no others.

    Args:
        name: The sink's.
        settings: Its common keys.
        sink: The sink itself.
        database: The store.
        now: The clock on the wall.
        monotonic: The clock that never jumps, in seconds.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # as above
        self,
        name: str,
        settings: SinkSettings,
        sink: Sink,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self.name = name
        self.wake = asyncio.Event()
        self.reason: str | None = None
        self._settings = settings
        self._sink = sink
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._calls: set[asyncio.Task[None]] = set()
        self._outcomes = Grouping(self._write)
        self._rest = 0.0
        self._resting_until = 0.0
        self._stopping = False

    async def run(self) -> None:
        """Deliver until ``stop`` is called, and end when the calls under way are recorded."""
        self._stopping = False
        troubled = False
        try:
            while not self._stopping:
                self.wake.clear()
                try:
                    if await self._begin() == 0:
                        await self._wait()
                    troubled = False
                except Exception:
                    if not troubled:
                        log.exception("deliveries can't be made now", extra={"sink": self.name})
                    troubled = True
                    await asyncio.sleep(IDLE)
            if self._calls:
                await asyncio.wait(self._calls)
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def stop(self) -> None:
        """Begin no more calls."""
        self._stopping = True
        self.wake.set()

    async def drain(self) -> int:
        """Make all deliveries that are due, and return how many calls were made."""
        made = 0
        while begun := await self._begin():
            made += begun
            await asyncio.wait(self._calls)
        return made

    async def _begin(self) -> int:
        """Begin the calls for which there is room; return how many."""
        room = self._settings.concurrency - len(self._calls)
        if self.reason is not None:
            room = 0 if self._calls or self._monotonic() < self._resting_until else 1
        if room <= 0:
            return 0
        now = self._now()
        until = now + timedelta(seconds=self._settings.timeout * 2 + SLACK)

        async def work(connection: AsyncConnection) -> tuple[list[Row], dict[str, Event]]:
            rows = await deliveries.take(connection, self.name, now, until, room)
            told = await deliveries.told(connection, [row["event_id"] for row in rows])
            return rows, _events(*told)

        rows, told = await self._database.write(work)
        for row in rows:
            call = asyncio.create_task(self._carry(row, told.get(row["event_id"])))
            self._calls.add(call)
            call.add_done_callback(self._ended)
        return len(rows)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self.wake.set()
        if not call.cancelled() and (error := call.exception()) is not None:
            log.error("a delivery's end can't be written", exc_info=error)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(IDLE):
                await self.wake.wait()
        except TimeoutError:
            return

    async def _carry(self, row: Row, event: Event | None) -> None:
        if event is None:  # purged before it was delivered
            error: SendError | None = PermanentSendError("the event is no longer in the store")
        else:
            error = await self._call(event, repeated=row["repeated"])
        await self._note_state(error)
        outcome = self._outcome(row, error)
        if outcome.state_ == "dead":
            log.warning(
                "delivery given up",
                extra={"sink": self.name, "delivery": row["id"], "reason": outcome.error_},
            )
        await self._outcomes.submit(outcome)

    async def _call(self, event: Event, *, repeated: bool) -> SendError | None:
        try:
            async with asyncio.timeout(self._settings.timeout * 2):
                await self._sink.deliver(event, repeated=repeated)
        except TimeoutError:
            return InDoubtError("no answer within the sink's timeout")
        except SendError as error:
            return error
        except Exception as error:
            log.exception("sink plugin broke", extra={"sink": self.name, "event": event.id})
            return InDoubtError(f"the sink plugin broke: {type(error).__name__}")
        return None

    def _outcome(self, row: Row, error: SendError | None) -> Outcome:
        now = self._now()
        attempts = row["attempts"]
        delays = self._settings.retry_delays
        state, delay = "pending", 0.0
        if error is None:
            state = "delivered"
        elif isinstance(error, PermanentSendError):
            state = "dead"
        elif _is_down(error):
            delay = self._rest
        elif attempts < len(delays):
            delay = _asked(error) or delays[attempts]
            attempts += 1
        else:
            state = "dead"
        return Outcome(
            id_=row["id"],
            state_=state,
            attempts_=attempts,
            repeated_=row["repeated"] or _may_be_taken(error),
            due_at_=now + timedelta(seconds=delay),
            settled_at_=None if state == "pending" else now,
            error_=clip_text(error.text) if error else None,
        )

    async def _note_state(self, error: SendError | None) -> None:
        """Note whether the sink takes anything; say so when that changes."""
        if error is not None and _is_down(error):
            fell = self.reason is None
            self.reason = error.text
            monotonic = self._monotonic()
            if monotonic >= self._resting_until:  # of several calls that fail together, the first
                self._rest = min(LONGEST_REST, max(SHORTEST_REST, self._rest * 2))
                self._resting_until = monotonic + (_asked(error) or self._rest)
            if fell:
                log.warning("sink is down", extra={"sink": self.name, "reason": error.text})
                await self._tell("sink.down", error.text)
        elif self.reason is not None and (error is None or _answered(error)):
            self.reason, self._rest, self._resting_until = None, 0.0, 0.0
            log.info("sink is up again", extra={"sink": self.name})
            await self._tell("sink.up", None)

    async def _tell(self, kind: str, text: str | None) -> None:
        event = events.new_event(kind, self._now(), text=clip_text(text), data={"sink": self.name})
        await self._database.write(lambda connection: events.append(connection, [event]))

    async def _write(self, outcomes: list[Outcome]) -> list[None]:
        rows = [msgspec.structs.asdict(outcome) for outcome in outcomes]
        await self._database.write(lambda connection: deliveries.settle(connection, rows))
        return [None] * len(outcomes)


def _events(by_id: dict[str, Row], messages: dict[str, Row]) -> dict[str, Event]:
    found = {}
    for key, row in by_id.items():
        data: dict[str, Any] = dict(row["data"] or {})
        message = messages.get(row["message_id"] or "")
        if message is not None:
            data |= msgspec.to_builtins(view_message(message)) | {"origin": message["origin"]}
            # as it was then, not as later events have left it
            data |= {"code": row["code"], "status_text": row["text"]} if row["code"] else {}
        found[key] = Event(id=key, type=row["type"], time=row["time"], data=data)
    return found


def _is_down(error: SendError) -> bool:
    """Tell whether no other event would be taken either."""
    return isinstance(error, UnreachableError | AccountError)


def _answered(error: SendError) -> bool:
    """Tell whether the business system has said something, if only of this event."""
    return not isinstance(error, InDoubtError) and not _is_down(error)


def _may_be_taken(error: SendError | None) -> bool:
    return isinstance(error, InDoubtError) or (
        isinstance(error, TransientSendError) and error.possibly_taken
    )


def _asked(error: SendError) -> float:
    wait = error.retry_after if isinstance(error, TransientSendError) else None
    return 0.0 if wait is None else max(0.0, min(wait, LONGEST_ASKED))
