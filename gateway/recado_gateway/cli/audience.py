"""The audience of a campaign: a file on its way into it, and what its members would get."""

from pathlib import Path

from recado_core.engine.campaigns.audiences import AudienceReport
from recado_core.engine.campaigns.views import Rehearsal
from recado_core.engine.runtime import Engine

from recado_gateway.cli.gauge import BYTES, open_gauge
from recado_gateway.cli.output import explain, say, shorten

LONGEST_FAULT = 500


async def take(engine: Engine, campaign_id: str, path: Path) -> AudienceReport:
    """Add the rows of a file to an audience, and show how far that is."""
    with open_gauge(path.name, BYTES) as gauge:
        return await engine.audiences.take(campaign_id, path, None, gauge.show)


async def rehearse(engine: Engine, campaign_id: str) -> Rehearsal:
    """Ask what a campaign would come to, and show how far the answer is."""
    with open_gauge("dry run", "recipients") as gauge:
        return await engine.campaigns.dry_run(campaign_id, gauge.show)


def print_report(report: AudienceReport, campaign_id: str) -> None:
    """Print what came of the rows of a file; what is wrong with some goes to standard error."""
    for fault in report.faults:
        where = f"line {fault.line}" + (f", column {fault.column}" if fault.column else "")
        explain(shorten(f"{where}: {fault.detail}", LONGEST_FAULT))
    if report.more:
        explain(
            f"and {report.more} more: `recado campaign recipients {campaign_id}` lists them, with "
            "--status duplicate or invalid"
        )
    rows = "1 row" if report.rows == 1 else f"{report.rows} rows"
    counts = (
        f"{report.accepted} accepted",
        "1 duplicate" if report.duplicates == 1 else f"{report.duplicates} duplicates",
        f"{report.invalid} invalid",
    )
    say(f"{rows}: {', '.join(counts)}")
