"""Whether the routes of the configuration lead anywhere."""

from recado_core.engine.plugins import Plugins
from recado_core.engine.settings import EngineSettings
from recado_core.errors import ConfigurationError


def check_routes(settings: EngineSettings, plugins: Plugins) -> None:
    """Raise ``ConfigurationError`` for a route that leads nowhere."""
    for index, route in enumerate(settings.routes):
        key = f"routes[{index}]"
        if not route.accounts:
            raise ConfigurationError(f"{key}.accounts: name at least one account")
        if route.channel not in plugins.channels:
            raise ConfigurationError(
                f"{key}.channel: unknown channel {route.channel!r}; "
                f"there is {', '.join(sorted(plugins.channels))}"
            )
        if route.weights is not None and (
            len(route.weights) != len(route.accounts)
            or min(route.weights) < 0
            or sum(route.weights) == 0
        ):
            raise ConfigurationError(
                f"{key}.weights: needs one number for every account, not all 0"
            )
        for name in route.accounts:
            if name not in settings.accounts:
                raise ConfigurationError(f"{key}.accounts: there is no account {name!r}")
            kind = plugins.provider_types.get(settings.accounts[name].provider)
            if kind is not None and route.channel not in kind.channels:
                raise ConfigurationError(f"{key}.accounts: {name} carries no {route.channel}")
