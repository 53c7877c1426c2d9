"""The hooks a plugin may implement.

A hook registers objects and does no work: pluggy calls hooks synchronously, in the reverse of the
order in which the plugins were enabled, and collects what they return.
"""

from collections.abc import Iterable

import pluggy

from recado_core.checks import Check
from recado_core.contract import Channel, CommandLine, ProviderType
from recado_core.sinks import SinkType

PROJECT = "recado"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_channels() -> Iterable[Channel]:  # type: ignore[empty-body]  # pluggy calls the plugins'
    """Return the channels (media) that this plugin adds."""


@hookspec
def register_providers() -> Iterable[ProviderType]:  # type: ignore[empty-body]  # as above
    """Return the kinds of provider that this plugin adds."""


@hookspec
def register_sinks() -> Iterable[SinkType]:  # type: ignore[empty-body]  # as above
    """Return the kinds of sink that this plugin adds."""


@hookspec
def register_checks() -> Iterable[Check]:  # type: ignore[empty-body]  # as above
    """Return the checks that every message must pass before it is sent."""


@hookspec
def register_commands(cli: CommandLine) -> None:
    """Add commands to the ``recado`` command line.

    Args:
        cli: Where to add them; it can also serve an ASGI application, such as a simulator.
    """
