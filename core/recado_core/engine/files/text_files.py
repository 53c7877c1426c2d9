"""A text file in an encoding that nobody has named, looked through once from end to end."""

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

LONGEST_LINE: Final = 50_000
"""Characters; twice as many must be fewer than the csv module takes in one cell, 131,072."""

_BLOCK: Final = 32_768  # bytes at once: no more characters than a line may have
_ENCODINGS: Final = (  # by the bytes that a file starts with: what it can be, and what it is not
    (codecs.BOM_UTF16_LE, ("utf-16-le",), "not UTF-16"),
    (codecs.BOM_UTF16_BE, ("utf-16-be",), "not UTF-16"),
    (codecs.BOM_UTF8, ("utf-8", "cp1252"), "neither UTF-8 nor Windows-1252"),
    (b"", ("utf-8", "cp1252"), "neither UTF-8 nor Windows-1252"),
)

_line_ends = re.compile("\r\n?|\n").findall


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is written in and where its text starts, or what is wrong with it, on which line.

    Where nothing is, no line is longer than ``LONGEST_LINE`` and no character is a zero.
    """

    encoding: str | None
    start: int
    fault: str | None = None
    line: int = 1


class _UndecodableError(Exception):
    """A file is not in this encoding, from this line on."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def survey(path: Path) -> Survey:
    """Find out a file's encoding: the Unicode one that all of it is in, or Windows-1252."""
    with path.open("rb") as file:
        beginning = file.read(3)
    mark, encodings, fault = next(each for each in _ENCODINGS if beginning.startswith(each[0]))
    line = 1
    for encoding in encodings:
        try:
            return _inspect(path, len(mark), encoding)
        except _UndecodableError as error:
            line = error.line
    return Survey(encoding=None, start=len(mark), fault=f"the text is {fault} here", line=line)


def _inspect(path: Path, start: int, encoding: str) -> Survey:
    fault = None
    line, length = 1, 0  # the line that has begun, and what of it has been read
    for text in _decode(path, start, encoding):
        zero = text.find("\0")
        end = text.find("\n")
        if zero >= 0:
            line += text.count("\n", 0, zero)
            fault = "there is a zero byte: this is no text, or UTF-16 without its byte order mark"
            break
        if length + (len(text) if end < 0 else end) > LONGEST_LINE:
            fault = f"the line has more than {LONGEST_LINE} characters"
            break
        length = length + len(text) if end < 0 else len(text) - text.rfind("\n") - 1
        line += text.count("\n")
    return Survey(encoding=encoding, start=start, fault=fault, line=line)


def _decode(path: Path, start: int, encoding: str) -> Iterator[str]:
    """Yield the text block by block, its lines ended by a newline however the file ends them."""
    codec = codecs.getincrementaldecoder(encoding)()
    decoder = io.IncrementalNewlineDecoder(codec, translate=True)
    line = 1
    with path.open("rb") as file:
        file.seek(start)
        more = True
        while more:
            block = file.read(_BLOCK)
            more = bool(block)
            try:
                text = decoder.decode(block, final=not more)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "replace")
                raise _UndecodableError(line + len(_line_ends(before))) from None
            line += text.count("\n")
            yield text
