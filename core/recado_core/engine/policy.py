"""The rules that need neither clock nor store: status transitions and retries."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from recado_core.addresses import forms_of
from recado_core.checks import Recipient
from recado_core.messages import Category, Outcome, Status, SuppressionReason

YEARS = range(1970, 9999)
"""The years that a time may lie in: beyond them its UTC may leave the calendar."""

S = Status

TRANSITIONS: dict[Status, frozenset[Status]] = {
    # A message that waits for another attempt may turn out to have been taken by an earlier one.
    S.SCHEDULED: frozenset(
        {S.QUEUED, S.CANCELED, S.EXPIRED, S.SUPPRESSED, S.SENT, S.DELIVERED, S.READ}
    ),
    S.QUEUED: frozenset(
        {
            S.SENDING,
            S.CANCELED,
            S.EXPIRED,
            S.SUPPRESSED,
            S.FAILED,
            S.SENT,
            S.DELIVERED,
            S.READ,
        }
    ),
    S.SENDING: frozenset(
        {
            S.QUEUED,
            S.SCHEDULED,
            S.SENT,
            S.DELIVERED,
            S.READ,
            S.UNDELIVERED,
            S.EXPIRED,
            S.REJECTED,
            S.FAILED,
            S.SUPPRESSED,
            S.UNKNOWN,
        }
    ),
    S.SENT: frozenset({S.DELIVERED, S.READ, S.UNDELIVERED, S.EXPIRED, S.REJECTED}),
    S.UNKNOWN: frozenset(
        {S.QUEUED, S.SENT, S.DELIVERED, S.READ, S.UNDELIVERED, S.EXPIRED, S.REJECTED, S.SUPPRESSED}
    ),
    S.DELIVERED: frozenset({S.READ}),
    S.READ: frozenset(),
    S.UNDELIVERED: frozenset(),
    S.EXPIRED: frozenset(),
    S.REJECTED: frozenset(),
    S.FAILED: frozenset(),
    S.SUPPRESSED: frozenset(),
    S.CANCELED: frozenset(),
    S.RECEIVED: frozenset(),
}
"""Where a message may go from each status; what is absent never happens."""

IN_FLIGHT = frozenset({S.SENDING, S.SENT, S.UNKNOWN})
"""The statuses that a DLR may still change, but for *read* after *delivered*."""

FINAL = frozenset(
    {
        S.DELIVERED,
        S.READ,
        S.UNDELIVERED,
        S.EXPIRED,
        S.REJECTED,
        S.FAILED,
        S.SUPPRESSED,
        S.CANCELED,
        S.RECEIVED,
    }
)
"""The statuses in which a message may stay for ever; *unknown* waits for a person."""

RESENDABLE = frozenset({S.FAILED, S.EXPIRED, S.UNDELIVERED, S.UNKNOWN})

TAKEN = frozenset({S.SENT, S.DELIVERED, S.READ})
"""What a DLR may say of a message that is queued again: that it was taken after all."""

DLR_STATUSES = frozenset({S.SENT, S.DELIVERED, S.READ, S.UNDELIVERED, S.EXPIRED, S.REJECTED})
"""What a provider's later word may say; any other status in it changes nothing."""

OUTCOME_STATUS = {
    Outcome.ACCEPTED: S.SENT,
    Outcome.REJECTED: S.REJECTED,
    Outcome.SUPPRESSED: S.SUPPRESSED,
    Outcome.UNKNOWN: S.UNKNOWN,
}

THROTTLED = 60.0
"""Seconds until a message is tried again whose provider asks for fewer calls, not saying when."""
LONGEST_ASKED = 3600.0
"""Seconds of ``Retry-After`` that are honoured at the most."""


def may_follow(current: Status, following: Status) -> bool:
    """Tell whether a message may go from one status to the other."""
    return following in TRANSITIONS[current]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """What comes after a failed attempt: wait ``delay`` seconds, at ``account``; None: give up."""

    account: str
    delay: float
    fallbacks: tuple[str, ...]
    attempts: int


def after_transient(
    account: str,
    attempts: int,
    fallbacks: Sequence[str],
    delays: Sequence[float],
    jitter: float,
) -> Retry | None:
    """Say where a message goes after a transient failure.

    Args:
        account: Where the attempt was made.
        attempts: How many have been made there, this one included.
        fallbacks: The accounts that come next, in order.
        delays: Seconds before each further attempt at one account.
        jitter: From 0 to 1; spreads the delay by up to a tenth each way.
    """
    if attempts <= len(delays):
        delay = delays[attempts - 1] * (0.9 + 0.2 * jitter)
        return Retry(account=account, delay=delay, fallbacks=tuple(fallbacks), attempts=attempts)
    if fallbacks:
        return Retry(account=fallbacks[0], delay=0.0, fallbacks=tuple(fallbacks[1:]), attempts=0)
    return None


def is_disturbing(category: Category, *, transactional: bool) -> bool:
    """Tell whether a do-not-disturb list keeps such messages from who is on it."""
    return category is Category.MARKETING or (transactional and category is Category.TRANSACTIONAL)


def is_suppressed_by(
    recipient: Recipient, entry: Mapping[str, Any], *, do_not_disturb_transactional: bool
) -> bool:
    """Tell whether an entry of the suppression list keeps a message from its recipient.

    Args:
        recipient: The message.
        entry: Of the list; an empty text means any.
        do_not_disturb_transactional: Whether do-not-disturb concerns transactional messages too.
    """
    if entry["expires_at"] is not None and entry["expires_at"] <= recipient.at:
        return False
    if entry["reason"] == SuppressionReason.DO_NOT_DISTURB and not is_disturbing(
        recipient.category, transactional=do_not_disturb_transactional
    ):
        return False
    return (
        entry["address"] in {"", *forms_of(recipient.address)}
        and entry["document_hash"] in {"", recipient.document_hash or ""}
        and entry["channel"] in {"", recipient.channel}
        and entry["category"] in {"", recipient.category}
    )
