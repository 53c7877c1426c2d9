"""``recado accounts``, run in this process on a store of its own."""

import io
import json
import sys

import pytest
from recado_gateway.cli import main

pytestmark = pytest.mark.usefixtures("workplace", "gateway")  # the latter's file is found there

WEEK = ("start=2030-01-01", "end=2030-01-07")
SHORTEST_TOKEN = 20
FIELDS = "(its fields: start end [statuses] [asked_at])"


def ask(capsys, *arguments, code=0):
    """Run a command with ``--json`` and return what it answers."""
    assert main(["accounts", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def read(capsys, *arguments, code=0):
    """Run a command and return what it prints, without the spaces at the ends of lines."""
    assert main(["accounts", *arguments]) == code
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def complaint(capsys, *arguments, code):
    """Run a command that ends with this code; return the one line that says why."""
    assert main(["accounts", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


# how accounts stand


def test_accounts_are_listed_as_the_api_lists_them(capsys):
    listed = ask(capsys, "list")["items"]
    assert [account["name"] for account in listed] == ["main", "plain", "troubled"]
    assert listed[0]["balance_threshold"] == "20.00"
    assert listed[0]["calls_limit"] == 500


def test_list_shows_what_an_operator_looks_for(capsys):
    main(["accounts", "balance", "main"])
    main(["accounts", "pause", "plain", "--reason", "invoice due"])
    capsys.readouterr()
    head, first, second, third = read(capsys, "list")
    assert head.split() == [
        "account",
        "provider",
        "status",
        "queued",
        "balance",
        "asked",
        "reason",
    ]
    assert first.startswith("main ")
    assert "12.50 (low)" in first
    assert second.split() == ["plain", "probe_plain", "paused", "0", "invoice", "due"]
    assert third.split() == ["troubled", "probe", "active", "0"]


def test_show_leaves_out_what_is_empty(capsys):
    shown = dict(line.split(maxsplit=1) for line in read(capsys, "show", "plain"))
    assert shown == {
        "name": "plain",
        "provider": "probe_plain",
        "channels": "sms",
        "status": "active",
        "concurrency": "4",
        "batch_size": "1",
        "queued": "0",
        "balance_low": "no",
    }
    assert "balance, verify_credentials" in read(capsys, "show", "main")[-1]


def test_show_answers_in_json_as_the_api_does(capsys):
    assert ask(capsys, "show", "main")["capabilities"]["max_batch"] == 100


def test_account_is_paused_and_resumed(capsys):
    assert read(capsys, "pause", "main", "--reason", "invoice due") == ["main paused"]
    assert ask(capsys, "show", "main")["reason"] == "invoice due"
    assert read(capsys, "resume", "main") == ["main active"]
    assert ask(capsys, "resume", "main")["reason"] is None
    assert ask(capsys, "pause", "main")["reason"] == "paused by an operator"


def test_credentials_that_the_provider_knows_are_told(capsys):
    assert read(capsys, "verify", "main") == ["the token is known"]
    assert ask(capsys, "verify", "main") == {"ok": True, "detail": "the token is known"}


def test_credentials_that_the_provider_refuses_are_a_failure(capsys, monkeypatch):
    monkeypatch.setenv("RECADO_ACCOUNTS__MAIN__TROUBLE", "credentials")
    assert complaint(capsys, "verify", "main", code=1) == "recado: main: wrong token"
    assert ask(capsys, "verify", "main", code=1) == {"ok": False, "detail": "wrong token"}


def test_what_a_provider_does_not_offer_is_a_failure(capsys):
    for command in ("verify", "balance"):
        assert "probe_plain" in complaint(capsys, command, "plain", code=1)


@pytest.mark.parametrize(
    "arguments", ["show", "pause", "resume", "verify", "webhook", "balance", "operations", "run"]
)
def test_account_that_is_not_there_is_a_failure(arguments, capsys):
    operation = ["report", *WEEK] if arguments == "run" else []
    line = complaint(capsys, arguments, "absent", *operation, code=1)
    assert line == "recado: there is no account 'absent'"


# webhook


def test_webhook_address_is_printed_alone_and_stays_the_same(capsys):
    (address,) = read(capsys, "webhook", "main")
    base, _, path = address.partition("/webhooks/")
    assert base == "https://gateway.example.com/sms"
    name, token = path.split("/")
    assert (name, len(token) > SHORTEST_TOKEN) == ("main", True)
    assert read(capsys, "webhook", "main") == [address]


def test_webhook_address_without_public_url_is_a_failure_that_names_the_key(capsys, workplace):
    file = workplace / "recado.toml"
    kept = [line for line in file.read_text().splitlines() if not line.startswith("public_url")]
    file.write_text("\n".join(kept))
    line = complaint(capsys, "webhook", "main", code=1)
    assert line == "recado: gateway.public_url: missing; webhook addresses lie below it"


def test_provider_that_receives_nothing_has_no_webhook_address(capsys):
    line = complaint(capsys, "webhook", "plain", code=1)
    assert line == "recado: the provider probe_plain of account plain takes no webhooks"


# balances


def test_balance_of_one_account_is_printed_alone(capsys):
    assert read(capsys, "balance", "main") == ["12.50"]
    assert ask(capsys, "balance", "main") == {"account": "main", "balance": "12.50"}
    assert complaint(capsys, "balance", "troubled", code=1) == "recado: try later"


def test_balance_below_its_threshold_is_marked_beside_the_figure_that_stays_alone(
    capsys, monkeypatch
):
    assert main(["accounts", "balance", "main"]) == 0
    assert capsys.readouterr() == ("12.50\n", "recado: main: low: below 20.00\n")
    monkeypatch.setenv("RECADO_ACCOUNTS__MAIN__BALANCE_THRESHOLD", "12.50")
    assert main(["accounts", "balance", "main"]) == 0
    assert capsys.readouterr() == ("12.50\n", "")


def test_balances_of_all_accounts_are_asked_and_one_that_fails_hides_no_other(capsys):
    assert ask(capsys, "balance", code=1)["items"] == [
        {"account": "main", "balance": "12.50", "balance_low": True, "error": None},
        {"account": "troubled", "balance": None, "balance_low": False, "error": "try later"},
    ]
    _, first, second = read(capsys, "balance", code=1)
    assert first.split() == ["main", "12.50", "(low)"]
    assert second.split(maxsplit=1) == ["troubled", "try later"]


def test_balances_that_could_all_be_asked_are_no_failure(capsys, monkeypatch):
    monkeypatch.setenv("RECADO_ACCOUNTS__TROUBLED__TROUBLE", "none")
    assert [line["balance"] for line in ask(capsys, "balance")["items"]] == ["12.50", "12.50"]


# operations


def test_operations_are_listed_with_their_fields(capsys):
    lines = [line.split(maxsplit=1) for line in read(capsys, "operations", "main")]
    names = [name for name, _ in lines]
    assert names == ["operation", "report", "catalogue", "block", "fail", "echo"]
    assert lines[1][1].split("  ") == ["start end [statuses] [asked_at]", "what was sent"]
    assert lines[3][1].startswith("yes ")


def test_operations_are_listed_in_json_with_their_schemas(capsys):
    report = ask(capsys, "operations", "main")["items"][0]
    assert (report["name"], report["changes"]) == ("report", False)
    assert "start" in json.dumps(report["request"])
    assert "lines" in json.dumps(report["reply"])
    assert ask(capsys, "operations", "plain") == {"items": []}


# run


def test_fields_are_read_as_what_they_are(capsys):
    reply = ask(capsys, "run", "main", "report", *WEEK, "statuses=1", "asked_at=2030-01-08T10:00")
    assert reply["total"] == 7
    assert reply["statuses"] == [1]
    # A time without offset is one of the gateway's zone, in which 10:00 is 13:00 UTC.
    assert reply["asked_at"] in {"2030-01-08T13:00:00Z", "2030-01-08T10:00:00-03:00"}


@pytest.mark.parametrize(
    "items",
    [("statuses=1", "statuses=2"), ("statuses:=[1, 2]",), ("statuses:=1", "statuses=2")],
    ids=" ".join,
)
def test_list_is_made_of_a_repeated_key_or_of_json(items, capsys):
    assert ask(capsys, "run", "main", "report", *WEEK, *items)["statuses"] == [1, 2]


def test_value_may_hold_what_parts_key_and_value(capsys):
    reply = ask(capsys, "run", "main", "echo", "words=a=b", "words=c:=d", "words=")
    assert reply["words"] == ["a=b", "c:=d", ""]


def test_options_may_stand_between_the_fields(capsys):
    assert main(["accounts", "run", "main", "report", "--json", *WEEK]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 7


def test_request_is_read_from_a_file_and_fields_go_over_it(capsys, workplace):
    file = workplace / "request.json"
    file.write_text(json.dumps({"start": "2030-01-01", "end": "2030-01-02"}))
    assert ask(capsys, "run", "main", "report", "--input", str(file))["total"] == 2
    over = ask(capsys, "run", "main", "report", "--input", str(file), "end=2030-01-03")
    assert over["total"] == 3


def test_request_is_read_from_standard_input(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"start": "2030-01-01", "end": "2030-01-02"}'))
    assert ask(capsys, "run", "main", "report", "--input", "-")["total"] == 2


def test_time_without_offset_is_one_of_the_gateway_s_zone_wherever_it_stands(capsys, monkeypatch):
    request = {"start": "2030-01-01", "end": "2030-01-02", "asked_at": "2030-01-08T10:00"}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))
    told = {"2030-01-08T13:00:00Z", "2030-01-08T10:00:00-03:00"}
    assert ask(capsys, "run", "main", "report", "--input", "-")["asked_at"] in told
    item = 'asked_at:="2030-01-08T10:00"'
    assert ask(capsys, "run", "main", "report", *WEEK, item)["asked_at"] in told


@pytest.mark.parametrize("given", ["argument", "json", "input"])
def test_date_is_refused_where_a_time_is_wanted(given, capsys, monkeypatch):
    items = {
        "argument": ["asked_at=2030-01-08"],
        "json": ['asked_at:="2030-01-08"'],
        "input": ["--input", "-"],
    }
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"asked_at": "2030-01-08"}'))
    line = complaint(capsys, "run", "main", "report", *WEEK, *items[given], code=2)
    assert line == "recado: asked_at: write the time too, such as 2030-01-08T18:00"


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (("start=2030-01-01",), f"recado: report: end: missing {FIELDS}"),
        ((*WEEK, "color=red"), f"recado: report: color: unknown field {FIELDS}"),
        ((*WEEK, "statuses=1", "statuses=x"), "recado: report: statuses.1: Expected int"),
        (("start=soon", "end=2030-01-01"), "recado: report: start: Invalid RFC3339"),
        ((*WEEK, "asked_at=soon"), "recado: report: asked_at: "),
        (("start=2030-01-02", "end=2030-01-01"), "recado: report: end: lies before start"),
        (("start",), "recado accounts run: argument key=value | key:=JSON: 'start' is neither"),
        (("start:=soon",), "recado accounts run: argument key=value | key:=JSON: start is no JSON"),
        (("=x",), "recado accounts run: argument key=value | key:=JSON: '=x' is neither"),
        (("--input", "absent.json"), "recado: --input: can't read absent.json"),
        (("--input", "recado.toml"), "recado: --input: recado.toml holds no JSON object"),
    ],
)
def test_request_that_is_none_is_wrong_use_and_told_by_its_field(items, said, capsys):
    assert complaint(capsys, "run", "main", "report", *items, code=2).startswith(said)


def test_value_that_is_none_of_those_there_are_is_told_with_them(capsys):
    line = complaint(capsys, "run", "main", "fail", "how=x", code=2)
    assert "how: Invalid enum value 'x' (one of account, busy, doubt, refused)" in line


def test_operation_without_fields_says_so(capsys):
    line = complaint(capsys, "run", "main", "catalogue", "a=b", code=2)
    assert line == "recado: catalogue: a: unknown field (it has no fields)"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("refused", "the period is too long"),
        ("busy", "try later"),
        ("account", "wrong token"),
        ("doubt", "no answer came"),
    ],
)
def test_failure_of_the_provider_is_told_in_its_words(how, said, capsys):
    assert complaint(capsys, "run", "main", "fail", f"how={how}", code=1) == f"recado: {said}"


def test_operation_that_is_not_there_is_told_with_those_that_are(capsys):
    line = complaint(capsys, "run", "main", "absent", code=1)
    assert line.endswith("there is report, catalogue, block, fail, echo")


def test_reply_is_shown_as_fields_and_a_table(capsys):
    lines = read(capsys, "run", "main", "report", "start=2030-01-01", "end=2030-01-02")
    assert lines[:5] == [
        "total     2",
        "statuses  none",
        "",
        "lines",
        "phone           sent_at              price  text",
    ]
    assert len(lines) == 7
    # the time in the gateway's zone, the text whole where nothing must be cut off
    assert lines[5].split() == [
        "+5511900000001",
        "2030-01-01",
        "09:00:00",
        "0.08",
        "[bold]" + "x" * 60,
    ]


def test_reply_of_one_list_is_its_table_alone(capsys):
    head, _ = read(capsys, "run", "main", "catalogue")
    assert head.split() == ["phone", "sent_at", "price", "text"]


def test_reply_without_anything_is_told_on_standard_error(capsys):
    assert main(["accounts", "run", "main", "block", "phones=+5511900000001"]) == 0
    assert capsys.readouterr() == ("", "block: done; the reply is empty\n")


def test_list_without_anything_in_it_is_told(capsys):
    assert read(capsys, "run", "main", "echo", "words:=[]") == ["words  none"]


def test_reply_of_nested_values_is_in_words(capsys):
    lines = read(capsys, "run", "main", "echo", "words=a", 'limits:={"per_day": 5}', "sure=true")
    assert lines == ["words   a", "limits  per_day=5", "sure    yes"]


@pytest.mark.parametrize(
    ("columns", "text"), [(200, "x" * 60), (90, "x" * 33 + "…"), (70, "x" * 13 + "…")]
)
def test_table_cuts_its_texts_where_the_terminal_is_narrow(columns, text, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["accounts", "run", "main", "catalogue"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert "phone" in head
    assert f"[bold]{text}" in row


def test_row_stands_by_itself_where_no_table_fits(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["accounts", "run", "main", "report", "start=2030-01-01", "end=2030-01-02"]) == 0
    said = capsys.readouterr().out
    lines = [line.split() for line in said.partition("lines\n")[2].splitlines()]
    names = [line[0] for line in lines if len(line) > 1]
    assert names == ["phone", "sent_at", "price", "text"] * 2
    assert lines.count([]) == 1  # between the two


def test_text_of_a_person_can_t_steer_the_terminal(capsys):
    line = {"phone": "+5511900000001", "sent_at": "2030-01-01T00:00:00Z", "price": "0.08"}
    item = json.dumps([{**line, "text": "Oi \x1b[31m\x9b2J\nção"}])
    _, shown = read(capsys, "run", "main", "echo", f"lines:={item}")
    assert shown.endswith("  Oi [31m2J ção")
    (shown,) = read(capsys, "run", "main", "echo", "words=Oi \x1b[31m")
    assert shown == "words  Oi [31m"


def test_progress_is_shown_on_a_terminal_and_leaves_the_answer_alone(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["accounts", "run", "main", "report", *WEEK, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["total"] == 7
    assert "report" in said.err
    assert "7/7" in said.err


def test_progress_is_not_shown_without_a_terminal(capsys):
    assert main(["accounts", "run", "main", "report", *WEEK]) == 0
    assert capsys.readouterr().err == ""
