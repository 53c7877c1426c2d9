"""The values that cross the boundary between the gateway and a plugin."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Status(StrEnum):
    """Where a message stands; the allowed transitions are in ``engine.policy``."""

    SCHEDULED = "scheduled"  # waits for its time
    QUEUED = "queued"  # waits to be claimed
    SENDING = "sending"  # claimed; the provider is being asked
    SENT = "sent"  # the provider accepted it
    DELIVERED = "delivered"  # the DLR says that it reached the handset
    READ = "read"  # the person opened it, where a channel tells
    UNDELIVERED = "undelivered"  # the DLR says that it did not
    EXPIRED = "expired"  # its time ran out, here or at the carrier
    REJECTED = "rejected"  # refused with a reason
    FAILED = "failed"  # we gave up
    SUPPRESSED = "suppressed"  # a check forbade it
    CANCELED = "canceled"  # the client took it back
    UNKNOWN = "unknown"  # it may have been sent, and nobody can say
    RECEIVED = "received"  # the one status of an MO


class Category(StrEnum):
    """Why a message is sent; checks and routes depend on it."""

    TRANSACTIONAL = "transactional"  # about something the person did or ordered
    MARKETING = "marketing"  # quiet hours and do-not-disturb apply
    OTP = "otp"  # a one-time code; must not wait


class Outcome(StrEnum):
    """What the provider did with one message of a batch."""

    ACCEPTED = "accepted"  # becomes sent
    REJECTED = "rejected"  # refused for good, with the vendor's reason
    SUPPRESSED = "suppressed"  # the vendor's own blacklist or do-not-disturb list
    TRANSIENT = "transient"  # not taken now; this one may be taken later
    UNKNOWN = "unknown"  # it may have been taken, and the provider can't say


class SuppressionReason(StrEnum):
    """Why an address is on the suppression list."""

    OPT_OUT = "opt_out"  # the person withdrew consent
    BLACKLIST = "blacklist"  # the company's own list, or a provider's
    DO_NOT_DISTURB = "do_not_disturb"  # a public list; it concerns marketing
    INVALID = "invalid"  # there is nobody at this address
    COMPLAINT = "complaint"  # the person complained
    MANUAL = "manual"  # somebody decided so


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A file that goes with a message, fetched from its address by the provider."""

    url: str
    type: str | None = None
    filename: str | None = None


class ProviderTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template that the vendor keeps: its name and language there, and what fills its variables.

    The variables are in the vendor's order, under the gateway's names for them.
    """

    name: str
    language: str | None = None
    variables: dict[str, str] = {}


class OutboundMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An MT message, addressed, rendered and cleared to be sent.

    ``id`` is ours: a provider whose vendor echoes a reference of ours sends this one, so that
    DLRs and replies can be matched without the vendor's id. ``to`` is E.164 with ``+`` or a short
    code. ``reference`` and ``metadata`` are the client's own and never leave the gateway unless a
    provider says so. A message with a ``template`` is written by the vendor; ``text`` is then what
    the person will read, as far as the gateway knows, and may be empty.
    """

    id: str
    to: str
    text: str
    channel: str = "sms"
    category: Category = Category.TRANSACTIONAL
    sender_id: str | None = None
    media: tuple[Media, ...] = ()
    segments: int = 1
    reference: str | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] | None = None
    template: ProviderTemplate | None = None


class OutboundBatch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one call of ``Provider.send`` carries.

    ``reference`` is unique for every call and is what ``Provider.lookup`` is asked about.
    """

    reference: str
    messages: tuple[OutboundMessage, ...]


class SendResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the provider said of one message of a batch.

    ``provider_ref`` is the vendor's id of the message; ``code`` and ``text`` are its own words.
    ``suppression`` is why the vendor never sends to this address; the gateway's list learns it.
    """

    message_id: str
    outcome: Outcome
    provider_ref: str | None = None
    code: str | None = None
    text: str | None = None
    suppression: SuppressionReason | None = None


class StatusUpdate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A DLR: the provider's later word on one MT.

    At least one of ``message_id`` (ours, echoed) and ``provider_ref`` (the vendor's) is set. A code
    that the plugin does not know becomes ``Status.UNKNOWN``, which changes no message.
    """

    status: Status
    message_id: str | None = None
    provider_ref: str | None = None
    code: str | None = None
    text: str | None = None
    at: datetime | None = None


class InboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An MO message.

    ``provider_ref`` is the vendor's id of it and makes a repeat a no-op. ``sender`` is E.164 where
    the vendor tells the whole number. Where the vendor says which MT it answers, one of
    ``answers_message_id`` (ours) and ``answers_provider_ref`` (the vendor's) is set.
    """

    provider_ref: str
    sender: str
    text: str
    channel: str = "sms"
    recipient: str | None = None
    media: tuple[Media, ...] = ()
    received_at: datetime | None = None
    answers_message_id: str | None = None
    answers_provider_ref: str | None = None


class BatchRejected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The provider's late refusal of a whole batch that it had accepted."""

    batch_reference: str
    code: str | None = None
    text: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the event log, as sinks and consumers get it."""

    id: str
    type: str
    time: datetime
    data: dict[str, Any]


WebhookItem = StatusUpdate | InboundMessage | BatchRejected
