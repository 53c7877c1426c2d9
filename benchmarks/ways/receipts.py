"""DLRs alone: webhooks from many clients about messages that were sent before."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import asyncpg
import msgspec
from recado_gateway.benchmark.clients import make_request, post_all
from recado_gateway.benchmark.runs import CLIENTS, Mode, Plan, Watch, cell, until
from recado_gateway.benchmark.stage import SQLITE, Gateway, serving, simulating
from recado_gateway.benchmark.traffic import batches

from ways.output import line, say

SIZES = (1, 10)
"""DLRs in a webhook, of one stretch after the other."""
SENT = "SELECT provider_ref FROM messages WHERE status = 'sent' ORDER BY id"
HEADS = ("webhooks/s", "DLRs/s", "p50 ms", "p99 ms", "processed/s", "all after s", "CPU µs")


def say_heads() -> None:
    """Print the head of the table.

    ``webhooks/s`` and ``DLRs/s`` were answered, which means stored; ``processed/s`` is up to the
    last change of a status.
    """
    say(line("DLRs a webhook", HEADS, HEADS))


async def run(size: int, plan: Plan, folder: Path) -> None:
    """Post the DLRs of all messages in webhooks of one size, and print a line."""
    say(line(str(size), await measure(plan, folder, size), HEADS))


async def measure(plan: Plan, folder: Path, size: int) -> Sequence[str]:
    """Return the figures of webhooks of one size."""
    async with (
        simulating(folder, webhooks=False) as simulator,
        serving(folder, simulator.url, plan.database) as gateway,
    ):
        before = await gateway.finals()
        requests = batches(gateway.post, plan.messages)
        await post_all(gateway.url, CLIENTS[Mode.BATCH], requests, HTTPStatus.ACCEPTED)

        async def sent() -> int:
            return (await gateway.counts())["sent"]

        await until(sent, plan.messages, gateway.program)
        webhooks = list(webhooks_of(gateway, await references(folder, plan.database), size))
        watch = Watch(gateway.program, simulator)
        took = await post_all(gateway.url, CLIENTS[Mode.SINGLE], iter(webhooks), HTTPStatus.OK)
        answered = watch.seconds
        await until(gateway.finals, before + plan.messages, gateway.program)
        figures = watch.figures(plan.messages, took, answered)
    return (
        f"{len(webhooks) / answered:,.0f}",
        f"{plan.messages / answered:,.0f}",
        f"{figures.accept_p50_ms:.1f}",
        f"{figures.accept_p99_ms:.1f}",
        f"{figures.messages_per_second:,.0f}",
        f"{figures.seconds:.1f}",
        cell(figures.cpu_us),
    )


def webhooks_of(gateway: Gateway, found: Sequence[str], size: int) -> Iterator[bytes]:
    """Yield Kolmeya's webhooks that tell that messages were delivered."""
    for start in range(0, len(found), size):
        told = [
            {"id": each, "reference": None, "status_code": 3, "status": "entregue"}
            for each in found[start : start + size]
        ]
        body = msgspec.json.encode({"id": str(start), "reference": None, "messages": told})
        yield make_request(gateway.url, gateway.webhook_path, body)


async def references(folder: Path, database: str) -> list[str]:
    """Return the provider's ids of all messages that were sent."""
    if database == SQLITE:
        with closing(sqlite3.connect(folder / "recado.db")) as connection:
            return [reference for (reference,) in connection.execute(SENT)]
    connection = await asyncpg.connect(database.replace("postgresql+asyncpg", "postgresql"))
    try:
        return [reference for (reference,) in await connection.fetch(SENT)]
    finally:
        await connection.close()
