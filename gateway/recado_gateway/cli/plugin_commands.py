"""The commands that plugins add."""

import argparse
import os
import sys
import tomllib
from pathlib import Path

import msgspec
from recado_core.contract import AsgiApp, decode_setting
from recado_core.engine.plugins import installed_plugins, load_plugins
from recado_core.errors import ConfigurationError
from recado_core.sinks import ConfiguredSink

from recado_gateway.cli.commands import Commands
from recado_gateway.environment import add_environment
from recado_gateway.tables import read_value


class PluginCommandLine:
    """The face of the command line that plugins see (``recado_core.contract.CommandLine``)."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def add_command(self, *path: str, summary: str) -> argparse.ArgumentParser:
        """Return the parser of a new command; refuse one that is there already."""
        found = self._commands
        for name in path[:-1]:
            below = found.get(name)
            if below and below.is_command:
                raise ConfigurationError(f"`recado {name}` is a command and holds no others")
            found = below or found.add(name, f"{name} commands")
        if not path or found.get(path[-1]):
            raise ConfigurationError(f"`recado {' '.join(path)}` is there already")
        return found.add(path[-1], summary).parser

    def sinks(self, args: argparse.Namespace, kind: str) -> list[ConfiguredSink]:
        """Return the configured sinks of a kind, with their settings."""
        # Here and not above: it brings the engine, which help does not need
        from recado_core.engine.deliver.sinks import sink_url  # noqa: PLC0415

        from recado_gateway.cli.configuration import read_settings, start_log  # noqa: PLC0415

        settings = read_settings(args.config)
        start_log(settings)
        if kind not in settings.plugins.sink_types:
            return []
        wanted = settings.plugins.sink_types[kind].settings
        return [
            ConfiguredSink(
                name=name,
                settings=msgspec.convert(
                    sink.own, wanted, dec_hook=decode_setting, strict=False, str_keys=True
                ),
                url=sink_url(settings.engine.public_url, name),
            )
            for name, sink in settings.engine.sinks.items()
            if sink.sink == kind
        ]

    def serve(self, app: AsgiApp, host: str, port: int) -> int:
        """Serve an ASGI application until it is interrupted, and return the exit code."""
        # Here and not above: it brings the web framework, which help does not need
        from recado_gateway.server import serve_asgi  # noqa: PLC0415

        return serve_asgi(app, host, port)


def add_to(commands: Commands, config: str | None) -> None:
    """Add the commands of the enabled plugins; without a configuration, of every installed one.

    A plugin that breaks, or a configuration that can't be read, is reported in one line and hides
    no other command.
    """
    cli = PluginCommandLine(commands)
    for plugin in _plugins(config):
        try:
            load_plugins([plugin]).manager.hook.register_commands(cli=cli)
        except Exception as error:  # noqa: BLE001 # whatever a stranger's module raises
            _warn(f"the commands of plugin {plugin} are missing", error)


def _plugins(config: str | None) -> list[str]:
    try:
        enabled = _enabled(config)
    except (OSError, ValueError, ConfigurationError) as error:
        _warn("commands of every installed plugin, because the configuration can't be read", error)
        return installed_plugins()
    return installed_plugins() if enabled is None else enabled


def _enabled(config: str | None) -> list[str] | None:
    # Not by load_settings: it wants every secret, and the commands of a plugin work without; and
    # it brings the engine, which is slow to import.
    named = config or os.environ.get("RECADO_CONFIG")
    file = Path(named or "recado.toml")
    table = tomllib.loads(file.read_text("utf-8")) if named or file.is_file() else {}
    add_environment(table, os.environ)
    gateway = table.get("gateway")
    if not isinstance(gateway, dict) or "plugins" not in gateway:
        return None
    enabled: list[str] = read_value(gateway["plugins"], list[str], "gateway.plugins")
    return enabled


def _warn(what: str, error: Exception) -> None:
    text = str(error).partition("\n")[0]
    said = text if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {text}"
    sys.stderr.write(f"recado: {what}: {said}\n")
