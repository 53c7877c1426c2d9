"""What statistics count: figures that the events of messages add to, values in and values out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.money import to_millionths
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

_ACCEPTED = "message.accepted"
_RECEIVED = "message.received"


class Metric(StrEnum):
    """What else is counted; ``segments`` and ``cost`` (in millionths) are of what was taken."""

    ACCEPTED = "accepted"  # an MT was stored
    TAKEN = "taken"  # a provider took it
    SEGMENTS = "segments"
    COST = "cost"
    RECEIVED = "received"  # an MO was stored
    REPLIES = "replies"  # it answers an MT


class _Step(NamedTuple):
    """What happened to a message: the event, and whether it answers another."""

    type: str
    before: str | None
    after: str | None
    is_reply: bool


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

    def count(
        self,
        told: Iterable[Row],
        about: Mapping[str, Row],
        alike: Iterable[tuple[Row, Sequence[Row]]] = (),
    ) -> list[Row]:
        """Return the rows of ``stats_changes`` that events are; those that are of messages.

        Args:
            told: The events.
            about: The message of each event, by the event's id, with ``created_at``, ``channel``,
                ``campaign_id``, ``cost_centre`` and ``segments``; of an MO the campaign and the
                cost centre are those of the MT that it answers, which ``answers_id`` names.
            alike: Events that MTs have had alike, each with the messages.
        """
        sums: Counter[tuple[str, ...]] = Counter()
        for (of_row, account, *step), rows in _group(told, about, alike).items():
            created_at, channel, campaign_id, cost_centre = of_row
            key = (
                local_day(created_at, self._zone),
                account,
                channel,
                campaign_id or "",
                cost_centre or "",
            )
            for metric, value in self._counts(account, _Step(*step), rows):
                sums[*key, metric] += value
        return [
            {"id": new_id(), **dict(zip(KEY, key, strict=True)), "value": value}
            for key, value in sums.items()
            if value
        ]

    def _counts(self, account: str, step: _Step, rows: Sequence[Row]) -> list[tuple[str, int]]:
        """Return what messages add to which metrics."""
        number = len(rows)
        if step.type == _ACCEPTED:
            return [(Metric.ACCEPTED, number)]
        if step.type == _RECEIVED:
            return [(Metric.RECEIVED, number), (Metric.REPLIES, number if step.is_reply else 0)]
        counts: list[tuple[str, int]] = []
        if step.before in COUNTED:
            counts.append((step.before, -number))
        if step.after in COUNTED:
            counts.append((step.after, number))
        if is_taken(step.before, step.after):
            segments = sum(map(_segments, rows))
            counts += [
                (Metric.TAKEN, number),
                (Metric.SEGMENTS, segments),
                (Metric.COST, self.cost_of(account, segments) or 0),
            ]
        return counts


def is_taken(from_status: str | None, to_status: str | None) -> bool:
    """Tell whether a message that goes from one status to the other is taken by a provider now."""
    return to_status in WENT and from_status not in WENT


def local_day(at: datetime, zone: ZoneInfo) -> str:
    """Return the date at a moment in a zone, as ISO 8601 writes it."""
    try:
        return at.astimezone(zone).date().isoformat()
    except OverflowError:  # a provider may say that an MO is of the first day of the year 1
        return at.date().isoformat()


_of_row = itemgetter("created_at", "channel", "campaign_id", "cost_centre")
_segments = itemgetter("segments")


def _group(
    told: Iterable[Row], about: Mapping[str, Row], alike: Iterable[tuple[Row, Sequence[Row]]]
) -> dict[tuple[Any, ...], list[Row]]:
    """Put together the messages whose events count alike: those of a batch differ in little."""
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for event in told:
        kind = event["type"]
        if not kind.startswith("message."):
            continue
        row = about[event["id"]]
        groups[
            _of_row(row),
            event["account"],  # its own: the message may have gone on to another since
            kind,
            event["from_status"],
            event["to_status"],
            kind == _RECEIVED and row["answers_id"] is not None,
        ].append(row)
    for event, rows in alike:
        step = event["account"], event["type"], event["from_status"], event["to_status"], False
        of_rows = [*map(_of_row, rows)]
        if of_rows.count(of_rows[0]) == len(rows):
            groups[of_rows[0], *step] += rows
        else:
            for of_row, row in zip(of_rows, rows, strict=True):
                groups[of_row, *step].append(row)
    return groups
