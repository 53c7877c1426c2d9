"""What statistics count: figures that the events of messages add to, values in and values out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from recado_core.engine.identifiers import new_id
from recado_core.engine.money import to_millionths
from recado_core.engine.settings import EngineSettings
from recado_core.messages import Status

Row = dict[str, Any]

KEY = ("day", "account", "channel", "campaign_id", "cost_centre", "metric")
"""The columns by which is counted."""

COUNTED = (
    Status.SENT,
    Status.DELIVERED,
    Status.READ,
    Status.UNDELIVERED,
    Status.EXPIRED,
    Status.REJECTED,
    Status.FAILED,
    Status.SUPPRESSED,
    Status.CANCELED,
    Status.UNKNOWN,
)
"""The statuses of which is known how many messages are in them; each is a metric of its name."""

WENT = frozenset({Status.SENT, Status.DELIVERED, Status.READ, Status.UNDELIVERED})
"""The statuses that a message has only after a provider has taken it, to be paid for."""


class Metric(StrEnum):
    """What else is counted; ``segments`` and ``cost`` (in millionths) are of what was taken."""

    ACCEPTED = "accepted"  # an MT was stored
    TAKEN = "taken"  # a provider took it
    SEGMENTS = "segments"
    COST = "cost"
    RECEIVED = "received"  # an MO was stored
    REPLIES = "replies"  # it answers an MT


class Tallies:
    """Counts what is told of messages, and knows what they cost.

    Args:
        settings: The zone in which a day begins, and the accounts' prices of a segment.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._zone = ZoneInfo(settings.timezone)
        self._prices = {
            name: to_millionths(account.price)
            for name, account in settings.accounts.items()
            if account.price is not None
        }

    def cost_of(self, account: str, segments: int) -> int | None:
        """Return what a message costs at an account, in millionths; None where no price is set."""
        price = self._prices.get(account)
        return None if price is None else price * segments

    def count(self, told: Iterable[Row], about: Mapping[str, Row]) -> list[Row]:
        """Return the rows of ``stats_changes`` that events are; those that are of messages.

        Args:
            told: The events.
            about: The message of each event, by the event's id, with ``created_at``, ``channel``,
                ``campaign_id``, ``cost_centre``, ``segments`` and, once taken, ``cost``; of an MO
                the campaign and the cost centre are those of the MT that it answers, which
                ``answers_id`` names.
        """
        sums: Counter[tuple[str, ...]] = Counter()
        for event in told:
            if not event["type"].startswith("message."):
                continue
            row = about[event["id"]]
            key = (
                local_day(row["created_at"], self._zone),
                event["account"],  # its own: the message may have gone on to another since
                row["channel"],
                row["campaign_id"] or "",
                row["cost_centre"] or "",
            )
            for metric, value in _counts(event, row):
                sums[*key, metric] += value
        return [
            {"id": new_id(), **dict(zip(KEY, key, strict=True)), "value": value}
            for key, value in sums.items()
            if value
        ]


def is_taken(from_status: str | None, to_status: str | None) -> bool:
    """Tell whether a message that goes from one status to the other is taken by a provider now."""
    return to_status in WENT and from_status not in WENT


def local_day(at: datetime, zone: ZoneInfo) -> str:
    """Return the date at a moment in a zone, as ISO 8601 writes it."""
    try:
        return at.astimezone(zone).date().isoformat()
    except OverflowError:  # a provider may say that an MO is of the first day of the year 1
        return at.date().isoformat()


def _counts(event: Row, row: Row) -> list[tuple[str, int]]:
    """Return what an event adds to which metrics."""
    if event["type"] == "message.accepted":
        return [(Metric.ACCEPTED, 1)]
    if event["type"] == "message.received":
        replies = 0 if row["answers_id"] is None else 1
        return [(Metric.RECEIVED, 1), (Metric.REPLIES, replies)]
    counts: list[tuple[str, int]] = []
    before, after = event["from_status"], event["to_status"]
    if before in COUNTED:
        counts.append((before, -1))
    if after in COUNTED:
        counts.append((after, 1))
    if is_taken(before, after):
        counts += [
            (Metric.TAKEN, 1),
            (Metric.SEGMENTS, row["segments"]),
            (Metric.COST, row["cost"] or 0),
        ]
    return counts
