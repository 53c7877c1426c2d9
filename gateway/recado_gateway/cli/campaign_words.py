"""Campaigns as a person reads them: one, its recipients, what a dry run tells, what is wrong."""

from collections.abc import Sequence

from recado_core.engine.campaigns.views import (
    CampaignRecipient,
    CampaignView,
    Rehearsal,
    RehearsalReason,
)
from recado_core.engine.failures import DraftError

from recado_gateway.cli.arguments import is_argument
from recado_gateway.cli.campaign_options import option_of
from recado_gateway.cli.output import print_table, say, shorten
from recado_gateway.cli.structs import cell, fields_of
from recado_gateway.cli.times import local_time

SHOWN_APART = frozenset({"recipients", "stats", "progress", "position"})
"""What of a campaign stands in lines of its own."""
NAMES = {"/name": "NAME or --name", "/status": "--status", "/cursor": "--cursor"}


def in_words(error: DraftError) -> str:
    """Name what is wrong with a campaign, or in its file, by the options of the command line."""
    return "; ".join(
        f"{NAMES.get(fault.pointer) or option_of(fault.pointer[1:])}: {fault.detail}"
        if is_argument(fault)
        else fault.detail
        for fault in error.faults
    )


def print_campaign(campaign: CampaignView, zone: str) -> None:
    """Print one campaign, less what is empty."""
    audience, stats = campaign.recipients, campaign.stats
    print_table(
        ("", ""),
        [
            *fields_of(campaign, zone, without=SHOWN_APART),
            ("recipients", f"{audience.valid} of {audience.total}: {_left_out(campaign)}"),
            ("progress", percent(campaign)),
            *(
                (name, cell(getattr(stats, name), zone))
                for name in ("sent", "delivered", "failed", "replies", "segments", "cost")
            ),
            *(
                (name, str(count))
                for name, count in fields_of(stats.statuses, zone)
                if count != "0"
            ),
        ],
    )


def _left_out(campaign: CampaignView) -> str:
    audience = campaign.recipients
    words = f"{audience.duplicates} duplicates, {audience.invalid} invalid"
    return f"{words}, {audience.unfinished} files unfinished" if audience.unfinished else words


def percent(campaign: CampaignView) -> str:
    """Return how much of a campaign's audience waits no more."""
    return f"{int(100 * campaign.progress)} %"


def print_recipients(recipients: Sequence[CampaignRecipient], zone: str) -> None:
    """Print rows of an audience as a table."""
    print_table(
        ("line", "address", "status", "since", "message", "why"),
        (
            (
                each.line,
                each.address,
                each.status,
                local_time(each.status_at, zone),
                each.message_id,
                each.fault or " ".join(filter(None, (each.code, each.status_text))),
            )
            for each in recipients
        ),
    )


def print_rehearsal(told: Rehearsal) -> None:
    """Print what a campaign would come to."""
    print_table(
        ("", ""),
        [
            ("recipients", told.recipients),
            ("messages", told.messages),
            ("of them later", told.deferred),
            ("suppressed", told.suppressed),
            ("faulty", told.faulty),
            ("segments", told.segments),
            ("cost", told.cost),
        ],
    )
    if told.accounts:
        say()
        print_table(
            ("account", "messages", "segments", "cost"),
            ((each.account, each.messages, each.segments, each.cost) for each in told.accounts),
        )
    reasons = [
        *(("suppressed", each) for each in told.suppressions),
        *(("later", each) for each in told.deferrals),
        *(("faulty", each) for each in told.faults),
    ]
    if reasons:
        say()
        print_table(
            ("", "recipients", "check", "reason", "such as"),
            (
                (word, each.count, each.check, shorten(each.reason, 200), _examples(each))
                for word, each in reasons
            ),
        )


def _examples(reason: RehearsalReason) -> str:
    return ", ".join(f"line {each.line} ({each.address})" for each in reason.examples)
