"""The events of messages that are accepted: taken, put off, suppressed."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

from recado_core.engine.checks.checking import CLEAR, Verdict
from recado_core.engine.messages.telling import Happened
from recado_core.engine.store.identifiers import new_ids
from recado_core.engine.store.statements import events
from recado_core.messages import Status

Row = dict[str, Any]

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_SCHEDULED: Final = Status.SCHEDULED
_QUEUED: Final = Status.QUEUED

_differing = itemgetter("account", "created_at", "due_at")
"""Takes of a message what the events of a batch differ in."""


def events_of(
    rows: Sequence[Row], verdicts: Sequence[Verdict]
) -> tuple[list[Row], dict[str, Row], list[Happened]]:
    """Return what is told of messages: that each was accepted, and which were suppressed.

    Returns:
        Events, the messages that they are about by the events' ids, and events that are alike.
    """
    ids = new_ids(len(rows))
    if rows and _are_alike(rows, verdicts):
        return [], {}, [Happened(_accepted_event(rows[0]), ids, [*rows])]
    alike: dict[tuple[Any, ...], Happened] = {}
    told: list[Row] = []
    about: dict[str, Row] = {}
    for row, verdict, event_id in zip(rows, verdicts, ids, strict=True):
        if verdict.deferrals and not verdict.refusals:
            told.append(_put_off_event(row, verdict) | {"id": event_id})
            about[event_id] = row
            continue
        differing = _differing(row)
        known = alike.get(differing)
        if known is None:
            alike[differing] = known = Happened(_accepted_event(row), [], [])
        known.ids.append(event_id)
        known.rows.append(row)
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict.refusals:
            event = _suppressed_event(row, verdict)
            told.append(event)
            about[event["id"]] = row
    return told, about, [*alike.values()]


def _are_alike(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> bool:
    """Tell whether nothing is told of messages but that they were accepted, and of all the same."""
    differing = [*map(_differing, rows)]
    return verdicts.count(CLEAR) == differing.count(differing[0]) == len(rows)


def _accepted_event(row: Row) -> Row:
    return events.new_event(
        "message.accepted",
        row["created_at"],
        account=row["account"],
        to_status=_first_status(row),
    )


def _put_off_event(row: Row, verdict: Verdict) -> Row:
    return _accepted_event(row) | {
        "message_id": row["id"],
        "code": row["code"],
        "text": row["status_text"],
        "data": {"reasons": list(verdict.deferrals)},
    }


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
