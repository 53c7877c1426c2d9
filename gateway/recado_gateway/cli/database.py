"""``recado db``: the database."""

import argparse

from recado_core.engine.store.database import upgrade_database

from recado_gateway.cli.commands import DONE, Commands
from recado_gateway.cli.configuration import read_settings, start_log
from recado_gateway.cli.output import say


def add_to(command: Commands) -> None:
    """Add the commands of ``recado db``."""
    upgrade = command.add("upgrade", "bring the database's schema to this version")
    upgrade.parser.set_defaults(run=run_upgrade)


def run_upgrade(args: argparse.Namespace) -> int:
    """Apply the migrations that the database lacks."""
    settings = read_settings(args.config)
    start_log(settings)
    applied = upgrade_database(settings.engine.database)
    for revision in applied:
        say(f"applied {revision}")
    if not applied:
        say("the database is up to date")
    return DONE
