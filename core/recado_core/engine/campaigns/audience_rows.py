"""What the rows of an audience's file say: whom a message is for, and what stands in it."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from recado_core.contract import Channel
from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.files.delimited import Columns, CsvFault, CsvFile, fold
from recado_core.engine.files.text_files import LONGEST_LINE
from recado_core.engine.store.documents import Documents, read_document
from recado_core.engine.suppressions.import_rows import ADDRESS_COLUMNS
from recado_core.errors import AddressError, ContentError

CHUNK: Final = 2000
"""Rows that are read at once."""
LARGEST_VARIABLES: Final = 8192
"""Bytes of a row's variables as JSON."""
LONGEST_ADDRESS: Final = 320
"""Characters that the store has room for."""

_MOST_BROKEN: Final = (
    50_000  # rows in one place that can't be read and are kept; others are counted
)
_BLOCK: Final = 4 * LONGEST_LINE  # bytes that a line of characters of up to four may have
_ALIASES: Final = {
    **ADDRESS_COLUMNS.aliases,
    "address": (*ADDRESS_COLUMNS.aliases["address"], "to", "número de telefone", "phone number"),
}
AUDIENCE_COLUMNS: Final = msgspec.structs.replace(ADDRESS_COLUMNS, aliases=_ALIASES)
"""Those of an audience: address and document are known, any other is a variable."""

_NAMES: Final = {
    fold(alias): name for name, aliases in _ALIASES.items() for alias in (name, *aliases)
}
_NO_HEADER: Final = (
    "is this a header? No column in it is known; that of the address may be called phone, telefone"
)


class AudienceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row; with a ``fault`` (its column, if it has one, and what is wrong) it is nobody's."""

    line: int
    address: str
    document_hash: str | None = None
    variables: dict[str, Any] | None = None
    fault: tuple[str | None, str] | None = None


class AudienceFile(Protocol):
    """A file of recipients that is read a chunk at a time; that takes long, so it is for threads.

    ``size`` and ``bytes_read`` tell how far it is; ``ended`` that there is no more.
    """

    size: int
    ended: bool

    @property
    def bytes_read(self) -> int:
        """Return how many bytes have been read."""
        ...

    def take(self) -> list[AudienceRow]:
        """Return the next rows: at least ``CHUNK``, or else the last."""
        ...

    def skip(self, rows: int) -> None:
        """Pass over as many rows as ``take`` has returned before."""
        ...


Compose = Callable[[str, Mapping[str, Any]], None]
"""Raises ``DraftError`` where no message to an address can be made of these variables."""


class RowReader:
    """Reads what a row says of one recipient.

    Args:
        channel: That of the campaign, in whose form addresses are.
        region: The country in which a national number is read.
        documents: Their hashes.
        compose: Tries what the row's message would be.
    """

    def __init__(
        self, channel: Channel, region: str, documents: Documents, compose: Compose
    ) -> None:
        self._channel = channel
        self._region = region
        self._documents = documents
        self._compose = compose

    def read(
        self, line: int, address: str, document: str, variables: dict[str, Any]
    ) -> AudienceRow:
        """Return what a row says, or what is wrong with it."""
        try:
            found = self._channel.normalise_address(address, self._region) if address else ""
        except AddressError as error:
            return broken_row(line, "address", str(error), address)
        if not found or len(found) > LONGEST_ADDRESS:
            detail = f"an address has 1 to {LONGEST_ADDRESS} characters"
            return broken_row(line, "address", detail if found else "it is empty", address)
        try:
            hashed = self._documents.hash(read_document(document)) if document else None
        except ContentError as error:
            return broken_row(line, "document", str(error), found)
        if variables and len(msgspec.json.encode(variables)) > LARGEST_VARIABLES:
            detail = f"the variables are longer than {LARGEST_VARIABLES} bytes as JSON"
            return broken_row(line, None, detail, found)
        try:
            self._compose(found, variables)
        except DraftError as error:
            fault = error.faults[0]
            return broken_row(line, fault.pointer.strip("/") or None, fault.detail, found)
        return AudienceRow(
            line=line, address=found, document_hash=hashed, variables=variables or None
        )


def broken_row(line: int, column: str | None, detail: str, address: str = "") -> AudienceRow:
    """Return a row that is nobody's; its address is kept as far as the store can."""
    kept = "".join(character for character in address if character.isprintable())
    return AudienceRow(line=line, address=kept[:LONGEST_ADDRESS], fault=(column, detail))


class CsvAudience:
    """A CSV file, with a header or without.

    Raises:
        DraftError: Its encoding or its header is at fault.
    """

    def __init__(self, path: Path, reader: RowReader) -> None:
        columns: Columns = AUDIENCE_COLUMNS
        self._file = CsvFile(path, columns, most_faults=_MOST_BROKEN)
        if self._file.refused:
            raise DraftError([_fault(each) for each in self._file.faults.kept[:100]])
        self._reader = reader
        self._names = [
            (column, name_of(column))
            for column in self._file.columns
            if column not in AUDIENCE_COLUMNS.aliases
        ]
        self._rows = iter(self._file)
        self._may_be_header = not self._file.has_header
        self.size = self._file.size
        self.ended = False

    @property
    def bytes_read(self) -> int:
        """Return how many bytes have been read."""
        return self._file.bytes_read

    def take(self) -> list[AudienceRow]:
        """Return the next rows, those that can't be read among them in their place."""
        found: list[AudienceRow] = []
        taken = 0
        for line, cells in islice(self._rows, CHUNK):
            taken += 1
            found += self._drain()
            row = self._reader.read(
                line,
                cells["address"],
                cells.get("document", ""),
                {name: cells[column] for column, name in self._names if cells[column]},
            )
            if self._may_be_header and row.fault and not any(map(str.isdigit, cells["address"])):
                raise DraftError([Fault(pointer=f"/{line}", detail=f"line {line}: {_NO_HEADER}")])
            self._may_be_header = False
            found.append(row)
        self.ended = taken < CHUNK
        return found + self._drain()

    def skip(self, rows: int) -> None:
        """Pass over as many rows as ``take`` has returned before."""
        passed = 0
        while passed < rows:
            if next(self._rows, None) is None:
                self.ended = True
                passed += len(self._drain())
                return
            passed += 1 + len(self._drain())
        self._may_be_header = self._may_be_header and rows == 0

    def _drain(self) -> list[AudienceRow]:
        """Return the rows that could not be read since the last time; very many become one."""
        faults = self._file.faults
        if not faults:
            return []
        kept, faults.kept = faults.kept, []
        broken = [broken_row(each.line, each.column, each.detail) for each in kept]
        if faults.more:
            detail = f"{faults.more} rows after this one can't be read either"
            broken.append(broken_row(broken[-1].line, None, detail))
            faults.more = 0
        return broken


class JsonAudience:
    """A file with one JSON object on every line."""

    def __init__(self, path: Path, reader: RowReader) -> None:
        self._path = path
        self._reader = reader
        self._lines = self._read_lines()
        self.size = path.stat().st_size
        self.ended = False
        self.bytes_read = 0

    def take(self) -> list[AudienceRow]:
        """Return the next rows, those that can't be read among them."""
        found = [self._read(line, text) for line, text in islice(self._lines, CHUNK)]
        self.ended = len(found) < CHUNK
        return found

    def skip(self, rows: int) -> None:
        """Pass over as many rows as ``take`` has returned before."""
        passed = sum(1 for _ in islice(self._lines, rows))
        self.ended = passed < rows

    def _read_lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield every line that is not empty, and its number; None is one that is too long."""
        with self._path.open("rb") as file:
            number = 0
            while block := file.readline(_BLOCK):
                number += 1
                self.bytes_read += len(block)
                if number == 1:
                    block = block.removeprefix(b"\xef\xbb\xbf")
                whole = block.endswith(b"\n") or len(block) < _BLOCK
                while not whole:
                    rest = file.readline(_BLOCK)
                    self.bytes_read += len(rest)
                    whole = rest.endswith(b"\n") or not rest
                    block = b""
                if block.strip():
                    yield number, block
                elif not block:
                    yield number, None

    def _read(self, line: int, text: bytes | None) -> AudienceRow:
        if text is None:
            return broken_row(line, None, f"the line has more than {_BLOCK} bytes")
        try:
            said = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return broken_row(line, None, "this is no JSON object")
        known: dict[str, str] = {}
        variables: dict[str, Any] = {}
        for key, value in said.items():
            name = _NAMES.get(fold(key))
            if name is None:
                variables |= value if _is_variables(key, value) else {key: value}
            elif name in known:
                return broken_row(line, name, "it is given twice")
            elif isinstance(value, str | int) and not isinstance(value, bool):
                known[name] = str(value).strip()
            elif value is not None:
                return broken_row(line, name, "it must be a text")
        given = {name_of(key): value for key, value in variables.items() if value is not None}
        return self._reader.read(line, known.get("address", ""), known.get("document", ""), given)


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def _is_variables(key: str, value: object) -> bool:
    return key == "variables" and isinstance(value, dict)


def open_audience(path: Path, form: str | None, reader: RowReader) -> AudienceFile:
    """Return a file's rows.

    Args:
        path: The file.
        form: ``csv``, ``ndjson``, or None: it is found out.
        reader: Reads a row.

    Raises:
        DraftError: The file as a whole can't be read.
    """
    if form is None:
        form = "ndjson" if _begins_with_object(path) else "csv"
    return JsonAudience(path, reader) if form == "ndjson" else CsvAudience(path, reader)


def name_of(column: str) -> str:
    """Return the name under which a text has a column: its own if a placeholder can hold it.

    ``Primeiro nome`` becomes ``primeiro_nome``.
    """
    return column if column.isidentifier() else fold(column).replace(" ", "_")


def _begins_with_object(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _fault(found: CsvFault) -> Fault:
    if found.column is None:
        return Fault(pointer=f"/{found.line}", detail=f"line {found.line}: {found.detail}")
    column = json.dumps(found.column, ensure_ascii=False)
    return Fault(
        pointer=f"/{found.line}", detail=f"line {found.line}, column {column}: {found.detail}"
    )
