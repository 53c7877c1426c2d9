"""Webhooks: stored raw, answered, then processed."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.failures import NotFoundError
from recado_core.engine.grouping import Grouping, gather_more
from recado_core.engine.receive.arrivals import Arrivals
from recado_core.engine.receive.foreseeing import Foreseen
from recado_core.engine.receive.readings import Readings
from recado_core.engine.store.database import Database, is_down, is_passing
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import inbox
from recado_core.errors import MalformedWebhookError, WebhookError
from recado_core.http import WebhookReply, WebhookRequest
from recado_core.messages import WebhookItem

log = logging.getLogger(__name__)

Row = dict[str, Any]

AT_ONCE = 200
"""Webhooks processed in one transaction at the most."""
BYTES = 1_000_000
"""What they may have in their bodies together, but for one that has more alone: some 5,000 DLRs."""
AWAY = 1.0
"""Seconds after which it is tried again where webhooks can't be processed."""
PATIENCE = (2.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0)
"""Seconds before each further look at a webhook about messages that are not known yet."""
KEPT_HEADERS = frozenset({"content-type", "user-agent"})
"""Headers that are stored beside those that a receiver may need, which begin with ``x-``."""


class Receive:
    """Takes webhooks from providers."""

    def __init__(
        self,
        accounts: Accounts,
        arrivals: Arrivals,
        database: Database,
        now: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._arrivals = arrivals
        self._database = database
        self._now = now
        self._group = Grouping(self._store, is_fatal=is_down)
        self._readings = Readings()
        self._wake = asyncio.Event()
        self._is_more = False
        self._stopping = False

    async def webhook(self, account: str, token: str, request: WebhookRequest) -> WebhookReply:
        """Store a webhook and return what to answer; the same webhook again changes nothing.

        Raises:
            NotFoundError: There is no such account, or the token is wrong.
            WebhookRefusedError: The vendor did not sign it.
            MalformedWebhookError: It can't be read; it was not stored.
        """
        receiver = self._accounts.by_webhook(account, token).receiver
        if receiver is None:
            raise NotFoundError(f"the provider of account {account} takes no webhooks")
        receiver.authenticate(request)
        row = _row(account, token, request, self._now())
        try:
            self._readings.keep(row["id"], receiver.parse(request))
        except WebhookError:
            raise
        except Exception:
            # The plugin broke, not the webhook: it is kept for a version that reads it.
            log.exception("provider plugin broke on a webhook", extra={"account": account})
        await self._group.submit(row)
        self._wake.set()
        return receiver.reply

    def wake(self) -> None:
        """Process what is due: another process may have stored it, or its time has come."""
        self._wake.set()

    async def run(self) -> None:
        """Process what is stored until ``stop`` is called."""
        self._stopping = False
        troubled = False
        while not self._stopping:
            self._wake.clear()
            try:
                count = await self.process()
                if not self._is_more or not count:  # others may hold all that is due
                    await gather_more(count)
                    await self._wake.wait()
                troubled = False
            except Exception:
                if not troubled:
                    log.exception("webhooks can't be processed now; they wait")
                troubled = True
                await asyncio.sleep(AWAY)

    def stop(self) -> None:
        """End ``run`` after the webhooks at hand."""
        self._stopping = True
        self._wake.set()

    async def process(self) -> int:
        """Process webhooks that are due, as many as go at once; return how many they were."""
        if self._database.sqlite:  # whose one writer is kept no longer than need be
            count = await self._process_foreseen()
            if count is not None:
                return count
        return await self._database.write(self._process_some)

    async def _process_foreseen(self) -> int | None:
        """Make ready what webhooks come to, then write it; None where that can't be done."""
        now = self._now()
        try:
            async with self._database.glance() as connection:
                rows = await self._due(connection, now)
                if not rows:
                    return 0
                foreseen = await self._foresee(connection, rows, now)
        except Exception as error:  # what can't be read is met below, and told of
            if is_down(error):
                raise
            return None
        if foreseen is None:
            return None
        done = inbox.finished([row["id"] for row in rows])
        written = [step for each in foreseen for step in each.steps]
        if not await self._database.write_at_once([done, *written]):
            return None
        for row in rows:
            self._readings.drop(row["id"])
        for each in foreseen:
            self._arrivals.wake(each)
        return len(rows)

    async def _due(self, connection: AsyncConnection, now: datetime) -> list[Row]:
        """Return which webhooks to process together, and note whether there are more."""
        rows = await inbox.pending(connection, now, AT_ONCE)
        sizes = accumulate(row["size"] for row in rows)
        count = max(1, sum(size <= BYTES for size in sizes))
        self._is_more = len(rows) > count or len(rows) == AT_ONCE
        return rows[:count]

    async def _foresee(
        self, connection: AsyncConnection, rows: Sequence[Row], now: datetime
    ) -> list[Foreseen] | None:
        """Make ready what webhooks come to, account by account; None as above."""
        read = {row["id"]: self._readings.get(row["id"]) for row in rows}
        unread = [webhook_id for webhook_id, items in read.items() if items is None]
        if unread:
            stored = await inbox.whole(connection, unread)
            read |= {row["id"]: self._parse(row) for row in stored}
        said: dict[str, list[WebhookItem]] = {}
        for row in rows:
            said.setdefault(row["account"], []).extend(read[row["id"]] or ())
        foreseen = []
        for account, items in sorted(said.items()):
            each = await self._arrivals.foresee(connection, account, items, now)
            if each is None:
                return None
            foreseen.append(each)
        return foreseen

    async def _process_some(self, connection: AsyncConnection) -> int:
        now = self._now()
        rows = await inbox.lock_pending(connection, now, len(await self._due(connection, now)))
        try:
            async with connection.begin_nested():
                await self._take(connection, rows, now)
        except Exception as error:
            if is_passing(error):
                raise
            log.exception("a webhook can't be processed; the group is processed one by one")
            for row in rows:
                await self._take_alone(connection, row, now)
        return len(rows)

    async def _take_alone(self, connection: AsyncConnection, row: Row, now: datetime) -> None:
        try:
            async with connection.begin_nested():
                await self._take(connection, [row], now)
        except Exception as error:
            if is_passing(error):
                raise
            log.exception("webhook put aside", extra={"webhook": row["id"]})
            await self._look_again(connection, row, now, repr(error)[:500])

    async def _take(self, connection: AsyncConnection, rows: list[Row], now: datetime) -> None:
        done: list[str] = []
        by_account: dict[str, list[tuple[Row, list[WebhookItem]]]] = {}
        for row in rows:
            items = self._readings.get(row["id"])
            self._readings.drop(row["id"])  # it may be tried again only after a long time
            read = self._parse(row) if items is None else items
            by_account.setdefault(row["account"], []).append((row, read))
        for account, parsed in sorted(by_account.items()):
            every = [item for _, items in parsed for item in items]
            strangers = await self._arrivals.take(connection, account, every, now)
            for row, items in parsed:
                if any(id(item) in strangers for item in items):
                    text = "speaks of messages that are not known here"
                    await self._look_again(connection, row, now, text)
                else:
                    done.append(row["id"])
        await inbox.finish(connection, done)

    def _parse(self, row: Row) -> list[WebhookItem]:
        account = self._accounts.by_name.get(row["account"])
        receiver = account.receiver if account else None
        if receiver is None:
            raise NotFoundError(f"account {row['account']} is not configured, or takes no webhooks")
        request = WebhookRequest(
            url=row["url"],
            headers=row["headers"],
            query=row["query"],
            body=row["body"],
            method=row["method"],
        )
        try:
            return receiver.parse(request)
        except Exception as error:  # whatever a plugin raises, it is not the database that failed
            raise MalformedWebhookError(f"the plugin can't read it: {error!r}") from error

    async def _look_again(
        self, connection: AsyncConnection, row: Row, now: datetime, why: str
    ) -> None:
        """Keep a webhook that can't be processed now; in the end it is put aside as failed."""
        tries = row["attempts"]
        due_at = now + timedelta(seconds=PATIENCE[tries]) if tries < len(PATIENCE) else None
        await inbox.postpone(connection, row["id"], due_at, why)

    async def _store(self, rows: list[Row]) -> list[None]:
        if not await self._database.write_at_once(inbox.inserted(rows)):
            await self._database.write(lambda connection: inbox.insert(connection, rows))
        return [None] * len(rows)


def _row(account: str, token: str, request: WebhookRequest, now: datetime) -> Row:
    said = repr(sorted(request.query.items())).encode() + b"\0" + request.body
    return {
        "id": new_id(),
        "account": account,
        "digest": hashlib.sha256(said).digest(),
        "received_at": now,
        "method": request.method,
        "url": request.url.replace(token, "***"),
        "headers": {
            name: value
            for name, value in request.headers.items()
            if name in KEPT_HEADERS or name.startswith("x-")
        },
        "query": dict(request.query),
        "body": request.body,
        "state": "pending",
        "due_at": now,
    }
