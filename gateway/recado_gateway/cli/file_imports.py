"""A CSV file on its way into a list: how far it is, what is wrong in it, what is left of it."""

import asyncio
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from recado_core.engine.failures import DraftError
from recado_core.engine.runtime import Engine
from recado_core.engine.suppressions.imports import ImportReport, Progress
from recado_core.errors import RecadoError
from rich import filesize
from rich import progress as bars
from rich.console import Console

from recado_gateway.cli.arguments import in_words, is_argument
from recado_gateway.cli.commands import UsageError
from recado_gateway.cli.configuration import open_engine
from recado_gateway.cli.output import explain, print_json, say, shorten
from recado_gateway.settings import Settings

BETWEEN_LINES = 10.0
"""Seconds; what is done before says nothing but its result."""
LONGEST_FAULT = 500

Work = Callable[[Engine, Path, Progress], Awaitable[ImportReport]]


class View(Protocol):
    """Where it is shown how far an import is."""

    def show(self, done: int, size: int) -> None:
        """Show that so many bytes are done, of twice as many as the file has."""
        ...


class Course:
    """How far an import is: all of the file is checked, and then all of it is written.

    It is told of bytes that were read, which is a little more than what was checked or written.
    """

    def __init__(self) -> None:
        self.done = 0
        self.size = 0
        self._view: View | None = None

    @property
    def may_be_writing(self) -> bool:
        """Whether something may have been written."""
        return 0 < self.size <= self.done

    @property
    def may_be_written(self) -> bool:
        """Whether all may have been written."""
        return 0 < 2 * self.size <= self.done

    @property
    def percent_written(self) -> int:
        """About how much of the file has been written."""
        return 100 * (self.done - self.size) // self.size if self.may_be_writing else 0

    @contextmanager
    def shown(self, name: str) -> Iterator[None]:
        """Show it on standard error, in the way that suits what that is."""
        terminal = Console(stderr=True)
        if not terminal.is_terminal:
            self._view = Lines(name, time.monotonic)
            yield
            return
        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.DownloadColumn(),
            bars.TransferSpeedColumn(),
            bars.TimeRemainingColumn(),
        )
        with bars.Progress(*columns, console=terminal, transient=True) as progress:
            self._view = Bars(progress)
            yield

    def tell(self, done: int, total: int) -> None:
        """Take in how far it is."""
        self.done, self.size = done, total // 2
        if self._view is not None:
            self._view.show(done, self.size)


class Bars:
    """Two bars, of which nothing stays."""

    def __init__(self, progress: bars.Progress) -> None:
        self._progress = progress
        self._checking = progress.add_task("checking", total=None)
        self._writing: bars.TaskID | None = None

    def show(self, done: int, size: int) -> None:
        """Draw them."""
        self._progress.update(self._checking, completed=min(done, size), total=size)
        if done < size:
            return
        if self._writing is None:
            self._writing = self._progress.add_task("writing", total=size)
        self._progress.update(self._writing, completed=done - size)


class Lines:
    """A line now and then."""

    def __init__(self, name: str, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._monotonic = monotonic
        self._said = self._began = monotonic()
        self._is_writing = False

    def show(self, done: int, size: int) -> None:
        """Print a line, if the last one is some time ago."""
        now = self._monotonic()
        if done >= size and not self._is_writing:
            self._is_writing = True
            self._began = now
        if now - self._said < BETWEEN_LINES:
            return
        self._said = now
        part = done - size if self._is_writing else done
        words = [
            f"{self._name}: {'writing' if self._is_writing else 'checking'}",
            f"{100 * part // size} % of {filesize.decimal(size)}",
        ]
        spent = now - self._began
        if part > 0 and spent > 0:
            left = timedelta(seconds=round((size - part) * spent / part))
            words += [f"{filesize.decimal(int(part / spent))}/s", f"{left} left"]
        explain(", ".join(words))


def run_import(
    settings: Settings, name: str, work: Work, tell_state: Callable[[Course], str]
) -> ImportReport:
    """Import a file, and say what has become of the list where that does not end well.

    Args:
        settings: The configuration's.
        name: The file's.
        work: Imports it.
        tell_state: Says how the list stands when the import is that far.
    """
    path = find_file(name)
    course = Course()
    try:
        with course.shown(path.name):
            return asyncio.run(_import(settings, path, work, course))
    except DraftError as error:
        # What is wrong is found before it is written; a file that changes meanwhile is not.
        unchanged = course.done <= course.size
        state = "nothing was changed" if unchanged else tell_state(course)
        raise refuse(error, path, state) from error
    except KeyboardInterrupt:
        explain(f"recado: {path.name}: interrupted: {tell_state(course)}")
        raise
    except Exception:
        if course.may_be_writing:
            explain(f"recado: {path.name}: not finished: {tell_state(course)}")
        raise


async def _import(settings: Settings, path: Path, work: Work, course: Course) -> ImportReport:
    async with open_engine(settings) as engine:
        return await work(engine, path, course.tell)


def find_file(name: str) -> Path:
    """Return the path of a file that can be read, and read again."""
    path = Path(name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"can't read {name}: it must be a file, which is read twice")
        with path.open("rb"):
            return path
    except OSError as error:
        raise UsageError(f"can't read {name}: {error.strerror}") from error


def refuse(error: DraftError, path: Path, state: str) -> RecadoError:
    """Say what is wrong in a file, each on a line of its own; return the error that ends it."""
    if any(is_argument(fault) for fault in error.faults):
        return RecadoError(in_words(error))
    for fault in error.faults:
        explain(shorten(fault.detail, LONGEST_FAULT))
    return RecadoError(f"{path.name}: {state}")


def print_report(report: ImportReport, *, as_json: bool) -> None:
    """Print what came of the rows of a file."""
    if as_json:
        print_json(report)
        return
    rows = "1 row" if report.rows == 1 else f"{report.rows} rows"
    counts = (report.added, report.changed, report.unchanged)
    words = zip(counts, ("added", "changed", "unchanged"), strict=True)
    say(f"{rows}: " + ", ".join(f"{count} {word}" for count, word in words))
