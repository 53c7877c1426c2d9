"""Statistics: what was sent, what became of it, and what it cost."""

from datetime import date
from typing import Annotated

import msgspec
from recado_core.engine.statistics.statistics import Group, Stats, StatsQuery, read_groups

from recado_gateway.endpoints import Endpoint, answer_with, endpoint, engine_of
from recado_gateway.requests import Request, read_query
from recado_gateway.responses import Response

TAG = "Statistics"

GROUPS = ", ".join(Group)


class StatisticsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which statistics are wanted: of messages created from the first to the last of these days.

    `to` is today and `from` 29 days before it, unless they are given.
    """

    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = msgspec.field(default=None, name="to")
    group_by: Annotated[
        str, msgspec.Meta(description=f"One or more of {GROUPS}, with commas between them.")
    ] = Group.DAY.value
    account: str | None = None
    channel: str | None = None
    campaign: str | None = None
    cost_centre: str | None = None


@endpoint(
    "GET",
    "/v1/stats",
    Endpoint(tag=TAG, scope="messages:read", query=StatisticsQuery, answer=Stats),
)
async def get_stats(request: Request) -> Response:
    """Sum up the messages of some days, which are those of the gateway's zone.

    Each counts for the day on which it was created. An item tells its group, of which nothing is
    told that is not grouped by; a campaign and a cost centre that are null are none.
    """
    query = read_query(request, StatisticsQuery)
    wanted = StatsQuery(
        since=query.since,
        until=query.until,
        group_by=read_groups(query.group_by),
        account=query.account,
        channel=query.channel,
        campaign=query.campaign,
        cost_centre=query.cost_centre,
    )
    return answer_with(await engine_of(request).statistics.query(wanted))


HANDLERS = [get_stats]
