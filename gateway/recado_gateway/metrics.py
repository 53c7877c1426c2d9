"""What Prometheus reads of a gateway: its components and its accounts, as they stand now."""

from collections.abc import Callable, Iterator
from importlib.metadata import version

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from recado_core.engine.account import AccountView
from recado_core.engine.failures import UnavailableError
from recado_core.engine.runtime import Component, Engine

STORE = frozenset({"database", "schema"})
"""The components without which nothing is known of accounts."""


class AccountGauge(msgspec.Struct, frozen=True):
    """A figure of every account; one that reads None is left out."""

    name: str
    meaning: str
    read: Callable[[AccountView], float | None]


# Named as https://prometheus.io/docs/practices/naming/ has it.
ACCOUNT_GAUGES = (
    AccountGauge(
        "balance",
        "The balance, in the account's currency, when the provider was last asked.",
        lambda account: None if account.balance is None else float(account.balance),
    ),
    AccountGauge(
        "balance_timestamp_seconds",
        "When the provider was last asked for the balance.",
        lambda account: account.balance_at.timestamp() if account.balance_at else None,
    ),
    AccountGauge(
        "balance_threshold",
        "The balance below which somebody should know, as configured.",
        lambda account: (
            None if account.balance_threshold is None else float(account.balance_threshold)
        ),
    ),
    AccountGauge(
        "balance_low",
        "1 while the balance is below the threshold.",
        lambda account: account.balance_low,
    ),
    AccountGauge(
        "paused", "1 while the account is paused.", lambda account: account.paused_at is not None
    ),
    AccountGauge(
        "queued_messages", "Messages that wait to be sent.", lambda account: account.queued
    ),
    AccountGauge(
        "calls_limit",
        "Calls that this process may make to the provider in the time that its rate is for.",
        lambda account: account.calls_limit,
    ),
    AccountGauge(
        "calls_left",
        "Calls that the present window of the rate still holds for this process, "
        "0 while the provider has asked to be left alone.",
        lambda account: account.calls_left,
    ),
)


class Figures(Collector):
    """How a gateway stood when it was looked at."""

    def __init__(self, components: list[Component], accounts: list[AccountView]) -> None:
        self._components = components
        self._accounts = accounts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield InfoMetricFamily(
            "recado_build", "The version that runs.", {"version": version("recado-gateway")}
        )
        parts = GaugeMetricFamily(
            "recado_component_ok",
            "1 while this part of the gateway can do its work.",
            labels=["component"],
        )
        for component in self._components:
            parts.add_metric([component.name], component.ok)
        yield parts
        for gauge in ACCOUNT_GAUGES:
            family = GaugeMetricFamily(
                f"recado_account_{gauge.name}", gauge.meaning, labels=["account"]
            )
            for account in self._accounts:
                value = gauge.read(account)
                if value is not None:
                    family.add_metric([account.name], value)
            yield family


async def look_at(engine: Engine) -> CollectorRegistry:
    """Return what there is to tell now; while the database is away that is little, and no failure.

    The registry is of this look alone: none of the library's own figures is in it but those of the
    process.
    """
    try:
        components = await engine.readiness()
        broken = {component.name for component in components if not component.ok}
        accounts = [] if broken & STORE else await engine.accounts.list()
    except UnavailableError as error:  # since it was found to answer
        components = [Component(name="database", ok=False, detail=str(error))]
        accounts = []
    registry = CollectorRegistry()
    registry.register(Figures(components, accounts))
    ProcessCollector(registry=registry)
    return registry
