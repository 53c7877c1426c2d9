"""How far long work is, how fast it goes and how long it will take, on standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich import filesize
from rich import progress as bars
from rich.console import Console
from rich.text import Text

from recado_gateway.cli.output import explain

BETWEEN_LINES = 10.0
"""Seconds; what is done before says nothing but its result."""
BYTES = "bytes"
"""What is counted of a file."""


class Gauge(Protocol):
    """Where it is shown."""

    def show(self, done: int, total: int, words: str = "") -> None:
        """Show that so many are done of so many, and how it stands besides."""
        ...


@contextmanager
def open_gauge(
    name: str, unit: str, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Gauge]:
    """Show it in the way that suits what standard error is: a bar of which nothing stays, or lines.

    Args:
        name: What is being done, or with what.
        unit: What is counted, in the plural.
        monotonic: The clock that never jumps, in seconds.
    """
    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield Lines(name, unit, monotonic)
        return
    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        *(
            (bars.DownloadColumn(), bars.TransferSpeedColumn())
            if unit == BYTES
            else (bars.MofNCompleteColumn(), Rate())
        ),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[words]}", markup=False),
    )
    with bars.Progress(*columns, console=terminal, transient=True) as progress:
        yield Bar(progress, name)


class Rate(bars.ProgressColumn):
    """How many a second."""

    def render(self, task: bars.Task) -> Text:
        """Draw it."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


class Bar:
    """A bar in a terminal."""

    def __init__(self, progress: bars.Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._task: bars.TaskID | None = None

    def show(self, done: int, total: int, words: str = "") -> None:
        """Draw it."""
        if self._task is None:  # what was done before is not of this rate
            self._task = self._progress.add_task(
                self._name, total=total, completed=done, words=words
            )
        self._progress.update(self._task, completed=done, total=total, words=words)


class Lines:
    """A line now and then."""

    def __init__(self, name: str, unit: str, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._unit = unit
        self._monotonic = monotonic
        self._said = self._began = monotonic()
        self._before: int | None = None

    def show(self, done: int, total: int, words: str = "") -> None:
        """Print a line, if the last one is some time ago."""
        now = self._monotonic()
        if self._before is None:
            self._before, self._began = done, now
        if now - self._said < BETWEEN_LINES:
            return
        self._said = now
        in_bytes = self._unit == BYTES
        share = 100 * done // total if total else 100
        whole = filesize.decimal(total) if in_bytes else f"{total} {self._unit}"
        parts = [f"{self._name}: {share} % of {whole}"]
        made, spent = done - self._before, now - self._began
        if made > 0 and spent > 0:
            left = timedelta(seconds=round((total - done) * spent / made))
            rate = filesize.decimal(int(made / spent)) if in_bytes else f"{made / spent:,.0f}"
            parts += [f"{rate}/s", f"{left} left"]
        explain(", ".join([*parts, words] if words else parts))
