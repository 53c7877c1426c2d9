"""``recado suppressions check`` and ``history``: who may get a message, and what people said."""

import argparse
import asyncio

from recado_core.engine.failures import DraftError
from recado_core.engine.suppressions.entry_rules import ANY_CHANNEL
from recado_core.engine.suppressions.suppressions import (
    AskedRecipient,
    Checked,
    CheckRequest,
    ConsentPage,
)
from recado_core.errors import RecadoError
from recado_core.messages import Category

from recado_gateway.cli.arguments import (
    add_document_option,
    find_address,
    in_words,
    read_document,
    words_of,
)
from recado_gateway.cli.commands import DONE, FAILED, Commands, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import print_json, print_table
from recado_gateway.cli.pages import add_page_options, check_limit, tell_more
from recado_gateway.cli.times import local_time
from recado_gateway.settings import Settings


def add_to(command: Commands) -> None:
    """Add the commands that ask and change nothing to ``recado suppressions``."""
    _add_check(command)
    _add_history(command)


def _add_check(command: Commands) -> None:
    parser = command.add("check", "ask whether messages may go now; nothing is sent").parser
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
    add_document_option(parser)
    parser.add_argument("--channel", default=ANY_CHANNEL, help=f"{ANY_CHANNEL} by default")
    parser.add_argument(
        "--category",
        choices=words_of(Category),
        default=str(Category.TRANSACTIONAL),
        help=f"of the message (default: {Category.TRANSACTIONAL})",
    )
    add_json_option(parser)
    parser.set_defaults(run=run_check)


def _add_history(command: Commands) -> None:
    parser = command.add("history", "show who opted out and in, the newest first").parser
    parser.add_argument("address", nargs="?", metavar="ADDRESS", help="one person's alone")
    add_page_options(parser)
    parser.set_defaults(run=run_history)


# ---------------------------------------------------------------- check


def run_check(args: argparse.Namespace) -> int:
    """Ask the checks; fail unless messages may go to all of these addresses now."""
    settings = read_settings(args.config)
    checked = asyncio.run(_check(settings, args))
    if args.json:
        print_json(checked)
    else:
        print_table(
            ("address", "allowed", "check", "reason", "until"),
            _check_rows(checked, settings.engine.timezone),
        )
    return DONE if all(each.allowed for each in checked.results) else FAILED


async def _check(settings: Settings, args: argparse.Namespace) -> Checked:
    document = read_document(args.document)
    request = CheckRequest(
        recipients=[AskedRecipient(address=each, document=document) for each in args.addresses],
        channel=args.channel,
        category=Category(args.category),
    )
    async with open_engine(settings) as engine:
        try:
            return await engine.suppressions.check(request)
        except DraftError as error:
            raise RecadoError(in_words(error)) from error


def _check_rows(checked: Checked, zone: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for each in checked.results:
        if each.allowed:
            rows.append((each.address, "yes", "", "", ""))
        rows += [
            (each.address, "no", found.check, found.reason, local_time(found.until, zone))
            for found in each.reasons
        ]
    return rows


# ---------------------------------------------------------------- history


def run_history(args: argparse.Namespace) -> int:
    """Show the history of consent."""
    check_limit("suppressions history", args.limit)
    settings = read_settings(args.config)
    page = asyncio.run(_history(settings, args))
    if args.json:
        print_json(page)
        return DONE
    print_table(
        ("time", "address", "channel", "act", "source", "word", "message", "answered by"),
        (
            (
                local_time(it.time, settings.engine.timezone),
                it.address,
                it.channel or "all",
                it.act,
                it.source,
                it.keyword,
                it.message_id,
                it.confirmation_id,
            )
            for it in page.items
        ),
    )
    tell_more(page.next_cursor)
    return DONE


async def _history(settings: Settings, args: argparse.Namespace) -> ConsentPage:
    address = args.address and find_address(settings, args.address, "ADDRESS")
    async with open_engine(settings) as engine:
        try:
            return await engine.suppressions.history(address, args.limit, args.cursor)
        except DraftError as error:
            raise RecadoError(in_words(error)) from error
