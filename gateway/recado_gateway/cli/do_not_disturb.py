"""``recado do-not-disturb``: lists of addresses that get no marketing, each replaced whole."""

import argparse
import asyncio
from pathlib import Path

from recado_core.engine.runtime import Engine
from recado_core.engine.suppressions.imports import DoNotDisturbList, ImportReport, Progress

from recado_gateway.cli.commands import DONE, Commands, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.file_imports import Course, print_report, run_import
from recado_gateway.cli.output import print_json, print_table, say
from recado_gateway.cli.times import local_time
from recado_gateway.settings import Settings


def add_to(command: Commands) -> None:
    """Add the commands of ``recado do-not-disturb``."""
    listing = command.add("list", "list the do-not-disturb lists").parser
    add_json_option(listing)
    listing.set_defaults(run=run_list)
    importing = command.add("import", "make a list of a CSV file, or replace it by one").parser
    importing.add_argument("name", metavar="NAME", help="the list's name")
    importing.add_argument("file", metavar="FILE")
    add_json_option(importing)
    importing.set_defaults(run=run_import_list)
    removing = command.add("remove", "delete a list: it protects nobody any more").parser
    removing.add_argument("name", metavar="NAME", help="the list's name")
    removing.set_defaults(run=run_remove)


def run_list(args: argparse.Namespace) -> int:
    """List the lists."""
    settings = read_settings(args.config)
    lists = asyncio.run(_list(settings))
    if args.json:
        print_json({"items": lists})
        return DONE
    print_table(
        ("name", "addresses", "imported"),
        (
            (each.name, each.size, local_time(each.imported_at, settings.engine.timezone))
            for each in lists
        ),
    )
    return DONE


async def _list(settings: Settings) -> list[DoNotDisturbList]:
    async with open_engine(settings) as engine:
        return await engine.imports.do_not_disturb_lists()


def run_import_list(args: argparse.Namespace) -> int:
    """Replace a list by the addresses in a file."""

    async def work(engine: Engine, path: Path, progress: Progress) -> ImportReport:
        return await engine.imports.do_not_disturb(args.name, path, progress)

    def tell_state(course: Course) -> str:
        if course.may_be_written:  # and was about to be put in the old one's place
            return f"see `recado do-not-disturb list` for whether {args.name} is replaced"
        return f"the list {args.name} is as it was; import the file again"

    report = run_import(read_settings(args.config), args.file, work, tell_state)
    print_report(report, as_json=args.json)
    return DONE


def run_remove(args: argparse.Namespace) -> int:
    """Delete a list."""
    asyncio.run(_remove(read_settings(args.config), args.name))
    say(f"{args.name} removed")
    return DONE


async def _remove(settings: Settings, name: str) -> None:
    async with open_engine(settings) as engine:
        await engine.imports.delete_do_not_disturb(name)
