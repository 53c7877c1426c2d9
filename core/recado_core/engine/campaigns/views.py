"""Campaigns as the API takes and shows them."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from recado_core.engine.statistics.statistics import Figures
from recado_core.messages import Category, Media

CAMPAIGN_PRIORITY = 3
"""That of a campaign's messages unless it says otherwise: below that of single ones."""


class CampaignStatus(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"  # its audience is imported and tried
    SCHEDULED = "scheduled"  # it starts by itself when its time comes
    RUNNING = "running"
    PAUSED = "paused"  # nothing of it goes until it is resumed
    FINISHED = "finished"  # nothing of it waits any more
    CANCELED = "canceled"


class RecipientStatus(StrEnum):
    """Where a recipient stands who has no message; others have their message's status."""

    PENDING = "pending"  # their turn has not come
    DUPLICATE = "duplicate"  # the audience has them already
    INVALID = "invalid"  # there is no message for them; ``fault`` says why
    DELETED = "deleted"  # their message is kept no longer


class CampaignRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A campaign to make: the body of ``POST /v1/campaigns``.

    All but ``name``, ``scheduled_at`` (before which it does not start) and ``throttle`` (messages
    in a time, such as ``100/1s``) is what its messages have in common; ``variables`` are for
    recipients who have none of these names themselves. ``job`` is the name of a job that the
    campaign has at the provider of its account, and that is held and released with it.
    """

    name: str
    channel: str = "sms"
    text: str | None = None
    template: str | None = None
    language: str | None = None
    variables: dict[str, Any] = {}
    account: str | None = None
    sender_id: str | None = None
    category: Category = Category.MARKETING
    priority: Annotated[int, msgspec.Meta(ge=0, le=9)] = CAMPAIGN_PRIORITY
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    throttle: str | None = None
    transliterate: bool = False
    cost_centre: str | None = None
    reference: str | None = None
    metadata: dict[str, Any] | None = None
    media: list[Media] | None = None
    job: str | None = None


class AudienceCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many recipients have been imported, and for how many of them there is a message.

    ``unfinished`` are files whose import was broken off, or is under way.
    """

    total: int
    valid: int
    duplicates: int
    invalid: int
    unfinished: int = 0


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign; ``position`` is how far its audience has been walked.

    ``progress``, from 0 to 1, is how much of the audience waits no more. ``reason`` is why it was
    paused, or what went wrong. ``schedule_id`` is the schedule of which it is a run.
    """

    id: str
    name: str
    status: CampaignStatus
    channel: str
    text: str | None
    template: str | None
    language: str | None
    variables: dict[str, Any]
    account: str | None
    sender_id: str | None
    category: Category
    priority: int
    expires_at: datetime | None
    transliterate: bool
    cost_centre: str | None
    reference: str | None
    metadata: dict[str, Any] | None
    media: list[Media] | None
    job: str | None
    throttle: str | None
    recipients: AudienceCounts
    position: int
    progress: float
    stats: Figures
    reason: str | None
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    schedule_id: str | None


class CampaignFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which campaigns are wanted; None does not matter, an empty ``schedule_id`` is no schedule."""

    status: CampaignStatus | None = None
    name: str | None = None
    schedule_id: str | None = None


class CampaignPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some campaigns, and the cursor for those that follow."""

    items: list[CampaignView]
    next_cursor: str | None


class CampaignRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a campaign's audience, and what became of it.

    ``status`` is that of the message, or a ``RecipientStatus``. ``address`` is as it was written
    where it can't be used. ``code`` and ``status_text`` are the provider's words, or a check's.
    """

    position: int
    line: int
    address: str
    status: str
    fault: str | None = None
    message_id: str | None = None
    account: str | None = None
    text: str | None = None
    segments: int | None = None
    code: str | None = None
    status_text: str | None = None
    cost: Decimal | None = None
    status_at: datetime | None = None


class RecipientPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some recipients in the order of the audience, and the cursor for those that follow."""

    items: list[CampaignRecipient]
    next_cursor: str | None


class CampaignTest(msgspec.Struct, frozen=True, kw_only=True):
    """The recipients to whom a campaign is sent as a test, with their messages."""

    recipients: list[CampaignRecipient]


class RehearsalReason(msgspec.Struct, frozen=True, kw_only=True):
    """Why messages would not go, or not yet: how many, and the lines of the first of them.

    ``check`` is which check says so; None where no message can be made.
    """

    check: str | None
    reason: str
    count: int
    examples: list["RehearsalExample"]


class RehearsalExample(msgspec.Struct, frozen=True, kw_only=True):
    """One of the recipients whom a reason is about; the address is masked."""

    line: int
    address: str


class AccountShare(msgspec.Struct, frozen=True, kw_only=True):
    """What would go by one account; ``cost`` is None where no price is configured."""

    account: str
    messages: int
    segments: int
    cost: Decimal | None


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign would come to if it were started now; nothing was sent.

    Of all ``recipients`` whose turn has not come, ``messages`` would go: ``deferred`` of them
    later. ``suppressed`` would not, and for ``faulty`` no message can be made. ``cost`` is None
    where the accounts have no price.
    """

    recipients: int
    messages: int
    deferred: int
    suppressed: int
    faulty: int
    segments: int
    cost: Decimal | None
    accounts: list[AccountShare]
    suppressions: list[RehearsalReason]
    deferrals: list[RehearsalReason]
    faults: list[RehearsalReason]
