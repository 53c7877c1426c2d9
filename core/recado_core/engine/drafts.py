"""A message to send as a client writes it, and as it is once all that is silent is filled in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from recado_core.contract import Channel
from recado_core.engine import templates
from recado_core.engine.failures import DraftError, Fault
from recado_core.errors import AddressError, ContentError
from recado_core.messages import Category, Media
from recado_core.segments import Segments

DEFAULT_PRIORITY = 5
HIGHEST_PRIORITY = 9
MAX_BATCH = 10_000


class DraftDefaults(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The fields of a draft that a batch may state once; None is the same as absent."""

    channel: str | None = None
    text: str | None = None
    template: str | None = None
    variables: dict[str, Any] | None = None
    account: str | None = None
    sender_id: str | None = None
    reference: str | None = None
    category: Category | None = None
    priority: int | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    document: str | None = None
    metadata: dict[str, Any] | None = None
    media: list[Media] | None = None


class Draft(
    DraftDefaults, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A message to send: the body of ``POST /v1/messages``."""

    to: str


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many drafts at once; each is decoded alone, so that a bad one spoils no other."""

    messages: list[msgspec.Raw]
    defaults: DraftDefaults | None = None


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A draft with everything filled in, but for its accounts."""

    to: str
    channel: str
    text: str
    segments: Segments
    category: Category
    priority: int
    sender_id: str | None
    media: tuple[Media, ...]
    scheduled: bool
    draft: Draft


_DEFAULT_FIELDS = tuple(field.name for field in msgspec.structs.fields(DraftDefaults))


def apply_defaults(draft: Draft, defaults: DraftDefaults | None) -> Draft:
    """Return the draft with the fields that it leaves open taken from the defaults.

    ``text`` and ``template`` exclude each other, so one in the draft keeps out the other.
    """
    if defaults is None:
        return draft
    taken = {
        name: value
        for name in _DEFAULT_FIELDS
        if getattr(draft, name) is None and (value := getattr(defaults, name)) is not None
    }
    if draft.text is not None:
        taken.pop("template", None)
    if draft.template is not None:
        taken.pop("text", None)
    return msgspec.structs.replace(draft, **taken) if taken else draft


def compose(draft: Draft, channels: Mapping[str, Channel], region: str, now: datetime) -> Composed:
    """Check a draft and fill in what it leaves open.

    Args:
        draft: As the client wrote it.
        channels: The channels by id.
        region: Where national numbers are read.
        now: Against which times are judged.

    Raises:
        DraftError: With every fault found, not only the first.
    """
    faults: list[Fault] = []
    channel = channels.get(draft.channel or "sms")
    if channel is None:
        known = ", ".join(sorted(channels))
        raise DraftError([Fault(pointer="/channel", detail=f"unknown; there is {known}")])
    to = _normalise_address(channel, draft.to, region, faults)
    sender_id = _normalise_sender_id(channel, draft.sender_id, region, faults)
    media = tuple(draft.media or ())
    text = _fill_text(draft, faults)
    priority = DEFAULT_PRIORITY if draft.priority is None else draft.priority
    if not 0 <= priority <= HIGHEST_PRIORITY:
        faults.append(Fault(pointer="/priority", detail="must be from 0 to 9, and 9 goes first"))
    _check_times(draft, now, faults)
    _check_lengths(draft, faults)
    if not faults:
        try:
            channel.check_content(text, media)
        except ContentError as error:
            faults.append(Fault(pointer="/media" if media else "/text", detail=str(error)))
    if faults:
        raise DraftError(faults)
    return Composed(
        to=to,
        channel=channel.id,
        text=text,
        segments=channel.count_segments(text),
        category=draft.category or Category.TRANSACTIONAL,
        priority=priority,
        sender_id=sender_id,
        media=media,
        scheduled=draft.scheduled_at is not None and draft.scheduled_at > now,
        draft=draft,
    )


def _normalise_address(channel: Channel, to: str, region: str, faults: list[Fault]) -> str:
    try:
        return channel.normalise_address(to, region)
    except AddressError as error:
        faults.append(Fault(pointer="/to", detail=str(error)))
        return ""


def _normalise_sender_id(
    channel: Channel, sender_id: str | None, region: str, faults: list[Fault]
) -> str | None:
    if sender_id is None:
        return None
    try:
        return channel.normalise_sender_id(sender_id, region)
    except AddressError as error:
        faults.append(Fault(pointer="/sender_id", detail=str(error)))
        return None


def _fill_text(draft: Draft, faults: list[Fault]) -> str:
    if draft.template is not None:
        detail = f"there is no template {draft.template!r}"
        if draft.text is not None:
            detail = "give either text or template, not both"
        faults.append(Fault(pointer="/template", detail=detail))
        return ""
    if draft.text is None:
        if not draft.media:
            faults.append(Fault(pointer="/text", detail="give the text"))
        return ""
    if draft.variables is None:
        return draft.text
    try:
        return templates.render(draft.text, draft.variables)
    except ContentError as error:
        faults.append(Fault(pointer="/variables", detail=str(error)))
        return ""


def _check_times(draft: Draft, now: datetime, faults: list[Fault]) -> None:
    for name in ("scheduled_at", "expires_at"):
        at = getattr(draft, name)
        if at is not None and at.tzinfo is None:
            faults.append(
                Fault(pointer=f"/{name}", detail="needs an offset, as in 2026-01-31T09:00:00-03:00")
            )
            return
    if draft.expires_at is not None and draft.expires_at <= max(now, draft.scheduled_at or now):
        faults.append(
            Fault(pointer="/expires_at", detail="must be in the future, and after scheduled_at")
        )


def _check_lengths(draft: Draft, faults: list[Fault]) -> None:
    if draft.reference is not None and not 1 <= len(draft.reference) <= 255:  # noqa: PLR2004
        faults.append(Fault(pointer="/reference", detail="must have 1 to 255 characters"))
    if draft.metadata is not None and len(msgspec.json.encode(draft.metadata)) > 8192:  # noqa: PLR2004
        faults.append(Fault(pointer="/metadata", detail="is longer than 8192 bytes as JSON"))
