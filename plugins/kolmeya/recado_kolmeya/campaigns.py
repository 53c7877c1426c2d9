"""Reads the webhooks of campaigns made on Kolmeya's own pages, whose messages are not ours.

People's replies to them are MO messages of the account like any other. Of the rest, only what names
a message of ours is passed on; a line in the log tells how the campaign fares.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Raw
from recado_core import InboundMessage, Status, StatusUpdate, WebhookItem

from recado_kolmeya.masking import make_fit
from recado_kolmeya.parts import read_id, read_section
from recado_kolmeya.receipts import own_id, read_code
from recado_kolmeya.refusals import join_texts, read_refusal
from recado_kolmeya.replies import make_campaign_reply
from recado_kolmeya.times import read_timestamp
from recado_kolmeya.wire import (
    CAMPAIGN_REFUSALS,
    CAMPAIGN_STATUSES,
    CampaignEntry,
    CampaignNotice,
    Scalar,
)

logger = logging.getLogger(__name__)

INVALID_RECORD, STATUS, REPLY, SHORTENER, BY_HOMOLOGATION, REJECTED = range(1, 7)
KINDS = {
    INVALID_RECORD: "invalid_record",
    STATUS: "status",
    REPLY: "reply",
    SHORTENER: "shortener",
    BY_HOMOLOGATION: "rejected_by_homologation",
    REJECTED: "rejected",
}

_LONGEST_WORD = 80

_notices = msgspec.json.Decoder(CampaignNotice)
_entries = msgspec.json.Decoder(list[CampaignEntry])


def read_campaign(body: Raw) -> list[WebhookItem]:
    """Return what a campaign's webhook says of people's replies and of messages of ours.

    Raises:
        msgspec.ValidationError: It is of a shape that is not known.
    """
    notice = _notices.decode(body)
    kind = read_code(notice.type)
    if kind not in KINDS or not isinstance(notice.data, Raw):
        _tell(notice, {})
        return []
    if kind in (BY_HOMOLOGATION, REJECTED):
        _tell(notice, {"said": make_fit(read_refusal(bytes(notice.data)))})
        return []
    entries = read_section(notice.data, _entries, CampaignEntry)
    if kind == REPLY:
        return _read_replies(notice.job_id, entries, read_timestamp(notice.timestamp))
    found, others = _read_entries(kind, entries)
    if others:
        _tell(notice, {"counts": dict(others)})
    return found


def _read_replies(
    job: Scalar, entries: Iterable[CampaignEntry], received_at: datetime | None
) -> list[WebhookItem]:
    found: Iterable[InboundMessage | None] = (
        make_campaign_reply(job, entry.fullphone, entry.reply, received_at) for entry in entries
    )
    return [message for message in found if message is not None]


def _read_entries(
    kind: int, entries: Iterable[CampaignEntry]
) -> tuple[list[WebhookItem], Counter[str]]:
    """Return the updates of our messages, and how many others met which fate."""
    found: list[WebhookItem] = []
    others: Counter[str] = Counter()
    for entry in entries:
        word, status, code = _meaning(kind, read_code(entry.code))
        message_id = _own_id(entry)
        if message_id is None or kind == SHORTENER:
            others[word] += 1
        else:
            # With the vendor's id as well: a message that only stands in the campaign's file as
            # somebody's custom data has another one, and the engine leaves it alone.
            found.append(
                StatusUpdate(
                    status=status,
                    message_id=message_id,
                    provider_ref=read_id(entry.id),
                    code=code,
                    text=make_fit(join_texts(entry.message), longest=_LONGEST_WORD) or None,
                )
            )
    return found, others


def _meaning(kind: int, code: int | None) -> tuple[str, Status, str | None]:
    """Return a word for the log, and the status and code of a message; the kind names the table."""
    told = None if code is None else str(code)
    if kind == STATUS:
        return (*CAMPAIGN_STATUSES.get(code or 0, ("unknown", Status.UNKNOWN)), told)
    if kind == INVALID_RECORD and code in CAMPAIGN_REFUSALS:
        word = CAMPAIGN_REFUSALS[code]
        return word, Status.REJECTED, word
    return "clicked" if kind == SHORTENER else "unknown", Status.UNKNOWN, told


def _own_id(entry: CampaignEntry) -> str | None:
    """Return the id of ours that an entry names: what the campaign's file held beside the phone."""
    echoed = entry.custom_data
    if isinstance(echoed, dict):
        echoed = list(echoed.values())
    candidates = [entry.reference, *(echoed if isinstance(echoed, list) else [echoed])]
    return next((found for found in map(own_id, candidates) if found is not None), None)


def _tell(notice: CampaignNotice, more: dict[str, object]) -> None:
    kind = KINDS.get(read_code(notice.type) or 0, "unknown")
    told = {"job": read_code(notice.job_id), "kind": kind, **more}
    logger.info("kolmeya told of a web campaign", extra=told)
