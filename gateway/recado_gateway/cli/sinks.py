"""``recado sinks``: how the business systems do, and what has not reached them."""

import argparse
import asyncio

from recado_core.engine.deliver.sinks import DeliveryPage, DeliveryState, Replayed, SinkView

from recado_gateway.cli.commands import DONE, Commands, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import print_json, print_table, say, shorten
from recado_gateway.cli.pages import add_page_options, check_limit, tell_more
from recado_gateway.cli.times import local_time
from recado_gateway.settings import Settings


def add_to(command: Commands) -> None:
    """Add the commands of ``recado sinks``."""
    parser = command.add("list", "list the sinks and what waits for each").parser
    add_json_option(parser)
    parser.set_defaults(run=run_list)

    parser = command.add("deliveries", "list a sink's deliveries, the newest first").parser
    parser.add_argument("name", help="the sink's name")
    parser.add_argument("--state", choices=[str(state) for state in DeliveryState])
    add_page_options(parser)
    parser.set_defaults(run=run_deliveries)

    parser = command.add("replay", "deliver again what was given up, or these deliveries").parser
    parser.add_argument("name", help="the sink's name")
    parser.add_argument("id", nargs="*", help="a delivery's id; without any, all that are dead")
    add_json_option(parser)
    parser.set_defaults(run=run_replay)


def run_list(args: argparse.Namespace) -> int:
    """List the sinks."""
    settings = read_settings(args.config)
    sinks = asyncio.run(_list(settings))
    if args.json:
        print_json({"items": sinks})
        return DONE
    # whether a sink is up knows the process that delivers to it, not this one
    print_table(
        ("name", "kind", "waiting", "oldest waits", "given up", "last delivered"),
        (
            (
                sink.name,
                sink.kind,
                sink.pending,
                f"{sink.lag:.0f} s" if sink.pending else None,
                sink.dead,
                local_time(sink.delivered_at, settings.engine.timezone),
            )
            for sink in sinks
        ),
    )
    return DONE


async def _list(settings: Settings) -> list[SinkView]:
    async with open_engine(settings) as engine:
        return await engine.sinks.list()


def run_deliveries(args: argparse.Namespace) -> int:
    """List a sink's deliveries."""
    check_limit("sinks deliveries", args.limit)
    settings = read_settings(args.config)
    page = asyncio.run(_deliveries(settings, args))
    if args.json:
        print_json(page)
        return DONE
    zone = settings.engine.timezone
    print_table(
        ("id", "event", "since", "state", "attempts", "next", "error"),
        (
            (
                item.id,
                item.type,
                local_time(item.created_at, zone),
                item.state,
                item.attempts,
                local_time(item.due_at, zone),
                shorten(item.error or ""),
            )
            for item in page.items
        ),
    )
    tell_more(page.next_cursor)
    return DONE


async def _deliveries(settings: Settings, args: argparse.Namespace) -> DeliveryPage:
    state = DeliveryState(args.state) if args.state else None
    async with open_engine(settings) as engine:
        return await engine.sinks.deliveries(args.name, state, args.limit, args.cursor)


def run_replay(args: argparse.Namespace) -> int:
    """Deliver again."""
    done = asyncio.run(_replay(read_settings(args.config), args))
    if args.json:
        print_json(done)
    else:
        say(f"{done.replayed} to be delivered again, by the gateway or worker that runs")
    return DONE


async def _replay(settings: Settings, args: argparse.Namespace) -> Replayed:
    async with open_engine(settings) as engine:
        return await engine.sinks.replay(args.name, args.id or None)
