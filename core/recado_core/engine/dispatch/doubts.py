"""Dispatches of which nobody knows how they ended: asked about, never blindly sent again."""

import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import LookupResult, SupportsLookup
from recado_core.engine.accounts.account import Account
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.accounts.asking import Unanswered, ask
from recado_core.engine.accounts.inquiry import Inquiry
from recado_core.engine.dispatch import settling
from recado_core.engine.dispatch.endings import Endings, first_poll
from recado_core.engine.messages.batches import batch_of
from recado_core.engine.messages.transitions import Change
from recado_core.engine.settings import EngineSettings, OnDoubt
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import dispatches, outbox
from recado_core.engine.store.vendor_words import clip_text
from recado_core.messages import Status

log = logging.getLogger(__name__)

Row = dict[str, Any]

LONGEST_WAIT = 300.0
"""Seconds at the most between two attempts to ask about a dispatch."""


class Doubts:
    """Settles the dispatches in doubt; ``inquiry`` has its rounds."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that know of a dispatch
        self,
        node_id: str,
        accounts: Accounts,
        settings: EngineSettings,
        endings: Endings,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._settings = settings
        self._endings = endings
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self.inquiry = Inquiry(
            dispatches.doubtful, self._settle, node_id, accounts, database, now, monotonic
        )
        self._first_asked: dict[str, float] = {}

    async def _settle(self, dispatch: Row) -> None:
        async with self._database.read() as connection:
            rows = await outbox.of_dispatch(connection, dispatch["id"])
        rows = [row for row in rows if row["status"] == Status.SENDING]
        account = self._accounts.by_name.get(dispatch["account"])
        if not rows:  # receipts have told, of some perhaps only that they were sent
            await self._close(dispatch, [], "settled", poll_of=account)
        elif account is None:
            text = "its account is no longer configured"
            await self._close(dispatch, [_unknown(row, text) for row in rows], "unknown")
        elif not account.kind.capabilities.lookup:
            await self._decide(dispatch, account, rows)
        else:
            await self._look_up(dispatch, account, rows)

    async def _look_up(self, dispatch: Row, account: Account, rows: list[Row]) -> None:
        batch = batch_of(dispatch["id"], rows)
        provider: SupportsLookup = account.provider  # type: ignore[assignment]  # declared
        found = await ask(account, lambda: provider.lookup(batch), LookupResult, self._monotonic())
        if isinstance(found, Unanswered):
            wait = found.wait or min(LONGEST_WAIT, 2.0 ** min(dispatch["lookups"], 10))
            due_at = self._now() + timedelta(seconds=wait)
            await self._ask_again(dispatch, due_at, found.why, counts=found.wait is None)
            return
        settled_at = self._settled_at(dispatch, account)
        held = {result.message_id for result in found.results}
        missing = [row for row in rows if row["id"] not in held]
        if missing and self._now() < settled_at:
            await self._ask_again(dispatch, settled_at, "not found yet")
        elif found.found:
            taken = [row for row in rows if row["id"] in held]
            changes = settling.after_results(
                taken, found.results, self._settings.retry_delays, random.random
            )
            changes += self._send_again(missing, "the provider holds the batch without it")
            await self._close(dispatch, changes, "found", poll_of=account)
            account.wake.set()
        else:
            await self._close(
                dispatch, self._send_again(rows, "the provider never took it"), "missing"
            )
            account.wake.set()

    def _settled_at(self, dispatch: Row, account: Account) -> datetime:
        """Return when "not found" is believed; also by our own clock, for others' may be behind."""
        clock = self._monotonic()
        first = self._first_asked.setdefault(dispatch["id"], clock)
        by_store: datetime = dispatch["doubt_at"] + timedelta(seconds=account.lookup_settles)
        by_us = self._now() + timedelta(seconds=first + account.lookup_settles - clock)
        return max(by_store, by_us)

    async def _decide(self, dispatch: Row, account: Account, rows: list[Row]) -> None:
        if self._now() < dispatch["doubt_at"]:  # the call of a silent process may not have ended
            await self._ask_again(dispatch, dispatch["doubt_at"], "its process fell silent")
        elif account.settings.on_doubt is OnDoubt.RESEND:
            text = "in doubt, and the account says to send again"
            await self._close(dispatch, self._send_again(rows, text), "resent")
            account.wake.set()
        else:
            text = (
                f"it may have been sent; the provider can't say ({dispatch['text'] or 'no answer'})"
            )
            await self._close(dispatch, [_unknown(row, text) for row in rows], "unknown")

    def _send_again(self, rows: list[Row], text: str) -> list[Change]:
        # The first time at once: nobody but us lost time. After that as any failed attempt.
        delays = (0.0, *self._settings.retry_delays)
        return [
            settling.retry_or_fail(row, delays, random.random, code=None, text=text) for row in rows
        ]

    async def _ask_again(
        self, dispatch: Row, due_at: datetime, text: str, *, counts: bool = True
    ) -> None:
        await self._database.write(
            lambda connection: dispatches.mark_doubt(
                connection,
                dispatch["id"],
                now=self._now(),
                due_at=due_at,
                code=dispatch["code"],
                text=clip_text(text),
                counts=counts,
            )
        )

    async def _close(
        self,
        dispatch: Row,
        changes: list[Change],
        outcome: str,
        poll_of: Account | None = None,
    ) -> None:
        now = self._now()

        async def work(connection: AsyncConnection) -> None:
            own = (dispatch["id"], dispatch["account"])
            await self._endings.change_own(connection, own, changes, now)
            await dispatches.finish(
                connection,
                dispatch["id"],
                outcome=outcome,
                now=now,
                code=dispatch["code"],
                text=dispatch["text"],
                poll_at=first_poll(poll_of, self._settings.poll_delays, now),
            )

        await self._database.write(work)
        self._first_asked.pop(dispatch["id"], None)
        log.info(
            "dispatch in doubt settled",
            extra={"account": dispatch["account"], "dispatch": dispatch["id"], "outcome": outcome},
        )


def _unknown(row: Row, text: str) -> Change:
    return Change(message_id=row["id"], status=Status.UNKNOWN, text=text)
