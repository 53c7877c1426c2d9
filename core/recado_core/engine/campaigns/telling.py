"""Telling of campaigns: as the API shows them, and in the event log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.campaigns.views import (
    AudienceCounts,
    CampaignRequest,
    CampaignStatus,
    CampaignView,
)
from recado_core.engine.messages.telling import Telling
from recado_core.engine.statistics.statistics import Figures, Statistics, figures_of
from recado_core.engine.statistics.tallies import COUNTED
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import events, recipients, stats

Row = dict[str, Any]

_SHARED = tuple(
    field.name
    for field in msgspec.structs.fields(CampaignRequest)
    if field.name not in {"name", "scheduled_at", "throttle"}
)


class CampaignTelling:
    """Tells how campaigns stand."""

    def __init__(self, database: Database, statistics: Statistics, telling: Telling) -> None:
        self._database = database
        self._statistics = statistics
        self._telling = telling

    async def view(self, rows: Sequence[Row]) -> list[CampaignView]:
        """Return campaigns as the API shows them."""
        if not rows:
            return []
        counted = await self._statistics.of_campaigns([row["id"] for row in rows])
        async with self._database.read() as connection:
            counts = await recipients.counts(connection, {row["audience_id"] for row in rows})
        return [
            _view(row, _audience(counts.get(row["audience_id"])), figures_of(counted[row["id"]]))
            for row in rows
        ]

    async def tell(
        self, connection: AsyncConnection, kind: str, campaign: Row, now: datetime
    ) -> None:
        """Write an event of a campaign: which, and how it stands.

        Args:
            connection: The transaction's.
            kind: ``started``, ``paused`` or ``finished``.
            campaign: As it is now.
            now: The time.
        """
        counts = await recipients.counts(connection, [campaign["audience_id"]])
        counted = await stats.of_campaigns(connection, [campaign["id"]])
        data = {
            "id": campaign["id"],
            "name": campaign["name"],
            "status": campaign["status"],
            "reason": campaign["reason"],
            "recipients": _audience(counts.get(campaign["audience_id"])),
            "position": campaign["position"],
            "messages": {row["metric"]: row["value"] for row in counted if row["metric"] != "cost"},
        }
        await self._telling.tell(connection, [events.new_event(f"campaign.{kind}", now, data=data)])


def _view(row: Row, audience: AudienceCounts, figures: Figures) -> CampaignView:
    request = msgspec.convert(row["request"], CampaignRequest)
    return CampaignView(
        **{name: getattr(request, name) for name in _SHARED},
        id=row["id"],
        name=row["name"],
        status=CampaignStatus(row["status"]),
        throttle=row["throttle"],
        recipients=audience,
        position=row["position"],
        progress=_progress(row, audience, figures),
        stats=figures,
        reason=row["reason"],
        created_at=row["created_at"],
        scheduled_at=row["scheduled_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        schedule_id=row["schedule_id"],
    )


def _audience(row: Row | None) -> AudienceCounts:
    if row is None:
        return AudienceCounts(total=0, valid=0, duplicates=0, invalid=0)
    return AudienceCounts(
        total=int(row["rows"]),
        valid=int(row["accepted"]),
        duplicates=int(row["duplicates"]),
        invalid=int(row["invalid"]),
        unfinished=int(row["unfinished"]),
    )


def _progress(row: Row, audience: AudienceCounts, figures: Figures) -> float:
    """Return how much of the audience waits no more: its turn came, and its messages have gone."""
    if row["status"] == CampaignStatus.FINISHED:
        return 1.0
    if not audience.total:
        return 0.0
    gone: int = sum(getattr(figures.statuses, status) for status in COUNTED)
    walked: int = row["position"]
    passed = walked - max(0, figures.accepted - gone)
    return round(max(0.0, min(1.0, passed / audience.total)), 4)
