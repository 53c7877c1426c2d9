"""A message to send as a client writes it, and as it is once all that is silent is filled in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from recado_core.contract import Channel
from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.policy import YEARS
from recado_core.engine.store.documents import read_document
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.templates.contents import (
    NOT_STORABLE,
    Content,
    check_language,
    fill_template,
    fill_text,
    is_storable,
)
from recado_core.engine.templates.variants import Template
from recado_core.errors import AddressError, ContentError
from recado_core.messages import Category, Media, ProviderTemplate, Status
from recado_core.segments import Segments

DEFAULT_PRIORITY = 5
HIGHEST_PRIORITY = 9
MAX_BATCH = 10_000
LONGEST_REFERENCE = 255
LONGEST_COST_CENTRE = 64
LARGEST_METADATA = 8192
DEEPEST_METADATA = 32

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_TRANSACTIONAL: Final = Category.TRANSACTIONAL
_SCHEDULED: Final = Status.SCHEDULED
_QUEUED: Final = Status.QUEUED

Row = dict[str, Any]


class DraftDefaults(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The fields of a draft that a batch may state once; None is the same as absent.

    ``language`` is that of the template's variant; ``transliterate`` writes the text in GSM-7.
    """

    channel: str | None = None
    text: str | None = None
    template: str | None = None
    language: str | None = None
    variables: dict[str, Any] | None = None
    transliterate: bool | None = None
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
    cost_centre: str | None = None


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
    template: ProviderTemplate | None
    segments: Segments
    category: Category
    priority: int
    sender_id: str | None
    media: tuple[Media, ...]
    scheduled: bool
    document: str | None
    draft: Draft


_DEFAULT_FIELDS = tuple(field.name for field in msgspec.structs.fields(DraftDefaults))


def given_by(defaults: DraftDefaults | None) -> dict[str, Any]:
    """Return what defaults say, by field."""
    if defaults is None:
        return {}
    fields = ((name, getattr(defaults, name)) for name in _DEFAULT_FIELDS)
    return {name: value for name, value in fields if value is not None}


def apply_defaults(draft: Draft, given: Mapping[str, Any]) -> Draft:
    """Return the draft with the fields that it leaves open taken from what the defaults say.

    ``text`` and ``template`` exclude each other, so one in the draft keeps out the other.
    """
    taken = {name: value for name, value in given.items() if getattr(draft, name) is None}
    if draft.text is not None:
        taken.pop("template", None)
    if draft.template is not None:
        taken.pop("text", None)
    return msgspec.structs.replace(draft, **taken) if taken else draft


def compose(  # noqa: PLR0913  # all that a message is made of
    draft: Draft,
    channels: Mapping[str, Channel],
    region: str,
    now: datetime,
    templates: Mapping[str, Template] | None = None,
    *,
    again: ProviderTemplate | None = None,
) -> Composed:
    """Check a draft and fill in what it leaves open.

    Args:
        draft: As the client wrote it.
        channels: The channels by id.
        region: Where national numbers are read.
        now: Against which times are judged.
        templates: The templates by name, at least the one that the draft names.
        again: The vendor's template of a message that is sent again.

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
    content = fill(draft, channel.id, templates or {}, again, faults)
    priority = DEFAULT_PRIORITY if draft.priority is None else draft.priority
    if not 0 <= priority <= HIGHEST_PRIORITY:
        faults.append(Fault(pointer="/priority", detail="must be from 0 to 9, and 9 goes first"))
    faults += check_times(draft.scheduled_at, draft.expires_at, now)
    check_client_data(draft, faults)
    document = _read_document(draft, faults)
    # What a vendor's template says is not known here, if the gateway's has no text of its own.
    filled = not faults or all(fault.pointer == "/to" for fault in faults)
    if filled and (content.text or media or content.template is None):
        try:
            channel.check_content(content.text, media)
        except ContentError as error:
            code = None if faults else error.code
            faults.append(Fault(pointer="/media" if media else "/text", detail=str(error)))
            raise DraftError(faults, code=code) from error
    if faults:
        raise DraftError(faults)
    return Composed(
        to=to,
        channel=channel.id,
        text=content.text,
        template=content.template,
        segments=channel.count_segments(content.text),
        category=draft.category or _TRANSACTIONAL,
        priority=priority,
        sender_id=sender_id,
        media=media,
        scheduled=draft.scheduled_at is not None and draft.scheduled_at > now,
        document=document,
        draft=draft,
    )


def check_times(
    scheduled_at: datetime | None, expires_at: datetime | None, now: datetime
) -> list[Fault]:
    """Return what is wrong with when a message shall go, and until when it may."""
    if scheduled_at is None and expires_at is None:
        return []
    faults: list[Fault] = []
    for name, at in (("scheduled_at", scheduled_at), ("expires_at", expires_at)):
        if at is not None and at.tzinfo is None:
            detail = "needs an offset, as in 2026-01-31T09:00:00-03:00"
            faults.append(Fault(pointer=f"/{name}", detail=detail))
        elif at is not None and at.year not in YEARS:
            detail = f"must be in the years {YEARS.start} to {YEARS.stop - 1}"
            faults.append(Fault(pointer=f"/{name}", detail=detail))
    if not faults and expires_at is not None and expires_at <= max(now, scheduled_at or now):
        detail = "must be in the future, and after scheduled_at"
        faults.append(Fault(pointer="/expires_at", detail=detail))
    return faults


def fill(
    draft: Draft,
    channel: str,
    templates: Mapping[str, Template],
    again: ProviderTemplate | None,
    faults: list[Fault],
) -> Content:
    """Return what a draft says in a channel.

    Args:
        draft: As the client wrote it.
        channel: The channel's id.
        templates: The templates by name, at least the one that the draft names.
        again: The vendor's template of a message that is sent again.
        faults: Gets what is wrong.
    """
    if draft.template is not None:
        if draft.text is not None:
            detail = "give either text or template, not both"
            faults.append(Fault(pointer="/template", detail=detail))
            return Content()
        template = templates.get(draft.template)
        if template is None:
            detail = f"there is no template {draft.template!r}"
            faults.append(Fault(pointer="/template", detail=detail))
            return Content()
        return fill_template(
            template,
            channel,
            draft.language,
            draft.variables or {},
            faults,
            transliterate=draft.transliterate,
        )
    check_language(draft.language, faults)  # a text has no variants, but nonsense is none
    if draft.text is None:
        if not draft.media and again is None:
            faults.append(Fault(pointer="/text", detail="give the text, or a template"))
        return Content(template=again)
    filled = fill_text(draft.text, draft.variables, faults, transliterate=draft.transliterate)
    return filled if again is None else Content(text=filled.text, template=again)


def check_client_data(draft: Draft, faults: list[Fault]) -> None:
    """Check what the client gave for itself: reference, cost centre and metadata."""
    metadata = draft.metadata
    _check_label("reference", draft.reference, LONGEST_REFERENCE, faults)
    _check_label("cost_centre", draft.cost_centre, LONGEST_COST_CENTRE, faults)
    if metadata is not None:
        if _is_deeper(metadata, DEEPEST_METADATA):
            detail = f"is nested deeper than {DEEPEST_METADATA} levels"
            faults.append(Fault(pointer="/metadata", detail=detail))
        elif len(msgspec.json.encode(metadata)) > LARGEST_METADATA:
            detail = f"is longer than {LARGEST_METADATA} bytes as JSON"
            faults.append(Fault(pointer="/metadata", detail=detail))


def new_row(
    composed: Composed, names: Sequence[str], now: datetime, *, message_id: str | None = None
) -> Row:
    """Return the row of a message that these accounts may carry, the first of them first.

    The columns that it leaves out are empty until something is done with the message.
    """
    draft = composed.draft
    return {
        "id": message_id or new_id(),
        "direction": "out",
        "channel": composed.channel,
        "account": names[0],
        "address": composed.to,
        "sender_id": composed.sender_id,
        "text": composed.text,
        "media": list(composed.media) or None,
        "category": composed.category,
        "priority": composed.priority,
        "reference": draft.reference,
        "metadata": draft.metadata,
        "segments": composed.segments.count,
        "encoding": composed.segments.encoding,
        "status": _SCHEDULED if composed.scheduled else _QUEUED,
        "status_at": now,
        "code": None,
        "status_text": None,
        "fallbacks": list(names[1:]) or None,
        "batch_id": None,
        "campaign_id": None,
        "resend_of": None,
        "created_at": now,
        "due_at": draft.scheduled_at if composed.scheduled else now,
        "scheduled_at": draft.scheduled_at,
        "expires_at": draft.expires_at,
        "document_hash": None,
        "origin": None,
        "template": composed.template,
        "cost_centre": draft.cost_centre,
        "recipient": None,
    }


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


def _read_document(draft: Draft, faults: list[Fault]) -> str | None:
    if draft.document is None:
        return None
    try:
        return read_document(draft.document)
    except ContentError as error:
        faults.append(Fault(pointer="/document", detail=str(error)))
        return None


def _check_label(name: str, value: str | None, most: int, faults: list[Fault]) -> None:
    if value is None:
        return
    if not 1 <= len(value) <= most:
        faults.append(Fault(pointer=f"/{name}", detail=f"must have 1 to {most} characters"))
    elif not is_storable(value):
        faults.append(Fault(pointer=f"/{name}", detail=NOT_STORABLE))


def _is_deeper(value: object, levels: int) -> bool:
    # Level by level: a recursive look would itself be what nesting breaks.
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(value, dict | list) for value in level)
