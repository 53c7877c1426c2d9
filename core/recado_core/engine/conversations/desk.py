"""What a sink may ask of the gateway: agents' messages sent, conversations read, links made."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.accepting import Accept, OvertakenError
from recado_core.engine.accept.answers import AcceptedMessage
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.clients.idempotency import IdempotencyKey
from recado_core.engine.conversations.conversations import (
    AGENTS_PRIORITY,
    ConversationFilter,
    Conversations,
)
from recado_core.engine.failures import (
    DraftError,
    IdempotencyMismatchError,
    IdempotencyRunningError,
    UnavailableError,
)
from recado_core.engine.messages import conversing
from recado_core.engine.messages.drafts import Draft
from recado_core.engine.messages.links import Links
from recado_core.engine.store.database import Database
from recado_core.engine.store.vendor_words import clip_address
from recado_core.errors import TransientSendError
from recado_core.messages import Status
from recado_core.sinks import AccountState, SinkAnswer, SinkMessage

CODES = {
    "/to": "invalid_address",
    "/account": "no_route",
    "/channel": "no_route",
    "/media": "no_media",
}
"""What a fault is called, by where it is; what the channel calls it goes before."""

_read_answer = msgspec.json.Decoder(AcceptedMessage).decode


class Desk:
    """The gateway as one sink sees it."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that a sink may enter
        self,
        sink: str,
        accept: Accept,
        accounts: Accounts,
        conversations: Conversations,
        links: Links,
        database: Database,
    ) -> None:
        self._sink = sink
        self._accept = accept
        self._accounts = accounts
        self._conversations = conversations
        self._links = links
        self._database = database

    async def send(self, message: SinkMessage) -> SinkAnswer:
        """Accept an agent's message; it is durable when this returns, and is sent later.

        Raises:
            TransientSendError: It can't be accepted now.
        """
        draft = Draft(
            to=message.to,
            channel=message.channel,
            account=message.account,
            text=message.text,
            media=list(message.media) or None,
            metadata=message.metadata,
            priority=AGENTS_PRIORITY,
        )
        key = IdempotencyKey(
            owner=_digest(f"sink:{self._sink}".encode()),
            key=_digest(message.key.encode()),  # it may be longer than the store takes
            fingerprint=_digest(msgspec.json.encode(message)),
        )
        try:
            body = await self._hand_over(draft, key)
        except DraftError as error:
            return SinkAnswer(
                refusal="; ".join(fault.detail for fault in error.faults),
                code=error.code or CODES.get(error.faults[0].pointer, "invalid"),
            )
        except IdempotencyMismatchError:
            text = "another message came under the same id before"
            return SinkAnswer(refusal=text, code="key_reused")
        except (IdempotencyRunningError, UnavailableError) as error:
            raise TransientSendError(str(error)) from error
        except OvertakenError as error:
            raise TransientSendError("it took too long to store the message") from error
        accepted = _read_answer(body)
        if accepted.status is Status.SUPPRESSED:
            text = f"this person gets no messages: {accepted.reason}"
            return SinkAnswer(refusal=text, code="suppressed")
        return SinkAnswer(message_id=accepted.id)

    async def _hand_over(self, draft: Draft, key: IdempotencyKey) -> bytes:
        """Accept a message unless the call that brings it is cut off before it is being stored.

        One that is cut off after that gets the answer all the same: who is told to try again writes
        the message once more, under another key.
        """
        waiting = _Waiting()
        accepting = asyncio.create_task(
            self._accept.message(draft, key, reply=True, origin=self._sink, guard=waiting.go_on)
        )
        try:
            return (await asyncio.shield(accepting)).body
        except asyncio.CancelledError:
            waiting.has_left = True
            if not waiting.is_storing:
                accepting.cancel()
                raise
            return (await accepting).body

    async def account_state(self, account: str, channel: str = "sms") -> AccountState:
        """Tell whether an account can send on a channel."""
        found = self._accounts.by_name.get(account)
        if found is None:
            return AccountState(ok=False, text=f"there is no account {account!r}")
        if channel not in found.kind.channels:
            return AccountState(ok=False, text=f"the account {account!r} carries no {channel!r}")
        if found.paused_at is not None:
            return AccountState(ok=False, text=f"paused: {found.reason or 'by a person'}")
        if found.trouble is not None:
            return AccountState(ok=False, text=found.trouble)
        return AccountState(ok=True, text="active")

    async def note_read(self, account: str, address: str, channel: str = "sms") -> None:
        """Note that an agent has seen what a person wrote."""

        async def work(connection: AsyncConnection) -> None:
            await conversing.note_seen(connection, account, channel, clip_address(address))

        with _transient():
            await self._database.write(work)

    async def addresses(self, account: str, limit: int, channel: str = "sms") -> list[str]:
        """Return the addresses of an account's latest conversations on a channel."""
        wanted = ConversationFilter(account=account, channel=channel)
        with _transient():
            page = await self._conversations.list(wanted, limit)
        return [item.address for item in page.items]

    async def shorten(self, url: str, key: str) -> str | None:
        """Return a short public address that leads to this one, or None where there is none."""
        try:
            with _transient():
                return await self._links.shorten(url, f"sink:{self._sink}", key)
        except DraftError:  # it is no web address
            return None


class _Waiting:
    """Whether anybody still waits for a message that is about to be stored."""

    has_left = False
    is_storing = False

    async def go_on(self, _: AsyncConnection) -> bool:
        """Tell so; asked within the transaction, again where it is done again."""
        self.is_storing = not self.has_left
        return self.is_storing


@contextmanager
def _transient() -> Iterator[None]:
    """Tell in the contract's own words that the database is away."""
    try:
        yield
    except UnavailableError as error:
        raise TransientSendError(str(error)) from error


def _digest(said: bytes) -> str:
    return hashlib.sha256(said).hexdigest()
