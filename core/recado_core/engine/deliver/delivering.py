"""Bringing events to one sink: in order within a conversation, many conversations at once."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.deliver.retelling import tell_events
from recado_core.engine.grouping import Grouping
from recado_core.engine.policy import LONGEST_ASKED, THROTTLED
from recado_core.engine.settings import SinkSettings
from recado_core.engine.store.database import Database, is_down, until_done
from recado_core.engine.store.statements import deliveries, events
from recado_core.engine.store.vendor_words import clip_text
from recado_core.errors import (
    AccountError,
    InDoubtError,
    NotYetError,
    PermanentSendError,
    SendError,
    TransientSendError,
    UnreachableError,
)
from recado_core.messages import Event
from recado_core.sinks import NOT_TOLD, NotTold, Sink

log = logging.getLogger(__name__)

Row = dict[str, Any]
Said = SendError | NotTold | None

IDLE = 1.0
"""Seconds after which an idle sink looks for retries, and for what other processes told."""
SHORTEST_IDLE = 0.05
"""Seconds after which it looks again when it was woken: what woke it may not be committed yet."""
SHORTEST_REST = 1.0
"""Seconds that a sink is left alone the first time that it takes nothing; then twice as long."""
LONGEST_REST = 60.0
"""Seconds that it is left alone at the most."""
NOTES = 8
"""Notes are one in so many of the calls at once, and one at the least."""
PASSED = "the sink had no need to tell of it"
"""What stands with a delivery for which nobody was called."""
TAKES_NOTHING = "it answers, and takes nothing"
"""Why a sink is down that is not left alone: its events wait after the last of their attempts."""
SLACK = 10.0
"""Seconds beside the call itself for which a delivery is kept from other nodes."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended: what is written of its delivery, if it is still ours ``until_`` then."""

    id_: str
    until_: datetime
    state_: str
    attempts_: int
    repeated_: bool
    due_at_: datetime
    settled_at_: datetime | None
    error_: str | None
    failing_since_: datetime | None


class Delivering:
    """Carries the deliveries of one sink.

    A sink that takes nothing at all is left alone, longer each time, and then asked with one event
    only; that counts against none. What only one event meets is counted, and in the end that event
    is given up, so that it holds up no others. Where all fail, whatever the sink says of each, none
    is.

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
        self._calls: dict[asyncio.Task[None], Row] = {}
        self._outcomes = Grouping(self._write, is_fatal=is_down)
        self._idle = IDLE
        self._rest = 0.0
        self._resting_until = 0.0
        self._failed_at = now()
        self._is_down = False
        self._broken: set[bool] = set()  # whether notes, and whether the others, are not taken
        self._taken_at = now()
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
        if self._is_down:
            room = 0 if self._calls or self._monotonic() < self._resting_until else 1
        if room <= 0:
            return 0
        rows, told = await self._take(room)
        if not rows and self.reason is not None:
            await self._look_whether_up()
        for row in rows:
            call = asyncio.create_task(self._carry(row, told.get(row["event_id"])))
            self._calls[call] = row
            call.add_done_callback(self._ended)
        return len(rows)

    async def _take(self, room: int) -> tuple[list[Row], dict[str, Event]]:
        """Take the deliveries to be made now, with their events."""
        now = self._now()
        async with self._database.read() as connection:  # which keeps nobody from writing
            ids = await self._due(connection, now, room)
        if not ids:
            return [], {}
        until = now + timedelta(seconds=self._settings.timeout * 2 + SLACK)

        async def work(connection: AsyncConnection) -> tuple[list[Row], dict[str, Event]]:
            rows = await deliveries.take(connection, self.name, ids, now, until)
            told = await deliveries.told(connection, [row["event_id"] for row in rows])
            return rows, tell_events(*told)

        return await self._database.write(work)

    async def _due(self, connection: AsyncConnection, now: datetime, room: int) -> list[str]:
        """Return the ids of what shall be told now: notes last, and few at a time."""
        under_way = {row["id"] for row in self._calls.values()}
        notes = max(1, self._settings.concurrency // NOTES)
        notes -= sum(row["background"] for row in self._calls.values())
        ids: list[str] = []
        for background in (False, True):
            most = min(room - len(ids), notes) if background else room
            if most > 0:
                found = await deliveries.due(
                    connection, self.name, now, most + len(under_way), background=background
                )
                # A clock that was set forward ends the time for which our own are kept from others.
                ids += [each for each in found if each not in under_way][:most]
        return ids

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.pop(call)
        self.wake.set()
        if not call.cancelled() and (error := call.exception()) is not None:
            log.error(
                "a delivery's end can't be written", exc_info=error, extra={"sink": self.name}
            )

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._idle):
                await self.wake.wait()
            self._idle = SHORTEST_IDLE
        except TimeoutError:
            self._idle = min(IDLE, self._idle * 2)

    async def _carry(self, row: Row, event: Event | None) -> None:
        if event is None:  # purged before it was delivered
            said: Said = PermanentSendError(
                "the event, or what it tells of, is no longer in the store"
            )
            changes: list[Row | None] = []
        else:
            said = await self._call(event, repeated=row["repeated"])
            changes = [self._note_state(said, background=row["background"])]
        outcome = self._outcome(row, said)
        if outcome.state_ == "dead" and not isinstance(said, PermanentSendError):
            outcome, change = await self._blame(row, outcome, _asked(said))
            changes.append(change)
        if outcome.state_ == "dead":
            log.warning(
                "delivery given up",
                extra={"sink": self.name, "delivery": row["id"], "reason": outcome.error_},
            )
        await until_done(lambda: self._outcomes.submit(outcome))
        for change in filter(None, changes):
            await self._tell(change)

    async def _call(self, event: Event, *, repeated: bool) -> Said:
        try:
            async with asyncio.timeout(self._settings.timeout * 2):
                return await self._sink.deliver(event, repeated=repeated)
        except TimeoutError:
            return InDoubtError("no answer within the sink's timeout")
        except SendError as error:
            return error
        except Exception as error:
            log.exception("sink plugin broke", extra={"sink": self.name, "event": event.id})
            return InDoubtError(f"the sink plugin broke: {type(error).__name__}")

    async def _blame(self, row: Row, outcome: Outcome, asked: float) -> tuple[Outcome, Row | None]:
        """Let an event wait on whose attempts are used up, where the sink takes no other either."""
        since = outcome.failing_since_ or self._now()
        last_delay = (self._settings.retry_delays or (LONGEST_REST,))[-1]
        tried = max(since, row["due_at"] - timedelta(seconds=last_delay))
        failing = row | {"failing_since": since}

        async def ask() -> bool:
            async with self._database.read() as connection:
                return await deliveries.is_poison(connection, self.name, failing, tried)

        if await until_done(ask):
            return outcome, None
        change = self._break(row, outcome) if self._taken_at < tried else None
        due_at = self._now() + timedelta(seconds=max(SHORTEST_REST, asked or last_delay))
        waits = msgspec.structs.replace(outcome, state_="pending", due_at_=due_at, settled_at_=None)
        return waits, change

    def _break(self, row: Row, outcome: Outcome) -> Row | None:
        """Note that the sink answers and takes nothing; notes may have a way of their own."""
        if row["background"] not in self._broken:
            log.warning(
                "sink answers and takes nothing; its events wait",
                extra={"sink": self.name, "reason": outcome.error_},
            )
        self._broken.add(row["background"])
        if self.reason is not None or row["background"]:
            return None
        self.reason, self._failed_at = TAKES_NOTHING, self._now()
        return self._event("sink.down", self.reason)

    def _outcome(self, row: Row, error: Said) -> Outcome:
        now = self._now()
        attempts, failing_since = row["attempts"], row["failing_since"]
        delays = self._settings.retry_delays
        state, delay = "pending", 0.0
        if error is None or error is NOT_TOLD:
            state = "delivered"
        elif isinstance(error, PermanentSendError):
            state = "dead"
        elif _is_down(error):
            delay = self._rest
        elif isinstance(error, NotYetError):
            delay = max(SHORTEST_REST, _asked(error))
        elif isinstance(error, TransientSendError) and error.throttled:
            asked = THROTTLED if error.retry_after is None else _asked(error)
            delay = max(SHORTEST_REST, asked)
        else:
            failing_since = failing_since or now
            if attempts < len(delays):
                delay = _asked(error) or delays[attempts]
                attempts += 1
            else:
                state = "dead"
        return Outcome(
            id_=row["id"],
            until_=row["until"],
            state_=state,
            attempts_=attempts,
            repeated_=row["repeated"] or _may_be_taken(error),
            due_at_=now + timedelta(seconds=delay),
            settled_at_=None if state == "pending" else now,
            error_=_tell(error),
            failing_since_=failing_since,
        )

    def _note_state(self, error: Said, *, background: bool) -> Row | None:
        """Note whether the sink takes anything; return the event that tells of a change."""
        if error is None:
            self._broken.discard(background)
            self._taken_at = self._taken_at if background else self._now()
        if isinstance(error, SendError) and _is_down(error):
            return self._fall(error)
        # One that is refused for good may have been refused by the plugin, which called nobody.
        if self.reason is None or isinstance(error, NotYetError | PermanentSendError | NotTold):
            return None
        if not isinstance(error, InDoubtError):
            return self._rise()
        if self._is_down:
            self._leave_alone(error)
        return None

    def _fall(self, error: SendError) -> Row | None:
        fell, reason = self.reason is None, clip_text(error.text)
        self.reason, self._is_down = reason, True
        self._leave_alone(error)
        if not fell:
            return None
        log.warning("sink is down", extra={"sink": self.name, "reason": reason})
        return self._event("sink.down", reason)

    def _leave_alone(self, error: SendError) -> None:
        self._failed_at = self._now()
        monotonic = self._monotonic()
        if monotonic >= self._resting_until:  # of several calls that fail together, the first
            self._rest = min(LONGEST_REST, max(SHORTEST_REST, self._rest * 2))
            # A look harms nobody: a page that asks for an hour may be gone after five minutes.
            self._resting_until = monotonic + min(_asked(error) or self._rest, LONGEST_REST)

    def _rise(self) -> Row | None:
        self._is_down, self._rest, self._resting_until = False, 0.0, 0.0
        if False in self._broken:
            self.reason = TAKES_NOTHING
            return None
        self.reason = None
        log.info("sink is up again", extra={"sink": self.name})
        return self._event("sink.up", None)

    def _event(self, kind: str, text: str | None) -> Row:
        return events.new_event(kind, self._now(), text=text, data={"sink": self.name})

    async def _look_whether_up(self) -> None:
        """Believe another process that has brought the sink something since it was down."""
        async with self._database.read() as connection:
            others = False in self._broken
            last = await deliveries.last_delivered(connection, self.name, without_notes=others)
        if last is not None and last > self._failed_at and self.reason is not None:
            self._broken -= {False}
            if change := self._rise():
                await self._tell(change)

    async def _tell(self, event: Row) -> None:
        async def work(connection: AsyncConnection) -> None:
            await events.append(connection, [event])

        await until_done(lambda: self._database.write(work))

    async def _write(self, outcomes: list[Outcome]) -> list[None]:
        rows = [msgspec.structs.asdict(outcome) for outcome in outcomes]
        await self._database.write(lambda connection: deliveries.settle(connection, rows))
        return [None] * len(outcomes)


def _is_down(error: SendError) -> bool:
    """Tell whether no other event would be taken either."""
    return isinstance(error, UnreachableError | AccountError)


def _may_be_taken(error: Said) -> bool:
    return isinstance(error, InDoubtError) or (
        isinstance(error, TransientSendError) and error.possibly_taken
    )


def _tell(error: Said) -> str | None:
    if isinstance(error, SendError):
        return clip_text(error.text)
    return PASSED if error is NOT_TOLD else None


def _asked(error: Said) -> float:
    wait = error.retry_after if isinstance(error, TransientSendError) else None
    return 0.0 if wait is None else max(0.0, min(wait, LONGEST_ASKED))
