"""``recado keys``: the API keys."""

import argparse
import asyncio

from recado_core.engine.clients.keys import SCOPES, ApiKey

from recado_gateway.cli.commands import DONE, Commands, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import print_json, print_table, say
from recado_gateway.cli.times import local_time
from recado_gateway.settings import Settings


def add_to(command: Commands) -> None:
    """Add the commands of ``recado keys``."""
    create = command.add("create", "make an API key and print it, alone and this once").parser
    create.add_argument("--name", required=True, help="what or whom the key is for")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=SCOPES,
        help="what it may do; give it several times for several scopes",
    )
    create.set_defaults(run=run_create)
    listing = command.add("list", "list the API keys").parser
    add_json_option(listing)
    listing.set_defaults(run=run_list)
    revoke = command.add("revoke", "revoke an API key").parser
    revoke.add_argument("id", help="the key's id, as `recado keys list` shows it")
    revoke.set_defaults(run=run_revoke)


async def create_key(settings: Settings, name: str, scopes: list[str]) -> str:
    """Make an API key and return its token."""
    async with open_engine(settings) as engine:
        return (await engine.keys.create(name, scopes)).token


def run_create(args: argparse.Namespace) -> int:
    """Make a key; nothing but the key goes to standard output."""
    say(asyncio.run(create_key(read_settings(args.config), args.name, args.scope)))
    return DONE


def run_list(args: argparse.Namespace) -> int:
    """List the keys."""
    settings = read_settings(args.config)
    keys = asyncio.run(_list_keys(settings))
    if args.json:
        print_json({"items": keys})
        return DONE
    print_table(
        ("id", "name", "begins with", "scopes", "created", "last used"),
        (
            (
                key.id,
                key.name,
                key.prefix,
                " ".join(key.scopes),
                local_time(key.created_at, settings.engine.timezone),
                local_time(key.last_used_at, settings.engine.timezone),
            )
            for key in keys
        ),
    )
    return DONE


async def _list_keys(settings: Settings) -> list[ApiKey]:
    async with open_engine(settings) as engine:
        return await engine.keys.list()


def run_revoke(args: argparse.Namespace) -> int:
    """Revoke a key."""
    asyncio.run(_revoke(read_settings(args.config), args.id))
    say(f"{args.id} revoked")
    return DONE


async def _revoke(settings: Settings, key_id: str) -> None:
    async with open_engine(settings) as engine:
        await engine.keys.revoke(key_id)
