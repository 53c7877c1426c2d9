"""CSV files as people and authorities make them, read row by row in constant memory.

Nobody says how such a file is made, so its encoding, its delimiter and its header are found out.
What can't be read with certainty is a fault that says where; no row is ever made up.
"""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path
from typing import Final

import msgspec

from recado_core.addresses import mask
from recado_core.engine.files.text_files import LONGEST_LINE, survey

LONGEST_CELL: Final = 1000
MOST_FAULTS: Final = 100

_NO_DELIMITER: Final = "\0"  # the one character that is in no file that has been surveyed
_DELIMITERS: Final = "\t;|,"  # where two fit alike, the one that stands less often in a text
_SAMPLE_LINES: Final = 50
_BLOCK: Final = 32_768  # characters at once
_ENOUGH: Final = 0.5  # of the rows have as many cells
_LONGEST_NAME: Final = 100
_LONGEST_SHOWN: Final = 40
_NUMBER_DIGITS: Final = 7  # with as many digits, a text may be somebody's number

# Excel's own first line, with which a file says what its delimiter is.
_read_declaration = re.compile(rf'"?sep=([{_DELIMITERS}])"?\s*', re.IGNORECASE).fullmatch

Row = tuple[int, dict[str, str]]
"""The line on which a row begins, and its cells by column, stripped."""


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """The columns that a file may have.

    ``aliases`` are what each may be called besides its own name, in any case, with accents or
    without; ``order`` is what the columns are where no header names them; ``needed`` must be in a
    header. With ``others``, a column that is not known has the name that its header gives it.
    """

    aliases: Mapping[str, Sequence[str]]
    order: Sequence[str]
    needed: Sequence[str] = ()
    others: bool = False


class CsvFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong in a file, and where; a number in its text is masked."""

    line: int
    column: str | None
    detail: str


class CsvFaults:
    """The faults of one file: the first are kept, the rest counted in ``more``."""

    def __init__(self, most: int = MOST_FAULTS) -> None:
        self.kept: list[CsvFault] = []
        self.more = 0
        self._most = most

    def add(self, line: int, column: str | None, detail: str) -> None:
        """Keep a fault, or count it."""
        if len(self.kept) < self._most:
            self.kept.append(CsvFault(line=line, column=column, detail=detail))
        else:
            self.more += 1

    def __len__(self) -> int:
        return len(self.kept) + self.more


class CsvFile:
    """One file: what has been found out about it, and its rows, to be iterated over once.

    ``faults`` fills while the rows are read, and whoever reads them may add to it; a row that has
    one is left out. A file that is ``refused`` has no rows: its encoding or its header is at fault.
    ``header_line`` is the one on which the header begins, if there is one.
    ``columns`` are in the file's order; ``delimiter`` is None where there is but one column;
    ``bytes_read`` of ``size`` is how far the reading has come.
    """

    def __init__(
        self,
        path: Path,
        columns: Columns,
        *,
        longest_cell: int = LONGEST_CELL,
        most_faults: int = MOST_FAULTS,
    ) -> None:
        self.faults = CsvFaults(most_faults)
        self.delimiter: str | None = None
        self.has_header = False
        self.header_line = 0
        self.columns: tuple[str, ...] = ()
        self.size = path.stat().st_size
        self.bytes_read = 0
        self._path = path
        self._longest_cell = longest_cell
        self._skipped = 0  # lines that say what the delimiter is
        found = survey(path)
        self.encoding = found.encoding
        self._start = found.start
        if found.fault is None:
            self._find_columns(columns)
        else:
            self.faults.add(found.line, None, found.fault)
        self.refused = len(self.faults) > 0

    def __iter__(self) -> Iterator[Row]:
        if self.refused:
            return
        names, width, longest = self.columns, len(self.columns), self._longest_cell
        with self._open() as file:
            lines = _Lines(file, self._skipped)
            rows = _read_rows(lines, self.delimiter, self.faults)
            if self.has_header:
                next(rows)
            for line, cells in rows:
                if len(cells) != width and not self._fit(line, cells):
                    continue
                if lines.taken > longest and not self._check_lengths(line, cells):
                    continue
                yield line, dict(zip(names, cells, strict=True))
        self.bytes_read = self.size

    def _find_columns(self, columns: Columns) -> None:
        known = {
            fold(alias): name
            for name, aliases in columns.aliases.items()
            for alias in (name, *aliases)
        }
        self._find_delimiter(known)
        with self._open() as file:
            rows = _read_rows(_Lines(file, self._skipped), self.delimiter, self.faults)
            line, cells = next(rows, (1, []))
        if any(fold(cell) in known for cell in cells):
            self.has_header = True
            self.header_line = line
            self.columns = _name_columns(line, cells, columns, known, self.faults)
        elif cells:
            self.columns = tuple(columns.order)
        elif not self.faults:
            self.faults.add(1, None, "the file is empty")
        self.bytes_read = 0

    def _find_delimiter(self, known: Mapping[str, str]) -> None:
        with self._open() as file:
            sample = list(islice(file, _SAMPLE_LINES))
        declaration = _read_declaration(sample[0]) if sample else None
        if declaration is None:
            self.delimiter = _guess_delimiter(sample, known)
        else:
            self._skipped = 1
            self.delimiter = declaration[1]

    @contextmanager
    def _open(self) -> Iterator[Iterator[str]]:
        """Open the file, and give its lines from the first that may be a row."""
        with (
            self._path.open("rb") as file,
            io.TextIOWrapper(file, encoding=self.encoding, newline=None) as text,
        ):
            file.seek(self._start)
            lines = chain.from_iterable(self._read_blocks(file, text))
            yield islice(lines, self._skipped, None)

    def _read_blocks(self, file: io.BufferedReader, text: io.TextIOWrapper) -> Iterator[list[str]]:
        while block := text.readlines(_BLOCK):
            self.bytes_read = file.tell()
            yield block

    def _fit(self, line: int, cells: list[str]) -> bool:
        """Give a row as many cells as there are columns; say whether it had none too many."""
        width = len(self.columns)
        if any(cells[width:]):
            self.faults.add(line, None, f"the row has {len(cells)} cells for {width} columns")
            return False
        del cells[width:]
        cells.extend([""] * (width - len(cells)))
        return True

    def _check_lengths(self, line: int, cells: Sequence[str]) -> bool:
        for column, cell in zip(self.columns, cells, strict=True):
            if len(cell) > self._longest_cell:
                detail = f"the cell has {len(cell)} characters; {self._longest_cell} are the most"
                self.faults.add(line, show(column), detail)
                return False
        return True


def show(text: str) -> str:
    """Return a text of a file as a fault may show it: masked if it may be a number, and short."""
    text = " ".join(text.split())
    if sum(character.isdigit() for character in text) >= _NUMBER_DIGITS:
        return mask(text)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def fold(text: str) -> str:
    """Return the words of a name with no case, accent or punctuation."""
    plain = unicodedata.normalize("NFKD", text[:_LONGEST_NAME].casefold())
    letters = "".join(character for character in plain if not unicodedata.combining(character))
    return " ".join(_words(letters))


_words = re.compile(r"[^\W_]+").findall


# ---------------------------------------------------------------- rows


class _RowTooLongError(Exception):
    """A row whose quotes are open takes more lines than a row can have."""


class _Lines:
    """The lines of a file as the csv reader takes them: counted, and not too many for one row.

    ``number`` is the last one's, ``taken`` how many characters this row's have. Where ``reopen`` is
    set, the next one is given as if it stood in quotes that have been opened.
    """

    def __init__(self, lines: Iterator[str], number: int = 0) -> None:
        self.number = number
        self.taken = 0
        self.reopen = False
        self.ended = False
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.taken > LONGEST_LINE:
            raise _RowTooLongError
        line = next(self._lines, "")
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        self.taken += len(line)
        if self.reopen:
            self.reopen = False
            return '"' + line
        return line


def _read_rows(
    lines: _Lines, delimiter: str | None, faults: CsvFaults
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the stripped cells of every row in which there is anything."""
    reader = csv.reader(
        lines, delimiter=delimiter or _NO_DELIMITER, strict=True, skipinitialspace=True
    )
    while True:
        line = lines.number + 1
        lines.taken = 0
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            faults.add(line, None, _quote_fault(line, lines))
        except _RowTooLongError:
            _finish_row(reader, lines)
            faults.add(line, None, _length_fault(lines))
        else:
            if any(cells):
                yield line, cells


def _finish_row(reader: Iterator[list[str]], lines: _Lines) -> None:
    """Go on to the end of a row in whose quotes the reader has stopped, and keep nothing of it."""
    while True:
        lines.taken = 0
        lines.reopen = True
        try:
            next(reader)
        except _RowTooLongError:
            continue
        except (csv.Error, StopIteration):
            return
        return


def _quote_fault(line: int, lines: _Lines) -> str:
    if lines.ended:
        return _UNCLOSED
    fault = "a quote is closed before its cell ends; within quotes, a quote is written twice"
    return fault if lines.number == line else f"{fault} (the row is read to line {lines.number})"


def _length_fault(lines: _Lines) -> str:
    if lines.ended:
        return _UNCLOSED
    return (
        f"the row has more than {LONGEST_LINE} characters and goes on to line {lines.number}: "
        "is a quote left open?"
    )


_UNCLOSED: Final = "a quote is never closed: nothing after it can be read"


# ---------------------------------------------------------------- delimiter and columns


def _guess_delimiter(sample: Sequence[str], known: Mapping[str, str]) -> str | None:
    """Return the delimiter with which the first row names most columns, or the rows fit best.

    They fit if at least half of them have the same number of cells, more than one.
    """
    named, fitting = {}, {}
    for delimiter in _DELIMITERS:
        rows = [cells for _, cells in _read_rows(_Lines(iter(sample)), delimiter, CsvFaults(0))]
        if not rows:  # none of the lines holds anything but this delimiter, if that
            fitting[delimiter] = float(any(delimiter in line for line in sample))
            continue
        if len(rows[0]) > 1:
            named[delimiter] = sum(fold(cell) in known for cell in rows[0])
        width, count = Counter(map(len, rows)).most_common(1)[0]
        if width > 1:
            fitting[delimiter] = count / len(rows)
    if any(named.values()):
        return max(named, key=named.__getitem__)
    first = next((line for line in sample if line.strip()), "")
    if fold(first) in known:  # a header of one column, whatever its cells hold
        return None
    best = max(fitting, key=fitting.__getitem__, default=None)
    return best if best is not None and fitting[best] >= _ENOUGH else None


def _name_columns(
    line: int,
    cells: Sequence[str],
    columns: Columns,
    known: Mapping[str, str],
    faults: CsvFaults,
) -> tuple[str, ...]:
    """Return the columns that a header names; nameless ones at its end are none."""
    names: list[str] = []
    for index, cell in enumerate(cells, 1):
        name = known.get(fold(cell))
        if name is None and columns.others and 0 < len(cell) <= _LONGEST_NAME:
            name = cell
        if name is None and any(cells[index - 1 :]):
            faults.add(line, show(cell), _unknown_column(index, cell, known))
        elif name in names:
            faults.add(line, show(cell), f"a second column {show(cell)!r}")
        if name is not None:
            names.append(name)
    for needed in columns.needed:
        if needed not in names:
            called = ", ".join(columns.aliases.get(needed, ()))
            hint = f"; it may also be called {called}" if called else ""
            faults.add(line, needed, f"the column is missing{hint}")
    return tuple(names)


def _unknown_column(index: int, cell: str, known: Mapping[str, str]) -> str:
    if not cell:
        return f"column {index} has no name"
    close = get_close_matches(fold(cell), known, n=1)
    return f"unknown column {show(cell)!r}" + (f", did you mean {close[0]}?" if close else "")
