"""What Prometheus reads of a gateway: its components, accounts and sinks, as they stand now."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Generic, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from recado_core.engine.accounts.account import AccountView
from recado_core.engine.deliver.sinks import SinkView
from recado_core.engine.failures import UnavailableError
from recado_core.engine.readiness import Component
from recado_core.engine.runtime import Engine
from recado_core.engine.statistics.tallies import COUNTED
from recado_core.engine.statistics.tallies import Metric as Counted
from recado_core.engine.store.money import MILLION

STORE = frozenset({"database", "schema"})
"""The components without which nothing is known of accounts and sinks."""


Named = TypeVar("Named", AccountView, SinkView)


class Gauge(msgspec.Struct, Generic[Named], frozen=True):
    """A figure of every account or every sink; one that reads None is left out."""

    name: str
    meaning: str
    read: Callable[[Named], float | None]


# Named as https://prometheus.io/docs/practices/naming/ has it.
ACCOUNT_GAUGES: tuple[Gauge[AccountView], ...] = (
    Gauge(
        "balance",
        "The balance, in the account's currency, when the provider was last asked.",
        lambda account: None if account.balance is None else float(account.balance),
    ),
    Gauge(
        "balance_timestamp_seconds",
        "When the provider was last asked for the balance.",
        lambda account: account.balance_at.timestamp() if account.balance_at else None,
    ),
    Gauge(
        "balance_threshold",
        "The balance below which somebody should know, as configured.",
        lambda account: (
            None if account.balance_threshold is None else float(account.balance_threshold)
        ),
    ),
    Gauge(
        "balance_low",
        "1 while the balance is below the threshold.",
        lambda account: account.balance_low,
    ),
    Gauge(
        "paused", "1 while the account is paused.", lambda account: account.paused_at is not None
    ),
    Gauge("queued_messages", "Messages that wait to be sent.", lambda account: account.queued),
    Gauge(
        "calls_limit",
        "Calls that this process may make to the provider in the time that its rate is for.",
        lambda account: account.calls_limit,
    ),
    Gauge(
        "calls_left",
        "Calls that the present window of the rate still holds for this process, "
        "0 while the provider has asked to be left alone.",
        lambda account: account.calls_left,
    ),
)
SINK_GAUGES: tuple[Gauge[SinkView], ...] = (
    Gauge(
        "up",
        "1 unless the business system took nothing when this process last called it.",
        lambda sink: sink.status == "up",
    ),
    Gauge("pending", "Deliveries that wait for it.", lambda sink: sink.pending),
    Gauge("dead", "Deliveries that were given up, until replayed.", lambda sink: sink.dead),
    Gauge(
        "lag_seconds",
        "How long the oldest delivery has waited, 0 where none does.",
        lambda sink: sink.lag,
    ),
)


# What statistics have counted, of all time: the counter's name, the metric, what one of it is.
MESSAGE_COUNTERS = (
    ("accepted_messages", Counted.ACCEPTED, 1, "Messages that were accepted, by the first route."),
    ("sent_messages", Counted.TAKEN, 1, "Messages that the provider took."),
    ("sent_segments", Counted.SEGMENTS, 1, "Segments of the messages that the provider took."),
    ("received_messages", Counted.RECEIVED, 1, "Messages that people wrote."),
    ("cost", Counted.COST, MILLION, "What the messages cost that the provider took."),
)


class Figures(Collector):
    """How a gateway stood when it was looked at."""

    def __init__(
        self,
        components: list[Component],
        accounts: list[AccountView],
        sinks: list[SinkView],
        counted: Mapping[str, Mapping[str, int]],
    ) -> None:
        self._components = components
        self._accounts = accounts
        self._sinks = sinks
        self._counted = counted

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
        yield from _families("account", ACCOUNT_GAUGES, self._accounts)
        yield from _message_families(self._counted)
        yield from _families("sink", SINK_GAUGES, self._sinks)


def _families(
    what: str, gauges: Iterable[Gauge[Named]], found: Iterable[Named]
) -> Iterator[Metric]:
    for gauge in gauges:
        family = GaugeMetricFamily(f"recado_{what}_{gauge.name}", gauge.meaning, labels=[what])
        for each in found:
            value = gauge.read(each)
            if value is not None:
                family.add_metric([each.name], value)
        yield family


def _message_families(counted: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
    for name, metric, unit, meaning in MESSAGE_COUNTERS:
        counter = CounterMetricFamily(f"recado_account_{name}", meaning, labels=["account"])
        for account, counts in sorted(counted.items()):
            counter.add_metric([account], counts.get(metric, 0) / unit)
        yield counter
    standing = GaugeMetricFamily(
        "recado_account_messages",
        "Messages that are in this status now.",
        labels=["account", "status"],
    )
    for account, counts in sorted(counted.items()):
        for status in COUNTED:
            standing.add_metric([account, status], counts.get(status, 0))
    yield standing


async def look_at(engine: Engine) -> CollectorRegistry:
    """Return what there is to tell now; while the database is away that is little, and no failure.

    The registry is of this look alone: none of the library's own figures is in it but those of the
    process.
    """
    try:
        components = await engine.readiness()
        broken = {component.name for component in components if not component.ok}
        known = not broken & STORE
        accounts = await engine.accounts.list() if known else []
        sinks = await engine.sinks.list() if known else []
        counted = await engine.statistics.of_accounts() if known else {}
    except UnavailableError as error:  # since it was found to answer
        components = [Component(name="database", ok=False, detail=str(error))]
        accounts, sinks, counted = [], [], {}
    registry = CollectorRegistry()
    registry.register(Figures(components, accounts, sinks, counted))
    ProcessCollector(registry=registry)
    return registry
