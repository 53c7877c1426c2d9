"""What the objects that a plugin registers must be able to do."""

import argparse
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import httpx
import msgspec

from recado_core.http import WebhookReply, WebhookRequest
from recado_core.messages import (
    Category,
    InboundMessage,
    Media,
    OutboundBatch,
    OutboundMessage,
    SendResult,
    StatusUpdate,
    WebhookItem,
)
from recado_core.segments import Segments
from recado_core.sinks import ConfiguredSink

# ---------------------------------------------------------------- settings


class Secret:
    """A setting that never shows itself: its text comes out of ``reveal`` alone."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret's text; never log it, never put it into an error."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._text.encode(), other._text.encode()
        )

    def __hash__(self) -> int:
        return hash(self._text)


def decode_setting(kind: type, value: object) -> object:
    """Make a ``Secret`` of a setting's text: a msgspec ``dec_hook``."""
    if kind is Secret and isinstance(value, Secret):
        return value
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"settings can't hold {kind.__name__}")


# ---------------------------------------------------------------- channels


class Channel(Protocol):
    """A medium: what an address looks like in it, and what it can carry."""

    id: str

    def normalise_address(self, address: str, region: str) -> str:
        """Return the address of a person in its one form, or raise ``AddressError``.

        Args:
            address: As the client wrote it.
            region: Two-letter code of the country in which a national number is read.
        """
        ...

    def normalise_sender_id(self, sender_id: str, region: str) -> str:
        """Return the sender ID in its one form, or raise ``AddressError``."""
        ...

    def check_content(self, text: str, media: Sequence[Media]) -> None:
        """Raise ``ContentError`` when the channel can't carry this."""
        ...

    def count_segments(self, text: str) -> Segments:
        """Return in how many parts the text travels, the unit of price."""
        ...


# ---------------------------------------------------------------- providers


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can do; the engine calls nothing that is not declared here.

    ``max_batch`` is in messages a call, ``concurrency`` in calls at once, ``rate`` in calls
    (``"500/60s"``); an account's settings may lower them. ``own_batches`` names the categories
    that travel in calls of their own, each with the most messages of such a call; they go before
    the others. ``lookup_settles`` is how many seconds after a call ``lookup`` can be believed when
    it does not find the batch. ``max_suppress`` is in addresses a call. ``templates``: the vendor
    keeps templates, and ``send`` obeys ``OutboundMessage.template``.
    """

    max_batch: int = 1
    own_batches: dict[Category, int] = {}
    concurrency: int = 4
    rate: str | None = None
    delivery_receipts: bool = True
    inbound: bool = True
    media: bool = False
    templates: bool = False
    lookup: bool = False
    lookup_settles: float = 30.0
    poll_statuses: bool = False
    poll_replies: bool = False
    balance: bool = False
    suppress: bool = False
    max_suppress: int = 1000
    verify_credentials: bool = False
    jobs: bool = False


class LookupResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor knows of a batch: ``found`` false means that it never took it.

    ``results`` are of the messages that the vendor holds. One that is absent from a batch that was
    found was not taken: it is sent again, and then the vendor says why it would not have it.
    """

    found: bool
    results: tuple[SendResult, ...] = ()


class Provider(Protocol):
    """Carries MT messages to one vendor for one account.

    ``send`` is all that a provider must do. What else it offers is declared in its type's
    ``Capabilities``, and is one of the ``Supports...`` protocols below.
    """

    async def send(self, batch: OutboundBatch) -> list[SendResult]:
        """Hand over 1 to ``max_batch`` messages in one call; return one result for each.

        Raises:
            TransientSendError: None was taken, and the same batch may be taken later.
            PermanentSendError: None was taken, and the same batch never will be.
            AccountError: None was taken, nor will any other be until a person acts.
            InDoubtError: The batch went out and no usable answer came back.
        """
        ...


class SupportsLookup(Protocol):
    """A provider that can be asked whether it took a batch (``Capabilities.lookup``)."""

    async def lookup(self, batch: OutboundBatch) -> LookupResult:
        """Ask by ``batch.reference``; raise a ``SendError`` when the vendor can't be asked now."""
        ...


class SupportsPollStatuses(Protocol):
    """A provider that can be asked for DLRs (``Capabilities.poll_statuses``)."""

    async def poll_statuses(self, batch_reference: str) -> list[StatusUpdate]:
        """Return what the vendor knows now of the messages of one batch."""
        ...


class SupportsPollReplies(Protocol):
    """A provider that can be asked for MO messages (``Capabilities.poll_replies``)."""

    def poll_replies(self, since: datetime) -> AsyncIterator[Sequence[InboundMessage]]:
        """Yield, page by page, what people have written since then, in any order.

        One that a webhook has brought bears the same ``provider_ref`` here. What is older than the
        vendor's memory is not asked for; more than was asked for does no harm.

        Raises:
            SendError: The vendor can't be asked now; pages already yielded stand.
        """
        ...


class SupportsBalance(Protocol):
    """A provider that tells the account's balance (``Capabilities.balance``)."""

    async def balance(self) -> Decimal:
        """Return the balance in the account's currency."""
        ...


class Suppressed(msgspec.Struct, frozen=True, kw_only=True):
    """An address on the vendor's own suppression list.

    With ``document`` (a CPF, digits alone) it is suppressed for that person only.
    """

    address: str
    document: str | None = None


class SupportsSuppress(Protocol):
    """A provider with a suppression list of its own (``Capabilities.suppress``).

    Both calls take 1 to ``max_suppress`` entries, and change nothing where all is so already.
    """

    async def suppress(self, entries: Sequence[Suppressed]) -> None:
        """Put addresses on the vendor's list, or raise a ``SendError``."""
        ...

    async def unsuppress(self, entries: Sequence[Suppressed]) -> None:
        """Take addresses off the vendor's list, or raise a ``SendError``."""
        ...


class SupportsVerifyCredentials(Protocol):
    """A provider that can check its credentials (``Capabilities.verify_credentials``)."""

    async def verify_credentials(self) -> str:
        """Return a line for the operator, or raise ``AccountError``; sends nothing."""
        ...


class SupportsJobs(Protocol):
    """A provider at which a campaign may have a job of its own (``Capabilities.jobs``).

    A job has the name that the vendor gave it. Both calls may be made again, and raise a
    ``SendError`` where it is not certain that the vendor did as asked.
    """

    async def hold_job(self, job: str) -> None:
        """Let the vendor send nothing more of a job until it is released."""
        ...

    async def release_job(self, job: str) -> None:
        """Let the vendor go on with a job that was held."""
        ...


Progress = Callable[[int, int], None]
"""Is told how many steps are done, and of how many."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Something else that a vendor offers for an account: a report, a catalogue, a switch.

    ``request`` and ``reply`` are Structs, from which the API makes its documentation; a request
    forbids unknown fields. ``call`` is given the account's provider, a ``request`` and what to tell
    of its progress. It returns a ``reply``, or raises a ``SendError``: a ``PermanentSendError`` for
    a request that the vendor refuses. ``changes`` says that it changes something at the vendor.
    """

    name: str
    summary: str
    request: type[msgspec.Struct]
    reply: type[msgspec.Struct]
    call: Callable[[Any, Any, Progress], Awaitable[msgspec.Struct]]
    changes: bool = False


class WebhookReceiver(Protocol):
    """Reads one vendor's webhooks for one account; no I/O, no state."""

    reply: WebhookReply

    def authenticate(self, request: WebhookRequest) -> None:
        """Raise ``WebhookRefusedError`` unless the vendor signed this; called before ``parse``.

        The gateway has compared the token in the address already.
        """
        ...

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Return what the webhook says; an empty list for one of a kind that does not matter here.

        Raises:
            MalformedWebhookError: The body can't be read at all.
        """
        ...


class AccountContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider is made of: its account's settings, its client, its own address.

    ``http`` is opened and closed by the gateway; the timeout set on it is the account's.
    ``webhook_url`` is where the vendor shall call, token included: a secret. ``region`` is the
    two-letter code in which national numbers are read, ``timezone`` the gateway's zone name.
    """

    account: str
    settings: Any
    http: httpx.AsyncClient
    now: Callable[[], datetime]
    webhook_url: str | None = None
    region: str = "BR"
    timezone: str = "America/Sao_Paulo"

    def __repr__(self) -> str:
        return f"AccountContext(account={self.account!r}, settings={self.settings!r})"


class ReceiverContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook receiver is made of."""

    account: str
    settings: Any
    region: str = "BR"
    timezone: str = "America/Sao_Paulo"


class ProviderType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of provider, of which the gateway makes one for every account.

    ``settings`` is a Struct whose fields stand in the account's table beside the common ones;
    a field of type ``Secret`` may be given as ``{ env = "NAME" }`` or ``{ file = "PATH" }``.
    ``check_message`` refuses at accept what the vendor is known to refuse, by ``AddressError`` or
    ``ContentError``. ``operations`` are what the vendor offers beside messages.
    """

    id: str
    channels: frozenset[str]
    settings: type[msgspec.Struct]
    capabilities: Capabilities
    create: Callable[[AccountContext], Provider]
    create_receiver: Callable[[ReceiverContext], WebhookReceiver] | None = None
    check_message: Callable[[OutboundMessage], None] | None = None
    operations: tuple[Operation, ...] = ()


# ---------------------------------------------------------------- commands

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


class CommandLine(Protocol):
    """The ``recado`` command line, to which a plugin adds commands."""

    def add_command(self, *path: str, summary: str) -> argparse.ArgumentParser:
        """Return the parser of a new command such as ``("simulate", "kolmeya")``.

        Set ``run`` on it by ``set_defaults``: a function of the parsed arguments that returns the
        exit code.
        """
        ...

    def sinks(self, args: argparse.Namespace, kind: str) -> list[ConfiguredSink]:
        """Return the configured sinks of a kind, as the configuration that ``args`` names has them.

        Raises:
            ConfigurationError: The configuration can't be used.
        """
        ...

    def serve(self, app: AsgiApp, host: str, port: int) -> int:
        """Serve an ASGI application until it is interrupted, and return the exit code."""
        ...
