"""Writing down how a dispatch has ended, whatever happens to the database meanwhile."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.account import Account
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.dispatch.endings import Endings, ForeseenEnding, first_poll
from recado_core.engine.failures import UnavailableError
from recado_core.engine.messages.transitions import Change, Ready
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database, until_done
from recado_core.engine.store.statements import dispatches
from recado_core.engine.store.vendor_words import clip_code, clip_text
from recado_core.errors import SendError

Row = dict[str, Any]

ACCEPTED = "accepted"
"""The outcome of a dispatch that the provider took."""


class Recording:
    """Writes how the dispatches of one account end."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that a dispatch's end concerns
        self,
        account: Account,
        accounts: Accounts,
        settings: EngineSettings,
        endings: Endings,
        database: Database,
        now: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._accounts = accounts
        self._settings = settings
        self._endings = endings
        self._database = database
        self._now = now

    async def record(  # noqa: PLR0913  # how it ended, and how it may be written
        self,
        dispatch_id: str,
        rows: list[Row],
        changes: list[Change],
        *,
        outcome: str | None,
        error: SendError | None = None,
        at_once: bool = True,
    ) -> None:
        """Write what became of a dispatch's messages, and wake the accounts that they go on to.

        Args:
            dispatch_id: The dispatch.
            rows: The messages as they were claimed.
            changes: What shall become of them.
            outcome: How the dispatch has ended; None where others of its messages go on.
            error: Why it has ended so.
            at_once: Whether it may be written in one step; not if ``record_taken`` could not.
        """
        foreseen = self._endings.foresee(dispatch_id, rows, changes, self._now())
        is_ready = at_once and outcome == ACCEPTED and foreseen.is_whole
        if is_ready and await self._write_at_once(dispatch_id, foreseen.plan):
            self._wake(foreseen.plan.done)
            return
        first = [foreseen]  # for the first attempt: later ones have a later time

        async def write() -> list[Change]:
            ready = first.pop() if first else None
            return await self._database.write(
                lambda connection: self._write(
                    connection, dispatch_id, changes, outcome, error, ready
                )
            )

        self._wake(await until_done(write))

    async def record_taken(self, dispatch_id: str, rows: list[Row], references: list[str]) -> bool:
        """Write in one step of a batch that all of it is taken; if that fails ``record`` must.

        Args:
            dispatch_id: The dispatch.
            rows: The messages as they were claimed.
            references: The vendor's, one for each (``settling.taken_as``).

        Returns:
            Whether it is written.
        """
        if not self._database.sqlite:
            return False
        ready = self._endings.foresee_taken(dispatch_id, rows, references, self._now())
        return await self._write_at_once(dispatch_id, ready)

    def _wake(self, done: list[Change]) -> None:
        self._accounts.wake({change.retry.account for change in done if change.retry is not None})

    async def _write_at_once(self, dispatch_id: str, ready: Ready) -> bool:
        """Write that the provider took the batch, if it goes in one step; tell whether."""
        if not self._database.sqlite:
            return False
        now = self._now()
        poll_at = first_poll(self._account, self._settings.poll_delays, now)
        steps = [
            *ready.steps,
            *ready.told.steps,
            dispatches.finished(dispatch_id, ACCEPTED, now, poll_at),
        ]
        try:
            written = await self._database.write_at_once(steps)
        except UnavailableError:  # it is tried again, by the longer way
            return False
        if written:
            self._endings.wake(ready)
        return written

    async def _write(  # noqa: PLR0913, PLR0917  # how it ended, and what is ready
        self,
        connection: AsyncConnection,
        dispatch_id: str,
        changes: list[Change],
        outcome: str | None,
        error: SendError | None,
        foreseen: ForeseenEnding | None,
    ) -> list[Change]:
        now = self._now()
        delays = self._settings.poll_delays if outcome == ACCEPTED else ()
        own = (dispatch_id, self._account.name)
        done = await self._endings.change_own(connection, own, changes, now, foreseen)
        if outcome is None:  # the others go on
            await dispatches.lessen(connection, dispatch_id, len(changes))
        else:
            await dispatches.finish(
                connection,
                dispatch_id,
                outcome=outcome,
                now=now,
                poll_at=first_poll(self._account, delays, now),
                code=clip_code(error.code if error else None),
                text=clip_text(error.text if error else None),
            )
        return done
