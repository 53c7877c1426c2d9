"""What is shown while work goes on: the demo's messages, and how far an operation is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec
from recado_core.contract import Progress
from recado_core.engine.messages.messages import MessageDetail, MessageView
from recado_core.engine.policy import FINAL
from rich import progress as bars
from rich.console import Console
from rich.live import Live
from rich.table import Table

from recado_gateway.cli.output import console, make_table, say


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's messages as they stand, and the replies that came."""

    messages: list[MessageDetail]
    replies: list[MessageView]

    @property
    def pending(self) -> list[MessageDetail]:
        """The messages without a final status."""
        return [message for message in self.messages if message.status not in FINAL]


class View(Protocol):
    """Where traffic is shown."""

    def show(self, traffic: Traffic) -> None:
        """Show how things stand now."""
        ...


@contextmanager
def open_view() -> Iterator[View]:
    """Open the view that suits what standard output is."""
    terminal = console()
    if not terminal.is_terminal:
        yield Lines()
        return
    with Live(console=terminal, auto_refresh=False) as live:
        yield LiveTable(live)


class LiveTable:
    """A table that is drawn anew in its place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, traffic: Traffic) -> None:
        """Draw the table."""
        self._live.update(table_of(traffic), refresh=True)


class Lines:
    """A line for everything new."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def show(self, traffic: Traffic) -> None:
        """Print what was not printed yet."""
        lines = [f"{it.to}  {way_of(it)}  {words_of(it)}".rstrip() for it in traffic.messages]
        lines += [f"{reply.sender}  replies: {reply.text}" for reply in traffic.replies]
        for line in lines:
            if line not in self._said:
                self._said.add(line)
                say(line)


def table_of(traffic: Traffic) -> Table:
    """Make the table: MT with their way, then the MO that came back."""
    rows = [(it.to, it.text, way_of(it), words_of(it)) for it in traffic.messages]
    rows += [(reply.sender or "", reply.text, "a reply", "") for reply in traffic.replies]
    return make_table(("address", "text", "status", "the provider's words"), rows)


def way_of(message: MessageDetail) -> str:
    """Return the statuses that a message went through."""
    return " → ".join(event.to_status for event in message.events if event.to_status)


def words_of(message: MessageDetail) -> str:
    """Return the provider's code and text."""
    return " ".join(filter(None, (message.code, message.status_text)))


@contextmanager
def open_bar(label: str) -> Iterator[Progress | None]:
    """Show on standard error how far work is, where that is a terminal; nothing of it stays."""
    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task(label, total=None)  # it pulses until it is told of how many steps

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield show
