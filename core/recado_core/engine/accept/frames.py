"""What many drafts have alike, found once: the row of one, in which others set what is their own.

A short cut, which takes only what has nothing wrong: ``compose`` is the rule that it must agree
with, and judges all that it leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from recado_core.contract import Channel
from recado_core.engine.failures import Fault
from recado_core.engine.messages.drafts import Draft, check_client_data, fill
from recado_core.engine.templates.contents import is_storable
from recado_core.engine.templates.variants import Template
from recado_core.errors import AddressError, ContentError
from recado_core.messages import OutboundMessage
from recado_core.segments import Segments

Row = dict[str, Any]
CheckMessage = Callable[[OutboundMessage], None]
Own = Sequence[Sequence[Any]]

ALIKE: Final = (
    "channel",
    "account",
    "sender_id",
    "category",
    "priority",
    "scheduled_at",
    "expires_at",
    "cost_centre",
)
"""The fields of drafts that one frame is for; each has its own of the others."""
OWN: Final = ("to", "text", "reference", "metadata")
"""The fields of drafts that are mere texts in which they differ, if they are alike."""

_values_of: Callable[[Draft], tuple[Any, ...]] = attrgetter(*ALIKE)


def alike_of(draft: Draft) -> tuple[Any, ...]:
    """Return a draft's values of these fields; one moment may be written in two ways."""
    values = _values_of(draft)
    if draft.scheduled_at is None and draft.expires_at is None:
        return values
    times = draft.scheduled_at, draft.expires_at
    return *values, *(at and at.utcoffset() for at in times)


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A draft's channel, and the row that was made of it.

    ``names`` are the accounts that carry all that is alike, None where the address or a draw
    decides on them; ``checks`` are what the providers of ``names`` refuse by.
    """

    channel: Channel
    row: Row
    names: Sequence[str] | None
    checks: Sequence[CheckMessage]


def framed(
    frame: Frame, draft: Draft, region: str, templates: Mapping[str, Template], message_id: str
) -> Row | None:
    """Return the row of a draft for which the frame is, or None where ``compose`` must judge it.

    Args:
        frame: What a draft with the same values of ``ALIKE`` was made to.
        draft: As the client wrote it.
        region: Where national numbers are read.
        templates: The templates by name, at least the one that the draft names.
        message_id: The message's.
    """
    channel = frame.channel
    text = _text_of(draft, channel.id, templates)
    if text is None or not _is_sound(draft):
        return None
    try:
        address = channel.normalise_address(draft.to, region)
        channel.check_content(text, ())
    except (AddressError, ContentError):
        return None
    counted = channel.count_segments(text)
    return _row_of(frame, message_id, address, text, counted, draft.reference, draft.metadata)


def own_of(drafts: Sequence[Draft]) -> Own | None:
    """Return what drafts have of their own, the fields of ``OWN`` one by one.

    None if they are not alike in all others, are more than mere texts, or something may be wrong
    with what their clients gave for themselves.
    """
    if drafts[0].text is None:
        return None
    fields = zip(*map(astuple, drafts), strict=True)
    columns = dict(zip(Draft.__struct_fields__, fields, strict=True))
    own: Own = [columns.pop(name) for name in OWN]
    for name, values in columns.items():
        first = values[0]
        if (first is not None and name not in ALIKE) or values.count(first) < len(values):
            return None
        # One moment may be written in two ways.
        if isinstance(first, datetime) and len({*map(datetime.utcoffset, values)}) > 1:
            return None
    return own if all(map(_is_sound, drafts)) else None


def framed_together(
    frame: Frame, own: Own, region: str, message_ids: Sequence[str]
) -> list[Row] | None:
    """Return the rows of drafts of which this is the own, or None where each must be looked at.

    Args:
        frame: What one of them was made to.
        own: What ``own_of`` says of them.
        region: Where national numbers are read.
        message_ids: The messages'.
    """
    channel = frame.channel
    numbers, texts, references, metadata = own
    if None in texts or not is_storable("".join(texts)):
        return None
    try:
        addresses = [*map(channel.normalise_address, numbers, repeat(region))]
        for text in texts:
            channel.check_content(text, ())
    except (AddressError, ContentError):
        return None
    counted = map(channel.count_segments, texts)
    given = zip(message_ids, addresses, texts, counted, references, metadata, strict=True)
    return [_row_of(frame, *each) for each in given]


def _row_of(  # noqa: PLR0913, PLR0917  # what a message has of its own
    frame: Frame,
    message_id: str,
    address: str,
    text: str,
    counted: Segments,
    reference: str | None,
    metadata: Row | None,
) -> Row:
    row = frame.row.copy()
    row["id"] = message_id
    row["address"] = address
    row["text"] = text
    row["segments"] = counted.count
    row["encoding"] = counted.encoding
    row["reference"] = reference
    row["metadata"] = metadata
    return row


def _text_of(draft: Draft, channel: str, templates: Mapping[str, Template]) -> str | None:
    """Return what a draft says, if that is a text, and nothing is wrong with it."""
    if draft.media or draft.document is not None:
        return None
    if (
        draft.template is None
        and draft.variables is None
        and draft.language is None
        and not draft.transliterate
    ):
        text = draft.text
        return text if text is not None and is_storable(text) else None
    faults: list[Fault] = []
    content = fill(draft, channel, templates, None, faults)
    return content.text if not faults and content.template is None else None


def _is_sound(draft: Draft) -> bool:
    """Tell whether nothing is wrong with what the client gave for itself."""
    if draft.reference is None and draft.metadata is None:
        return True
    faults: list[Fault] = []
    check_client_data(draft, faults)
    return not faults
