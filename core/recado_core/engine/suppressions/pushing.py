"""Telling providers what changed on the suppression list, for their own lists to follow."""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from types import NoneType
from typing import Any

import msgspec

from recado_core.addresses import mask
from recado_core.contract import SupportsSuppress, Suppressed
from recado_core.engine.accounts.account import Account
from recado_core.engine.accounts.asking import Unanswered, ask_in_turn
from recado_core.engine.accounts.limits import Purpose
from recado_core.engine.policy import LONGEST_ASKED, THROTTLED
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import pushes, suppressions
from recado_core.engine.suppressions.suppressing import learned_from
from recado_core.errors import AccountError, PermanentSendError, SendError, TransientSendError
from recado_core.messages import SuppressionReason

log = logging.getLogger(__name__)

Row = dict[str, Any]

HELD = 300.0
"""Seconds in which the calls must begin for what was taken."""
DELAYS = (5.0, 600.0)
"""First and longest wait for a provider that can't be told, in seconds; it doubles."""
ANSWERING = (5.0, 600.0)
"""Seconds after which it is looked again whether the answer to a person's opt-out has gone, and for
which it is waited for at the most: nothing reaches who is on the provider's list."""
ITS_OWN = frozenset(
    {SuppressionReason.BLACKLIST, SuppressionReason.OPT_OUT, SuppressionReason.COMPLAINT}
)
"""What a provider says of an address that it has put on its list of its own accord."""
MAX_SPLITS = 64
"""How often parts are halved in a row, without one that is taken, to find refused addresses."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses for one call; ``alone`` if no others were to be changed the same way."""

    on_list: bool
    rows: list[Row]
    alone: bool = False

    def halve(self) -> list["Part"]:
        """Return it as two."""
        middle = len(self.rows) // 2
        return [
            Part(on_list=self.on_list, rows=rows)
            for rows in (self.rows[:middle], self.rows[middle:])
        ]


class _PutOffError(TransientSendError):
    """When its turn came, the call was not to be made any more."""


class Pushing:
    """Tells one account's provider which addresses are on the suppression list, and which are not.

    What changed is marked by ``Suppressing``. What the provider is told is how the list stands when
    it is told, so that nothing depends on the order of changes; each address is told of by one node
    at a time. A call that may have failed is made again: made twice, it changes nothing.
    """

    def __init__(
        self,
        account: Account,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._account = account
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._failures = 0
        self._not_before = 0.0
        self._is_silent = False
        self._stopping = False

    async def take_due(self) -> int:
        """Tell of what is due, batch by batch; return of how many addresses."""
        self._stopping = False
        taken = 0
        while self._may_begin():
            until = self._monotonic() + HELD
            rows = await self._take()
            if not rows:
                break
            await self._tell(rows, until)
            taken += len(rows)
        return taken

    def stop(self) -> None:
        """Make no more calls than the one that is being made now."""
        self._stopping = True

    def _may_begin(self) -> bool:
        monotonic = self._monotonic()
        return (
            monotonic >= self._not_before
            and not self._account.budget.refuses(monotonic, Purpose.ASK)
            and self._may_call()
        )

    def _may_call(self) -> bool:
        return not self._stopping and self._account.paused_at is None

    async def _take(self) -> list[Row]:
        """Take addresses for as long as the calls for them can last."""
        name, now = self._account.name, self._now()
        until = now + timedelta(seconds=HELD + 3 * self._account.settings.timeout)
        async with self._database.read() as connection:
            if not await pushes.any_due(connection, name, now, until):
                return []
        limit = self._account.kind.capabilities.max_suppress
        return await self._database.write(
            lambda connection: pushes.take(connection, name, now, until, limit)
        )

    async def _tell(self, rows: Sequence[Row], until: float) -> None:
        """Tell of addresses; part by part, where one of them is refused.

        The parts are tried in turn, the great ones first: those that are in order are told soon.
        """
        parts = deque(await self._parts(rows))
        splits = MAX_SPLITS
        refused: list[tuple[Part, Unanswered]] = []
        left: list[Part] = []
        why: Unanswered | None = None
        changed: set[bool] = set()
        while parts and why is None:
            part = parts.popleft()
            answer = await self._call(part, until)
            if answer is None:
                await self._finish(part.rows)
                changed.add(part.on_list)
                splits = MAX_SPLITS
            elif not isinstance(answer.error, PermanentSendError) or splits == 0:
                left, why = [part, *parts], answer
            elif len(part.rows) == 1:
                refused.append((part, answer))
            else:
                parts.extend(part.halve())
                splits -= 1
        for part, answer in refused:
            if part.alone or part.on_list in changed:
                await self._drop(part, answer)
            else:  # it refuses all of them: that is not about the addresses
                left.append(part)
                why = why or answer
        if why is not None:
            await self._leave(left, why)

    async def _parts(self, rows: Sequence[Row]) -> list[Part]:
        """Part what is on the list now from what is not.

        Whether it is is looked at after the row was taken: a later change makes that another
        version. Put off is whom an answer is still to reach; what the provider has put on its list
        of its own accord is left there.
        """
        account, now = self._account, self._now()
        source = learned_from(account.name)
        addresses = [row["address"] for row in rows]
        reasons, channels = account.settings.push_suppressions, account.kind.channels
        again, longest = (timedelta(seconds=seconds) for seconds in ANSWERING)
        async with self._database.read() as connection:
            listed = await suppressions.listed(
                connection, addresses, reasons, channels, now, but_from=source
            )
            its_own = await suppressions.listed(
                connection, addresses, ITS_OWN, channels, now, only_from=source
            )
            awaiting = await pushes.awaiting_answer(connection, listed, now - longest)
        await self._postpone(_among(rows, awaiting), now + again, counts=False)
        await self._finish(_among(rows, its_own - listed))
        on_list = _among(rows, listed - awaiting)
        off_list = _among(rows, {*addresses} - listed - its_own)
        return [
            Part(on_list=some is on_list, rows=some, alone=len(some) == 1)
            for some in (on_list, off_list)
            if some
        ]

    async def _call(self, part: Part, until: float) -> Unanswered | None:
        """Tell of a part in one call; return why that was not done, if it was not."""
        provider: SupportsSuppress = self._account.provider  # type: ignore[assignment]  # declared
        change = provider.suppress if part.on_list else provider.unsuppress
        entries = [Suppressed(address=row["address"]) for row in part.rows]

        async def question() -> None:
            if self._monotonic() > until or not self._may_call():
                raise _PutOffError("the call is not to be made now")
            return await change(entries)

        answer = await ask_in_turn(self._account, question, NoneType, self._monotonic)
        if answer is None:
            self._note_answer()
        return answer

    async def _finish(self, rows: Sequence[Row]) -> None:
        now = self._now()
        if rows:
            await self._database.write(lambda connection: pushes.finish(connection, rows, now))

    async def _drop(self, part: Part, answer: Unanswered) -> None:
        (row,) = part.rows
        log.warning(
            "provider refuses an address for its suppression list, and is not told of it",
            extra={
                "account": self._account.name,
                "address": mask(row["address"]),
                "change": "suppress" if part.on_list else "unsuppress",
                "code": answer.error.code if answer.error else None,
                "reason": answer.why,
            },
        )
        await self._finish(part.rows)

    async def _leave(self, parts: Iterable[Part], answer: Unanswered) -> None:
        """Tell of these another time."""
        rows = [row for part in parts for row in part.rows]
        error = answer.error
        wait, failed = self._wait(rows, error)
        if failed:
            self._failures += 1
            self._note_silence(answer.why)
        self._not_before = self._monotonic() + wait
        await self._postpone(rows, self._now() + timedelta(seconds=wait), counts=failed)

    async def _postpone(self, rows: Sequence[Row], due_at: datetime, *, counts: bool) -> None:
        if rows:
            await self._database.write(
                lambda connection: pushes.postpone(connection, rows, due_at, counts=counts)
            )

    def _wait(self, rows: Sequence[Row], error: SendError | None) -> tuple[float, bool]:
        """Return for how many seconds to wait, and whether the provider failed."""
        first, longest = DELAYS
        asked = error.retry_after if isinstance(error, TransientSendError) else None
        if isinstance(error, _PutOffError):
            return 0.0, False
        if isinstance(error, TransientSendError) and error.throttled:
            return max(first, min(THROTTLED if asked is None else asked, LONGEST_ASKED)), False
        if isinstance(error, AccountError | PermanentSendError):
            return longest, True
        if asked is not None:
            return max(first, min(asked, LONGEST_ASKED)), True
        times = max(self._failures, *(row["attempts"] for row in rows))
        return min(longest, first * 2.0 ** min(times, 10)), True

    def _note_silence(self, why: str) -> None:
        if not self._is_silent:
            self._is_silent = True
            log.warning(
                "provider can't be told of suppressions now",
                extra={"account": self._account.name, "reason": why},
            )

    def _note_answer(self) -> None:
        self._failures = 0
        if self._is_silent:
            self._is_silent = False
            log.info(
                "provider can be told of suppressions again", extra={"account": self._account.name}
            )


def _among(rows: Sequence[Row], addresses: Collection[str]) -> list[Row]:
    return [row for row in rows if row["address"] in addresses]
