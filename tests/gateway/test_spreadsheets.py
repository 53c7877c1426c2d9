"""No cell of a CSV file is taken for a formula by the spreadsheet that opens it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_gateway.spreadsheets import csv_text, plain

STARTS = "=+-@＝＋－＠"  # noqa: RUF001  # full width, which spreadsheets take for the same


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('=HYPERLINK("https://example.com";"x")', '\'=HYPERLINK("https://example.com";"x")'),
        ("+5511900000001+cmd", "'+5511900000001+cmd"),
        ("-1+1", "'-1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        (" =1", " '=1"),
        ("\t=1", "'\t'=1"),
        ("\rx", "'\rx"),
        ("＝1", "'＝1"),  # noqa: RUF001  # full width
        ("x;=1", "x;'=1"),
        ("x\n@y", "x\n'@y"),
        ("a+b", "a+b"),
        ("Olá, João; até já", "Olá, João; até já"),
        ("", ""),
    ],
)
def test_formula_is_made_a_text(text, written):
    assert plain(text) == written


@pytest.mark.parametrize("number", ["+5511900000001", "-3", "0.16", "+1,5", "17"])
def test_numbers_stay_as_they_are(number):
    assert plain(number) == number


@given(cell=st.text(alphabet=st.sampled_from(f"{STARTS};|,\t\r\n \"'a1") | st.characters()))
def test_no_cell_begins_a_formula_whatever_separates_cells(cell):
    cell = cell.replace("\0", "")
    (row,) = csv.reader(io.StringIO(csv_text([[1, cell]]), newline=""))
    assert row[0] == "1"
    for separator in ";|\t\r\n":
        for part in row[1].split(separator):
            begin = part.strip()
            assert (
                not begin.startswith(tuple(STARTS))
                or row[1].strip("+-").replace(".", "").replace(",", "").isdecimal()
            )


def test_rows_are_as_rfc_4180_has_them():
    assert csv_text([["a", None, 1], ['x"y', "1,5 m", "z"]]) == 'a,,1\r\n"x""y","1,5 m",z\r\n'
