"""``recado schedules``: what is sent later, once or again and again."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from recado_core.engine.failures import DraftError, fault_of
from recado_core.engine.runtime import Engine
from recado_core.engine.schedules.requests import NewSchedule, ScheduleKind, ScheduleStatus
from recado_core.engine.schedules.schedules import MOST_OCCURRENCES, ScheduleFilter, ScheduleView
from recado_core.errors import RecadoError

from recado_gateway.cli.arguments import STANDARD_INPUT, words_of
from recado_gateway.cli.commands import DONE, Commands, UsageError, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import print_encoded, print_json, print_table, say, shorten
from recado_gateway.cli.pages import add_page_options, check_limit, tell_more
from recado_gateway.cli.times import local_time
from recado_gateway.settings import Settings

T = TypeVar("T")

LIMIT = 10


def add_to(command: Commands) -> None:
    """Add the commands of ``recado schedules``."""
    parser = command.add("list", "list the schedules, the newest first").parser
    parser.add_argument("--status", choices=words_of(ScheduleStatus))
    parser.add_argument("--kind", choices=words_of(ScheduleKind))
    add_page_options(parser)
    parser.set_defaults(run=run_list)

    parser = command.add("create", "make a schedule of what a JSON file says").parser
    parser.add_argument("file", metavar="FILE", help="- is standard input")
    add_json_option(parser)
    parser.set_defaults(run=run_create)

    parser = command.add("occurrences", "list the next occurrences of a schedule").parser
    parser.add_argument("id", metavar="ID", help="the schedule's")
    parser.add_argument(
        "--limit", type=int, default=LIMIT, help=f"how many at the most (default: {LIMIT})"
    )
    add_json_option(parser)
    parser.set_defaults(run=run_occurrences)

    for name, summary, run in (
        ("show", "show one schedule", run_show),
        ("pause", "let the occurrences of a schedule pass", run_pause),
        ("resume", "go on with a schedule that is paused, at its next occurrence", run_resume),
        ("delete", "delete a schedule; what it has sent stays", run_delete),
    ):
        parser = command.add(name, summary).parser
        parser.add_argument("id", metavar="ID", help="the schedule's")
        if name != "delete":
            add_json_option(parser)
        parser.set_defaults(run=run)


def _ask(settings: Settings, ask: Callable[[Engine], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_engine(settings) as engine:
            return await ask(engine)

    return asyncio.run(run())


# ---------------------------------------------------------------- looking


def run_list(args: argparse.Namespace) -> int:
    """List schedules."""
    check_limit("schedules list", args.limit)
    wanted = ScheduleFilter(
        status=args.status and ScheduleStatus(args.status),
        kind=args.kind and ScheduleKind(args.kind),
    )
    page = _ask(
        read_settings(args.config),
        lambda engine: engine.schedules.list(wanted, args.limit, args.cursor),
    )
    if args.json:
        print_json(page)
        return DONE
    print_table(
        ("id", "name", "what", "when", "status", "next", "runs", "skipped", "error"),
        (
            (
                item.id,
                shorten(item.name or ""),
                item.kind,
                _rule(item),
                item.status,
                local_time(item.next_at, item.timezone),
                item.runs,
                item.skipped,
                shorten(item.error or ""),
            )
            for item in page.items
        ),
    )
    tell_more(page.next_cursor)
    return DONE


def run_show(args: argparse.Namespace) -> int:
    """Show one schedule."""
    return _print(_ask(read_settings(args.config), lambda it: it.schedules.get(args.id)), args)


def run_occurrences(args: argparse.Namespace) -> int:
    """List the next occurrences."""
    if not 1 <= args.limit <= MOST_OCCURRENCES:
        raise UsageError(f"schedules occurrences: --limit must be from 1 to {MOST_OCCURRENCES}")
    page = _ask(
        read_settings(args.config),
        lambda engine: engine.schedules.occurrences(args.id, args.limit),
    )
    if args.json:
        print_json(page)
        return DONE
    for at in page.items:
        say(at.isoformat(sep=" "))
    return DONE


# ---------------------------------------------------------------- changing


def run_create(args: argparse.Namespace) -> int:
    """Make a schedule."""
    settings = read_settings(args.config)
    try:
        new = msgspec.json.decode(_read(args.file), type=NewSchedule)
        answer = _ask(settings, lambda engine: engine.schedules.add(new))
    except msgspec.ValidationError as error:
        raise RecadoError(_in_words(DraftError([fault_of(error)]))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecadoError(f"{args.file}: is no JSON: {error}") from error
    except DraftError as error:
        raise RecadoError(_in_words(error)) from error
    if args.json:
        print_encoded(answer.body)
        return DONE
    made = msgspec.json.decode(answer.body, type=ScheduleView)
    say(f"{made.id} made; its next occurrence is {local_time(made.next_at, made.timezone)}")
    return DONE


def run_pause(args: argparse.Namespace) -> int:
    """Pause a schedule."""
    return _print(_ask(read_settings(args.config), lambda it: it.schedules.pause(args.id)), args)


def run_resume(args: argparse.Namespace) -> int:
    """Go on with a schedule."""
    return _print(_ask(read_settings(args.config), lambda it: it.schedules.resume(args.id)), args)


def run_delete(args: argparse.Namespace) -> int:
    """Delete a schedule."""
    _ask(read_settings(args.config), lambda engine: engine.schedules.delete(args.id))
    say(f"{args.id} deleted")
    return DONE


def _read(file: str) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise RecadoError(f"{file}: can't be read: {error.strerror}") from error


def _in_words(error: DraftError) -> str:
    return "; ".join(
        f"{fault.pointer.removeprefix('/').replace('/', '.') or 'all of it'}: {fault.detail}"
        for fault in error.faults
    )


def _rule(schedule: ScheduleView) -> str:
    return schedule.rrule or f"once, {local_time(schedule.starts_at, schedule.timezone)}"


def _print(schedule: ScheduleView, args: argparse.Namespace) -> int:
    if args.json:
        print_json(schedule)
        return DONE
    message, zone = schedule.message, schedule.timezone
    fields: list[tuple[str, object]] = [
        ("id", schedule.id),
        ("name", schedule.name),
        ("status", schedule.status),
        ("when", _rule(schedule)),
        ("from", local_time(schedule.starts_at, zone) if schedule.rrule else None),
        ("zone", zone),
        ("next", local_time(schedule.next_at, zone)),
        ("last", local_time(schedule.last_at, zone)),
        ("runs", schedule.runs),
        ("skipped", f"{schedule.skipped} (misfire: {schedule.misfire})"),
        ("error", schedule.error),
        ("campaign", schedule.campaign_id),
        ("to", message and message.to),
        ("text", message and message.text),
        ("template", message and message.template),
    ]
    print_table(("", ""), [field for field in fields if field[1] not in (None, "")])
    return DONE
