"""``recado worker``: dispatch without the HTTP API, beside `recado serve` on the same database."""

import argparse
import asyncio
import logging

from recado_gateway.cli.commands import DONE, Commands
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.server import run_async, stopping_on_signals
from recado_gateway.settings import Settings

log = logging.getLogger(__name__)


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado worker``: it has none."""
    command.parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Work until SIGINT or SIGTERM; what is in flight is finished first."""
    run_async(_work(read_settings(args.config)))
    return DONE


async def _work(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:  # a signal's handler must wake the loop as another thread would
        loop.call_soon_threadsafe(stopping.set)

    with stopping_on_signals(stop):
        async with open_engine(settings, settings.log_level, writes_apart=True) as engine:
            await engine.start()
            log.info("worker started")
            await stopping.wait()
            await engine.stop()
            log.info("worker stopped")
