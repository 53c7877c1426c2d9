"""One run: messages from the request to their final status, and what came of measuring it."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path

import msgspec
from recado_core.errors import RecadoError

from recado_gateway.benchmark.clients import post_all
from recado_gateway.benchmark.processes import Program, Usage, usage_of
from recado_gateway.benchmark.stage import SQLITE, Gateway, serving, simulating, taken_by
from recado_gateway.benchmark.traffic import batches, singles

LOOK = 0.1
"""Seconds between two looks whether all is done."""
STANDSTILL = 60.0
"""Seconds without a change after which a run is given up."""

HEADS = (
    "messages/s",
    "CPU µs",
    "peak MB",
    "accept p50 ms",
    "p99 ms",
    "accepted after s",
    "all after s",
    "simulator µs",
    "client µs",
)


class StandstillError(RecadoError):
    """What was waited for does not come."""


class Mode(StrEnum):
    """How messages are posted."""

    BATCH = "batch"  # 1000 a request
    SINGLE = "single"  # one a request


CLIENTS = {Mode.BATCH: 4, Mode.SINGLE: 64}
"""How many requests are under way at once, unless told otherwise."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run does."""

    messages: int
    mode: Mode = Mode.BATCH
    clients: int
    receipts: int = 1000
    database: str = SQLITE


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to.

    ``accept_...`` are of one request. ``cpu_us``, ``simulator_us`` and ``client_us`` are the
    processor time of the gateway, the simulator and the client for one message, and ``peak_mb`` is
    the gateway's memory; None where the system does not tell.
    """

    messages_per_second: float
    cpu_us: float | None
    peak_mb: float | None
    accept_p50_ms: float
    accept_p99_ms: float
    accepted_seconds: float
    seconds: float
    simulator_us: float | None
    client_us: float

    def cells(self) -> tuple[str, ...]:
        """Return the figures as they stand under ``HEADS``."""
        return (
            f"{self.messages_per_second:,.0f}",
            cell(self.cpu_us),
            cell(self.peak_mb),
            f"{self.accept_p50_ms:.1f}",
            f"{self.accept_p99_ms:.1f}",
            f"{self.accepted_seconds:.1f}",
            f"{self.seconds:.1f}",
            cell(self.simulator_us),
            cell(self.client_us),
        )


def cell(value: float | None) -> str:
    """Return a number without decimals, or a dash for none."""
    return "-" if value is None else f"{value:,.0f}"


class Watch:
    """Counts what time and which processor time passes from its making on.

    Args:
        gateway: The process whose memory counts too.
        simulator: The process beside it.
    """

    def __init__(self, gateway: Program, simulator: Program) -> None:
        self._pids = (gateway.pid, simulator.pid)
        self._before = [usage_of(pid) for pid in self._pids]
        self._own = time.process_time()
        self._since = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The seconds until now."""
        return time.perf_counter() - self._since

    def figures(self, messages: int, took: Sequence[float], accepted: float) -> Figures:
        """Return what so many messages came to, the requests of which took so many seconds."""
        seconds = self.seconds
        own = time.process_time() - self._own
        now = [usage_of(pid) for pid in self._pids]
        gateway, simulator = (
            microseconds(before, after, messages)
            for before, after in zip(self._before, now, strict=True)
        )
        p50, p99 = percentiles(took)
        return Figures(
            messages_per_second=messages / seconds,
            cpu_us=gateway,
            peak_mb=now[0].peak / 1e6 if now[0] else None,
            accept_p50_ms=p50 * 1000,
            accept_p99_ms=p99 * 1000,
            accepted_seconds=accepted,
            seconds=seconds,
            simulator_us=simulator,
            client_us=own / messages * 1e6,
        )


def microseconds(before: Usage | None, after: Usage | None, count: int) -> float | None:
    """Return the processor time between two looks, for each of so many."""
    return None if before is None or after is None else (after - before) / count * 1e6


def percentiles(took: Sequence[float]) -> tuple[float, float]:
    """Return the median, and what 99 of 100 did not exceed."""
    cuts = (
        statistics.quantiles(took, n=100, method="inclusive") if len(took) > 1 else [took[0]] * 99
    )
    return cuts[49], cuts[98]


def median_of(rounds: Sequence[Figures]) -> Figures:
    """Return the median of each figure."""
    told: dict[str, list[float]] = {
        name: [value for each in rounds if (value := getattr(each, name)) is not None]
        for name in Figures.__struct_fields__
    }
    medians = {name: statistics.median(found) if found else None for name, found in told.items()}
    return msgspec.convert(medians, Figures)


async def run(plan: Plan, folder: Path) -> Figures:
    """Send messages through a gateway in an empty folder, or one that holds its database.

    Raises:
        AnswerError: The gateway refused some.
        ProgramError: It ended, or did not start.
        StandstillError: Some got no final status, or did not reach the simulator once.
    """
    async with (
        simulating(folder, plan.receipts) as simulator,
        serving(folder, simulator.url, plan.database) as gateway,
    ):
        wanted = await gateway.finals() + plan.messages
        watch = Watch(gateway.program, simulator)
        took = await post_messages(gateway, plan)
        accepted = watch.seconds
        await until(gateway.finals, wanted, gateway.program)
        figures = watch.figures(plan.messages, took, accepted)
        if (count := await taken_by(simulator)) != plan.messages:
            raise StandstillError(f"of {plan.messages} messages the simulator got {count}")
    return figures


async def post_messages(gateway: Gateway, plan: Plan) -> list[float]:
    """Post the messages of a run; return how many seconds each request took."""
    make = singles if plan.mode is Mode.SINGLE else batches
    requests = make(gateway.post, plan.messages)
    return await post_all(gateway.url, plan.clients, requests, HTTPStatus.ACCEPTED)


async def until(count: Callable[[], Awaitable[int]], wanted: int, program: Program) -> None:
    """Wait until so many are counted.

    Raises:
        ProgramError: The program that brings them has ended.
        StandstillError: They don't come.
    """
    last, since = -1, time.monotonic()
    while (found := await count()) < wanted:
        program.check()
        if found != last:
            last, since = found, time.monotonic()
        elif time.monotonic() - since > STANDSTILL:
            raise StandstillError(f"{found} of {wanted}, and no more for {STANDSTILL:g} s")
        await asyncio.sleep(LOOK)
