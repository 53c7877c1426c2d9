"""The gateway's own checks."""

import random

from recado_core.checks import Check
from recado_core.engine.checks.do_not_disturb import DoNotDisturbCheck
from recado_core.engine.checks.marketing_limits import MarketingLimitCheck
from recado_core.engine.checks.quiet_hours import QuietHoursCheck
from recado_core.engine.checks.suppressions import SuppressionCheck
from recado_core.engine.plugins import Plugins
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database
from recado_core.errors import ConfigurationError


def own_checks(settings: EngineSettings, plugins: Plugins, database: Database) -> list[Check]:
    """Return the gateway's own checks that the settings call for.

    Raises:
        ConfigurationError: Quiet hours can't be read, or are of a channel that does not exist.
    """
    for channel in settings.quiet_hours:
        if channel not in plugins.channels:
            raise ConfigurationError(
                f"quiet_hours.{channel}: unknown channel; "
                f"there is {', '.join(sorted(plugins.channels))}"
            )
    checks: list[Check] = [
        SuppressionCheck(database, settings.do_not_disturb),
        DoNotDisturbCheck(database, settings.do_not_disturb),
        MarketingLimitCheck(database, settings.limits),
    ]
    if settings.quiet_hours:
        checks.append(QuietHoursCheck(settings.quiet_hours, settings.timezone, random.random))
    return checks
