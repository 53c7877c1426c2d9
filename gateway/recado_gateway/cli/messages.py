"""``recado messages``: what was sent and received, and what became of it."""

import argparse
import asyncio
from datetime import datetime

import msgspec
from recado_core.engine.messages.messages import MessageDetail, MessageFilter, MessageView, Page
from recado_core.errors import AddressError
from recado_core.messages import Status

from recado_gateway.cli.commands import DONE, Commands, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import (
    print_encoded,
    print_json,
    print_table,
    say,
    shorten,
)
from recado_gateway.cli.pages import add_page_options, check_limit, tell_more
from recado_gateway.cli.send import Accepted
from recado_gateway.cli.structs import fields_of
from recado_gateway.cli.times import in_zone, local_time
from recado_gateway.settings import Settings

SHOWN_APART = frozenset({"events", "attempts"})
"""What of a message stands in tables of its own."""


def add_to(command: Commands) -> None:
    """Add the commands of ``recado messages``."""
    _add_list(command)
    for name, summary, run in (
        ("show", "show one message with its events and attempts", run_show),
        ("cancel", "take back a scheduled or queued message", run_cancel),
        ("resend", "send a failed, expired, undelivered or unknown message again", run_resend),
    ):
        parser = command.add(name, summary).parser
        parser.add_argument("id", help="the message's id")
        add_json_option(parser)
        parser.set_defaults(run=run)


def _add_list(command: Commands) -> None:
    parser = command.add("list", "list messages, the newest first").parser
    parser.add_argument("--status", choices=[str(status) for status in Status])
    parser.add_argument("--direction", choices=["out", "in"], help="out: MT; in: MO")
    parser.add_argument("--channel")
    parser.add_argument("--account")
    parser.add_argument("--to", metavar="ADDRESS", help="the person's address, of MO too")
    parser.add_argument("--reference", help="the client's own name for the message")
    parser.add_argument("--batch", metavar="ID")
    parser.add_argument("--campaign", metavar="ID")
    for name, meaning in (("--since", "accepted then or later"), ("--until", "accepted before")):
        parser.add_argument(name, type=datetime.fromisoformat, metavar="TIME", help=meaning)
    add_page_options(parser)
    parser.set_defaults(run=run_list)


def run_list(args: argparse.Namespace) -> int:
    """List messages."""
    check_limit("messages list", args.limit)
    settings = read_settings(args.config)
    page = asyncio.run(_list_messages(settings, args))
    if args.json:
        print_json(page)
        return DONE
    print_table(
        ("id", "accepted", "", "address", "account", "status", "text"),
        (
            (
                message.id,
                local_time(message.created_at, settings.engine.timezone),
                message.direction,
                message.sender or message.to,
                message.account,
                message.status,
                shorten(message.text),
            )
            for message in page.items
        ),
    )
    tell_more(page.next_cursor)
    return DONE


async def _list_messages(settings: Settings, args: argparse.Namespace) -> Page:
    zone = settings.engine.timezone
    wanted = MessageFilter(
        status=args.status,
        direction=args.direction,
        channel=args.channel,
        account=args.account,
        to=find_address(settings, args.channel or "sms", args.to) if args.to else None,
        reference=args.reference,
        batch_id=args.batch,
        campaign_id=args.campaign,
        since=in_zone(args.since, zone),
        until=in_zone(args.until, zone),
    )
    async with open_engine(settings) as engine:
        return await engine.messages.list(wanted, args.limit, args.cursor)


def find_address(settings: Settings, channel: str, address: str) -> str:
    """Return an address in the form in which it is stored, or as it is where none fits."""
    if channel not in settings.plugins.channels:
        return address
    try:
        return settings.plugins.channels[channel].normalise_address(
            address, settings.engine.default_region
        )
    except AddressError:
        return address


def run_show(args: argparse.Namespace) -> int:
    """Show one message."""
    settings = read_settings(args.config)
    message = asyncio.run(_get(settings, args.id))
    if args.json:
        print_json(message)
        return DONE
    zone = settings.engine.timezone
    print_table(("", ""), fields_of(message, zone, without=SHOWN_APART))
    say("\nEvents")
    print_table(
        ("time", "from", "to", "account", "code", "text"),
        (
            (
                local_time(event.time, zone),
                event.from_status,
                event.to_status or event.type,
                event.account,
                event.code,
                event.text,
            )
            for event in message.events
        ),
    )
    say("\nAttempts")
    print_table(
        ("started", "finished", "account", "outcome", "code", "text", "batch reference", "size"),
        (
            (
                local_time(attempt.started_at, zone),
                local_time(attempt.finished_at, zone),
                attempt.account,
                attempt.outcome,
                attempt.code,
                attempt.text,
                attempt.id,
                attempt.batch_size,
            )
            for attempt in message.attempts
        ),
    )
    return DONE


async def _get(settings: Settings, message_id: str) -> MessageDetail:
    async with open_engine(settings) as engine:
        return await engine.messages.get(message_id)


def run_cancel(args: argparse.Namespace) -> int:
    """Cancel one message."""
    message = asyncio.run(_cancel(read_settings(args.config), args.id))
    if args.json:
        print_json(message)
    else:
        say(f"{message.id} {message.status}")
    return DONE


async def _cancel(settings: Settings, message_id: str) -> MessageView:
    async with open_engine(settings) as engine:
        return await engine.messages.cancel(message_id)


def run_resend(args: argparse.Namespace) -> int:
    """Send one message again, as a new one."""
    body = asyncio.run(_resend(read_settings(args.config), args.id))
    if args.json:
        print_encoded(body)
    else:
        message = msgspec.json.decode(body, type=Accepted)
        say(f"{message.id} {message.status}")
    return DONE


async def _resend(settings: Settings, message_id: str) -> bytes:
    async with open_engine(settings) as engine:
        return (await engine.accept.resend(message_id)).body
