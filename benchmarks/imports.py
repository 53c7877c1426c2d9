#!/usr/bin/env python3
"""How long files of 1,000,000 rows take to be imported, and how much memory, on SQLite.

One file goes on the suppression list and one becomes a do-not-disturb list; each is imported into
an empty database, and then once more. Every kind has a process of its own, so that the peak is its
own: of the whole process, of which the line says how much there was before. While a file is
imported, a task asks every millisecond to be run: how long it waits is how long a request would.

Run it with the interpreter of an environment that has the engine:
``.venv/bin/python benchmarks/imports.py [--rows N] [--folder DISK]``.
"""

import argparse
import asyncio
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from recado_core.engine.plugins import load_plugins
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import EngineSettings
from recado_core.engine.suppressions.imports import ImportDefaults, ImportReport, Progress

KINDS = ("suppressions", "do-not-disturb")
LINE = "{:16}{:8}{:>10,.0f}{:>10.1f}{:>10.1f}{:>10.0f}{:>10.0f}{:>10.0f}{:>10.0f}\n"
HEADER = "{:16}{:8}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n".format(
    "kind", "list", "rows/s", "check s", "write s", "MB before", "MB peak", "p99 ms", "max ms"
)


def write_file(path: Path, rows: int) -> None:
    """Write a file whose addresses lie far apart, as they do in an authority's."""
    with path.open("w", encoding="utf-8") as file:
        file.write("telefone;motivo;origem\n")
        for index in range(rows):
            file.write(f"(11) 9{index * 7919 % 10_000:04d}-{index // 10_000:04d};reclamação;sac\n")


def peak() -> float:
    """Return the most memory that this process has had so far, in megabytes."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


async def watch(waits: list[float]) -> None:
    """Ask again and again to be run soon, and note how late that is."""
    while True:
        since = time.perf_counter()
        await asyncio.sleep(0.001)
        waits.append((time.perf_counter() - since) * 1000)


async def measure(
    name: str, state: str, rows: int, take: Callable[[Progress], Awaitable[ImportReport]]
) -> None:
    """Import a file and print what that took; end the program if a row is missing."""
    before = peak()
    waits: list[float] = []
    checked = 0.0

    def note(done: int, total: int) -> None:
        nonlocal checked
        if done <= total // 2:
            checked = time.perf_counter()

    watching = asyncio.create_task(watch(waits))
    began = time.perf_counter()
    report = await take(note)
    ended = time.perf_counter()
    watching.cancel()
    if report.rows != rows or report.added != (rows if state == "empty" else 0):
        sys.exit(f"not what the file holds: {report}")
    p99 = statistics.quantiles(waits, n=100)[98]
    took = (rows / (ended - began), checked - began, ended - checked)
    sys.stdout.write(LINE.format(name, state, *took, before, peak(), p99, max(waits)))
    sys.stdout.flush()


async def import_twice(name: str, folder: Path, rows: int) -> None:
    """Import a file into an empty database, and again."""
    path = folder / "rows.csv"
    url = f"sqlite+aiosqlite:///{folder / name}.db"
    engine = Engine(EngineSettings(database=url), load_plugins([]))
    await engine.open()

    async def take(progress: Progress) -> ImportReport:
        if name == "suppressions":
            return await engine.imports.suppressions(path, ImportDefaults(), progress)
        return await engine.imports.do_not_disturb("list", path, progress)

    try:
        for state in ("empty", "full"):
            await measure(name, state, rows, take)
    finally:
        await engine.close()


def run(name: str, folder: Path, rows: int) -> None:
    """Measure one kind, in a process of its own."""
    asyncio.run(import_twice(name, folder, rows))


def main() -> None:
    """Measure both kinds and print a line for each import."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each file (1,000,000)")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure (.)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recado-benchmark-", dir=options.folder) as name:
        folder = Path(name).resolve()
        write_file(folder / "rows.csv", options.rows)
        sys.stdout.write(HEADER)
        sys.stdout.flush()
        for kind in KINDS:
            process = multiprocessing.get_context("spawn").Process(
                target=run, args=(kind, folder, options.rows)
            )
            process.start()
            process.join()
            if process.exitcode:
                sys.exit("an import failed")


if __name__ == "__main__":
    main()
