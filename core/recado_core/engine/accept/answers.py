"""What a client is told of the messages it handed in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from recado_core.engine.checks.checking import CLEAR, Verdict, tell_reasons
from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.suppressions.suppressions import CheckReason
from recado_core.messages import Category, Status

Row = dict[str, Any]

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_REJECTED: Final = Status.REJECTED


class AcceptedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the client is told of a message that was accepted."""

    id: str
    status: Status
    channel: str
    to: str
    account: str
    segments: int
    encoding: str
    category: Category
    sender_id: str | None
    reference: str | None
    created_at: datetime
    scheduled_at: datetime | None
    expires_at: datetime | None
    reason: str | None = None
    reasons: list[CheckReason] = []
    resend_of: str | None = None


class ItemResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one item of a batch; ``error`` says what was wrong with it.

    ``reasons`` are the checks', of what they forbid or put off.
    """

    index: int
    id: str | None
    status: Status
    error: list[Fault] | None = None
    reasons: list[CheckReason] = []


class BatchAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """What the client is told of a batch."""

    batch_id: str
    accepted: int
    rejected: int
    suppressed: int
    results: list[ItemResult]


def tell_message(row: Row, verdict: Verdict) -> AcceptedMessage:
    """Return what is told of one message, and why if a check refused it or put it off."""
    return AcceptedMessage(
        id=row["id"],
        status=row["status"],
        channel=row["channel"],
        to=row["address"],
        account=row["account"],
        segments=row["segments"],
        encoding=row["encoding"],
        category=row["category"],
        sender_id=row["sender_id"],
        reference=row["reference"],
        created_at=row["created_at"],
        scheduled_at=row["scheduled_at"],
        expires_at=row["expires_at"],
        reason=tell_reasons(verdict.reasons) or None,
        reasons=_reasons(verdict),
        resend_of=row["resend_of"],
    )


def tell_batch(
    batch_id: str,
    made: Sequence[object],
    rows: Sequence[Row],
    verdicts: Sequence[Verdict],
) -> BatchAccepted:
    """Return what is told of a batch: every item's result, with what the checks refused.

    Args:
        batch_id: The batch's.
        made: Of each item what was made of it, or what is wrong with it.
        rows: Those of the items that nothing is wrong with.
        verdicts: What the checks say of these.
    """
    if len(made) == verdicts.count(CLEAR):
        told = [
            ItemResult(index=index, id=row["id"], status=row["status"])
            for index, row in enumerate(rows)
        ]
        refused = 0
    else:
        judged = zip(rows, verdicts, strict=True)
        told = [
            ItemResult(index=index, id=None, status=_REJECTED, error=each.faults)
            if isinstance(each, DraftError)
            else _tell_item(index, *next(judged))
            for index, each in enumerate(made)
        ]
        refused = sum(1 for verdict in verdicts if verdict.refusals)
    return BatchAccepted(
        batch_id=batch_id,
        accepted=len(rows) - refused,
        rejected=len(told) - len(rows),
        suppressed=refused,
        results=told,
    )


def _tell_item(index: int, row: Row, verdict: Verdict) -> ItemResult:
    if verdict is CLEAR:
        return ItemResult(index=index, id=row["id"], status=row["status"])
    faults = [Fault(pointer="/to", detail=each.reason) for each in verdict.refusals]
    return ItemResult(
        index=index,
        id=row["id"],
        status=row["status"],
        error=faults or None,
        reasons=_reasons(verdict),
    )


def _reasons(verdict: Verdict) -> list[CheckReason]:
    return [
        CheckReason(check=each.check, reason=each.reason, until=each.until)
        for each in verdict.reasons
    ]
