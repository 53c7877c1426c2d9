"""What many drafts have alike, found once: the row of one, in which others set what is their own.

A short cut, which takes only what has nothing wrong: ``compose`` is the rule that it must agree
with, and judges all that it leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from recado_core.contract import Channel
from recado_core.engine.failures import Fault
from recado_core.engine.messages.drafts import Draft, check_client_data, fill
from recado_core.engine.templates.contents import is_storable
from recado_core.engine.templates.variants import Template
from recado_core.errors import AddressError, ContentError
from recado_core.messages import OutboundMessage

Row = dict[str, Any]
CheckMessage = Callable[[OutboundMessage], None]

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
    row = frame.row.copy()
    row["id"] = message_id
    row["address"] = address
    row["text"] = text
    row["reference"] = draft.reference
    row["metadata"] = draft.metadata
    row["segments"] = counted.count
    row["encoding"] = counted.encoding
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
