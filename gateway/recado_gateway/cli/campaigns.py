"""``recado campaign``: campaigns made, looked at, started and stopped."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

import msgspec
from recado_core.engine.campaigns.views import (
    CampaignFilter,
    CampaignPage,
    CampaignStatus,
    CampaignView,
    RecipientPage,
)
from recado_core.engine.failures import DraftError
from recado_core.engine.runtime import Engine
from recado_core.errors import RecadoError

from recado_gateway.cli.arguments import words_of
from recado_gateway.cli.audience import print_report, rehearse, take
from recado_gateway.cli.campaign_options import add_request_options, request_of
from recado_gateway.cli.campaign_words import (
    in_words,
    percent,
    print_campaign,
    print_recipients,
    print_rehearsal,
)
from recado_gateway.cli.commands import DONE, Commands, UsageError, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.file_imports import find_file
from recado_gateway.cli.following import run_following, tell_end
from recado_gateway.cli.output import print_encoded, print_json, print_table, say, shorten
from recado_gateway.cli.pages import add_page_options, check_limit, tell_more
from recado_gateway.cli.times import local_time
from recado_gateway.results import RECIPIENT_STATUSES, results_of
from recado_gateway.settings import Settings

CONTROLS = {
    "start": "send a campaign; one with a time to come starts then",
    "pause": "keep back all of a campaign that has not gone",
    "resume": "go on with a campaign that is paused",
    "cancel": "end a campaign for good; who has no message yet gets none",
}


def add_to(command: Commands) -> None:
    """Add the commands of ``recado campaign``."""
    _add_list(command)
    _add_create(command)
    _add_recipients(command)
    for name, summary, run in (
        ("show", "show one campaign: how far it is, and what it has come to", run_show),
        ("test", "send to the first five recipients, who are not sent to again", run_test),
        ("dry-run", "tell what a campaign would come to; send nothing", run_dry_run),
        ("follow", "watch a campaign to its end", run_follow),
    ):
        _add_about_one(command, name, summary, run)
    for name, summary in CONTROLS.items():
        parser = _add_about_one(command, name, summary, run_control)
        parser.set_defaults(control=name)
        if name in {"start", "resume"}:
            parser.add_argument("--follow", action="store_true", help="watch it to its end")
    _add_export(command)


def _add_about_one(
    command: Commands, name: str, summary: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = command.add(name, summary).parser
    parser.add_argument("id", metavar="ID", help="the campaign's")
    add_json_option(parser)
    parser.set_defaults(run=run)
    return parser


def _add_list(command: Commands) -> None:
    parser = command.add("list", "list campaigns, the newest first").parser
    parser.add_argument("--status", choices=words_of(CampaignStatus))
    parser.add_argument("--name")
    add_page_options(parser)
    parser.set_defaults(run=run_list)


def _add_create(command: Commands) -> None:
    parser = command.add("create", "make a campaign, which has no recipients yet").parser
    parser.add_argument("name", metavar="NAME")
    add_request_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run_create)


def _add_recipients(command: Commands) -> None:
    summary = "list the recipients of a campaign, or add those of a file"
    parser = command.add("recipients", summary).parser
    parser.add_argument("id", metavar="ID", help="the campaign's")
    parser.add_argument("file", nargs="?", metavar="FILE", help="adds its rows to the audience")
    parser.add_argument("--status", choices=RECIPIENT_STATUSES, metavar="STATUS")
    add_page_options(parser)
    parser.set_defaults(run=run_recipients)


def _add_export(command: Commands) -> None:
    parser = command.add("export", "write the results of a campaign as CSV").parser
    parser.add_argument("id", metavar="ID", help="the campaign's")
    parser.add_argument("--output", metavar="FILE", help="to this file (default: standard output)")
    parser.set_defaults(run=run_export)


T = TypeVar("T")


def _ask(settings: Settings, ask: Callable[[Engine], Awaitable[T]]) -> T:
    """Ask the engine something, and name what is wrong with it as the command line does."""

    async def run() -> T:
        async with open_engine(settings) as engine:
            return await ask(engine)

    try:
        return asyncio.run(run())
    except DraftError as error:
        raise RecadoError(in_words(error)) from error


# ---------------------------------------------------------------- looking


def run_list(args: argparse.Namespace) -> int:
    """List campaigns."""
    check_limit("campaign list", args.limit)
    settings = read_settings(args.config)
    wanted = CampaignFilter(
        status=args.status and CampaignStatus(args.status),
        name=args.name,
    )

    async def ask(engine: Engine) -> CampaignPage:
        return await engine.campaigns.list(wanted, args.limit, args.cursor)

    page = _ask(settings, ask)
    if args.json:
        print_json(page)
        return DONE
    print_table(
        (
            *("id", "made", "name", "status", "recipients", "progress"),
            *("sent", "delivered", "failed", "replies", "cost"),
        ),
        (
            (
                each.id,
                local_time(each.created_at, settings.engine.timezone),
                shorten(each.name),
                each.status,
                each.recipients.valid,
                percent(each),
                each.stats.sent,
                each.stats.delivered,
                each.stats.failed,
                each.stats.replies,
                each.stats.cost,
            )
            for each in page.items
        ),
    )
    tell_more(page.next_cursor)
    return DONE


def run_show(args: argparse.Namespace) -> int:
    """Show one campaign."""
    settings = read_settings(args.config)
    campaign = _ask(settings, lambda engine: engine.campaigns.get(args.id))
    if args.json:
        print_json(campaign)
    else:
        print_campaign(campaign, settings.engine.timezone)
    return DONE


def run_export(args: argparse.Namespace) -> int:
    """Write what became of every row of the audience."""
    settings = read_settings(args.config)

    async def write(engine: Engine) -> None:
        await engine.campaigns.get(args.id)  # before a file is made
        with _opened(args.output) as file:
            async for text in results_of(engine.campaigns, args.id):
                with _told(args.output):
                    file.write(text)

    _ask(settings, write)
    return DONE


@contextmanager
def _opened(name: str | None) -> Iterator[TextIO]:
    if name is None:
        yield sys.stdout
        return
    with _told(name):
        file = Path(name).open("w", encoding="utf-8", newline="")  # noqa: SIM115  # closed below
    with file:
        yield file


@contextmanager
def _told(name: str | None) -> Iterator[None]:
    """Name the file that can't be written; what is wrong elsewhere is not its fault."""
    try:
        yield
    except OSError as error:
        raise RecadoError(f"can't write {name or 'the output'}: {error.strerror}") from error


# ---------------------------------------------------------------- making


def run_create(args: argparse.Namespace) -> int:
    """Make a campaign."""
    settings = read_settings(args.config)
    request = request_of(args, args.name, settings.engine.timezone)
    answer = _ask(settings, lambda engine: engine.campaigns.create(request))
    if args.json:
        print_encoded(answer.body)
    else:
        say(msgspec.json.decode(answer.body, type=CampaignView).id)
    return DONE


def run_recipients(args: argparse.Namespace) -> int:
    """List recipients, or add those of a file."""
    check_limit("campaign recipients", args.limit)
    settings = read_settings(args.config)
    if args.file is not None:
        return _add_file(settings, args)

    async def ask(engine: Engine) -> RecipientPage:
        return await engine.campaigns.recipients(args.id, args.limit, args.cursor, args.status)

    page = _ask(settings, ask)
    if args.json:
        print_json(page)
        return DONE
    print_recipients(page.items, settings.engine.timezone)
    tell_more(page.next_cursor)
    return DONE


def _add_file(settings: Settings, args: argparse.Namespace) -> int:
    if args.status or args.cursor:
        raise UsageError("campaign recipients: --status and --cursor are for the list, not a FILE")
    path = find_file(args.file)
    report = _ask(settings, lambda engine: take(engine, args.id, path))
    if args.json:
        print_json(report)
    else:
        print_report(report, args.id)
    return DONE


# ---------------------------------------------------------------- trying and sending


def run_test(args: argparse.Namespace) -> int:
    """Send to the first five."""
    settings = read_settings(args.config)
    tried = _ask(settings, lambda engine: engine.campaigns.test(args.id))
    if args.json:
        print_json(tried)
    else:
        print_recipients(tried.recipients, settings.engine.timezone)
    return DONE


def run_dry_run(args: argparse.Namespace) -> int:
    """Tell what a campaign would come to."""
    told = _ask(read_settings(args.config), lambda engine: rehearse(engine, args.id))
    if args.json:
        print_json(told)
    else:
        print_rehearsal(told)
    return DONE


def run_control(args: argparse.Namespace) -> int:
    """Start, pause, resume or cancel a campaign."""
    settings = read_settings(args.config)

    def control(engine: Engine) -> Awaitable[CampaignView]:
        calls = {
            "start": engine.campaigns.start,
            "pause": engine.campaigns.pause,
            "resume": engine.campaigns.resume,
            "cancel": engine.campaigns.cancel,
        }
        return calls[args.control](args.id)

    campaign = _ask(settings, control)
    if getattr(args, "follow", False):
        return tell_end(run_following(settings, args.id), args)
    if args.json:
        print_json(campaign)
    else:
        say(f"{campaign.id} {campaign.status}")
    return DONE


def run_follow(args: argparse.Namespace) -> int:
    """Watch a campaign to its end."""
    return tell_end(run_following(read_settings(args.config), args.id), args)
