"""What a client is told of the messages it handed in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from recado_core.engine.checks.checking import Verdict, tell_reasons
from recado_core.engine.failures import Fault
from recado_core.engine.suppressions.suppressions import CheckReason
from recado_core.messages import Category, Status

Row = dict[str, Any]


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


class ItemResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    results: Sequence[ItemResult],
    rows: Sequence[Row],
    verdicts: Sequence[Verdict],
) -> BatchAccepted:
    """Return what is told of a batch: every item's result, with what the checks refused."""
    said = {row["id"]: (row, verdict) for row, verdict in zip(rows, verdicts, strict=True)}
    refused = {key for key, (_, verdict) in said.items() if verdict.refusals}
    told = []
    for item in results:
        if item.id is not None:
            row, verdict = said[item.id]
            faults = [Fault(pointer="/to", detail=each.reason) for each in verdict.refusals]
            told.append(
                msgspec.structs.replace(
                    item, status=row["status"], error=faults or None, reasons=_reasons(verdict)
                )
            )
        else:
            told.append(item)
    return BatchAccepted(
        batch_id=batch_id,
        accepted=len(rows) - len(refused),
        rejected=len(results) - len(rows),
        suppressed=len(refused),
        results=told,
    )


def _reasons(verdict: Verdict) -> list[CheckReason]:
    return [
        CheckReason(check=each.check, reason=each.reason, until=each.until)
        for each in verdict.reasons
    ]
