"""A campaign that is being sent, watched until its end."""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from recado_core.engine.campaigns.views import CampaignStatus, CampaignView
from recado_core.engine.failures import UnavailableError
from recado_core.engine.runtime import Engine
from recado_core.errors import RecadoError

from recado_gateway.cli.commands import DONE, FAILED
from recado_gateway.cli.configuration import open_engine
from recado_gateway.cli.gauge import open_gauge
from recado_gateway.cli.output import explain, print_json, say, shorten
from recado_gateway.settings import Settings

POLL_SECONDS = 0.5
STILL = 15.0
"""After so many seconds in which nothing of a running campaign has gone, that is said."""
ENDS = frozenset({CampaignStatus.FINISHED, CampaignStatus.CANCELED})


def run_following(settings: Settings, campaign_id: str) -> CampaignView:
    """Watch a campaign to its end; whoever interrupts that is told what becomes of it."""
    with explaining(campaign_id):
        return asyncio.run(follow(settings, campaign_id))


@contextmanager
def explaining(campaign_id: str) -> Iterator[None]:
    """Tell whoever interrupts the watching what becomes of the campaign."""
    try:
        yield
    except KeyboardInterrupt:
        explain(
            f"recado: interrupted; a campaign that runs goes on wherever `recado serve` or `recado "
            f"worker` does: `recado campaign follow {campaign_id}` watches it, "
            f"`recado campaign pause {campaign_id}` stops it"
        )
        raise


async def follow(settings: Settings, campaign_id: str) -> CampaignView:
    """Watch a campaign to its end, and show how far it is."""
    async with open_engine(settings) as engine:
        seen = await engine.campaigns.get(campaign_id)
        if seen.status is CampaignStatus.DRAFT:
            raise RecadoError(
                f"the campaign is a draft; `recado campaign start {campaign_id}` sends it"
            )
        watch = Watch(time.monotonic)
        with open_gauge(shorten(seen.name), "messages") as gauge:
            while True:
                gauge.show(done_of(seen), seen.recipients.valid, words_for(seen))
                watch.look(seen)
                if seen.status in ENDS:
                    return seen
                await asyncio.sleep(POLL_SECONDS)
                seen = await look_again(engine, seen)


async def look_again(engine: Engine, seen: CampaignView) -> CampaignView:
    """Return how a campaign stands now; while the database is away, as it was seen before."""
    try:
        return await engine.campaigns.get(seen.id)
    except UnavailableError:
        return seen


class Watch:
    """Says what keeps a campaign up, once each time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._moved = monotonic()
        self._place: tuple[CampaignStatus, int, float, int] | None = None
        self._said = False

    def look(self, seen: CampaignView) -> None:
        """Look at how it stands now."""
        place = (seen.status, seen.position, seen.progress, seen.stats.sent)
        if place != self._place:
            was = self._place and self._place[0]
            self._place, self._moved, self._said = place, self._monotonic(), False
            if seen.status is CampaignStatus.PAUSED and was is not CampaignStatus.PAUSED:
                why = f": {shorten(seen.reason)}" if seen.reason else ""
                explain(f"recado: paused{why}; `recado campaign resume {seen.id}` goes on")
        elif (
            seen.status is CampaignStatus.RUNNING
            and not self._said
            and self._monotonic() - self._moved >= STILL
        ):
            self._said = True
            explain(f"recado: nothing has gone for {STILL:g} s: does `recado serve` run?")


def done_of(campaign: CampaignView) -> int:
    """Return for how many of the audience there is nothing to be waited for any more."""
    return int(campaign.progress * campaign.recipients.valid)


def words_for(campaign: CampaignView) -> str:
    """Return how a campaign and its messages stand."""
    counts = {
        "delivered": campaign.stats.delivered,
        "failed": campaign.stats.failed,
        "suppressed": campaign.stats.statuses.suppressed,
    }
    parts = [str(campaign.status)]
    return ", ".join(parts + [f"{count} {name}" for name, count in counts.items() if count])


def tell_end(campaign: CampaignView, args: argparse.Namespace) -> int:
    """Print what a campaign that was watched has come to; return the exit code."""
    if args.json:
        print_json(campaign)
    else:
        stats = campaign.stats
        say(f"{campaign.id} {words_for(campaign)}, {stats.sent} sent, cost {stats.cost}")
    return DONE if campaign.status is CampaignStatus.FINISHED else FAILED
