#!/usr/bin/env python3
"""A campaign of 1,000,000 recipients: its import, and its sending, with rates and peak memory.

Three processes: this one makes a file, posts it to a real `recado serve`, starts the campaign and
looks until it is finished; the gateway hands the messages to Kolmeya's simulator, which calls its
webhook with the DLRs. `import` is from the request with the file to its answer, `send` from the
start until the campaign is finished and every message is delivered. At the end the simulator must
have got every message, once. The peak is the gateway's, of each of both on its own (Linux).

Run it in a development environment: .venv/bin/python benchmarks/campaigns.py [--recipients N]
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from recado_gateway.benchmark.processes import Program, forget_peak, usage_of
from recado_gateway.benchmark.runs import cell, microseconds
from recado_gateway.benchmark.stage import SQLITE, serving, simulating
from ways.output import line, say

LOOK = 0.5
"""Seconds between two looks at the campaign."""

CAMPAIGN = {"name": "benchmark", "text": "{{ nome }}, hoje tudo custa metade. Responda SAIR."}
HEADS = ("messages/s", "seconds", "CPU µs", "MB before", "MB peak")


class Stretch:
    """What the gateway does between two moments: how long, and with how much memory."""

    def __init__(self, gateway: Program) -> None:
        self._pid = gateway.pid
        forget_peak(self._pid)
        self._before = usage_of(self._pid)
        self._since = time.perf_counter()

    def tell(self, name: str, count: int) -> None:
        """Print what it came to for each of so many."""
        seconds = time.perf_counter() - self._since
        now = usage_of(self._pid)
        cells = (
            f"{count / seconds:,.0f}",
            f"{seconds:.1f}",
            cell(microseconds(self._before, now, count)),
            cell(self._before.memory / 1e6 if self._before else None),
            cell(now.peak / 1e6 if now else None),
        )
        say(line(name, cells, HEADS))


def write_file(path: Path, rows: int) -> None:
    """Write an audience of people who live far apart."""
    with path.open("w", encoding="utf-8") as file:
        file.write("telefone;nome;cidade\n")
        for index in range(rows):
            number = index * 7919 % 100_000_000  # a prime: every number once
            file.write(f"(11) 9{number // 10_000:04d}-{number % 10_000:04d};Ana {index};Santos\n")


async def read_blocks(path: Path) -> AsyncIterator[bytes]:
    """Yield a file bit by bit."""
    with path.open("rb") as file:
        while block := await asyncio.to_thread(file.read, 1 << 20):
            yield block


async def call(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401  # httpx's own
    """Return what the gateway answers; end the program if it refuses."""
    response = await http.request(method, path, **options)
    if response.is_error:
        sys.exit(f"{method} {path}: {response.status_code} {response.text[:500]}")
    found: dict[str, Any] = response.json()
    return found


async def import_all(http: httpx.AsyncClient, path: str, file: Path, count: int) -> None:
    """Import the audience; end the program if a row is missing."""
    headers = {"Content-Type": "text/csv"}
    report = await call(
        http, "POST", f"{path}/recipients", content=read_blocks(file), headers=headers
    )
    if report["accepted"] != count:
        sys.exit(f"not what the file holds: {report}")


async def send_all(http: httpx.AsyncClient, path: str, count: int) -> None:
    """Start the campaign, and wait until all of it is delivered."""
    await call(http, "POST", f"{path}/start")
    while True:
        view = await call(http, "GET", path)
        if view["status"] == "finished" and view["stats"]["delivered"] == count:
            return
        if view["status"] not in {"running", "finished"}:
            sys.exit(f"the campaign is {view['status']}: {view['reason']}")
        await asyncio.sleep(LOOK)


async def measure(folder: Path, options: argparse.Namespace) -> None:
    """Import and send one campaign, and print a line for each."""
    count = options.recipients
    file = folder / "audience.csv"
    write_file(file, count)
    async with (
        simulating(folder, options.receipts) as simulator,
        serving(folder, simulator.url, options.database) as gateway,
        httpx.AsyncClient(
            base_url=gateway.url,
            headers={"Authorization": f"Bearer {gateway.key}"},
            timeout=None,  # noqa: S113  # an import takes its time
        ) as http,
    ):
        campaign = await call(http, "POST", "/v1/campaigns", json=CAMPAIGN)
        path = f"/v1/campaigns/{campaign['id']}"
        stretch = Stretch(gateway.program)
        await import_all(http, path, file, count)
        stretch.tell("import", count)
        stretch = Stretch(gateway.program)
        await send_all(http, path, count)
        stretch.tell("send", count)
        state = await call(http, "GET", f"{simulator.url}/_simulator/state")
    if state["messages_accepted"] != count:
        sys.exit(f"{count} people were to get a message, and the simulator tells of {state}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipients", type=int, default=1_000_000, help="how many (1,000,000)")
    parser.add_argument("--receipts", type=int, default=1000, help="DLRs in a webhook (1000)")
    parser.add_argument(
        "--database", default=SQLITE, help="the address of an empty PostgreSQL (SQLite)"
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure (.)")
    options = parser.parse_args()
    say(f"{options.recipients:,} recipients")
    say(line("", HEADS, HEADS))
    with tempfile.TemporaryDirectory(prefix="recado-benchmark-", dir=options.folder) as name:
        asyncio.run(measure(Path(name).resolve(), options))


if __name__ == "__main__":
    main()
