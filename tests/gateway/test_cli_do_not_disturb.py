"""``recado do-not-disturb``, run in this process on a store of its own."""

import json
import signal

import pytest
from recado_gateway.cli import main
from recado_gateway.cli.file_imports import Course

pytestmark = pytest.mark.usefixtures("workplace", "gateway")  # the latter's file is found there

ADDRESS, OTHER = "+5511900000001", "+5511900000002"


def ask(capsys, *arguments, code=0):
    """Run a command with ``--json`` and return what it answers."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def read(capsys, *arguments):
    """Run a command and return what it prints, without the spaces at the ends of lines."""
    assert main(["do-not-disturb", *arguments]) == 0
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def complain(capsys, *arguments, code=1):
    """Run a command that ends with this code; return the lines that say why."""
    assert main(["do-not-disturb", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()


def sizes(capsys):
    return {each["name"]: each["size"] for each in ask(capsys, "do-not-disturb", "list")["items"]}


@pytest.fixture
def write(tmp_path):
    """Write a CSV file of these lines and return its name."""

    def write_file(*lines):
        (tmp_path / "list.csv").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return "list.csv"

    return write_file


def test_list_is_imported_and_shown(capsys, write):
    file = write("name,telefone", "x,11 90000-0001", f"y,{OTHER}", f"z,{ADDRESS}")
    assert read(capsys, "import", "brazil", file) == ["3 rows: 2 added, 0 changed, 1 unchanged"]
    head, line = read(capsys, "list")
    assert head.split() == ["name", "addresses", "imported"]
    assert line.split()[:2] == ["brazil", "2"]


def test_list_keeps_marketing_from_who_is_on_it(capsys, write):
    read(capsys, "import", "brazil", write(ADDRESS))
    checked = ask(
        capsys, "suppressions", "check", ADDRESS, OTHER, "--category", "marketing", code=1
    )
    first, second = checked["results"]
    assert first["reasons"] == [{"check": "do_not_disturb", "reason": "on the list brazil"}]
    assert second["allowed"] is True
    assert ask(capsys, "suppressions", "check", ADDRESS)["results"][0]["allowed"] is True


def test_list_is_replaced_whole(capsys, write):
    read(capsys, "import", "brazil", write(ADDRESS))
    answer = ask(capsys, "do-not-disturb", "import", "brazil", write(OTHER))
    assert answer == {"rows": 1, "added": 1, "changed": 0, "unchanged": 0}
    assert sizes(capsys) == {"brazil": 1}
    assert ask(capsys, "suppressions", "check", ADDRESS, "--category", "marketing")


def test_list_stays_as_it_is_where_the_file_is_broken(capsys, write):
    read(capsys, "import", "brazil", write(ADDRESS, OTHER))
    fault, last = complain(capsys, "import", "brazil", write("address", ADDRESS, "12"))
    assert fault.startswith("line 3, column address: ")
    assert last == "recado: list.csv: nothing was changed"
    assert sizes(capsys) == {"brazil": 2}


def test_name_that_no_list_can_have_is_named(capsys, write):
    (line,) = complain(capsys, "import", "a/b", write(ADDRESS))
    assert line.startswith("recado: NAME: ")


def test_list_is_removed_once(capsys, write):
    read(capsys, "import", "brazil", write(ADDRESS))
    assert read(capsys, "remove", "brazil") == ["brazil removed"]
    assert sizes(capsys) == {}
    assert complain(capsys, "remove", "brazil") == [
        "recado: there is no do-not-disturb list 'brazil'"
    ]


@pytest.mark.parametrize("arguments", [(), ("import", "brazil"), ("import", "brazil", "absent")])
def test_wrong_use_ends_with_2(arguments, capsys):
    assert main(["do-not-disturb", *arguments]) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (0.0, "the list brazil is as it was; import the file again"),
        (0.5, "the list brazil is as it was; import the file again"),
        (0.99, "see `recado do-not-disturb list` for whether brazil is replaced"),
    ],
)
def test_interrupted_import_leaves_the_list_as_it_was_or_says_where_to_look(
    part, words, capsys, write, monkeypatch
):
    read(capsys, "import", "brazil", write(ADDRESS, OTHER))
    tell = Course.tell

    def press(self, done, total):
        tell(self, done, total)
        if done > part * total:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Course, "tell", press)
    file = write("address", *(f"+551190000{n:04}" for n in range(5500)))
    assert complain(capsys, "import", "brazil", file, code=130) == [
        f"recado: list.csv: interrupted: {words}"
    ]
    assert sizes(capsys) == {"brazil": 2}
