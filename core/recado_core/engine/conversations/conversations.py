"""Conversations as the API shows them: found, answered, assigned, closed."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.accepting import Accept
from recado_core.engine.clients.cursors import make_timed_cursor, read_timed_cursor
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey
from recado_core.engine.failures import DraftError, Fault, NotFoundError
from recado_core.engine.messages.conversing import BY_API, ConversationStatus, tell
from recado_core.engine.messages.drafts import Draft
from recado_core.engine.messages.messages import MessageFilter, Messages, Page
from recado_core.engine.messages.telling import Telling
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import conversations as store
from recado_core.messages import Category, Media

Row = dict[str, Any]

LONGEST_AGENT = 120
AGENTS_PRIORITY = 7
"""A person waits for an agent's answer, so that it goes before what nobody waits for."""


class ConversationView(msgspec.Struct, frozen=True, kw_only=True):
    """A thread between one person and one account."""

    id: str
    account: str
    channel: str
    address: str
    status: ConversationStatus
    agent: str | None
    unread: int
    opened_at: datetime
    last_activity: datetime
    last_received_at: datetime | None
    last_sent_at: datetime | None


class ConversationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversations are wanted; what is None does not matter."""

    status: ConversationStatus | None = None
    agent: str | None = None
    account: str | None = None
    channel: str | None = None
    address: str | None = None


class ConversationPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some conversations, and the cursor for those that follow."""

    items: list[ConversationView]
    next_cursor: str | None


class ConversationChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall change of a conversation: the body of ``PATCH /v1/conversations/{id}``.

    An agent makes it *current*, ``null`` gives it back as *new*; 0 unread says that all was seen.
    """

    status: ConversationStatus | UnsetType = UNSET
    agent: str | UnsetType | None = UNSET
    unread: Annotated[int, msgspec.Meta(ge=0, le=0)] | UnsetType = UNSET


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent answers: the body of ``POST /v1/conversations/{id}/messages``."""

    text: str | None = None
    template: str | None = None
    language: str | None = None
    variables: dict[str, Any] | None = None
    transliterate: bool | None = None
    media: list[Media] | None = None
    category: Category | None = None
    reference: str | None = None
    metadata: dict[str, Any] | None = None
    cost_centre: str | None = None


class Conversations:
    """Reads conversations, answers in them, hands them on."""

    def __init__(
        self,
        database: Database,
        accept: Accept,
        messages: Messages,
        telling: Telling,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._accept = accept
        self._messages = messages
        self._telling = telling
        self._now = now

    async def list(
        self, wanted: ConversationFilter, limit: int = 50, cursor: str | None = None
    ) -> ConversationPage:
        """Return conversations, those with the latest activity first.

        Args:
            wanted: Which.
            limit: How many at the most, from 1 to 500.
            cursor: What the page before gave.

        Raises:
            DraftError: The cursor is not one of ours.
        """
        equal = {
            name: str(value)
            for name in ("status", "agent", "account", "channel", "address")
            if (value := getattr(wanted, name)) is not None
        }
        before = read_timed_cursor(cursor) if cursor else None
        if any("\0" in value for value in equal.values()):
            return ConversationPage(items=[], next_cursor=None)  # nothing stored has a zero byte
        async with self._database.read() as connection:
            rows = await store.page(connection, equal, before, limit + 1)
        last = rows[limit - 1] if len(rows) > limit else None
        return ConversationPage(
            items=[ConversationView(**row) for row in rows[:limit]],
            next_cursor=make_timed_cursor(last["last_activity"], last["id"]) if last else None,
        )

    async def get(self, conversation_id: str) -> ConversationView:
        """Return one conversation, or raise ``NotFoundError``."""
        async with self._database.read() as connection:
            row = await store.get(connection, conversation_id.replace("\0", ""))
        if row is None:
            raise _not_found(conversation_id)
        return ConversationView(**row)

    async def change(self, conversation_id: str, change: ConversationChange) -> ConversationView:
        """Assign, give back, close or reopen a conversation, or note that it was read.

        Raises:
            NotFoundError: There is no such conversation.
            DraftError: The change contradicts itself.
        """
        now = self._now()

        async def work(connection: AsyncConnection) -> Row:
            before = await store.lock(connection, conversation_id.replace("\0", ""))
            if before is None:
                raise _not_found(conversation_id)
            after = before | _changed(before, change, now)
            if after != before:
                await store.write(connection, [after])
                await tell(connection, _told(before, after), now, self._telling)
            return after

        return ConversationView(**await self._database.write(work))

    async def messages(
        self, conversation_id: str, limit: int = 50, cursor: str | None = None
    ) -> Page:
        """Return a conversation's messages, both ways, the newest first.

        Raises:
            NotFoundError: There is no such conversation.
            DraftError: The cursor is not one of ours.
        """
        found = await self.get(conversation_id)
        wanted = MessageFilter(to=found.address, account=found.account, channel=found.channel)
        return await self._messages.list(wanted, limit, cursor)

    async def reply(
        self, conversation_id: str, reply: Reply, key: IdempotencyKey | None = None
    ) -> Answer:
        """Answer on the account and channel where the person wrote; what was unread is read.

        Raises:
            NotFoundError: There is no such conversation.
            DraftError: It can't be sent; nothing was stored.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        found = await self.get(conversation_id)
        draft = Draft(
            to=found.address,
            channel=found.channel,
            account=found.account,
            priority=AGENTS_PRIORITY,
            **msgspec.structs.asdict(reply),
        )
        return await self._accept.message(draft, key, reply=True, origin=BY_API)


def _changed(before: Row, change: ConversationChange, now: datetime) -> Row:
    """Return what a change writes, or raise ``DraftError``."""
    agent, status = before["agent"], ConversationStatus(before["status"])
    if change.agent is not UNSET:
        agent = _check_agent(change.agent)
        # Who is given a conversation has it; one that is taken from its agent waits for another.
        status = ConversationStatus.CURRENT if agent else _without_agent(status)
    if change.status is not UNSET:
        status = change.status
        agent = None if status is ConversationStatus.NEW and change.agent is UNSET else agent
    if status is ConversationStatus.CURRENT and agent is None:
        raise DraftError([Fault(pointer="/agent", detail="a current conversation needs an agent")])
    if status is ConversationStatus.NEW and agent is not None:
        raise DraftError([Fault(pointer="/agent", detail="a new conversation has no agent yet")])
    reopened = _is_done(before) and status is not ConversationStatus.DONE
    return {
        "agent": agent,
        "status": status,
        "unread": before["unread"] if change.unread is UNSET else change.unread,
        "opened_at": now if reopened else before["opened_at"],
    }


def _without_agent(status: ConversationStatus) -> ConversationStatus:
    return ConversationStatus.NEW if status is ConversationStatus.CURRENT else status


def _check_agent(agent: str | None) -> str | None:
    if agent is not None and not (1 <= len(agent) <= LONGEST_AGENT and agent.isprintable()):
        detail = f"must have 1 to {LONGEST_AGENT} printable characters"
        raise DraftError([Fault(pointer="/agent", detail=detail)])
    return agent


def _told(before: Row, after: Row) -> list[tuple[str, Row]]:
    """Return the events of a change."""
    told = []
    if _is_done(before) and not _is_done(after):
        told.append(("conversation.opened", after))
    if after["agent"] != before["agent"] and after["agent"] is not None:
        told.append(("conversation.assigned", after))
    if _is_done(after) and not _is_done(before):
        told.append(("conversation.closed", after))
    return told


def _is_done(row: Row) -> bool:
    return bool(row["status"] == ConversationStatus.DONE)


def _not_found(conversation_id: str) -> NotFoundError:
    return NotFoundError(f"there is no conversation {conversation_id!r}")
