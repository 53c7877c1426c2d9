"""``recado chatroom setup``: the connector in Odoo, made or described, and tried both ways."""

import argparse
import asyncio
import getpass
import os
import re
import secrets
import sys
import uuid
from collections.abc import Callable

import msgspec
from recado_core import ConfigurationError, Secret
from recado_core.sinks import ConfiguredSink, Finding

from recado_acrux_chatroom.companion.provisioning import LABELS, Wanted
from recado_acrux_chatroom.companion.setup import set_up
from recado_acrux_chatroom.redaction import hide_connectors_in_log
from recado_acrux_chatroom.settings import Rpc, Settings

DONE, FAILED = 0, 1

KIND = "acrux_chatroom"
EXAMPLE = "chatroom"
"""What the sink is called where none is configured yet."""

NOTICE = (
    "Before you go on: whoever uses ChatRoom agrees not to avoid contracting an AcruxLab plan,\n"
    "and ChatRoom says of a connector's API Endpoint “Please don't change”. To point it at this\n"
    "gateway is configuration and no change of the addon, but takes the place of their service.\n"
    "Whether your contract allows that is for you to settle with AcruxLab."
)
SHOWN = "Account ID and Token are secrets, shown because they are to be typed in here:"
TO_WRITE = "These are secrets, made just now, and kept nowhere. They go into recado.toml:"

_is_hex = re.compile(r"#[0-9A-Fa-f]{6}").fullmatch
_is_number = re.compile(r"[0-9]{1,2}").fullmatch


class WrongUseError(Exception):
    """Options that make no sense together."""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the command has to say; ``paste`` and ``write`` hold secrets, and are there to."""

    ok: bool
    notice: str
    sink: str | None = None
    findings: list[Finding] = []
    paste: dict[str, str] = {}
    write: list[str] = []
    next: list[str] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--sink", metavar="NAME", help="the sink, where there are several")
    parser.add_argument(
        "--admin-login",
        metavar="LOGIN",
        help="make or adjust the connector in Odoo as this administrator, who is not remembered; "
        "without one, its values are printed",
    )
    parser.add_argument(
        "--admin-password-env",
        metavar="VARIABLE",
        help="where the administrator's password or API key is; else it is asked for",
    )
    parser.add_argument(
        "--database", metavar="NAME", help="Odoo's database (default: that of the sink's `rpc`)"
    )
    parser.add_argument("--name", help="the connector's name")
    parser.add_argument(
        "--colour",
        type=_read_colour,
        metavar="COLOUR",
        help="the connector's: #3BAFDA up to Odoo 15, a number such as 4 from 16 on",
    )
    parser.add_argument(
        "--try",
        dest="tries",
        action="store_true",
        help="try both directions without an administrator, too",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace, find_sinks: Callable[[], list[ConfiguredSink]]) -> int:
    """Set one sink's connector up, print what came of it, and return the exit code.

    Args:
        args: What ``add_arguments`` had parsed.
        find_sinks: Returns the configured sinks of this kind.

    Raises:
        WrongUseError: The options do not fit one another or the configuration.
    """
    hide_connectors_in_log()
    try:
        sinks = find_sinks()
    except ConfigurationError as error:
        missing = _missing(str(error))
        if not missing:
            raise
        sys.stderr.write(f"recado: {error}\n")
        return _print(_propose(missing), as_json=args.json)
    if not sinks and args.sink is None:
        return _print(_propose(()), as_json=args.json)
    return _print(_set_up(args, _choose(sinks, args.sink)), as_json=args.json)


def _set_up(args: argparse.Namespace, sink: ConfiguredSink) -> Report:
    if sink.url is None:
        raise ConfigurationError(
            "gateway.public_url: missing; it is where Odoo reaches the gateway"
        )
    wanted = Wanted(
        settings=sink.settings,
        url=sink.url,
        default_name=f"Recado {sink.name}",
        name=args.name,
        colour=args.colour,
    )
    administrator = _administrator(args, sink.settings) if args.admin_login else None
    if administrator is None and not args.tries:
        return _describe(sink, wanted)
    findings = asyncio.run(set_up(wanted, sink.name, administrator))
    ok = all(finding.ok for finding in findings)
    return Report(
        ok=ok, notice=NOTICE, sink=sink.name, findings=findings, next=_next_steps(findings)
    )


def _choose(sinks: list[ConfiguredSink], name: str | None) -> ConfiguredSink:
    named = {sink.name: sink for sink in sinks}
    if name is None and len(named) == 1:
        return sinks[0]
    among = ", ".join(named) or "none"
    if name is None:
        raise WrongUseError(f"several sinks are of this kind: name one by --sink: {among}")
    if name not in named:
        raise WrongUseError(f"there is no sink {name} of this kind, only: {among}")
    return named[name]


# ---------------------------------------------------------------- the administrator


def _administrator(args: argparse.Namespace, settings: Settings) -> Rpc:
    database = args.database or (settings.rpc.database if settings.rpc else None)
    if database is None:
        raise WrongUseError("name Odoo's database by --database")
    password = Secret(_read_password(args))
    return Rpc(database=database, login=args.admin_login, password=password)


def _read_password(args: argparse.Namespace) -> str:
    variable: str | None = args.admin_password_env
    if variable is not None:
        if not os.environ.get(variable):
            raise WrongUseError(f"--admin-password-env: {variable} is not set")
        return os.environ[variable]
    if not sys.stdin.isatty():
        raise WrongUseError("give the password by --admin-password-env: nobody can be asked here")
    return getpass.getpass(f"Password or API key of {args.admin_login} in Odoo: ")


def _read_colour(text: str) -> str | int:
    if _is_hex(text):
        return text.upper()
    if _is_number(text):
        return int(text)
    raise argparse.ArgumentTypeError("a colour is written as #3BAFDA or, from Odoo 16 on, as 4")


# ---------------------------------------------------------------- what a person is to do


def _describe(sink: ConfiguredSink, wanted: Wanted) -> Report:
    """Return what to fill ChatRoom's form with."""
    settings: Settings = sink.settings
    paste = {
        LABELS["name"]: wanted.name or wanted.default_name,
        LABELS["connector_type"]: "ApiChat.io",
        "Odoo Url": settings.odoo_url,
        LABELS["endpoint"]: wanted.url,
        "Account ID": settings.connector_uuid.reveal(),
        LABELS["token"]: settings.connector_token.reveal(),
        LABELS["auto_valid_number"]: "off",
    }
    if wanted.colour is not None:
        by_number = isinstance(wanted.colour, int)
        paste[LABELS["color" if by_number else "border_color"]] = str(wanted.colour)
    steps = [
        "In Odoo, as an administrator, make a connector with these values in ChatRoom's own form.",
        "Fill in “Connect to” first: some versions of ChatRoom set the others by it.",
        "Start `recado serve`, and press Check Status on the connector: it must say connected.",
        "Try both directions by `recado chatroom setup --try`.",
    ]
    return Report(ok=True, notice=NOTICE, sink=sink.name, paste=paste, next=steps)


def _next_steps(findings: list[Finding]) -> list[str]:
    if all(finding.ok for finding in findings):
        return [
            "Let agents who have ChatRoom open reload it.",
            "Write to the account's number from a phone: the message must show up in ChatRoom.",
        ]
    return [
        "Put right what is not ok, with `recado serve` running.",
        "Run this again: it changes nothing that is as it should be.",
        "Press Check Status on the connector in ChatRoom's form: it must say connected.",
    ]


def _missing(error: str) -> tuple[str, ...]:
    """Return the secrets for want of which the configuration can't be used."""
    if "connector_uuid" in error:
        return ("connector_uuid", "connector_token")
    return ("connector_token",) if "connector_token" in error else ()


def _propose(keys: tuple[str, ...]) -> Report:
    """Return lines for the configuration: the missing secrets, or a whole table."""
    made = {"connector_uuid": str(uuid.uuid4()), "connector_token": secrets.token_urlsafe(32)}
    lines = [f'{key} = "{made[key]}"' for key in keys or made]
    if not keys:
        lines = [
            f"[sinks.{EXAMPLE}]",
            f'sink = "{KIND}"',
            'odoo_url = "https://odoo.example.com" # yours',
            *lines,
            'account = "" # the account whose conversations agents are to see',
        ]
    steps = [
        "Write the lines that it lacks into recado.toml, or the secrets where it says they are.",
        "Where ChatRoom has the connector already, write its Account ID and Token instead.",
        f"See that gateway.plugins names {KIND} and that gateway.public_url is set.",
        "Run this again.",
    ]
    return Report(ok=False, notice=NOTICE, write=lines, next=steps)


# ---------------------------------------------------------------- printing


def _print(report: Report, *, as_json: bool) -> int:
    if as_json:
        lines = [msgspec.json.format(msgspec.json.encode(report), indent=2).decode()]
    else:
        lines = _lines(report)
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return DONE if report.ok else FAILED


def _lines(report: Report) -> list[str]:
    lines = [report.notice, ""]
    if report.findings:
        width = max(len(finding.what) for finding in report.findings)
        for finding in report.findings:
            word = "ok    " if finding.ok else "not ok"
            lines.append(f"{word}  {finding.what:{width}}  {finding.detail}")
        lines.append("")
    if report.paste:
        width = max(map(len, report.paste))
        lines += [SHOWN, *(f"  {key:{width}}  {value}" for key, value in report.paste.items()), ""]
    if report.write:
        lines += [TO_WRITE, "", *report.write, ""]
    return [*lines, *(f"{index}. {step}" for index, step in enumerate(report.next, start=1))]
