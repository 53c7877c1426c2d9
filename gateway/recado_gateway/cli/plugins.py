"""``recado plugins``: what is installed, what is enabled, what it offers."""

import argparse

import msgspec
from recado_core.engine.plugins import installed_plugins, load_plugins

from recado_gateway.cli.commands import DONE, Commands, add_json_option
from recado_gateway.cli.configuration import read_settings
from recado_gateway.cli.output import print_json, print_table

OFFERS = ("channels", "providers", "sinks", "checks")


class PluginLine(msgspec.Struct, frozen=True, kw_only=True):
    """One installed plugin; ``error`` says why it can't be loaded."""

    id: str
    enabled: bool
    distribution: str = ""
    version: str = ""
    channels: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    error: str | None = None


def add_to(command: Commands) -> None:
    """Add the commands of ``recado plugins``."""
    listing = command.add("list", "list the installed plugins and what they offer").parser
    add_json_option(listing)
    listing.set_defaults(run=run_list)


def run_list(args: argparse.Namespace) -> int:
    """List every installed plugin, the broken ones too."""
    enabled = {plugin.id for plugin in read_settings(args.config).plugins.installed}
    lines = [describe(plugin, enabled=plugin in enabled) for plugin in installed_plugins()]
    if args.json:
        print_json({"items": lines})
        return DONE
    print_table(
        ("plugin", "enabled", "package", "version", "offers"),
        (
            (
                line.id,
                "yes" if line.enabled else "no",
                line.distribution,
                line.version,
                line.error or offers(line),
            )
            for line in lines
        ),
    )
    return DONE


def describe(plugin: str, *, enabled: bool) -> PluginLine:
    """Load one plugin by itself and say what it is."""
    try:
        (loaded,) = load_plugins([plugin]).installed
    except Exception as error:  # noqa: BLE001 # whatever a stranger's module raises
        text = str(error).partition("\n")[0]
        return PluginLine(
            id=plugin, enabled=enabled, error=f"can't be loaded: {type(error).__name__}: {text}"
        )
    return PluginLine(enabled=enabled, **msgspec.structs.asdict(loaded))


def offers(line: PluginLine) -> str:
    """Return in words what a plugin offers."""
    said = [f"{kind} {', '.join(getattr(line, kind))}" for kind in OFFERS if getattr(line, kind)]
    return "; ".join(said)
