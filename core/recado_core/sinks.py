"""What a sink does: events into a business system, and the system's own calls answered."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Final, Protocol

import httpx
import msgspec

from recado_core.http import WebhookReply, WebhookRequest
from recado_core.messages import Event, Media


class NotTold(Enum):
    """Of an event that was not told; ``NOT_TOLD`` is its only value."""

    NOT_TOLD = "not told"


NOT_TOLD: Final = NotTold.NOT_TOLD
"""What ``deliver`` returns where the business system had no need to be told of the event."""


class Sink(Protocol):
    """Takes events into one business system.

    ``deliver`` is all that a sink must do. What else it does is declared in its ``SinkType``, and
    is one of the ``Supports...`` protocols below.
    """

    async def deliver(self, event: Event, *, repeated: bool) -> NotTold | None:
        """Take one event; a second call with the same event changes nothing.

        None says that the business system was told, and has taken it; ``NOT_TOLD`` that it had no
        need to hear of it, so that nothing is known of the system: the event is done with as well.

        Args:
            event: Of a message, ``data`` holds all its fields, its ``conversation_id``, and as
                ``origin`` the sink that sent it, or ``api`` where an agent answered by the API. One
                that was sent again by a person has as ``first_id`` the id of the message that the
                agent wrote, and any other its own.
            repeated: An earlier call for this event may have been taken, as its answer never came.

        Raises:
            UnreachableError: The business system takes nothing now; all its events wait.
            AccountError: It will take nothing until a person acts; all its events wait.
            NotYetError: It waits for something, and was told nothing; this counts for nothing.
            TransientSendError: It can't take this event now.
            PermanentSendError: It never will.
            InDoubtError: It was told, and no usable answer came.
        """
        ...


class SupportsRequests(Protocol):
    """A sink whose business system calls the gateway (``SinkType.requests``)."""

    async def handle(self, request: WebhookRequest) -> WebhookReply:
        """Answer a call to ``/sinks/{name}`` or below it.

        It may come while ``deliver`` is under way. Nobody has looked at who calls.
        """
        ...


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a sink has found out about its business system, for a person."""

    what: str
    ok: bool
    detail: str


class SupportsProbe(Protocol):
    """A sink that can look at its business system (``SinkType.probe``)."""

    async def probe(self) -> list[Finding]:
        """Return what the operator should know; changes nothing, and raises nothing of its own."""
        ...


class EventSubject(msgspec.Struct, frozen=True, kw_only=True):
    """What an event is about: enough to know whether a sink wants it.

    ``origin`` is the sink that sent the message, or ``api`` where an agent answered by the API;
    ``own`` says that it is the sink which is asked.
    """

    type: str
    account: str | None = None
    channel: str | None = None
    origin: str | None = None
    own: bool = False


class Lane(StrEnum):
    """In which order events of one conversation are told; one lane never waits for another."""

    CONVERSATION = "conversation"  # in order with what the person and the agents wrote
    OUTCOME = "outcome"  # in an order of its own: what becomes of messages that were sent
    NOTE = "note"  # in an order of its own, and all others first: what nobody waits for


def _in_conversation(_: EventSubject) -> Lane:
    return Lane.CONVERSATION


class SinkMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's message, that a sink hands to the gateway.

    ``key`` is the business system's own id of it: the same key is the same message, for as long as
    idempotency keys are kept (24 hours).
    """

    account: str
    to: str
    text: str
    key: str
    channel: str = "sms"
    media: tuple[Media, ...] = ()
    metadata: dict[str, Any] | None = None


class SinkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an agent's message: its id, or why it can't go.

    ``refusal`` is English, for the agent to read. ``code`` is the same as a word, for a sink that
    speaks another language: ``invalid_address``, ``no_route`` (no such account, or it does not
    carry the channel), ``empty``, ``too_long``, ``no_media`` (the channel carries none),
    ``suppressed`` (this person gets no messages), ``key_reused`` (another message came under this
    key), ``invalid`` for all else. More may be added.
    """

    message_id: str | None = None
    refusal: str | None = None
    code: str | None = None


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an account can send now, and a line for a person."""

    ok: bool
    text: str


class SinkGateway(Protocol):
    """What a sink may ask of the gateway.

    Every method may raise ``TransientSendError``: the database is away, and it can't be done now.
    """

    async def send(self, message: SinkMessage) -> SinkAnswer:
        """Accept an agent's message; it is durable when this returns, and is sent later.

        Raises:
            TransientSendError: It can't be accepted now.
        """
        ...

    async def account_state(self, account: str, channel: str = "sms") -> AccountState:
        """Tell whether an account can send on a channel."""
        ...

    async def note_read(self, account: str, address: str, channel: str = "sms") -> None:
        """Note that an agent has seen what a person wrote."""
        ...

    async def addresses(self, account: str, limit: int, channel: str = "sms") -> list[str]:
        """Return the addresses of an account's latest conversations on a channel."""
        ...

    async def shorten(self, url: str, key: str) -> str | None:
        """Return a short public address that leads to this one, or None where there is none.

        Args:
            url: Where it shall lead.
            key: For what it is made: a message's key. The same sink, key and ``url`` have the same
                short address for ever, so that a message that is handed over again is the same.
        """
        ...


class SinkContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink is made of.

    ``http`` is opened and closed by the gateway. ``url`` is the public address at which the
    business system calls it, or None where ``gateway.public_url`` is not set. ``region`` is the
    two-letter code in which national numbers are read, ``timezone`` the gateway's zone name.
    """

    name: str
    settings: Any
    http: httpx.AsyncClient
    now: Callable[[], datetime]
    gateway: SinkGateway
    url: str | None = None
    region: str = "BR"
    timezone: str = "America/Sao_Paulo"

    def __repr__(self) -> str:
        return f"SinkContext(name={self.name!r}, settings={self.settings!r})"


class SinkType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of sink: its settings, the event types it wants, and how one is made.

    ``wants`` is asked, with the sink's settings, about every event of these types; without it all
    of them are delivered. ``lane`` says in which order they are told; without it all go in that of
    the conversation.
    """

    id: str
    settings: type[msgspec.Struct]
    events: frozenset[str]
    create: Callable[[SinkContext], Sink]
    wants: Callable[[Any, EventSubject], bool] | None = None
    lane: Callable[[EventSubject], Lane] = _in_conversation
    requests: bool = False
    probe: bool = False


class ConfiguredSink(msgspec.Struct, frozen=True, kw_only=True):
    """A sink of the configuration, as a command sees it.

    ``url`` is the public address at which the gateway answers its business system, or None where
    ``gateway.public_url`` is not set.
    """

    name: str
    settings: Any
    url: str | None
