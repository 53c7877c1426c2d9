"""What the end of a provider's call means for the messages it carried; values in, values out."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from recado_core.engine import policy
from recado_core.engine.checks.checking import Verdict, tell_reasons
from recado_core.engine.messages.transitions import Change
from recado_core.engine.store.vendor_words import LONGEST_REFERENCE, clip_code
from recado_core.errors import AccountError, PermanentSendError, SendError, TransientSendError
from recado_core.messages import Outcome, SendResult, Status

Row = dict[str, Any]

# Looked up once: up to Python 3.11 each look-up in the class, and each by a member, is a call.
_ACCEPTED, _TRANSIENT = Outcome.ACCEPTED, Outcome.TRANSIENT
_SENT = policy.OUTCOME_STATUS[_ACCEPTED]

FIRST_HELD = 5.0
"""Seconds until a message that a check could not judge is checked again, the first time."""
HELD = 60.0
"""Seconds after which it is checked each further time; and as long as that, it stays queued."""
SOONEST = 1.0
"""Seconds until a message that is put off for less than that is checked again."""


def taken_as(rows: Sequence[Row], results: Sequence[SendResult]) -> list[str] | None:
    """Return the vendor's references of a batch of which no more is said than that all is taken.

    None of any other answer, on which ``after_results`` looks message by message.
    """
    if [result.message_id for result in results] != [row["id"] for row in rows]:
        return None
    odd = [
        result
        for result in results
        if result.outcome is not _ACCEPTED
        or result.code is not None
        or result.text is not None
        or result.suppression is not None
    ]
    references = [result.provider_ref or "" for result in results]
    return None if odd or "" in references or not _are_storable(references) else references


def after_results(
    rows: Sequence[Row],
    results: Sequence[SendResult],
    delays: Sequence[float],
    draw: Callable[[], float],
) -> list[Change]:
    """Say what becomes of every message of a batch that the provider answered.

    A message that the provider's plugin said nothing of is *unknown*: it may have been sent.
    """
    said = {result.message_id: result for result in results}
    changes = []
    for row in rows:
        result = said.get(row["id"])
        if result is None:
            text = "the provider's answer did not mention this message"
            changes.append(Change(message_id=row["id"], status=Status.UNKNOWN, text=text))
        elif result.outcome is _TRANSIENT:
            changes.append(retry_or_fail(row, delays, draw, code=result.code, text=result.text))
        else:
            changes.append(
                Change(
                    message_id=row["id"],
                    status=_SENT
                    if result.outcome is _ACCEPTED
                    else policy.OUTCOME_STATUS[result.outcome],
                    code=result.code,
                    text=result.text,
                    provider_ref=result.provider_ref,
                    suppression=result.suppression,
                )
            )
    return changes


def after_error(
    rows: Sequence[Row],
    error: SendError,
    delays: Sequence[float],
    draw: Callable[[], float],
) -> list[Change]:
    """Say what becomes of every message of a batch that the provider did not take."""
    if isinstance(error, PermanentSendError):
        return [
            Change(message_id=row["id"], status=Status.REJECTED, code=error.code, text=error.text)
            for row in rows
        ]
    if isinstance(error, TransientSendError):
        return [
            retry_or_fail(
                row,
                delays,
                draw,
                code=error.code,
                text=error.text,
                asked=error.retry_after,
                throttled=error.throttled,
            )
            for row in rows
        ]
    return [wait_in_queue(row, code=error.code, text=error.text) for row in rows]


def retry_or_fail(  # noqa: PLR0913  # the row, how to wait, and the vendor's words
    row: Row,
    delays: Sequence[float],
    draw: Callable[[], float],
    *,
    code: str | None,
    text: str | None,
    asked: float | None = None,
    throttled: bool = False,
) -> Change:
    """Say where a message goes after a transient failure.

    ``asked`` are the seconds that the provider asked to be left alone; they replace the table's.
    A provider that is only ``throttled`` lives, so that this counts as no attempt.
    """
    wait = None if asked is None else max(0.0, min(asked, policy.LONGEST_ASKED))
    if throttled:
        delay = policy.THROTTLED if wait is None else wait
        return wait_in_queue(row, code=code, text=text, delay=delay)
    retry = policy.after_transient(
        row["account"], row["attempts"], row["fallbacks"] or (), delays, draw()
    )
    if retry is not None and wait is not None and retry.account == row["account"]:
        retry = msgspec.structs.replace(retry, delay=wait)
    return Change(
        message_id=row["id"],
        status=Status.FAILED if retry is None else Status.QUEUED,
        code=code,
        text=text,
        retry=retry,
    )


def wait_in_queue(row: Row, *, code: str | None, text: str | None, delay: float = 0.0) -> Change:
    """Put a message back as if this attempt had not been made."""
    retry = policy.Retry(
        account=row["account"],
        delay=delay,
        fallbacks=tuple(row["fallbacks"] or ()),
        attempts=max(0, row["attempts"] - 1),
    )
    return Change(message_id=row["id"], status=Status.QUEUED, code=code, text=text, retry=retry)


def hold(row: Row, *, code: str | None, text: str | None) -> Change:
    """Put a message back that can't be judged now; it is looked at soon, then each minute."""
    again = code is None or row["code"] == clip_code(code)
    change = wait_in_queue(row, code=code, text=text, delay=HELD if again else FIRST_HELD)
    return msgspec.structs.replace(change, waits_on=True)


def put_off(row: Row, verdict: Verdict, now: datetime) -> Change:
    """Put a message back that may go later: *scheduled*, for a moment only *queued*."""
    until = max(deferral.until for deferral in verdict.deferrals)
    delay = (until - now).total_seconds()
    if delay <= 0:  # a check that is wrong about the time must not be asked without a pause
        until = now + timedelta(seconds=HELD)
    elif delay < SOONEST:
        until = now + timedelta(seconds=SOONEST)
    change = wait_in_queue(
        row, code=verdict.deferrals[0].check, text=tell_reasons(verdict.deferrals)
    )
    return msgspec.structs.replace(
        change,
        status=Status.SCHEDULED if delay > HELD else Status.QUEUED,
        due_at=until,
        reasons=verdict.deferrals,
        waits_on=True,
    )


def after_verdict(row: Row, verdict: Verdict, now: datetime) -> Change:
    """Say what becomes of a message that may not go now."""
    if verdict.refusals:
        return Change(
            message_id=row["id"],
            status=Status.SUPPRESSED,
            code=verdict.refusals[0].check,
            text=tell_reasons(verdict.refusals),
            reasons=verdict.refusals,
        )
    if verdict.deferrals:
        return put_off(row, verdict, now)
    check = verdict.held[0]
    return hold(row, code=check, text=f"the check {check} can't answer now")


def outcome_of(error: SendError) -> str:
    """Name how a call ended that the provider did not take."""
    if isinstance(error, AccountError):
        return "account"
    return "permanent" if isinstance(error, PermanentSendError) else "transient"


def _are_storable(references: Sequence[str]) -> bool:
    """Tell whether ``clip_reference`` leaves all of them as they are: as one, in a few passes."""
    joined = "".join(references)
    longest = max(map(len, references), default=0)
    return joined.isascii() and "\0" not in joined and longest <= LONGEST_REFERENCE
