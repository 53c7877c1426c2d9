"""``recado send``: one message, straight into the configured store."""

import argparse
import asyncio
import sys
import time
from datetime import datetime

import msgspec
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.failures import DraftError
from recado_core.engine.messages.messages import MessageDetail
from recado_core.engine.policy import FINAL
from recado_core.engine.runtime import Engine
from recado_core.errors import RecadoError
from recado_core.messages import Category, Status

from recado_gateway.cli.commands import DONE, FAILED, Commands, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import (
    UNLIMITED,
    explain,
    print_encoded,
    print_json,
    say,
    shorten,
)
from recado_gateway.cli.times import in_zone
from recado_gateway.settings import Settings

POLL_SECONDS = 0.2
ARRIVED = frozenset({Status.DELIVERED, Status.READ})
WAITING = frozenset({Status.SCHEDULED, Status.QUEUED, Status.SENDING})
ENDS = FINAL | {Status.UNKNOWN}
"""Where waiting ends: *unknown* changes only by an operator or a late DLR."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What matters here of the answer to an accepted message."""

    id: str
    status: Status


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado send``."""
    parser = command.parser
    parser.add_argument("--to", required=True, metavar="ADDRESS", help="the recipient")
    said = parser.add_mutually_exclusive_group(required=True)
    said.add_argument("--text", help="the text; - reads it from standard input")
    said.add_argument("--template", metavar="NAME", help="a template that says it")
    parser.add_argument("--language", help="of the template, such as pt-BR")
    parser.add_argument(
        "--variable",
        action="append",
        metavar="NAME=VALUE",
        type=read_variable,
        help="fills {{ NAME }} in the text; may be given several times",
    )
    parser.add_argument("--transliterate", action="store_true", help="write the text in GSM-7")
    parser.add_argument("--channel", help="sms (the default) or another channel")
    parser.add_argument("--account", help="send by this account instead of by the routes")
    parser.add_argument("--sender-id", help="what the recipient sees as origin")
    parser.add_argument("--category", choices=[str(category) for category in Category])
    parser.add_argument("--reference", help="your own name for the message")
    parser.add_argument("--priority", type=int, help="0 to 9; 9 goes first")
    for name, meaning in (
        ("--scheduled-at", "send then; without offset it is the gateway's local time"),
        ("--expires-at", "give up then"),
    ):
        parser.add_argument(name, type=datetime.fromisoformat, metavar="TIME", help=meaning)
    parser.add_argument("--wait", action="store_true", help="wait for the final status")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait (default: 60)")
    add_json_option(parser)
    parser.set_defaults(run=run)


def read_variable(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``."""
    name, mark, value = text.partition("=")
    if not name or not mark:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def run(args: argparse.Namespace) -> int:
    """Hand the message to the engine; with ``--wait``, fail unless it is delivered."""
    settings = read_settings(args.config)
    return asyncio.run(_send(settings, read_draft(args, settings.engine.timezone), args))


def read_draft(args: argparse.Namespace, zone: str) -> Draft:
    """Make a draft of the arguments."""
    return Draft(
        to=args.to,
        text=sys.stdin.read().rstrip("\n") if args.text == "-" else args.text,
        template=args.template,
        language=args.language,
        variables=dict(args.variable) if args.variable else None,
        transliterate=args.transliterate or None,
        channel=args.channel,
        account=args.account,
        sender_id=args.sender_id,
        category=Category(args.category) if args.category else None,
        reference=args.reference,
        priority=args.priority,
        scheduled_at=in_zone(args.scheduled_at, zone),
        expires_at=in_zone(args.expires_at, zone),
    )


async def _send(settings: Settings, draft: Draft, args: argparse.Namespace) -> int:
    async with open_engine(settings) as engine:
        try:
            answer = await engine.accept.message(draft)
        except DraftError as error:
            raise RecadoError(in_words(error)) from error
        message = msgspec.json.decode(answer.body, type=Accepted)
        if args.wait:
            return await _wait(engine, message, args)
    if args.json:
        print_encoded(answer.body)
    else:
        say(f"{message.id} {message.status}")
    return FAILED if message.status is Status.SUPPRESSED else DONE


async def _wait(engine: Engine, message: Accepted, args: argparse.Namespace) -> int:
    deadline = time.monotonic() + args.timeout
    detail = await engine.messages.get(message.id)
    while detail.status not in ENDS and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        detail = await engine.messages.get(message.id)
    if args.json:
        print_json(detail)
    else:
        say(f"{detail.id} {detail.status}")
    if detail.status not in ENDS:
        stands = await say_where(engine, detail)
        explain(f"recado: not final after {args.timeout:g} s but {stands}")
    return DONE if detail.status in ARRIVED else FAILED


async def say_where(engine: Engine, message: MessageDetail) -> str:
    """Return where a message stands that is not final, and what holds it up if that is known."""
    if message.status not in WAITING:
        return str(message.status)
    await engine.accounts.refresh()  # another process may have paused it in the meantime
    account = await engine.accounts.get(message.account)
    failed = [tried.text or tried.code for tried in message.attempts if tried.text or tried.code]
    if account.paused_at is not None:
        why = f"account {account.name} is paused: {account.reason}"
    elif failed:
        why = f"the last attempt: {failed[-1]}"
    elif message.status is Status.QUEUED:
        why = "does `recado serve` run?"
    else:
        return str(message.status)
    return f"{message.status}; {shorten(why, UNLIMITED)}"


def in_words(error: DraftError) -> str:
    """Name what is wrong with a message by the options of the command line."""
    return "; ".join(
        f"--{fault.pointer.lstrip('/').replace('_', '-')}: {fault.detail}" for fault in error.faults
    )
