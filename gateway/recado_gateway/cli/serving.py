"""``recado serve``: the HTTP API and the worker in one process."""

import argparse

from recado_core.engine.runtime import Engine

from recado_gateway.app import create_app
from recado_gateway.cli.commands import Commands
from recado_gateway.cli.configuration import read_settings, start_log
from recado_gateway.server import serve

HIGHEST_PORT = 65535


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado serve``."""
    parser = command.parser
    parser.add_argument("--host", help="address to listen on (default: gateway.host, 127.0.0.1)")
    parser.add_argument(
        "--port", type=read_port, help="port to listen on (default: gateway.port, 8000)"
    )
    parser.set_defaults(run=run)


def read_port(text: str) -> int:
    """Read a port's number; 0 picks a free one."""
    port = int(text) if text.isascii() and text.isdigit() else HIGHEST_PORT + 1
    if port > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {HIGHEST_PORT}")
    return port


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    settings = read_settings(args.config)
    start_log(settings, settings.log_level)
    host = settings.host if args.host is None else args.host
    port = settings.port if args.port is None else args.port
    engine = Engine(settings.engine, settings.plugins, writes_apart=True)
    return serve(create_app(settings, engine=engine, worker=True), host, port)
