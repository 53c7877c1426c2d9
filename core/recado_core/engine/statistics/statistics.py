"""Statistics: what messages have come to, kept current without a look at all of them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.statistics.tallies import COUNTED, Metric
from recado_core.engine.store.database import Database
from recado_core.engine.store.money import from_millionths
from recado_core.engine.store.statements import stats as store
from recado_core.messages import Status

AT_ONCE = 5000
"""Changes that are folded in one transaction."""
DEFAULT_DAYS = 30
MAX_ITEMS = 10_000
ALL_TIME = ""
"""The day of what is summed over all days, campaigns and cost centres."""

_METRICS = len(Metric) + len(COUNTED)
_FAILED = (Status.UNDELIVERED, Status.EXPIRED, Status.REJECTED, Status.FAILED)


class Group(StrEnum):
    """What statistics are told apart by."""

    DAY = "day"
    ACCOUNT = "account"
    CAMPAIGN = "campaign"
    CHANNEL = "channel"
    COST_CENTRE = "cost_centre"


_COLUMNS = {
    Group.DAY: "day",
    Group.ACCOUNT: "account",
    Group.CAMPAIGN: "campaign_id",
    Group.CHANNEL: "channel",
    Group.COST_CENTRE: "cost_centre",
}


class StatsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which statistics are wanted: of messages created from the first to the last of these days.

    Without ``until`` that is today, without ``since`` the days are 30. The others, where given,
    are of which account, channel, campaign and cost centre.
    """

    since: date | None = None
    until: date | None = None
    group_by: tuple[Group, ...] = (Group.DAY,)
    account: str | None = None
    channel: str | None = None
    campaign: str | None = None
    cost_centre: str | None = None


class StatusCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages are in each status."""

    sent: int = 0
    delivered: int = 0
    read: int = 0
    undelivered: int = 0
    expired: int = 0
    rejected: int = 0
    failed: int = 0
    suppressed: int = 0
    canceled: int = 0
    unknown: int = 0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What messages have come to.

    ``sent`` are those that a provider took, whatever became of them; ``segments`` and ``cost`` are
    of these. ``delivered`` were delivered, and some of them read; ``failed`` are undelivered,
    expired, rejected or failed. ``delivery_rate`` is ``delivered`` of ``sent``. ``received`` are
    MO, ``replies`` those that answer an MT.
    """

    accepted: int
    sent: int
    delivered: int
    failed: int
    delivery_rate: float | None
    received: int
    replies: int
    segments: int
    cost: Decimal
    statuses: StatusCounts


class StatsItem(Figures, frozen=True, kw_only=True):
    """The figures of one group; what is not grouped by is absent, and null is none."""

    day: date | UnsetType = UNSET
    account: str | UnsetType = UNSET
    campaign: str | UnsetType | None = UNSET
    channel: str | UnsetType = UNSET
    cost_centre: str | UnsetType | None = UNSET


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of every group in which anything was counted, and of all of them."""

    since: date = msgspec.field(name="from")
    until: date = msgspec.field(name="to")
    timezone: str
    group_by: list[Group]
    items: list[StatsItem]
    totals: Figures


class Statistics:
    """Sums what was counted, and tells it."""

    def __init__(self, database: Database, timezone: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._timezone = timezone
        self._now = now

    async def fold(self) -> int:
        """Add to the sums what was counted since; return how many changes that were.

        Several nodes may do so at once.
        """
        async with self._database.read() as connection:
            if not await store.any_changes(connection):
                return 0
        folded = 0
        while True:
            some = await self._database.write(_fold_some)
            folded += some
            if some < AT_ONCE:
                return folded

    async def query(self, wanted: StatsQuery) -> Stats:
        """Return the figures of every group in which anything was counted.

        Raises:
            DraftError: The days end before they begin, or there are too many groups to tell.
        """
        since, until = self._days(wanted)
        columns = [_COLUMNS[group] for group in wanted.group_by]
        equal = {
            _COLUMNS[group]: value
            for group in (Group.ACCOUNT, Group.CHANNEL, Group.CAMPAIGN, Group.COST_CENTRE)
            if (value := getattr(wanted, group)) is not None
        }
        rows: list[dict[str, Any]] = []
        if not any("\0" in value for value in equal.values()):  # nothing stored has a zero byte
            most = MAX_ITEMS * _METRICS + 1
            first, last = since.isoformat(), until.isoformat()
            async with self._database.read() as connection:
                rows = await store.sums(connection, columns, first, last, equal, most)
        groups: dict[tuple[str, ...], Counter[str]] = {}
        totals: Counter[str] = Counter()
        for row in rows:
            key = tuple(row[column] for column in columns)
            groups.setdefault(key, Counter())[row["metric"]] += row["value"]
            totals[row["metric"]] += row["value"]
        if len(groups) > MAX_ITEMS:
            detail = f"gives more than {MAX_ITEMS} items; ask for fewer days or coarser groups"
            raise DraftError([Fault(pointer="/group_by", detail=detail)])
        return Stats(
            since=since,
            until=until,
            timezone=self._timezone,
            group_by=list(wanted.group_by),
            items=[
                StatsItem(**_named(wanted.group_by, key), **_figures(groups[key]))
                for key in sorted(groups)
            ],
            totals=Figures(**_figures(totals)),
        )

    async def of_campaigns(self, ids: Collection[str]) -> dict[str, Counter[str]]:
        """Return what was counted for each of these campaigns, by metric; ``cost`` in millionths.

        A metric has the name of a ``tallies.Metric`` or of a status; what is absent is 0.
        """
        found: dict[str, Counter[str]] = {key: Counter() for key in ids}
        if found:
            async with self._database.read() as connection:
                rows = await store.of_campaigns(connection, list(found))
            for row in rows:
                found[row["campaign_id"]][row["metric"]] = row["value"]
        return found

    async def of_accounts(self) -> dict[str, Counter[str]]:
        """Return what was counted for each account since there are statistics, by metric."""
        found: dict[str, Counter[str]] = {}
        async with self._database.read() as connection:
            rows = await store.of_accounts(connection, ALL_TIME)
        for row in rows:
            found.setdefault(row["account"], Counter())[row["metric"]] = row["value"]
        return found

    def _days(self, wanted: StatsQuery) -> tuple[date, date]:
        until = wanted.until or self._now().astimezone(ZoneInfo(self._timezone)).date()
        try:
            since = wanted.since or until - timedelta(days=DEFAULT_DAYS - 1)
        except OverflowError:
            since = date.min
        if since > until:
            raise DraftError([Fault(pointer="/from", detail=f"lies after the last day, {until}")])
        return since, until


def read_groups(text: str) -> tuple[Group, ...]:
    """Read what statistics are grouped by: words with commas between them.

    Raises:
        DraftError: A word is unknown, or stands there twice.
    """
    words = [word.strip() for word in text.split(",")]
    known = [str(group) for group in Group]
    for word in words:
        if word not in known:
            detail = f"unknown {word!r}; there is {', '.join(known)}"
            raise DraftError([Fault(pointer="/group_by", detail=detail)])
        if words.count(word) > 1:
            raise DraftError([Fault(pointer="/group_by", detail=f"has {word} twice")])
    return tuple(Group(word) for word in words)


def figures_of(counts: Counter[str]) -> Figures:
    """Return what was counted, by metric, as the API tells it."""
    return Figures(**_figures(counts))


async def _fold_some(connection: AsyncConnection) -> int:
    changes = await store.take_changes(connection, AT_ONCE)
    await store.add(connection, _summed(changes))
    return len(changes)


def _summed(changes: Iterable[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """Sum changes by the key of ``stats``, and for all time by account, channel and metric."""
    sums: Counter[tuple[str, ...]] = Counter()
    for row in changes:
        sums[tuple(row[name] for name in store.KEY)] += row["value"]
        forever = row | {"day": ALL_TIME, "campaign_id": "", "cost_centre": ""}
        sums[tuple(forever[name] for name in store.KEY)] += row["value"]
    return sums


def _named(group_by: Sequence[Group], key: tuple[str, ...]) -> dict[str, Any]:
    named: dict[str, Any] = dict(zip(group_by, key, strict=True))
    if Group.DAY in named:
        named[Group.DAY] = date.fromisoformat(named[Group.DAY])
    for group in (Group.CAMPAIGN, Group.COST_CENTRE):
        if group in named:
            named[group] = named[group] or None
    return named


def _figures(counts: Counter[str]) -> dict[str, Any]:
    sent = counts[Metric.TAKEN]
    delivered = counts[Status.DELIVERED] + counts[Status.READ]
    return {
        "accepted": counts[Metric.ACCEPTED],
        "sent": sent,
        "delivered": delivered,
        "failed": sum(counts[status] for status in _FAILED),
        "delivery_rate": round(delivered / sent, 4) if sent else None,
        "received": counts[Metric.RECEIVED],
        "replies": counts[Metric.REPLIES],
        "segments": counts[Metric.SEGMENTS],
        "cost": from_millionths(counts[Metric.COST]),
        "statuses": StatusCounts(**{str(status): counts[status] for status in COUNTED}),
    }
