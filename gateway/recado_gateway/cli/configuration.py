"""What a command works on: the configuration that is named or found, and its engine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from recado_core.engine.runtime import Engine

from recado_gateway.cli.output import explain
from recado_gateway.environment import PREFIX
from recado_gateway.logs import configure_logging
from recado_gateway.settings import DEFAULT_FILE, LogLevel, Settings, load_settings


def read_settings(config: str | None) -> Settings:
    """Read the configuration, and say so where there is none and the defaults stand in."""
    settings = load_settings(Path(config) if config else None, os.environ)
    if settings.path is None and not any(name.startswith(PREFIX) for name in os.environ):
        explain(f"recado: no {DEFAULT_FILE} here and no --config: all is as by default")
    return settings


def start_log(settings: Settings, level: LogLevel = LogLevel.WARNING) -> None:
    """Send the log to standard error, every secret of the configuration masked."""
    configure_logging(level, secrets=settings.find_secrets())


@asynccontextmanager
async def open_engine(
    settings: Settings, log_level: LogLevel = LogLevel.WARNING, *, writes_apart: bool = False
) -> AsyncIterator[Engine]:
    """Open the engine without its worker, and close it."""
    start_log(settings, log_level)
    engine = Engine(settings.engine, settings.plugins, writes_apart=writes_apart)
    try:
        await engine.open()
        yield engine
    finally:
        await engine.close()
