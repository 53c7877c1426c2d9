"""What a command prints: lines, and tables that are JSON on request."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

SHOWN_TEXT = 40
UNLIMITED = 10_000
"""Columns of a table that goes to a file or another program, where nothing must be cut off."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What would steer a terminal; a message may hold anything."""


def say(line: str = "") -> None:
    """Print one line on standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def explain(line: str) -> None:
    """Print one line for a person on standard error, so that standard output stays for values."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    print_encoded(msgspec.json.encode(value))


def print_encoded(body: bytes) -> None:
    """Print what is JSON already, indented."""
    say(msgspec.json.format(body, indent=2).decode())


def console() -> Console:
    """Return a console as wide as the terminal, and without end where there is none."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=UNLIMITED)


def shorten(text: str, most: int = SHOWN_TEXT) -> str:
    """Return the beginning of a text, on one line and without what would steer a terminal."""
    line = _CONTROLS.sub("", " ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def make_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a table of values; None is an empty cell, and heads that are all empty take no line."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(heads))
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        # Text, because a message may hold what rich would take for markup
        table.add_row(*(Text(_CONTROLS.sub("", "" if it is None else str(it))) for it in row))
    return table


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table of values; None is an empty cell."""
    console().print(make_table(heads, rows))


def script() -> str:
    """Return how a person calls this program from here."""
    if shutil.which("recado"):
        return "recado"
    return os.path.relpath(Path(sys.executable).with_name("recado"))
