"""``recado suppressions``: who gets no messages, and why."""

import argparse
import asyncio
from pathlib import Path

import msgspec
from recado_core.engine.clients.idempotency import Answer
from recado_core.engine.failures import DraftError, NotFoundError
from recado_core.engine.messages.messages import MAX_PAGE
from recado_core.engine.runtime import Engine
from recado_core.engine.suppressions.imports import ImportDefaults, ImportReport, Progress
from recado_core.engine.suppressions.suppressions import (
    NewSuppression,
    SuppressionFilter,
    SuppressionPage,
    SuppressionView,
)
from recado_core.errors import RecadoError
from recado_core.messages import Category, SuppressionReason

from recado_gateway.cli import permissions
from recado_gateway.cli.arguments import (
    add_document_option,
    add_end_option,
    end_in_zone,
    find_address,
    in_words,
    read_document,
    words_of,
)
from recado_gateway.cli.commands import DONE, FAILED, Commands, UsageError, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.file_imports import Course, print_report, run_import
from recado_gateway.cli.output import explain, print_encoded, print_json, print_table, say
from recado_gateway.cli.pages import add_page_options, check_limit, tell_more
from recado_gateway.cli.times import local_time
from recado_gateway.settings import Settings

SOURCE = "cli"
"""What an entry says of where it comes from, if nothing else is said."""


def add_to(command: Commands) -> None:
    """Add the commands of ``recado suppressions``."""
    _add_list(command)
    _add_add(command)
    _add_remove(command)
    _add_import(command)
    permissions.add_to(command)


def _add_list(command: Commands) -> None:
    parser = command.add("list", "list who gets no messages, the newest entries first").parser
    parser.add_argument("--address")
    add_document_option(parser)
    _add_scope_options(parser)
    add_page_options(parser)
    parser.set_defaults(run=run_list)


def _add_add(command: Commands) -> None:
    parser = command.add("add", "put an address, or a person, on the suppression list").parser
    parser.add_argument(
        "address", nargs="?", metavar="ADDRESS", help="may be left out where --document is given"
    )
    add_document_option(parser)
    _add_scope_options(parser)
    add_end_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=run_add)


def _add_remove(command: Commands) -> None:
    parser = command.add("remove", "take entries off the suppression list").parser
    parser.add_argument(
        "ids", nargs="*", default=[], metavar="ID", help="as `recado suppressions list` shows it"
    )
    parser.add_argument("--address", help="all entries of this address")
    parser.add_argument(
        "--reason", choices=words_of(SuppressionReason), help="of them only those with this reason"
    )
    parser.set_defaults(run=run_remove)


def _add_import(command: Commands) -> None:
    parser = command.add("import", "put all that a CSV file names on the suppression list").parser
    parser.add_argument("file", metavar="FILE")
    _add_scope_options(parser)
    add_end_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=run_import_file)


def _add_scope_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--channel")
    parser.add_argument("--category", choices=words_of(Category))
    parser.add_argument("--reason", choices=words_of(SuppressionReason))
    parser.add_argument("--source", help="where it comes from")


# ---------------------------------------------------------------- list


def run_list(args: argparse.Namespace) -> int:
    """List entries."""
    check_limit("suppressions list", args.limit)
    settings = read_settings(args.config)
    page = asyncio.run(_list(settings, args))
    if args.json:
        print_json(page)
        return DONE
    zone = settings.engine.timezone
    print_table(
        ("id", "since", "address", "messages", "reason", "source", "until"),
        (
            (
                entry.id,
                local_time(entry.created_at, zone),
                whom(entry),
                ", ".join(filter(None, (entry.channel, entry.category))) or "all",
                entry.reason,
                entry.source,
                local_time(entry.expires_at, zone),
            )
            for entry in page.items
        ),
    )
    tell_more(page.next_cursor)
    return DONE


async def _list(settings: Settings, args: argparse.Namespace) -> SuppressionPage:
    address = args.address and find_address(settings, args.address, "--address", args.channel)
    wanted = SuppressionFilter(
        address=address,
        document=read_document(args.document),
        channel=args.channel,
        category=args.category and Category(args.category),
        reason=args.reason and SuppressionReason(args.reason),
        source=args.source,
    )
    async with open_engine(settings) as engine:
        try:
            return await engine.suppressions.list(wanted, args.limit, args.cursor)
        except DraftError as error:
            raise RecadoError(in_words(error)) from error


def whom(entry: SuppressionView) -> str:
    """Return whom an entry is about: all at an address, or one person there or anywhere."""
    if not entry.by_document:
        return entry.address or ""
    return f"{entry.address} (by document)" if entry.address else "(by document)"


# ---------------------------------------------------------------- add, remove


def run_add(args: argparse.Namespace) -> int:
    """Put one entry on the list."""
    if args.address is None and args.document is None:
        raise UsageError("suppressions add: give an address, or a --document")
    settings = read_settings(args.config)
    answer = asyncio.run(_add(settings, args))
    if args.json:
        print_encoded(answer.body)
        return DONE
    entry = msgspec.json.decode(answer.body, type=SuppressionView)
    is_new = answer.status == 201  # noqa: PLR2004  # as HTTP says it
    say(f"{entry.id} {'added' if is_new else 'is there already'}")
    return DONE


async def _add(settings: Settings, args: argparse.Namespace) -> Answer:
    new = NewSuppression(
        address=args.address,
        document=read_document(args.document),
        channel=args.channel,
        category=Category(args.category) if args.category else None,
        reason=SuppressionReason(args.reason or SuppressionReason.MANUAL),
        source=SOURCE if args.source is None else args.source,
        expires_at=end_in_zone(args.expires, settings.engine.timezone),
    )
    async with open_engine(settings) as engine:
        try:
            return await engine.suppressions.add(new)
        except DraftError as error:
            raise RecadoError(in_words(error)) from error


def run_remove(args: argparse.Namespace) -> int:
    """Take entries off the list; fail if one of them is not there."""
    if bool(args.ids) == (args.address is not None):
        raise UsageError("suppressions remove: give the ids of entries, or an --address")
    if args.ids and args.reason:
        raise UsageError("suppressions remove: --reason goes with --address")
    settings = read_settings(args.config)
    if args.ids:
        return asyncio.run(_remove(settings, args.ids))
    return asyncio.run(_remove_all(settings, args))


async def _remove(settings: Settings, ids: list[str]) -> int:
    code = DONE
    async with open_engine(settings) as engine:
        for each in ids:
            try:
                await engine.suppressions.remove(each, SOURCE)
            except NotFoundError as error:  # the others are taken off all the same
                explain(f"recado: {error}")
                code = FAILED
            else:
                say(f"{each} removed")
    return code


async def _remove_all(settings: Settings, args: argparse.Namespace) -> int:
    address = find_address(settings, args.address, "--address")
    reason = args.reason and SuppressionReason(args.reason)
    wanted = SuppressionFilter(address=address, reason=reason)
    async with open_engine(settings) as engine:
        page = await engine.suppressions.list(wanted, MAX_PAGE)
        found = page.items
        while page.next_cursor:
            page = await engine.suppressions.list(wanted, MAX_PAGE, page.next_cursor)
            found += page.items
    if not found:
        raise NotFoundError("there is no such suppression")
    return await _remove(settings, [entry.id for entry in found])


# ---------------------------------------------------------------- import


def run_import_file(args: argparse.Namespace) -> int:
    """Put all that a file names on the list."""
    settings = read_settings(args.config)
    defaults = ImportDefaults(
        channel=args.channel,
        category=Category(args.category) if args.category else None,
        reason=SuppressionReason(args.reason or SuppressionReason.MANUAL),
        source=args.source,
        expires_at=end_in_zone(args.expires, settings.engine.timezone),
    )

    async def work(engine: Engine, path: Path, progress: Progress) -> ImportReport:
        return await engine.imports.suppressions(path, defaults, progress)

    report = run_import(settings, args.file, work, tell_state)
    print_report(report, as_json=args.json)
    return DONE


def tell_state(course: Course) -> str:
    """Say how the list stands when an import has come so far."""
    if not course.may_be_writing:
        return "nothing was changed"
    return (
        f"about {course.percent_written} % of the file is on the list and stays there; it is safe "
        "to import it again, which does the rest"
    )
