"""``recado schedules``, run in this process on a store of its own."""

import io
import json
import sys

import pytest
from recado_gateway.cli import main

BODY = {
    "name": "Mondays",
    "message": {"to": "+5511900000001", "text": "Bom dia!"},
    "rrule": "FREQ=WEEKLY;BYDAY=MO",
    "starts_at": "2199-03-01T09:00:00",
    "timezone": "America/New_York",
}


@pytest.fixture
def file(workplace, gateway):
    """Write a schedule into a file beside the configuration."""
    assert gateway.path.parent == workplace
    file = workplace / "monday.json"
    file.write_text(json.dumps(BODY))
    return str(file)


@pytest.fixture
def made(file, capsys):
    """Make a schedule; return its id."""
    return ask(capsys, "create", file)["id"]


def ask(capsys, *arguments):
    """Run a command with ``--json`` and return what it answers."""
    assert main(["schedules", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def read(capsys, *arguments):
    """Run a command and return what it prints, line by line."""
    assert main(["schedules", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def complaint(capsys, *arguments, code=1):
    """Run a command that ends with this code; return the one line that says why."""
    assert main(["schedules", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_schedule_is_made_of_a_file(capsys, file):
    (line,) = read(capsys, "create", file)
    assert line.endswith("made; its next occurrence is 2199-03-04 09:00:00")


@pytest.mark.usefixtures("file")
def test_schedule_is_made_of_standard_input(capsys, monkeypatch):
    once = {"rrule": None, "starts_at": None, "scheduled_at": "2199-03-05T09:00:00"}
    body = json.dumps(BODY | once)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body.encode())))
    made = ask(capsys, "create", "-")
    assert made["next_at"] == "2199-03-05T09:00:00-05:00"
    *_, line = read(capsys, "list")
    assert "once, 2199-03-05 09:00:00" in line
    assert len(ask(capsys, "list")["items"]) == 1


def test_schedules_are_listed_and_shown(capsys, made):
    head, line = read(capsys, "list", "--status", "active", "--kind", "message")
    assert head.split()[:4] == ["id", "name", "what", "when"]
    assert made in line
    assert "FREQ=WEEKLY;BYDAY=MO" in line
    assert ask(capsys, "list", "--kind", "campaign")["items"] == []
    shown = dict(line.strip().split(maxsplit=1) for line in read(capsys, "show", made))
    assert shown["next"] == "2199-03-04 09:00:00"
    assert shown["zone"] == "America/New_York"
    assert shown["to"] == "+5511900000001"
    assert ask(capsys, "show", made)["message"] == BODY["message"]


def test_schedules_are_listed_page_by_page(capsys, file):
    for _ in range(3):
        ask(capsys, "create", file)
    first = ask(capsys, "list", "--limit", "2")
    rest = ask(capsys, "list", "--limit", "2", "--cursor", first["next_cursor"])
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)


def test_occurrences_are_listed(capsys, made):
    lines = read(capsys, "occurrences", made, "--limit", "2")
    assert lines == ["2199-03-04 09:00:00-05:00", "2199-03-11 09:00:00-04:00"]
    assert len(ask(capsys, "occurrences", made)["items"]) == 10


def test_schedule_is_paused_resumed_and_deleted(capsys, made):
    assert ask(capsys, "pause", made)["status"] == "paused"
    assert "status" in "".join(read(capsys, "pause", made))
    assert ask(capsys, "resume", made)["status"] == "active"
    assert read(capsys, "delete", made) == [f"{made} deleted"]
    assert complaint(capsys, "show", made) == f"recado: there is no schedule '{made}'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(BODY | {"rrule": "x"}), "recado: rrule: "),
        (json.dumps(BODY | {"message": {"to": "1", "text": "x"}}), "recado: message.to: "),
        (json.dumps(BODY | {"message": {"to": 1}}), "recado: message.to: "),
        (json.dumps(BODY | {"other": 1}), "recado: other: unknown field"),
        ("[]", "recado: all of it: "),
        ("{", "is no JSON"),
        ("\udcff", "is no JSON"),
    ],
)
def test_file_that_makes_no_schedule_is_told_in_one_line(capsys, workplace, gateway, text, said):
    file = workplace / "bad.json"
    file.write_text(text, errors="surrogateescape")
    assert gateway.path.exists()
    assert said in complaint(capsys, "create", str(file))


@pytest.mark.usefixtures("gateway", "workplace")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("list", "--limit", "0"), 2, "--limit must be from 1 to 500"),
        (("occurrences", "x", "--limit", "101"), 2, "--limit must be from 1 to 100"),
        (("create", "absent.json"), 1, "absent.json: can't be read: No such file"),
        (("occurrences", "x"), 1, "there is no schedule 'x'"),
        (("list", "--cursor", "x"), 1, "/cursor: is not a cursor of ours"),
    ],
)
def test_wrong_use_is_told_in_one_line(capsys, arguments, code, said):
    assert said in complaint(capsys, *arguments, code=code)
