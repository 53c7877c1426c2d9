"""CSV that people open in a spreadsheet, which must take no cell of it for a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_TEXT = "'"
"""Before a cell, it makes a text of it: https://owasp.org/www-community/attacks/CSV_Injection."""

# Where a cell begins: also after what separates cells or lines in another country's spreadsheet,
# which takes no heed of quotes that begin elsewhere.
_formulas = re.compile(r"(\A\s*|[;|\t\r\n][^\S\r\n]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_is_number = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?").fullmatch


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV (RFC 4180); None is an empty cell."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(
        ["" if cell is None else plain(str(cell)) for cell in row] for row in rows
    )
    return written.getvalue()


def plain(text: str) -> str:
    """Return a text in which no spreadsheet sees a formula; numbers and phone numbers stay."""
    if _is_number(text):
        return text
    if text.startswith(("\t", "\r", "\n")):
        text = _TEXT + text
    return _formulas.sub(rf"\1{_TEXT}", text)
