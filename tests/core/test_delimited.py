import csv
import gc
import io
import re
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recado_core.engine.files.delimited import Columns, CsvFault, CsvFile, show
from recado_core.engine.files.text_files import LONGEST_LINE

PEOPLE = Columns(
    aliases={"address": ("telefone", "Número"), "name": ("nome", "nome completo"), "document": ()},
    order=("address", "name"),
    needed=("address",),
)
AUDIENCE = Columns(
    aliases={"address": ("telefone",)}, order=("address",), needed=("address",), others=True
)


@pytest.fixture
def read(tmp_path):
    """Write a file, read all of it, and return it with its rows."""

    def written(content, columns=PEOPLE, **options):
        path = tmp_path / "people.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        file = CsvFile(path, columns, **options)
        return file, list(file)

    return written


@pytest.fixture
def fault(read):
    """Return the one fault of a file."""

    def found(content, columns=PEOPLE, **options):
        file, _ = read(content, columns, **options)
        assert len(file.faults) == 1
        return file.faults.kept[0]

    return found


def cells(rows):
    return [list(row.values()) for _, row in rows]


# ---------------------------------------------------------------- encoding


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("cp1252", "cp1252"),
        ("utf-16", "utf-16-le"),
    ],
)
def test_encoding_is_found(read, codec, expected):
    file, rows = read("número;nome\r\n+5511900000001;João “Zé” €\r\n".encode(codec))
    assert file.encoding == expected
    assert rows == [(2, {"address": "+5511900000001", "name": "João “Zé” €"})]


def test_utf_16_is_read_from_either_end(read):
    file, rows = read(b"\xfe\xff" + "telefone\n+5511900000001\n".encode("utf-16-be"))
    assert file.encoding == "utf-16-be"
    assert cells(rows) == [["+5511900000001"]]


def test_one_byte_at_the_end_of_a_long_file_decides_its_encoding(read):
    content = "telefone;nome\n" + "11900000001;José\n" * 20_000
    assert read(content)[0].encoding == "utf-8"
    file, rows = read(content.encode("cp1252"))
    assert file.encoding == "cp1252"
    assert rows[-1] == (20_001, {"address": "11900000001", "name": "José"})
    file, rows = read(("telefone;nome\n" + "11900000001;Ana\n" * 20_000).encode() + b"1;Jos\xe9")
    assert file.encoding == "cp1252"
    assert rows[-1] == (20_002, {"address": "1", "name": "José"})


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_bytes_that_no_encoding_has_are_a_fault_of_their_line(fault, ending):
    start = ending.join(["telefone;nome"] + ["11900000001;Ana"] * 5000).encode()
    found = fault(start + ending.encode() + b"1;\x81")
    assert found == CsvFault(
        line=5002, column=None, detail="the text is neither UTF-8 nor Windows-1252 here"
    )


def test_half_a_character_of_utf_16_is_a_fault(fault):
    assert "not UTF-16" in fault("telefone\n1".encode("utf-16") + b"\x31").detail


@pytest.mark.parametrize("content", [b"telefone\n1\n\x002", "\ufefftelefone\n1\n\0".encode()])
def test_a_zero_byte_is_a_fault(read, content):
    file, rows = read(content)
    assert file.refused
    assert rows == []
    assert file.faults.kept[0].line == 3
    assert "zero byte" in file.faults.kept[0].detail


def test_utf_16_without_its_mark_is_a_fault(fault):
    assert "UTF-16 without" in fault("telefone\n1\n".encode("utf-16-le")).detail


@pytest.mark.parametrize("content", [b"", b"\r\n \n\n", b";;;\n", b"\xef\xbb\xbf", b"sep=;\n"])
def test_an_empty_file_is_a_fault(fault, content):
    assert fault(content).detail == "the file is empty"


def test_a_file_with_a_header_alone_has_no_rows_and_no_fault(read):
    file, rows = read("telefone\n")
    assert not file.refused
    assert rows == []


# ---------------------------------------------------------------- delimiter


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(read, delimiter):
    file, rows = read(f"telefone{delimiter}nome\n1{delimiter}Ana\n2{delimiter}Rui\n")
    assert file.delimiter == delimiter
    assert cells(rows) == [["1", "Ana"], ["2", "Rui"]]
    file, rows = read(f"1{delimiter}Ana\n2{delimiter}Rui\n")
    assert file.delimiter == delimiter
    assert cells(rows) == [["1", "Ana"], ["2", "Rui"]]


@pytest.mark.parametrize(
    ("content", "delimiter", "expected"),
    [
        ("telefone\n1\n2\n", None, [["1"], ["2"]]),
        ("1\n", None, [["1", ""]]),
        ("nome completo\nSilva, Ana\nSouza, Rui\n", None, [["Silva, Ana"], ["Souza, Rui"]]),
        ("telefone;nome\n1;Silva, Ana\n2;Souza, Rui\n", ";", [["1", "Silva, Ana"]] * 1),
        ("1;Silva, Ana\n2;Souza, Rui\n", ";", [["1", "Silva, Ana"]]),
        ('telefone,nome\n1,"a;b;c"\n', ",", [["1", "a;b;c"]]),
        ("telefone;nome\n1\n2\n3\n", ";", [["1", ""]]),
        ("telefone;\n1;\n", ";", [["1"]]),
        ("1;Ana\n2\n3;Rui\n", ";", [["1", "Ana"], ["2", ""], ["3", "Rui"]]),
        ("sep=,\ntelefone,nome\n1,a;b\n", ",", [["1", "a;b"]]),
        ('"sep=;"\r\n1;a\r\n', ";", [["1", "a"]]),
    ],
)
def test_delimiter_is_not_taken_for_text_nor_text_for_it(read, content, delimiter, expected):
    columns = Columns(aliases=PEOPLE.aliases, order=PEOPLE.order)
    file, rows = read(content, columns)
    assert file.delimiter == delimiter
    assert cells(rows)[: len(expected)] == expected
    assert len(file.faults) == 0


def test_lines_are_those_of_the_file_after_a_declared_delimiter(read):
    assert [line for line, _ in read("sep=;\ntelefone;nome\n1;a\n2;b\n")[1]] == [3, 4]
    assert [line for line, _ in read("sep=;\n1;a\n2;b\n")[1]] == [2, 3]


# ---------------------------------------------------------------- header


@pytest.mark.parametrize("header", ["Número", "NUMERO", " telefone ", '"Telefone:"', "ADDRESS"])
def test_header_is_known_by_any_of_its_names(read, header):
    file, rows = read(f"\n{header}\n1\n")
    assert file.has_header
    assert file.header_line == 2
    assert rows == [(3, {"address": "1"})]


def test_words_of_a_name_may_be_joined(read):
    assert read("nome_completo;numero\nAna;1\n")[0].columns == ("name", "address")


def test_columns_are_in_the_given_order_where_there_is_no_header(read):
    file, rows = read("11900000001;Ana\n11900000002;Rui")
    assert not file.has_header
    assert rows == [
        (1, {"address": "11900000001", "name": "Ana"}),
        (2, {"address": "11900000002", "name": "Rui"}),
    ]


def test_every_fault_of_a_header_is_named_and_no_row_is_read(read):
    file, rows = read("Nome;documnt;;nome completo;x\nAna;1;2;3;4\n")
    assert rows == []
    assert file.refused
    assert [(fault.column, fault.detail) for fault in file.faults.kept] == [
        ("documnt", "unknown column 'documnt', did you mean document?"),
        ("", "column 3 has no name"),
        ("nome completo", "a second column 'nome completo'"),
        ("x", "unknown column 'x'"),
        ("address", "the column is missing; it may also be called telefone, Número"),
    ]
    assert {fault.line for fault in file.faults.kept} == {1}


def test_other_columns_are_kept_where_they_are_allowed(read):
    file, rows = read("Telefone;Nome;Valor R$;\n1;Ana;10,50;\n", AUDIENCE)
    assert file.columns == ("address", "Nome", "Valor R$")
    assert rows == [(2, {"address": "1", "Nome": "Ana", "Valor R$": "10,50"})]


@pytest.mark.parametrize("header", ["telefone;a;a", "telefone;;a", f"telefone;{'a' * 101}"])
def test_other_columns_need_a_name_of_their_own(fault, header):
    assert fault(f"{header}\n1;2;3\n", AUDIENCE).line == 1


def test_a_header_that_can_not_be_read_refuses_the_file(read):
    file, rows = read('"telefone"x;nome\n1;Ana\n')
    assert rows == []
    assert [fault.line for fault in file.faults.kept] == [1]


# ---------------------------------------------------------------- rows


def test_quoted_cells_hold_anything(read):
    _, rows = read(
        'telefone;nome\r\n1;"Ana ""Nina""; a\r\nprimeira"\r\n\r\n"2"; "Rui"\r\n3;5" x "6\r\n;;;\r\n'
    )
    assert rows == [
        (2, {"address": "1", "name": 'Ana "Nina"; a\nprimeira'}),
        (5, {"address": "2", "name": "Rui"}),
        (6, {"address": "3", "name": '5" x "6'}),
    ]


def test_cells_are_stripped(read):
    assert cells(read("telefone;nome\n 1\t; \xa0Ana \n")[1]) == [["1", "Ana"]]


def test_missing_cells_are_empty_and_empty_ones_too_many_do_not_count(read):
    file, rows = read("telefone;nome;document\n1\n2;;\n3;Ana;4;;\n")
    assert cells(rows) == [["1", "", ""], ["2", "", ""], ["3", "Ana", "4"]]
    assert len(file.faults) == 0


def test_a_row_with_too_many_cells_is_a_fault_and_left_out(read):
    file, rows = read("telefone;nome\n1;Ana\n2;Rui;11900000001\n3;Eva\n")
    assert cells(rows) == [["1", "Ana"], ["3", "Eva"]]
    assert file.faults.kept == [
        CsvFault(line=3, column=None, detail="the row has 3 cells for 2 columns")
    ]


def test_a_cell_that_is_too_long_is_a_fault_of_its_column(read):
    file, rows = read(f"telefone;nome\n1;{'a' * 11}\n2;{'b' * 10}\n", longest_cell=10)
    assert cells(rows) == [["2", "b" * 10]]
    assert file.faults.kept == [
        CsvFault(line=2, column="name", detail="the cell has 11 characters; 10 are the most")
    ]


def test_a_quote_that_is_never_closed_is_one_fault(read):
    file, rows = read('telefone;nome\n1;Ana\n2;"Rui\n' + "3;Eva\n" * 100_000)
    assert cells(rows) == [["1", "Ana"]]
    assert file.faults.kept == [
        CsvFault(
            line=3, column=None, detail="a quote is never closed: nothing after it can be read"
        )
    ]
    assert len(file.faults) == 1


def test_a_quote_that_is_closed_much_later_costs_what_lies_between(read):
    content = 'telefone;nome\n1;"Rui\n' + "2;Eva\n" * 100_000 + '3;Ana"\n4;"Lia"\n5;Noé\n'
    file, rows = read(content)
    assert rows == [
        (100_004, {"address": "4", "name": "Lia"}),
        (100_005, {"address": "5", "name": "Noé"}),
    ]
    assert [fault.line for fault in file.faults.kept] == [2]
    assert "goes on to line 100003" in file.faults.kept[0].detail


@pytest.mark.parametrize("name", ['"Ana "Nina" Silva"', '"Ana"x', '"Ana" "Nina"'])
def test_a_quote_within_quotes_that_is_not_doubled_is_a_fault(read, name):
    file, rows = read(f"telefone;nome\n1;{name}\n2;Rui\n")
    assert cells(rows) == [["2", "Rui"]]
    assert [fault.line for fault in file.faults.kept] == [2]
    assert "written twice" in file.faults.kept[0].detail


def test_a_stray_quote_is_found_out_by_the_next_quoted_cell(read):
    file, rows = read('telefone;nome\n1;"Ana\n2;"Rui"\n3;"Eva"\n')
    assert cells(rows) == [["3", "Eva"]]
    assert [fault.line for fault in file.faults.kept] == [2]
    assert file.faults.kept[0].detail.endswith("(the row is read to line 3)")


def test_a_line_without_end_is_a_fault_of_the_file(read):
    file, rows = read("telefone\n1\n" + "2" * (LONGEST_LINE + 1) + "\n3\n")
    assert rows == []
    assert file.faults.kept == [
        CsvFault(line=3, column=None, detail=f"the line has more than {LONGEST_LINE} characters")
    ]
    file, rows = read("telefone\n1\n" + "2" * LONGEST_LINE + "\n3\n")
    assert cells(rows) == [["1"], ["3"]]
    assert [fault.line for fault in file.faults.kept] == [3]


def test_faults_beyond_the_most_are_counted(read):
    file, rows = read("telefone;nome\n" + "1;2;3\n" * 250, most_faults=100)
    assert rows == []
    assert (len(file.faults.kept), file.faults.more, len(file.faults)) == (100, 150, 250)


@pytest.mark.parametrize(
    "number", ["5511900000001", "+55 11 90000-0001", "(11) 90000-0001", "1190000 0001", "٥٥١١٩٠٠٠٠"]
)
def test_no_fault_shows_a_number(read, number):
    file, _ = read(f"telefone;{number}\n1;2\n")
    text = str(file.faults.kept)
    assert "unknown column" in text
    assert number not in text
    assert "90000" not in text
    assert "٩٠٠٠٠" not in text


def test_what_is_shown_of_a_text_is_short_and_on_one_line():
    assert show("Valor\n R$") == "Valor R$"
    assert show("a" * 50) == "a" * 37 + "..."
    assert show("5511900000001") == "5511*****0001"


# ---------------------------------------------------------------- size


def test_progress_grows_to_the_size_of_the_file(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("telefone\n" + "11900000001\n" * 50_000)
    file = CsvFile(path, PEOPLE)
    assert (file.bytes_read, file.size) == (0, path.stat().st_size)
    seen = [file.bytes_read for _ in file]
    assert seen == sorted(seen)
    assert len(set(seen)) > 10
    assert 0 < seen[0] < file.size / 2
    assert file.bytes_read == file.size


def test_a_file_is_closed_where_reading_stops_early(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("telefone\n11900000001\n11900000002\n")
    rows = iter(CsvFile(path, PEOPLE))
    assert next(rows)[0] == 2
    del rows
    gc.collect()  # a file left open is a warning, and that an error


@pytest.mark.whole
@pytest.mark.parametrize(
    "line",
    ["11900000001;Ana\n", '11900000001;"Ana\n\nSilva"\n', '"\n";', '";\n', "1;2;3\n"],
    ids=["plain", "quoted", "one endless row", "quotes open and shut", "faults"],
)
def test_memory_does_not_grow_with_the_file(tmp_path, line):
    def measure(size):
        path = tmp_path / "people.csv"
        path.write_text("telefone;nome\n" + line * (size // len(line)))
        tracemalloc.start()
        try:
            for _ in CsvFile(path, PEOPLE):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    measure(1000)  # what is made once
    assert measure(600_000) < measure(200_000) + 100_000


# ---------------------------------------------------------------- anything

TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from(list('";,\t| \n\r')),
    max_size=20,
)


def read_bytes(content, columns, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "people.csv")
        path.write_bytes(content)
        file = CsvFile(path, columns, **options)
        return file, list(file)


def as_read(cell):
    return cell.replace("\r\n", "\n").replace("\r", "\n").strip()


@settings(deadline=None)
@given(
    st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_a_program_writes_is_read_as_it_was(rows, delimiter, encoding, ending, quoting):
    if quoting == csv.QUOTE_MINIMAL:  # Python 3.11 leaves a lone carriage return unquoted
        rows = [tuple(cell.replace("\r", "") for cell in row) for row in rows]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=quoting)
    writer.writerow(["telefone", "nome", "document"])
    expected = []
    for row in rows:
        line = 1 + len(re.findall("\r\n?|\n", text.getvalue()))
        writer.writerow(row)
        if any(cell.strip() for cell in row):
            expected.append((line, [as_read(cell) for cell in row]))
    file, found = read_bytes(text.getvalue().encode(encoding), PEOPLE)
    assert len(file.faults) == 0
    assert [(line, list(row.values())) for line, row in found] == expected


@settings(deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_bytes_of_any_kind_are_rows_or_faults(content, header):
    start = b"telefone;nome\n" if header else b""
    file, rows = read_bytes(start + content, PEOPLE, longest_cell=20)
    assert rows or len(file.faults) or header
    lines = [line for line, _ in rows]
    assert lines == sorted(set(lines))
    for _, row in rows:
        assert tuple(row) == file.columns
        assert any(row.values())
        assert all(len(cell) <= 20 for cell in row.values())


@settings(deadline=None)
@given(st.text(st.sampled_from(list('1a;"\n ')), max_size=40))
def test_rows_without_a_fault_are_those_of_the_csv_module(content):
    file, found = read_bytes(b"telefone;nome\n" + content.encode(), PEOPLE)
    if len(file.faults) == 0:
        rows = csv.reader(io.StringIO(content), delimiter=";", skipinitialspace=True)
        stripped = [[cell.strip() for cell in row] for row in rows]
        assert cells(found) == [[*row, ""][:2] for row in stripped if any(row)]
