#!/usr/bin/env python3
"""A peer: Kannel carries as many messages as the gateway, by turns with it; the ratio is printed.

Kannel (Debian's package `kannel`) is run as people run it, bearerbox and smsbox, once with its file
store and once with its spool. Messages come by `sendsms` from 64 clients, one a request, for it
knows no batches; they go to an HTTP SMSC of the generic type (smsc.py), which calls a DLR back for
each. Kannel keeps no status: it calls its client's `dlr-url`, and the clock stops when it has
called that for all. Neither of its stores calls fsync, and there are no checks, no events and no
statistics. The gateway beside it takes batches, on SQLite with `synchronous=FULL`.

Where Kannel is not installed it says so, and ends with 2.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx
from recado_core.errors import RecadoError
from recado_gateway.benchmark import runs
from recado_gateway.benchmark.clients import post_all
from recado_gateway.benchmark.processes import HOST, Program, free_port, running, usage_of
from recado_gateway.benchmark.runs import (
    CLIENTS,
    Mode,
    Plan,
    cell,
    microseconds,
    percentiles,
    until,
)
from recado_gateway.benchmark.traffic import BATCH
from recado_gateway.server import run_async
from ways.output import line, say

BOXES = ("bearerbox", "smsbox")
STORES = ("file", "spool")
SMSC = str(Path(__file__).resolve().parent / "smsc.py")
ERRORS = "3"
"""What it logs: each word about every message would cost it more than the message."""
WRONG_USE = 2
HEADS = (
    "messages/s",
    "accepted/s",
    "CPU µs",
    "accept p50 ms",
    "p99 ms",
    "all after s",
    "provider µs",
    "client µs",
)

# https://www.kannel.org/download/1.4.5/userguide-1.4.5/userguide.html
CONFIGURATION = """\
group = core
admin-port = {admin}
admin-password = benchmark
smsbox-port = {boxes}
box-allow-ip = 127.0.0.1
dlr-storage = internal
store-type = {store}
store-location = {location}

group = smsc
smsc = http
smsc-id = provider
system-type = generic
port = {receipts}
connect-allow-ip = 127.0.0.1
send-url = "{vendor}/send?to=%p&text=%b"
status-success-regex = "ok"
generic-foreign-id-regex = "ok ([0-9]+)"
generic-status-sent = 200
generic-status-error = 400
max-pending-submits = 100

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}

group = sendsms-user
username = benchmark
password = benchmark
"""


class Figures(NamedTuple):
    """What a run came to; ``p50`` and ``p99`` are of a request."""

    rate: float
    accepted: float
    cpu: float | None
    p50: float
    p99: float
    seconds: float
    provider: float | None
    client: float

    def cells(self) -> tuple[str, ...]:
        """Return the figures as they stand under ``HEADS``."""
        rates = (f"{self.rate:,.0f}", f"{self.accepted:,.0f}", cell(self.cpu))
        times = (f"{self.p50:.1f}", f"{self.p99:.1f}", f"{self.seconds:.1f}")
        return (*rates, *times, cell(self.provider), cell(self.client))


class Kannel(NamedTuple):
    """A running Kannel."""

    url: str
    smsc: Program
    pids: tuple[int, ...]

    def usage(self) -> float | None:
        """Return the processor time of its boxes."""
        found = [usage for pid in self.pids if (usage := usage_of(pid))]
        return sum(usage.cpu for usage in found) if len(found) == len(self.pids) else None


@asynccontextmanager
async def serving(store: str, folder: Path) -> AsyncIterator[Kannel]:
    """Run Kannel with one of its stores, and the provider behind it."""
    receipts, sendsms = free_port(), free_port()
    async with AsyncExitStack() as stack:
        words = (SMSC, f"--receipts=http://{HOST}:{receipts}/")
        smsc = await stack.enter_async_context(running("the SMSC", folder, *words))
        location = folder / "store"
        if store == "spool":
            location.mkdir()
        text = CONFIGURATION.format(
            admin=free_port(),
            boxes=free_port(),
            receipts=receipts,
            sendsms=sendsms,
            store=store,
            location=location,
            vendor=smsc.url,
        )
        file = folder / "kannel.conf"
        file.write_text(text, "utf-8")
        pids = []
        for box, port in zip(BOXES, (receipts, sendsms), strict=True):
            pids.append(await stack.enter_async_context(boxed(box, file, port)))
        yield Kannel(f"http://{HOST}:{sendsms}", smsc, tuple(pids))


@asynccontextmanager
async def boxed(name: str, file: Path, port: int) -> AsyncIterator[int]:
    """Run one of Kannel's boxes until the block ends, from when it answers on a port."""
    with (file.parent / f"{name}.log").open("w+b") as log:
        box = await asyncio.create_subprocess_exec(
            name, "-v", ERRORS, str(file), cwd=file.parent, stdin=DEVNULL, stdout=log, stderr=log
        )
        try:
            await answering(port)
            yield box.pid
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            if box.returncode is None:
                box.terminate()
            await box.wait()


async def answering(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def requests(kannel: Kannel, count: int) -> Iterator[bytes]:
    """Yield a request for each message."""
    told = {"dlr-mask": 1, "dlr-url": f"{kannel.smsc.url}/told"}
    fixed = urlencode({"username": "benchmark", "password": "benchmark", "from": "100"} | told)
    host = urlsplit(kannel.url).netloc
    for number in range(count):
        text = f"Your+order+{number}+has+left+our+house."
        path = f"/cgi-bin/sendsms?{fixed}&to=55119{number:08}&text={text}"
        yield f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def run_kannel(store: str, options: argparse.Namespace, folder: Path) -> Figures:
    """Send all messages through Kannel."""
    async with (
        serving(store, folder) as kannel,
        httpx.AsyncClient(base_url=kannel.smsc.url, trust_env=False) as http,
    ):

        async def told() -> int:
            return int((await http.get("/counts")).json()["told"])

        before, provider = kannel.usage(), usage_of(kannel.smsc.pid)
        own, since = time.process_time(), time.perf_counter()
        sent = requests(kannel, options.messages)
        took = await post_all(kannel.url, options.clients, sent, HTTPStatus.ACCEPTED)
        accepted = time.perf_counter() - since
        await until(told, options.messages, kannel.smsc)
        seconds, after = time.perf_counter() - since, kannel.usage()
        own = time.process_time() - own
        beside = microseconds(provider, usage_of(kannel.smsc.pid), options.messages)
    cpu = None if before is None or after is None else (after - before) / options.messages * 1e6
    p50, p99 = (each * 1000 for each in percentiles(took))
    rates = (options.messages / seconds, options.messages / accepted)
    return Figures(*rates, cpu, p50, p99, seconds, beside, own / options.messages * 1e6)


async def run_gateway(options: argparse.Namespace, folder: Path) -> Figures:
    """Send all messages through the gateway, in batches."""
    plan = Plan(messages=options.messages, clients=CLIENTS[Mode.BATCH])
    found = await runs.run(plan, folder)
    return Figures(
        rate=found.messages_per_second,
        accepted=options.messages / found.accepted_seconds,
        cpu=found.cpu_us,
        p50=found.accept_p50_ms,
        p99=found.accept_p99_ms,
        seconds=found.seconds,
        provider=found.simulator_us,
        client=found.client_us,
    )


async def compare(options: argparse.Namespace) -> None:
    """Run all rounds by turns, and print each and the ratios of their medians."""
    ways = ["recado", *(f"kannel {store}" for store in STORES)]
    rates: dict[str, list[float]] = {way: [] for way in ways}
    say(f"{options.messages:,} messages, {options.clients} clients of Kannel")
    say(f"accept p50 and p99 are of a request: of {BATCH:,} messages for recado, of one for Kannel")
    say(line("", HEADS, HEADS))
    for number in range(1, options.rounds + 1):
        for way in ways:
            with tempfile.TemporaryDirectory(prefix="recado-kannel-", dir=options.folder) as name:
                _, _, store = way.partition(" ")
                figures = await (
                    run_kannel(store, options, Path(name))
                    if store
                    else run_gateway(options, Path(name))
                )
            rates[way].append(figures.rate)
            say(line(f"{way} {number}", figures.cells(), HEADS))
    for store in STORES:
        ratio = median(rates["recado"]) / median(rates[f"kannel {store}"])
        say(f"The gateway carries {ratio:.1f} times as many as Kannel with its {store} store.")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=100_000, help="how many (100,000)")
    parser.add_argument("--clients", type=int, default=64, help="of Kannel, at once (64)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of each (1)")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure (.)")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    missing = [box for box in BOXES if shutil.which(box) is None]
    if missing:
        sys.stderr.write(f"Kannel is not installed: there is no {' and no '.join(missing)}\n")
        sys.exit(WRONG_USE)
    try:
        run_async(compare(options))
    except RecadoError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
