"""A claimed message as providers and checks see it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from recado_core.checks import Recipient
from recado_core.messages import (
    Category,
    Media,
    OutboundBatch,
    OutboundMessage,
    ProviderTemplate,
)

Row = dict[str, Any]

_CATEGORIES = {str(category): category for category in Category}


def batch_of(dispatch_id: str, rows: Sequence[Row]) -> OutboundBatch:
    """Return the batch that a dispatch's rows make."""
    return OutboundBatch(reference=dispatch_id, messages=tuple(map(outbound_of, rows)))


def outbound_of(row: Row) -> OutboundMessage:
    """Return a message as its provider gets it."""
    template = row["template"]
    return OutboundMessage(
        id=row["id"],
        to=row["address"],
        text=row["text"],
        channel=row["channel"],
        category=_CATEGORIES[row["category"]],
        sender_id=row["sender_id"],
        media=msgspec.convert(row["media"], tuple[Media, ...]) if row["media"] else (),
        segments=row["segments"],
        reference=row["reference"],
        expires_at=row["expires_at"],
        metadata=row["metadata"],
        template=msgspec.convert(template, ProviderTemplate) if template else None,
    )


def recipient_of(row: Row, at: datetime, document: str | None = None) -> Recipient:
    """Return a message that is to go at that time as a check sees it."""
    return Recipient(
        address=row["address"],
        channel=row["channel"],
        category=_CATEGORIES[row["category"]],
        at=at,
        account=row["account"],
        message_id=row["id"],
        document=document,
        document_hash=row["document_hash"],
    )
