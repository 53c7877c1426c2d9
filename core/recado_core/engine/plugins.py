"""The plugins: which are installed, which are loaded, and what they registered."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar

import msgspec
import pluggy

from recado_core import hookspecs
from recado_core.checks import Check
from recado_core.contract import Channel, ProviderType
from recado_core.engine import channels
from recado_core.errors import ConfigurationError
from recado_core.sinks import SinkType


class PluginNotInstalledError(ConfigurationError):
    """A plugin is enabled, and no installed distribution offers it."""


class LoadedPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """What one plugin is, and what it registered."""

    id: str
    distribution: str
    version: str
    channels: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


class Plugins(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the enabled plugins registered, by id."""

    manager: pluggy.PluginManager
    channels: dict[str, Channel]
    provider_types: dict[str, ProviderType]
    sink_types: dict[str, SinkType]
    checks: list[Check]
    installed: list[LoadedPlugin]


def installed_plugins() -> list[str]:
    """Return the id of every plugin that an installed distribution offers."""
    return sorted({point.name for point in entry_points(group=hookspecs.PROJECT)})


def load_plugins(enabled: Iterable[str]) -> Plugins:
    """Load the named plugins, and no others, whatever else is installed.

    Raises:
        PluginNotInstalledError: No installed distribution offers one of them.
        ConfigurationError: Two distributions claim one id, two plugins register one id, a plugin
            can't be imported, or it implements a hook that does not exist.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(channels, name="recado")
    points = [_entry_point(name) for name in dict.fromkeys(enabled)]
    try:
        for point in points:
            manager.register(_load(point), name=point.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ConfigurationError(f"gateway.plugins: {error}") from error
    return Plugins(
        manager=manager,
        channels=_by_id("channel", manager.hook.register_channels()),
        provider_types=_by_id("provider", manager.hook.register_providers()),
        sink_types=_by_id("sink", manager.hook.register_sinks()),
        checks=list(_by_id("check", manager.hook.register_checks()).values()),
        installed=[_describe(manager, point) for point in points],
    )


def _entry_point(name: str) -> EntryPoint:
    found = list(entry_points(group=hookspecs.PROJECT, name=name))
    if not found:
        raise PluginNotInstalledError(
            f"gateway.plugins: {name} is enabled, and no installed package offers it; "
            f"installed: {', '.join(installed_plugins()) or 'none'}"
        )
    sources = sorted({point.dist.name for point in found if point.dist})
    if len(sources) > 1:
        raise ConfigurationError(
            f"gateway.plugins: {name} is offered by several packages: {', '.join(sources)}"
        )
    return found[0]


def _load(point: EntryPoint) -> object:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"gateway.plugins: {point.name} can't be loaded: {error}"
        ) from error


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_Registered = TypeVar("_Registered", bound=_Named)


def _by_id(kind: str, groups: Iterable[Iterable[_Registered]]) -> dict[str, _Registered]:
    found: dict[str, _Registered] = {}
    for group in groups:
        for item in group:
            if item.id in found:
                raise ConfigurationError(
                    f"gateway.plugins: two plugins register the {kind} {item.id}"
                )
            found[item.id] = item
    return found


def _describe(manager: pluggy.PluginManager, point: EntryPoint) -> LoadedPlugin:
    plugin = manager.get_plugin(point.name)

    def registered(hook: str) -> tuple[str, ...]:
        implemented = getattr(plugin, hook, None)
        return tuple(item.id for item in implemented()) if implemented else ()

    return LoadedPlugin(
        id=point.name,
        distribution=point.dist.name if point.dist else "",
        version=point.dist.version if point.dist else "",
        channels=registered("register_channels"),
        providers=registered("register_providers"),
        sinks=registered("register_sinks"),
        checks=registered("register_checks"),
    )
