"""``recado stats``: what was sent, what became of it, and what it cost."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import date

from msgspec import UNSET
from recado_core.engine.failures import DraftError
from recado_core.engine.statistics.statistics import (
    Figures,
    Group,
    Stats,
    StatsItem,
    StatsQuery,
    read_groups,
)
from recado_core.errors import RecadoError

from recado_gateway.cli.arguments import in_words
from recado_gateway.cli.commands import DONE, Commands, UsageError, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import print_json, print_table
from recado_gateway.settings import Settings

HEADS = (
    "accepted",
    "sent",
    "delivered",
    "failed",
    "rate",
    "received",
    "replies",
    "segments",
    "cost",
)


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado stats``."""
    parser = command.parser
    for name, key, meaning in (
        ("--from", "since", "the first day (default: 30 days with the last)"),
        ("--to", "until", "the last day (default: today)"),
    ):
        parser.add_argument(
            name, dest=key, type=date.fromisoformat, metavar="YYYY-MM-DD", help=meaning
        )
    groups = ",".join(Group)
    parser.add_argument(
        "--group-by", default=Group.DAY.value, metavar=groups, help="one or more (default: day)"
    )
    parser.add_argument("--account")
    parser.add_argument("--channel")
    parser.add_argument("--campaign", metavar="ID")
    parser.add_argument("--cost-centre")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Sum up."""
    try:
        groups = read_groups(args.group_by)
    except DraftError as error:
        raise UsageError(f"stats: --group-by: {error.faults[0].detail}") from error
    settings = read_settings(args.config)
    told = asyncio.run(_query(settings, args, groups))
    if args.json:
        print_json(told)
        return DONE
    heads = [group.replace("_", " ") for group in told.group_by]
    rows = [(*_named(item, told.group_by), *_figures(item)) for item in told.items]
    total = ("all", *[None] * (len(heads) - 1), *_figures(told.totals))
    print_table((*heads, *HEADS), [*rows, total])
    return DONE


async def _query(settings: Settings, args: argparse.Namespace, groups: tuple[Group, ...]) -> Stats:
    wanted = StatsQuery(
        since=args.since,
        until=args.until,
        group_by=groups,
        account=args.account,
        channel=args.channel,
        campaign=args.campaign,
        cost_centre=args.cost_centre,
    )
    async with open_engine(settings) as engine:
        try:
            return await engine.statistics.query(wanted)
        except DraftError as error:
            raise RecadoError(in_words(error)) from error


def _named(item: StatsItem, groups: Sequence[Group]) -> list[object]:
    values = [getattr(item, group) for group in groups]
    return ["(none)" if value is None else value for value in values if value is not UNSET]


def _figures(figures: Figures) -> tuple[object, ...]:
    rate = figures.delivery_rate
    return (
        figures.accepted,
        figures.sent,
        figures.delivered,
        figures.failed,
        None if rate is None else f"{rate:.1%}",
        figures.received,
        figures.replies,
        figures.segments,
        figures.cost,
    )
