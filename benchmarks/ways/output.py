"""What the benchmarks print."""

import sys
from collections.abc import Sequence


def say(text: str) -> None:
    """Print a line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def line(first: str, cells: Sequence[str], heads: Sequence[str]) -> str:
    """Return a line of a table whose columns are as wide as their heads."""
    columns = (text.rjust(max(len(head), 8)) for text, head in zip(cells, heads, strict=True))
    return f"{first:<16}  {'  '.join(columns)}"
