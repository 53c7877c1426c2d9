"""Messages as the API shows them: found, told in full, cancelled."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.clients.cursors import make_cursor, read_cursor
from recado_core.engine.failures import ConflictError, NotFoundError
from recado_core.engine.messages.telling import Telling
from recado_core.engine.messages.transitions import Change, apply
from recado_core.engine.store.database import Database
from recado_core.engine.store.money import from_millionths
from recado_core.engine.store.statements import dispatches, events
from recado_core.engine.store.statements import messages as store
from recado_core.messages import Status

MAX_PAGE = 500


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A message; ``address`` is the person's, ``code`` and ``status_text`` the provider's words.

    ``cost`` is known once a provider has taken it, in the currency of the account's price.
    """

    id: str
    direction: str
    channel: str
    account: str
    to: str
    sender: str | None
    sender_id: str | None
    text: str
    media: list[dict[str, Any]] | None
    category: str
    priority: int
    reference: str | None
    metadata: dict[str, Any] | None
    segments: int
    encoding: str
    status: Status
    status_at: datetime
    code: str | None
    status_text: str | None
    provider_ref: str | None
    batch_id: str | None
    campaign_id: str | None
    cost_centre: str | None
    cost: Decimal | None
    resend_of: str | None
    answers: str | None
    created_at: datetime
    scheduled_at: datetime | None
    expires_at: datetime | None


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a message: when, from where to where, and the provider's words."""

    id: str
    type: str
    time: datetime
    from_status: Status | None = msgspec.field(name="from")
    to_status: Status | None = msgspec.field(name="to")
    account: str | None
    code: str | None
    text: str | None
    data: dict[str, Any] | None


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One try to hand the message to a provider; ``id`` is the batch reference it bore."""

    id: str
    account: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    code: str | None
    text: str | None
    batch_size: int


class MessageDetail(MessageView, frozen=True, kw_only=True):
    """A message with all that happened to it."""

    events: list[EventView]
    attempts: list[AttemptView]


class MessageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages are wanted; what is None does not matter.

    ``since`` and ``until`` are about the time of acceptance, ``until`` excluded.
    """

    status: str | None = None
    direction: str | None = None
    channel: str | None = None
    account: str | None = None
    to: str | None = None
    reference: str | None = None
    batch_id: str | None = None
    campaign_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some messages, and the cursor for those that follow."""

    items: list[MessageView]
    next_cursor: str | None


class Messages:
    """Reads messages, and takes them back."""

    def __init__(self, database: Database, telling: Telling, now: Callable[[], datetime]) -> None:
        self._database = database
        self._telling = telling
        self._now = now

    async def list(self, wanted: MessageFilter, limit: int = 50, cursor: str | None = None) -> Page:
        """Return messages, the newest first.

        Args:
            wanted: Which.
            limit: How many at the most, from 1 to 500.
            cursor: What the page before gave.

        Raises:
            DraftError: The cursor is not one of ours.
        """
        equal = {
            column: value
            for column, value in (
                ("status", wanted.status),
                ("direction", wanted.direction),
                ("channel", wanted.channel),
                ("account", wanted.account),
                ("address", wanted.to),
                ("reference", wanted.reference),
                ("batch_id", wanted.batch_id),
                ("campaign_id", wanted.campaign_id),
            )
            if value is not None
        }
        before = read_cursor(cursor) if cursor else None
        if any("\0" in value for value in equal.values()):
            return Page(items=[], next_cursor=None)  # nothing stored has a zero byte
        async with self._database.read() as connection:
            rows = await store.page(
                connection, equal, wanted.since, wanted.until, before, limit + 1
            )
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(
            items=[view_message(row) for row in rows],
            next_cursor=make_cursor(rows[-1]["id"]) if more else None,
        )

    async def get(self, message_id: str) -> MessageDetail:
        """Return a message with its events and attempts, or raise ``NotFoundError``."""
        async with self._database.read() as connection:
            row = None if "\0" in message_id else await store.get(connection, message_id)
            if row is None:
                raise NotFoundError(f"there is no message {message_id!r}")
            told = await events.of_message(connection, message_id)
            tried = await dispatches.attempts_of(connection, message_id)
        return MessageDetail(
            **_fields(row),
            events=[_event_view(event) for event in told],
            attempts=[_attempt_view(dispatch) for dispatch in tried],
        )

    async def cancel(self, message_id: str) -> MessageView:
        """Take back a message that is scheduled or queued.

        Raises:
            NotFoundError: There is no such MT.
            ConflictError: It is beyond recall.
        """
        now = self._now()

        async def work(connection: AsyncConnection) -> dict[str, Any]:
            standing = await store.lock(connection, [message_id.replace("\0", "")])
            if message_id not in standing:
                raise NotFoundError(f"there is no message {message_id!r} that was sent from here")
            change = Change(message_id=message_id, status=Status.CANCELED)
            if not await apply(connection, standing, [change], now, self._telling):
                status = standing[message_id]["status"]
                raise ConflictError(
                    f"the message is {status}; only a scheduled or queued one can be cancelled"
                )
            return await store.get(connection, message_id) or {}

        return MessageView(**_fields(await self._database.write(work)))


def view_message(row: dict[str, Any]) -> MessageView:
    """Return a message's row as the API shows it."""
    return MessageView(**_fields(row))


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    outbound = row["direction"] == "out"
    taken = {
        name: row[name]
        for name in (
            "id", "direction", "channel", "account", "text", "media", "category", "priority",
            "reference", "metadata", "segments", "encoding", "status_at", "code", "status_text",
            "provider_ref", "batch_id", "campaign_id", "cost_centre", "resend_of", "created_at",
            "scheduled_at", "expires_at",
        )
    }  # fmt: skip
    return taken | {
        "status": Status(row["status"]),
        "cost": None if row["cost"] is None else from_millionths(row["cost"]),
        "to": row["address"] if outbound else row["sender_id"] or "",
        "sender": None if outbound else row["address"],
        "sender_id": row["sender_id"] if outbound else None,
        "answers": row["answers_id"],
    }


def _event_view(row: dict[str, Any]) -> EventView:
    return EventView(
        id=row["id"],
        type=row["type"],
        time=row["time"],
        from_status=Status(row["from_status"]) if row["from_status"] else None,
        to_status=Status(row["to_status"]) if row["to_status"] else None,
        account=row["account"],
        code=row["code"],
        text=row["text"],
        data=row["data"],
    )


def _attempt_view(row: dict[str, Any]) -> AttemptView:
    return AttemptView(
        id=row["id"],
        account=row["account"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=row["outcome"] or row["state"],
        code=row["code"],
        text=row["text"],
        batch_size=row["size"],
    )
