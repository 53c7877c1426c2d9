"""Plugins: which are loaded, and what they offer."""

import msgspec
from recado_core.contract import Capabilities
from recado_core.engine.plugins import Plugins

from recado_gateway.endpoints import Endpoint, Listing, answer_with, endpoint
from recado_gateway.requests import Request
from recado_gateway.responses import Response


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of provider, of which an account can be configured."""

    id: str
    channels: list[str]
    capabilities: Capabilities


class PluginView(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded plugin, and what it registered."""

    id: str
    distribution: str
    version: str
    channels: list[str]
    providers: list[ProviderView]
    sinks: list[str]
    checks: list[str]


@endpoint("GET", "/v1/plugins", Endpoint(tag="Plugins", scope="manage", answer=Listing[PluginView]))
async def list_plugins(request: Request) -> Response:
    """List the loaded plugins."""
    return answer_with(Listing(items=plugin_views(request.app.state.plugins)))


def plugin_views(plugins: Plugins) -> list[PluginView]:
    """Return what is told of the loaded plugins, in the order in which they were enabled."""
    return [
        PluginView(
            id=plugin.id,
            distribution=plugin.distribution,
            version=plugin.version,
            channels=list(plugin.channels),
            providers=[_provider_view(plugins, name) for name in plugin.providers],
            sinks=list(plugin.sinks),
            checks=list(plugin.checks),
        )
        for plugin in plugins.installed
    ]


def _provider_view(plugins: Plugins, name: str) -> ProviderView:
    kind = plugins.provider_types[name]
    return ProviderView(id=name, channels=sorted(kind.channels), capabilities=kind.capabilities)


HANDLERS = [list_plugins]
