"""The events of messages that are accepted: taken, put off, suppressed."""

from collections.abc import Sequence
from typing import Any, Final

from recado_core.engine.checks.checking import Verdict
from recado_core.engine.store.statements import events
from recado_core.messages import Status

Row = dict[str, Any]

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_SCHEDULED: Final = Status.SCHEDULED
_QUEUED: Final = Status.QUEUED


def events_of(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Row]:
    """Return what is told of messages: that each was accepted, and which were suppressed."""
    judged = list(zip(rows, verdicts, strict=True))
    told = [_accepted_event(row, verdict) for row, verdict in judged]
    return told + [_suppressed_event(row, verdict) for row, verdict in judged if verdict.refusals]


def _accepted_event(row: Row, verdict: Verdict) -> Row:
    put_off = verdict.deferrals and not verdict.refusals
    return events.new_event(
        "message.accepted",
        row["created_at"],
        message_id=row["id"],
        account=row["account"],
        to_status=_first_status(row),
        code=row["code"] if put_off else None,
        text=row["status_text"] if put_off else None,
        data={"reasons": list(verdict.deferrals)} if put_off else None,
    )


def _suppressed_event(row: Row, verdict: Verdict) -> Row:
    return events.new_event(
        "message.suppressed",
        row["created_at"],
        message_id=row["id"],
        account=row["account"],
        from_status=_first_status(row),
        to_status=Status.SUPPRESSED,
        code=row["code"],
        text=row["status_text"],
        data={"reasons": list(verdict.refusals)},
    )


def _first_status(row: Row) -> Status:
    """Return what the message was before a check may have suppressed it."""
    return _SCHEDULED if row["due_at"] > row["created_at"] else _QUEUED
