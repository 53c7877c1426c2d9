"""``recado suppressions``, run in this process on a store of its own."""

import io
import json
import re
import shlex
import signal
import sqlite3
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recado_core.engine.failures import UnavailableError
from recado_core.engine.suppressions.suppressing import Suppressing
from recado_gateway.cli import file_imports, main
from recado_gateway.cli.file_imports import Course, Lines
from rich.console import Console

pytestmark = pytest.mark.usefixtures("workplace", "gateway")  # the latter's file is found there

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = "suppressions.md"
ADDRESS, OTHER = "+5511900000001", "+5511900000002"
DOCUMENT = "529.982.247-25"


def ask(capsys, *arguments, code=0):
    """Run a command with ``--json`` and return what it answers."""
    assert main(["suppressions", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def read(capsys, *arguments, code=0):
    """Run a command and return what it prints, without the spaces at the ends of lines."""
    assert main(["suppressions", *arguments]) == code
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def complain(capsys, *arguments, code=1):
    """Run a command that ends with this code; return the lines that say why."""
    assert main(["suppressions", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()


def listed(capsys, *arguments):
    return ask(capsys, "list", *arguments)["items"]


@pytest.fixture
def write(tmp_path):
    """Write a CSV file of these lines and return its name."""

    def write_file(*lines, name="people.csv"):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return name

    return write_file


@contextmanager
def on_progress(do):
    """Do something each time that an import says how far it is."""
    tell = Course.tell

    def tell_and_do(self, done, total):
        tell(self, done, total)
        do(done, total)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Course, "tell", tell_and_do)
        yield


def interrupt_from(part):
    """Press Ctrl-C once that much of both halves of the work is done."""

    def press(done, total):
        if done > part * total:
            signal.raise_signal(signal.SIGINT)

    return on_progress(press)


# adding and listing


def test_entry_is_added_once(capsys):
    added, word = read(capsys, "add", "(11) 90000-0001")[0].split()
    assert word == "added"
    (entry,) = listed(capsys)
    assert (entry["id"], entry["address"]) == (added, ADDRESS)
    assert (entry["reason"], entry["source"]) == ("manual", "cli")
    assert read(capsys, "add", ADDRESS) == [f"{added} is there already"]


def test_entry_says_all_that_it_is_told(capsys):
    added = ask(
        capsys,
        *("add", ADDRESS, "--document", DOCUMENT, "--channel", "sms", "--category", "marketing"),
        *("--reason", "complaint", "--source", "support", "--expires", "2199-01-31T18:00"),
    )
    assert listed(capsys) == [added]
    assert added["by_document"] is True
    assert (added["channel"], added["category"]) == ("sms", "marketing")
    assert (added["reason"], added["source"]) == ("complaint", "support")
    # A time without offset is one of the gateway's zone, in which 18:00 is 21:00 UTC.
    assert datetime.fromisoformat(added["expires_at"]) == datetime(2199, 1, 31, 21, tzinfo=UTC)


def test_expiry_on_a_date_is_at_the_end_of_the_day(capsys):
    added = ask(capsys, "add", ADDRESS, "--expires", "2199-01-31")
    assert datetime.fromisoformat(added["expires_at"]) == datetime(2199, 2, 1, 3, tzinfo=UTC)


def test_person_is_added_by_document_alone_and_found_by_it(capsys):
    added = ask(capsys, "add", "--document", DOCUMENT)
    assert (added["address"], added["by_document"]) == (None, True)
    assert listed(capsys, "--document", "52998224725") == [added]
    head, line = read(capsys, "list")
    assert head.split() == ["id", "since", "address", "messages", "reason", "source", "until"]
    assert "(by document)  all" in line


def test_document_is_read_from_standard_input(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{DOCUMENT}\n"))
    added = ask(capsys, "add", "--document", "-")
    assert listed(capsys, "--document", DOCUMENT) == [added]


def test_table_tells_whom_and_what_an_entry_concerns(capsys):
    read(capsys, "add", ADDRESS, "--channel", "sms", "--category", "marketing")
    read(capsys, "add", ADDRESS, "--document", DOCUMENT, "--expires", "2199-01-31")
    _, second, first = read(capsys, "list")
    assert f"{ADDRESS}                sms, marketing  manual  cli" in first
    assert f"{ADDRESS} (by document)  all" in second
    assert second.endswith("2199-02-01 00:00:00")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--address", "11 90000-0001"), True),
        (("--address", OTHER), False),
        (("--address", "shop"), False),  # an MO's sender may be a name
        (("--channel", "sms"), True),
        (("--category", "otp"), False),
        (("--reason", "complaint"), True),
        (("--reason", "manual"), False),
        (("--source", "support"), True),
        (("--document", DOCUMENT), False),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else "",
)
def test_entries_are_filtered(options, found, capsys):
    read(capsys, "add", ADDRESS, "--channel", "sms", "--reason", "complaint", "--source", "support")
    assert bool(listed(capsys, *options)) is found


def test_entries_are_listed_by_pages(capsys):
    added = [ask(capsys, "add", f"+551190000000{n}")["id"] for n in range(3)]
    first = ask(capsys, "list", "--limit", "2")
    assert [entry["id"] for entry in first["items"]] == [added[2], added[1]]
    rest = ask(capsys, "list", "--cursor", first["next_cursor"])
    assert [entry["id"] for entry in rest["items"]] == [added[0]]
    main(["suppressions", "list", "--limit", "2"])
    assert capsys.readouterr().err == f"There are more: --cursor {first['next_cursor']}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("add", "12"), "ADDRESS: "),
        (("add", "--document", "12"), "--document: "),
        (("add", ADDRESS, "--channel", "telex"), "--channel: unknown"),
        (("add", ADDRESS, "--source", ""), "--source: "),
        (("add", ADDRESS, "--expires", "2001-01-01"), "--expires: must be in the future"),
        (("list", "--address", "11 9000"), "--address: "),
        (("list", "--document", "12"), "--document: "),
        (("list", "--cursor", "nonsense"), "--cursor: "),
        (("remove", "--address", "11 9000"), "--address: "),
        (("check", ADDRESS, "--channel", "telex"), "--channel: unknown"),
        (("history", "11 9000"), "ADDRESS: "),
        (("history", "--cursor", "nonsense"), "--cursor: "),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else "",
)
def test_what_is_wrong_is_named_by_its_argument(arguments, named, capsys):
    (line,) = complain(capsys, *arguments)
    assert line.startswith(f"recado: {named}")
    assert "9000" not in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("add",),
        ("add", ADDRESS, OTHER),
        ("add", ADDRESS, "--reason", "rude"),
        ("add", ADDRESS, "--category", "spam"),
        ("add", ADDRESS, "--expires", "soon"),
        ("list", "--limit", "0"),
        ("history", "--limit", "501"),
        ("remove",),
        ("remove", "an-id", "--address", ADDRESS),
        ("remove", "an-id", "--reason", "manual"),
        ("check",),
        ("import",),
        ("import", "absent.csv"),
        ("import", "."),
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_in_one_line(arguments, capsys):
    (line,) = complain(capsys, *arguments, code=2)
    assert line.startswith("recado")


# removing


def test_entries_are_removed_by_id(capsys):
    one, other = (ask(capsys, "add", each)["id"] for each in (ADDRESS, OTHER))
    assert read(capsys, "remove", one, other) == [f"{one} removed", f"{other} removed"]
    assert listed(capsys) == []


def test_id_that_is_not_there_is_a_failure_and_keeps_no_other(capsys):
    there = ask(capsys, "add", ADDRESS)["id"]
    assert main(["suppressions", "remove", "absent", there]) == 1
    said = capsys.readouterr()
    assert said.out == f"{there} removed\n"
    assert said.err == "recado: there is no suppression 'absent'\n"
    assert listed(capsys) == []


def test_all_entries_of_an_address_are_removed(capsys):
    for reason in ("opt_out", "manual"):
        read(capsys, "add", ADDRESS, "--reason", reason)
    read(capsys, "add", OTHER)
    assert len(read(capsys, "remove", "--address", "11 90000-0001")) == 2
    assert [entry["address"] for entry in listed(capsys)] == [OTHER]
    assert complain(capsys, "remove", "--address", ADDRESS) == [
        "recado: there is no such suppression"
    ]


def test_more_entries_of_an_address_than_a_page_has_are_removed(capsys, monkeypatch):
    monkeypatch.setattr("recado_gateway.cli.suppressions.MAX_PAGE", 2)
    for reason in ("opt_out", "manual", "invalid", "blacklist", "complaint"):
        read(capsys, "add", ADDRESS, "--reason", reason)
    assert len(read(capsys, "remove", "--address", ADDRESS)) == 5
    assert listed(capsys) == []


def test_entries_of_an_address_are_removed_for_one_reason(capsys):
    for reason in ("opt_out", "manual"):
        read(capsys, "add", ADDRESS, "--reason", reason)
    assert len(read(capsys, "remove", "--address", ADDRESS, "--reason", "opt_out")) == 1
    assert [entry["reason"] for entry in listed(capsys)] == ["manual"]


# checking


def test_who_may_get_messages_is_told(capsys):
    read(capsys, "add", ADDRESS, "--reason", "complaint", "--expires", "2199-01-31")
    assert read(capsys, "check", OTHER)[1].split() == [OTHER, "yes"]
    head, refused, allowed, unread = read(capsys, "check", ADDRESS, OTHER, "12", code=1)
    assert head.split() == ["address", "allowed", "check", "reason", "until"]
    assert refused.split(maxsplit=4) == [
        *(ADDRESS, "no", "suppressions", "complaint", "2199-02-01 00:00:00")
    ]
    assert allowed.split() == [OTHER, "yes"]
    assert unread.split()[:3] == ["12", "no", "address"]


def test_check_is_of_one_category_and_person(capsys):
    read(capsys, "add", ADDRESS, "--category", "marketing")
    read(capsys, "add", "--document", DOCUMENT, "--reason", "opt_out")
    assert ask(capsys, "check", ADDRESS)["results"][0]["allowed"] is True
    ask(capsys, "check", ADDRESS, "--category", "marketing", code=1)
    (found,) = ask(capsys, "check", ADDRESS, "--document", DOCUMENT, code=1)["results"]
    assert found["reasons"] == [{"check": "suppressions", "reason": "opt_out"}]


# the history of consent


def test_history_tells_who_opted_out_and_in(capsys):
    read(capsys, "add", ADDRESS, "--reason", "opt_out", "--source", "shop")
    read(capsys, "remove", "--address", ADDRESS)
    read(capsys, "add", OTHER, "--reason", "opt_out")
    read(capsys, "add", OTHER, "--reason", "complaint")
    assert [
        (line["address"], line["act"], line["source"]) for line in ask(capsys, "history")["items"]
    ] == [
        (OTHER, "opt_out", "cli"),
        (ADDRESS, "opt_in", "cli"),
        (ADDRESS, "opt_out", "shop"),
    ]
    head, *lines = read(capsys, "history", "11 90000-0001")
    assert head.startswith("time  ")
    assert [line.split()[2:] for line in lines] == [
        [ADDRESS, "all", "opt_in", "cli"],
        [ADDRESS, "all", "opt_out", "shop"],
    ]
    first = ask(capsys, "history", "--limit", "2")
    assert len(ask(capsys, "history", "--cursor", first["next_cursor"])["items"]) == 1


# files


def test_file_is_imported_and_imported_again(capsys, write):
    file = write("telefone;motivo", "11 90000-0001;descadastro", f"{OTHER};", f"{ADDRESS};opt_out")
    assert read(capsys, "import", file) == ["3 rows: 2 added, 0 changed, 1 unchanged"]
    assert {(entry["address"], entry["reason"], entry["source"]) for entry in listed(capsys)} == {
        (ADDRESS, "opt_out", "import"),
        (OTHER, "manual", "import"),
    }
    assert ask(capsys, "import", file) == {"rows": 3, "added": 0, "changed": 0, "unchanged": 3}


def test_rows_are_what_the_options_say_where_they_say_nothing(capsys, write):
    file = write("address,reason", f"{ADDRESS},complaint", f"{OTHER},")
    arguments = ("--channel", "sms", "--category", "marketing", "--reason", "opt_out")
    arguments += ("--source", "fair", "--expires", "2199-01-31")
    assert read(capsys, "import", file, *arguments) == ["2 rows: 2 added, 0 changed, 0 unchanged"]
    second, first = listed(capsys, "--source", "fair", "--channel", "sms")
    assert (first["reason"], second["reason"]) == ("complaint", "opt_out")
    assert first["category"] == second["category"] == "marketing"
    assert datetime.fromisoformat(first["expires_at"]) == datetime(2199, 2, 1, 3, tzinfo=UTC)


def test_single_row_is_one_row(capsys, write):
    assert read(capsys, "import", write(ADDRESS)) == ["1 row: 1 added, 0 changed, 0 unchanged"]


def test_each_fault_of_a_file_is_a_line_and_nothing_is_changed(capsys, write):
    file = write("address,reason,expires_at", f"{ADDRESS},,", "12,rude,", ",,2199-01-31")
    reason, address, empty, last = complain(capsys, "import", file)
    assert reason.startswith("line 3, column reason: unknown: 'rude'")
    assert address.startswith("line 3, column address: ")
    assert empty == "line 4, column address: it is empty, and no document is given"
    assert last == "recado: people.csv: nothing was changed"
    assert listed(capsys) == []


def test_file_that_is_no_list_is_refused(capsys, write):
    said = complain(capsys, "import", write("a,b,c"))
    assert said[0].startswith("line 1")
    assert said[-1] == "recado: people.csv: nothing was changed"


def test_options_of_an_import_are_named_where_they_are_wrong(capsys, write):
    (line,) = complain(capsys, "import", write(ADDRESS), "--channel", "telex", "--source", "")
    assert line.startswith("recado: --channel: unknown; there is sms; --source: ")


@pytest.fixture
def many(write):
    """Write a file that is read in several blocks and taken in three parts, of 2,000 rows."""
    return write("address", *(f"+551190000{n:04}" for n in range(5500)))


def count(gateway):
    """Count the entries, however many."""
    path = gateway.engine.database.partition("///")[2]
    with closing(sqlite3.connect(path)) as store:
        return store.execute("SELECT count(*) FROM suppressions").fetchone()[0]


def test_import_that_is_interrupted_while_it_checks_changes_nothing(capsys, many, gateway):
    with interrupt_from(0.0):
        assert complain(capsys, "import", many, code=130) == [
            "recado: people.csv: interrupted: nothing was changed"
        ]
    assert count(gateway) == 0


def test_import_that_is_interrupted_while_it_writes_is_done_again(capsys, many, gateway):
    with interrupt_from(0.5):
        (line,) = complain(capsys, "import", many, code=130)
    assert line == (
        "recado: people.csv: interrupted: about 49 % of the file is on the list and stays there; "
        "it is safe to import it again, which does the rest"
    )
    assert count(gateway) == 2000
    assert read(capsys, "import", many) == ["5500 rows: 3500 added, 0 changed, 2000 unchanged"]


def test_import_whose_database_goes_away_says_what_is_there(capsys, many, monkeypatch):
    put, calls = Suppressing.put, []

    async def put_once(self, *arguments, **options):
        calls.append(arguments)
        if len(calls) > 1:
            raise UnavailableError("the database (gateway.database) can't be reached now")
        return await put(self, *arguments, **options)

    monkeypatch.setattr(Suppressing, "put", put_once)
    state, error = complain(capsys, "import", many)
    assert state.startswith("recado: people.csv: not finished: about 49 % of the file")
    assert error == "recado: the database (gateway.database) can't be reached now"


def test_file_that_changes_while_it_is_imported_is_told(capsys, many, gateway, tmp_path):
    def change(done, total):
        if done == total / 2:
            with (tmp_path / many).open("a") as file:
                file.write("12\n")

    with on_progress(change):
        *faults, state = complain(capsys, "import", many)
    assert all(fault.startswith("line 5502, column address: ") for fault in faults)
    assert state.startswith("recado: people.csv: about ")
    assert count(gateway) == 4000


# what is shown meanwhile


def test_bars_in_a_terminal_show_both_halves_of_the_work(capsys, many, monkeypatch):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(file_imports, "Console", lambda **_: terminal)
    assert read(capsys, "import", many) == ["5500 rows: 5500 added, 0 changed, 0 unchanged"]
    assert re.search(r"checking .*\n.*writing .*82\.5/82\.5 kB", screen.getvalue())


def test_import_that_takes_no_time_prints_its_result_alone(capsys, many):
    assert main(["suppressions", "import", many]) == 0
    assert capsys.readouterr().err == ""


def test_lines_come_now_and_then_with_rate_and_time_left(capsys):
    times = iter([0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0])
    lines = Lines("people.csv", lambda: next(times))
    for done in (1_000_000, 2_000_000, 3_000_000, 4_000_000, 4_000_000, 5_000_000):
        lines.show(done, 4_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "people.csv: checking, 50 % of 4.0 MB, 200.0 kB/s, 0:00:10 left",
        "people.csv: writing, 0 % of 4.0 MB",
        "people.csv: writing, 25 % of 4.0 MB, 100.0 kB/s, 0:00:30 left",
    ]


# the operator's page


def page():
    return (DOCS / PAGE).read_text("utf-8")


def blocks(language):
    """Return what the page shows in this language, or as output."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page(), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def test_commands_of_the_page_do_what_it_says(tmp_path, capsys):
    names = re.findall(r"`(\w+\.csv)`:$", page(), re.MULTILINE)
    for name, text in zip(names, blocks("csv"), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) > 10
    for line in lines:
        code = re.search(r"# exit code (\d)", line)
        program, *arguments = shlex.split(line, comments=True)
        assert (program, main(arguments)) == ("recado", int(code[1] if code else 0)), line
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    table, report, _ = blocks("")
    for line in (table + report).splitlines():
        assert line.split() in said, line


def test_faults_of_the_page_are_told_in_its_words(capsys, write):
    rows = [f"{ADDRESS},"] * 5
    file = write("address,reason", f"{ADDRESS},", f"{ADDRESS},chato", *rows, ",manual")
    assert complain(capsys, "import", file) == blocks("")[-1].splitlines()


def test_links_of_the_page_lead_somewhere():
    for name, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page()):
        text = (DOCS / (name or PAGE)).read_text("utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        assert not anchor or anchor in anchors, anchor
