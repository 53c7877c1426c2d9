"""``recado templates``: what messages say, kept, and tried out."""

import argparse
import asyncio
import sys
from pathlib import Path

import msgspec
from recado_core.engine.failures import DraftError
from recado_core.engine.templates.previews import RenderedTemplate, RenderRequest, RenderWarning
from recado_core.engine.templates.templates import ReplacedTemplate, TemplatePage, TemplateView
from recado_core.errors import RecadoError
from recado_core.messages import Category

from recado_gateway.cli.arguments import STANDARD_INPUT, words_of
from recado_gateway.cli.commands import DONE, Commands, UsageError, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import explain, print_json, print_table, say, shorten
from recado_gateway.cli.pages import add_page_options, check_limit, tell_more
from recado_gateway.cli.send import read_variable
from recado_gateway.cli.times import local_time
from recado_gateway.faults import fault_in
from recado_gateway.settings import Settings

_read_body = msgspec.json.Decoder(ReplacedTemplate)


def add_to(command: Commands) -> None:
    """Add the commands of ``recado templates``."""
    parser = command.add("list", "list the templates, the newest first").parser
    add_page_options(parser)
    parser.set_defaults(run=run_list)

    parser = command.add("show", "show a template and the variables that it holds").parser
    parser.add_argument("name", metavar="NAME")
    add_json_option(parser)
    parser.set_defaults(run=run_show)

    _add_set(command)

    parser = command.add("delete", "delete a template").parser
    parser.add_argument("name", metavar="NAME")
    parser.set_defaults(run=run_delete)

    _add_render(command)


def _add_set(command: Commands) -> None:
    parser = command.add("set", "make a template what a file says, or make a new one").parser
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "file",
        metavar="FILE",
        help="the text, or in a .json file the whole template; - reads a text from standard input",
    )
    parser.add_argument("--channel", help="of the text; any without it")
    parser.add_argument("--language", help="of the text, such as pt-BR")
    parser.add_argument("--description", help="for people")
    add_json_option(parser)
    parser.set_defaults(run=run_set)


def _add_render(command: Commands) -> None:
    parser = command.add(
        "render", "show what a message of a template would be, and what it would cost"
    ).parser
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "--variable",
        action="append",
        metavar="NAME=VALUE",
        type=read_variable,
        help="fills {{ NAME }} in the text; may be given several times",
    )
    parser.add_argument("--channel", help="sms (the default) or another channel")
    parser.add_argument("--language", help="which variant, such as pt-BR")
    parser.add_argument("--account", help="whose price; without it the routes say")
    parser.add_argument("--to", metavar="ADDRESS", help="to whom, where the routes depend on it")
    parser.add_argument("--category", choices=words_of(Category))
    parser.add_argument("--transliterate", action="store_true", help="write the text in GSM-7")
    add_json_option(parser)
    parser.set_defaults(run=run_render)


# ---------------------------------------------------------------- list, show


def run_list(args: argparse.Namespace) -> int:
    """List templates."""
    check_limit("templates list", args.limit)
    settings = read_settings(args.config)
    page = asyncio.run(_list(settings, args))
    if args.json:
        print_json(page)
        return DONE
    print_table(
        ("name", "for", "variables", "changed", "text"),
        (
            (
                item.name,
                "; ".join(_scope(each.channel, each.language) for each in item.variants),
                ", ".join(item.variables),
                local_time(item.updated_at, settings.engine.timezone),
                shorten(item.text or ""),
            )
            for item in page.items
        ),
    )
    tell_more(page.next_cursor)
    return DONE


async def _list(settings: Settings, args: argparse.Namespace) -> TemplatePage:
    async with open_engine(settings) as engine:
        return await engine.templates.list(args.limit, args.cursor)


def run_show(args: argparse.Namespace) -> int:
    """Show one template."""
    settings = read_settings(args.config)
    _print(settings, args, asyncio.run(_show(settings, args.name)))
    return DONE


async def _show(settings: Settings, name: str) -> TemplateView:
    async with open_engine(settings) as engine:
        return await engine.templates.get(name)


def _print(settings: Settings, args: argparse.Namespace, found: TemplateView) -> None:
    if args.json:
        print_json(found)
        return
    zone = settings.engine.timezone
    rows = [
        ("name", found.name),
        ("description", found.description),
        ("variables", ", ".join(found.variables)),
        ("optional", ", ".join(found.optional)),
        ("created", local_time(found.created_at, zone)),
        ("changed", local_time(found.updated_at, zone)),
    ]
    for each in found.variants:
        rows.append((_scope(each.channel, each.language), each.text))
        if theirs := each.provider_template:
            names = ", ".join(theirs.variables)
            rows.append(("  provider's own", f"{theirs.name} {theirs.language or ''} ({names})"))
    print_table(("", ""), [row for row in rows if row[1]])


def _scope(channel: str | None, language: str | None) -> str:
    return " ".join(filter(None, (channel, language))) or "any"


# ---------------------------------------------------------------- set, delete


def run_set(args: argparse.Namespace) -> int:
    """Make a template what a file says."""
    body = _read_template(args)
    settings = read_settings(args.config)
    found, is_new = asyncio.run(_set(settings, args.name, body))
    if args.json:
        print_json(found)
    else:
        say(f"{found.name} {'made' if is_new else 'changed'}")
    return DONE


def _read_template(args: argparse.Namespace) -> ReplacedTemplate:
    whole = args.file.lower().endswith(".json")
    given = {name: getattr(args, name) for name in ("channel", "language", "description")}
    if whole and any(given.values()):
        raise UsageError("templates set: a .json file says everything; leave the options out")
    try:
        if args.file == STANDARD_INPUT:
            text = sys.stdin.read()
        else:
            text = Path(args.file).read_text("utf-8-sig")
        if not whole:
            return ReplacedTemplate(text=text.rstrip("\r\n"), **given)
        return _read_body.decode(text)
    except msgspec.ValidationError as error:
        fault = fault_in(error, ReplacedTemplate)
        raise RecadoError(f"{args.file}: {fault.pointer}: {fault.detail}") from error
    except msgspec.DecodeError as error:
        raise RecadoError(f"{args.file}: no JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise RecadoError(f"{args.file}: not to be read as UTF-8") from error
    except OSError as error:
        raise RecadoError(f"{args.file}: {error.strerror}") from error


async def _set(settings: Settings, name: str, body: ReplacedTemplate) -> tuple[TemplateView, bool]:
    async with open_engine(settings) as engine:
        try:
            return await engine.templates.replace(name, body)
        except DraftError as error:
            raise RecadoError(_in_words(error)) from error


def run_delete(args: argparse.Namespace) -> int:
    """Delete one template."""
    asyncio.run(_delete(read_settings(args.config), args.name))
    say(f"{args.name} deleted")
    return DONE


async def _delete(settings: Settings, name: str) -> None:
    async with open_engine(settings) as engine:
        await engine.templates.delete(name)


# ---------------------------------------------------------------- render


def run_render(args: argparse.Namespace) -> int:
    """Show what a message would be; what makes it dear goes to standard error."""
    shown = asyncio.run(_render(read_settings(args.config), args))
    if args.json:
        print_json(shown)
        return DONE
    theirs = shown.provider_template
    rows = [
        ("text", shown.text),
        ("provider's own", theirs and f"{theirs.name} {', '.join(theirs.variables.values())}"),
        ("segments", f"{shown.segments} ({shown.encoding}, {shown.characters} characters)"),
        ("account", shown.account),
        ("cost", shown.cost),
    ]
    print_table(("", ""), [row for row in rows if row[1] not in (None, "")])
    for warning in shown.warnings:
        _warn(warning)
    return DONE


def _warn(warning: RenderWarning) -> None:
    explain(f"Warning: {shorten(warning.detail, len(warning.detail))}")
    if (cheaper := warning.transliterated) is not None:
        text = shorten(cheaper.text, len(cheaper.text))
        explain(f"With --transliterate, {cheaper.segments} of {cheaper.encoding}: {text}")


async def _render(settings: Settings, args: argparse.Namespace) -> RenderedTemplate:
    request = RenderRequest(
        variables=dict(args.variable) if args.variable else None,
        channel=args.channel,
        language=args.language,
        account=args.account,
        to=args.to,
        category=Category(args.category) if args.category else None,
        transliterate=args.transliterate,
    )
    async with open_engine(settings) as engine:
        try:
            return await engine.templates.render(args.name, request)
        except DraftError as error:
            raise RecadoError(_in_words(error)) from error


def _in_words(error: DraftError) -> str:
    """Name what is wrong by its place in the template, or by what was given."""
    return "; ".join(f"{fault.pointer[1:]}: {fault.detail}" for fault in error.faults)
