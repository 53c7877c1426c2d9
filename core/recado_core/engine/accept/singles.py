"""Calls that bring one message each: what comes together is composed and checked together."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from recado_core.engine.accept.answers import tell_message
from recado_core.engine.accept.composing import Composing, Composition
from recado_core.engine.accept.judging import Judging
from recado_core.engine.accept.storing import Guard, Storing, Unit
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey
from recado_core.engine.failures import DraftError, UnavailableError
from recado_core.engine.grouping import LATER, Grouping, Later
from recado_core.engine.messages.drafts import Draft

log = logging.getLogger(__name__)


class Call(msgspec.Struct, frozen=True):
    """A call, as ``Accept.message`` is called, and where its end is set."""

    draft: Draft
    key: IdempotencyKey | None
    reply: bool
    origin: str | None
    guard: Guard | None
    end: asyncio.Future[Answer]


class Singles:
    """Accepts single messages by the steps of a batch.

    Those of calls that come together are composed at one go; then they are carried on together,
    to the checks and to the store, while the next ones are composed. What is wrong with a draft is
    told before that. What a draft, a plugin or the database breaks on fails that call alone.

    Args:
        composing: Makes rows of drafts.
        judging: Asks the checks.
        storing: Stores them, together with those of other calls and of batches.
        now: The clock.
    """

    def __init__(
        self, composing: Composing, judging: Judging, storing: Storing, now: Callable[[], datetime]
    ) -> None:
        self._composing = composing
        self._judging = judging
        self._storing = storing
        self._now = now
        self._plain: Grouping[Call, Answer] = Grouping(self._compose)
        # Templates are read from the store, and who names none need not wait for it.
        self._templated: Grouping[Call, Answer] = Grouping(self._compose, is_fatal=_is_unavailable)
        self._carriers: set[asyncio.Task[None]] = set()

    async def accept(
        self,
        draft: Draft,
        key: IdempotencyKey | None,
        *,
        reply: bool,
        origin: str | None,
        guard: Guard | None,
    ) -> Answer:
        """Accept one message; the arguments and errors are those of ``Accept.message``."""
        end: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        call = Call(draft, key, reply, origin, guard, end)
        try:
            (self._plain if draft.template is None else self._templated).put(call, end)
            return await end
        finally:
            end.cancel()  # if it has none: nobody waits any more
            del call, end  # an error knows this frame: it must not know the error

    async def _compose(self, calls: list[Call]) -> list[DraftError | Later]:
        """Compose messages, and let those that can be accepted be carried on."""
        made = await self._composing.rows([call.draft for call in calls], self._now())
        good = [
            (call, each)
            for call, each in zip(calls, made, strict=True)
            if not isinstance(each, DraftError)
        ]
        if good:
            carrier = asyncio.create_task(self._carry(good))
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)
        return [each if isinstance(each, DraftError) else LATER for each in made]

    async def _carry(self, good: Sequence[tuple[Call, Composition]]) -> None:
        """Check messages, and hand them to the store."""
        try:
            for each in await self._judge_apart(good):
                await self._carry([each])
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to who called
            _fail(good, error)
        except BaseException:  # such as CancelledError: nobody may be left waiting for ever
            _fail(good, RuntimeError("the work was broken off"))
            raise

    async def _judge_apart(
        self, good: Sequence[tuple[Call, Composition]]
    ) -> Sequence[tuple[Call, Composition]]:
        """Check messages, and hand them to the store; return those that want it one by one."""
        try:
            units = await self._judge(good)
        except Exception:
            if len(good) == 1:
                raise
            log.exception("single messages can't be judged together; they are one by one")
            return good
        for (call, _), unit in zip(good, units, strict=True):
            if not call.end.done():  # else its request was cancelled
                self._storing.put(unit, call.end)
        return ()

    async def _judge(self, good: Sequence[tuple[Call, Composition]]) -> list[Unit]:
        # Rows of their own: those that broke together are judged again, each by itself.
        rows = [each.row | {"origin": call.origin} for call, each in good]
        verdicts = await self._judging.judge(rows, [each.document for _, each in good])
        return [
            Unit(
                rows=[row],
                verdicts=[verdict],
                key=call.key,
                answer=Answer(body=msgspec.json.encode(tell_message(row, verdict))),
                reply=call.reply,
                guard=call.guard,
            )
            for (call, _), row, verdict in zip(good, rows, verdicts, strict=True)
        ]


def _fail(good: Sequence[tuple[Call, Composition]], error: Exception) -> None:
    for call, _ in good:
        if not call.end.done():
            call.end.set_exception(error)


def _is_unavailable(error: Exception) -> bool:
    """Tell whether the store is away, which each draft alone would meet too."""
    return isinstance(error, UnavailableError)
