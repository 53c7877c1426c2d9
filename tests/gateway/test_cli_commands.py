"""Every command that works on a store, run in this process on one of its own."""

import getpass
import io
import json
import socket
import stat
import sys
import tomllib
from datetime import UTC, datetime

import pytest
from recado_gateway.cli import init as init_room
from recado_gateway.cli import main
from recado_gateway.settings import load_settings

ADDRESS = "+5511900000001"


pytestmark = pytest.mark.usefixtures("workplace")


@pytest.fixture
def dead_port():
    """Return a port on which nobody answers, held so that nobody will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def installed(workplace, dead_port, capsys, monkeypatch):
    """Make an installation whose simulator does not run, and whose worker neither."""
    address = f"http://127.0.0.1:{dead_port}"
    monkeypatch.setattr(init_room, "SIMULATED_ADDRESS", address)
    assert main(["init", "--yes"]) == 0
    monkeypatch.setenv("RECADO_ACCOUNTS__KOLMEYA_MAIN__BASE_URL", f"{address}/api")
    capsys.readouterr()
    return workplace


def ask(capsys, *arguments, code=0):
    """Run a command with ``--json`` and return what it answers."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def send(capsys, *arguments):
    return ask(capsys, "send", "--to", ADDRESS, "--text", "Oi", *arguments)


# init


def test_init_writes_what_starts_as_it_is(workplace, capsys):
    assert main(["init", "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    assert said.out.startswith("rcd_")
    settings = load_settings(workplace / "recado.toml", {})
    assert list(settings.engine.accounts) == ["kolmeya_main"]
    assert (workplace / "recado.db").is_file()
    (key,) = ask(capsys, "keys", "list")["items"]
    assert said.out.startswith(key["prefix"])
    assert key["scopes"] == ["admin"]


def test_init_writes_over_nothing_unless_forced(workplace, capsys):
    file = workplace / "recado.toml"
    file.write_text("# mine\n")
    assert main(["init", "--yes"]) == 1
    assert capsys.readouterr() == (
        "",
        "recado: recado.toml is there already; --force writes it anew\n",
    )
    assert file.read_text() == "# mine\n"
    assert main(["init", "--yes", "--force"]) == 0
    assert "[gateway]" in file.read_text()


def test_init_writes_where_it_is_told(workplace, capsys):
    assert main(["init", "--yes", "--config", "etc/gateway.toml"]) == 0
    assert (workplace / "etc/gateway.toml").is_file()
    assert (workplace / "etc/recado.db").is_file()
    assert "recado serve --config etc/gateway.toml" in capsys.readouterr().err


@pytest.fixture
def terminal(monkeypatch):
    """Sit at a terminal and answer."""

    def answer(token, address):
        typed = io.StringIO(f"{address}\n")
        typed.isatty = lambda: True
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr(getpass, "getpass", lambda _: token)

    return answer


def test_init_keeps_the_token_that_it_asked_for_beside_the_configuration(
    workplace, terminal, capsys
):
    terminal("a-token", "https://gateway.example.com")
    assert main(["init"]) == 0
    assert "a-token" not in "".join(capsys.readouterr())
    text = (workplace / "recado.toml").read_text()
    assert "a-token" not in text
    token = workplace / "kolmeya.token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    settings = load_settings(workplace / "recado.toml", {})
    assert settings.engine.public_url == "https://gateway.example.com"
    account = tomllib.loads(text)["accounts"]["kolmeya_main"]
    assert account == {"provider": "kolmeya", "token": {"file": "kolmeya.token"}}


def test_init_with_empty_answers_begins_with_the_simulator(workplace, terminal):
    terminal("", "")
    assert main(["init"]) == 0
    gateway = tomllib.loads((workplace / "recado.toml").read_text())
    assert gateway["accounts"]["kolmeya_main"]["base_url"].startswith("http://127.0.0.1:")
    assert gateway["gateway"]["public_url"].startswith("http://127.0.0.1:")


def test_init_with_a_token_and_no_address_polls(workplace, terminal):
    terminal("a-token", "")
    assert main(["init"]) == 0
    assert load_settings(workplace / "recado.toml", {}).engine.public_url is None


def test_init_without_the_plugin_starts_too(workplace, monkeypatch):
    monkeypatch.setattr(init_room, "installed_plugins", list)
    assert main(["init", "--yes"]) == 0
    assert load_settings(workplace / "recado.toml", {}).engine.accounts == {}


# keys


@pytest.mark.usefixtures("installed")
def test_keys_create_prints_the_key_alone(capsys):
    arguments = ["keys", "create", "--name", "shop", "--scope", "messages:send"]
    assert main([*arguments, "--scope", "messages:read"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith("rcd_")
    assert said.out.count("\n") == 1
    shop = ask(capsys, "keys", "list")["items"][-1]
    assert (shop["name"], shop["scopes"]) == ("shop", ["messages:send", "messages:read"])
    assert said.out.strip() not in json.dumps(shop)


@pytest.mark.usefixtures("installed")
def test_keys_revoke_takes_a_key_off_the_list(capsys):
    (key,) = ask(capsys, "keys", "list")["items"]
    assert main(["keys", "revoke", key["id"]]) == 0
    capsys.readouterr()
    assert ask(capsys, "keys", "list")["items"] == []
    assert main(["keys", "revoke", key["id"]]) == 1
    assert capsys.readouterr().err.startswith("recado: there is no API key")


# send and messages


@pytest.mark.usefixtures("installed")
def test_send_prints_id_and_status(capsys):
    assert main(["send", "--to", "11900000001", "--text", "Oi"]) == 0
    identifier, status = capsys.readouterr().out.split()
    assert status == "queued"
    assert ask(capsys, "messages", "show", identifier)["to"] == ADDRESS


@pytest.mark.usefixtures("installed")
def test_send_hands_every_option_on(capsys):
    sent = send(
        capsys,
        *("--text", "Oi {{ name }}", "--variable", "name=Ana=Maria", "--reference", "order-17"),
        *("--category", "otp", "--priority", "9", "--account", "kolmeya_main"),
        *("--scheduled-at", "2199-01-01T10:00", "--expires-at", "2199-01-02T00:00Z"),
    )
    message = ask(capsys, "messages", "show", sent["id"])
    assert message["status"] == "scheduled"
    assert message["text"] == "Oi Ana=Maria"
    assert (message["reference"], message["category"], message["priority"]) == (
        "order-17",
        "otp",
        9,
    )
    # A time without offset is one of the gateway's zone, in which 10:00 is 13:00 UTC.
    assert datetime.fromisoformat(message["scheduled_at"]) == datetime(2199, 1, 1, 13, tzinfo=UTC)
    assert datetime.fromisoformat(message["expires_at"]) == datetime(2199, 1, 2, tzinfo=UTC)


@pytest.mark.usefixtures("installed")
def test_send_reads_a_long_text_from_standard_input(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("first line\nsecond\n"))
    sent = ask(capsys, "send", "--to", ADDRESS, "--text", "-")
    assert ask(capsys, "messages", "show", sent["id"])["text"] == "first line\nsecond"


@pytest.mark.usefixtures("installed")
def test_send_names_what_is_wrong_by_its_option(capsys):
    assert main(["send", "--to", "12", "--text", "Oi", "--priority", "70"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("recado: --to: ")
    assert "; --priority: " in said.err
    assert said.err.count("\n") == 1


@pytest.mark.usefixtures("installed")
def test_send_that_waits_in_vain_fails_and_says_where_the_message_stands(capsys):
    arguments = ["send", "--to", ADDRESS, "--text", "Oi", "--wait", "--timeout", "0.3"]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.out.split()[1] == "queued"
    assert said.err == "recado: not final after 0.3 s but queued; does `recado serve` run?\n"


@pytest.mark.usefixtures("installed")
def test_messages_are_listed_the_newest_first_and_by_pages(capsys):
    sent = [send(capsys, "--reference", name)["id"] for name in ("a", "b", "c")]
    first = ask(capsys, "messages", "list", "--limit", "2")
    assert [message["id"] for message in first["items"]] == [sent[2], sent[1]]
    rest = ask(capsys, "messages", "list", "--cursor", first["next_cursor"])
    assert [message["id"] for message in rest["items"]] == [sent[0]]
    assert rest["next_cursor"] is None
    assert main(["messages", "list", "--limit", "1"]) == 0
    assert first["next_cursor"] not in (said := capsys.readouterr()).out
    assert said.err.startswith("There are more: --cursor ")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--to", "11 90000-0001"), True),
        (("--to", "+5511900000002"), False),
        (("--to", "nobody"), False),
        (("--reference", "order-17"), True),
        (("--reference", "order-18"), False),
        (("--status", "queued", "--direction", "out", "--account", "kolmeya_main"), True),
        (("--status", "sent"), False),
        (("--direction", "in"), False),
        (("--channel", "sms", "--since", "2020-01-01"), True),
        (("--until", "2020-01-01T00:00-03:00"), False),
        (("--batch", "none"), False),
        (("--campaign", "none"), False),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else "",
)
@pytest.mark.usefixtures("installed")
def test_messages_are_filtered(options, found, capsys):
    send(capsys, "--reference", "order-17")
    assert bool(ask(capsys, "messages", "list", *options)["items"]) is found


@pytest.mark.usefixtures("installed")
def test_messages_show_tells_what_happened(capsys):
    sent = send(capsys, "--text", "[bold]Oi[/bold]")
    assert main(["messages", "show", sent["id"]]) == 0
    said = capsys.readouterr().out
    assert "[bold]Oi[/bold]" in said
    assert said.index("Events") < said.index("queued", said.index("Events"))
    assert "Attempts" in said


@pytest.mark.usefixtures("installed")
def test_message_in_a_table_is_cut_and_kept_on_one_line(capsys):
    send(capsys, "--text", "one\ntwo " + "x" * 60)
    assert main(["messages", "list"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if ADDRESS in line]
    assert f"one two {'x' * 31}…" in line


@pytest.mark.usefixtures("installed")
def test_messages_cancel_takes_back_what_has_not_gone(capsys):
    sent = send(capsys)
    assert main(["messages", "cancel", sent["id"]]) == 0
    assert capsys.readouterr().out == f"{sent['id']} canceled\n"
    assert main(["messages", "cancel", sent["id"]]) == 1
    assert "recado: the message is canceled" in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_messages_resend_refuses_what_has_not_failed(capsys):
    sent = send(capsys)
    assert main(["messages", "resend", sent["id"]]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


@pytest.mark.parametrize("command", ["show", "cancel", "resend"])
@pytest.mark.usefixtures("installed")
def test_message_that_is_not_there_is_a_failure(command, capsys):
    assert main(["messages", command, "nothing"]) == 1
    assert capsys.readouterr().err.startswith("recado: there is no message")


# check


def lines_of(answer):
    return {line["name"]: line["ok"] for line in answer["checks"]}


@pytest.mark.usefixtures("installed")
def test_check_tells_what_is_right_and_what_is_not(capsys):
    answer = ask(capsys, "check", code=1)
    assert answer["ok"] is False
    assert lines_of(answer) == {
        "configuration": True,
        "plugins": True,
        "database": True,
        "schema": True,
        "account kolmeya_main": False,
        "webhooks": False,
    }
    assert main(["check"]) == 1
    assert capsys.readouterr().out.count("not ok") == 2


def test_check_makes_no_database(installed, capsys):
    (installed / "recado.db").unlink()
    answer = ask(capsys, "check", code=1)
    assert lines_of(answer)["database"] is False
    assert not (installed / "recado.db").exists()


def test_check_finds_an_empty_database(installed, capsys):
    (installed / "recado.db").unlink()
    (installed / "recado.db").touch()
    answer = ask(capsys, "check", code=1)
    assert lines_of(answer)["schema"] is False
    assert "the database is empty" in json.dumps(answer)


def test_check_finds_a_database_that_is_none(installed, capsys):
    (installed / "recado.db").write_bytes(b"not a database" * 100)
    assert lines_of(ask(capsys, "check", code=1))["database"] is False


@pytest.mark.usefixtures("installed")
def test_check_tells_a_wrong_configuration(capsys, monkeypatch):
    monkeypatch.setenv("RECADO_ACCOUNTS__KOLMEYA_MAIN__COLOR", "red")
    (line,) = ask(capsys, "check", code=1)["checks"]
    assert (line["name"], line["ok"]) == ("configuration", False)
    assert "accounts.kolmeya_main.color" in line["detail"]


def test_check_wants_an_account(workplace, capsys):
    (workplace / "recado.toml").write_text("[gateway]\n")
    assert main(["db", "upgrade"]) == 0
    capsys.readouterr()
    assert lines_of(ask(capsys, "check", code=1))["accounts"] is False


# the rest


def test_db_upgrade_makes_the_schema_once(workplace, capsys):
    (workplace / "recado.toml").write_text("[gateway]\n")
    assert main(["db", "upgrade"]) == 0
    assert capsys.readouterr().out.startswith("applied ")
    assert main(["db", "upgrade"]) == 0
    assert capsys.readouterr().out == "the database is up to date\n"


@pytest.mark.usefixtures("installed")
def test_plugins_list_tells_installed_from_enabled(capsys):
    lines = {line["id"]: line for line in ask(capsys, "plugins", "list")["items"]}
    assert lines["kolmeya"]["enabled"] is True
    assert lines["kolmeya"]["providers"] == ["kolmeya"]
    assert lines["kolmeya"]["distribution"] == "recado-kolmeya"
    assert lines["twilio_stub"]["enabled"] is False
    assert main(["plugins", "list"]) == 0
    assert "providers kolmeya" in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_plugins_list_shows_a_broken_plugin_too(capsys, monkeypatch):
    monkeypatch.setattr(
        "recado_gateway.cli.plugins.installed_plugins", lambda: ["abacus", "kolmeya"]
    )
    broken, whole = ask(capsys, "plugins", "list")["items"]
    assert broken["error"].startswith("can't be loaded: PluginNotInstalledError")
    assert whole["error"] is None


def test_command_without_configuration_says_that_it_works_on_the_defaults(workplace, capsys):
    assert main(["db", "upgrade"]) == 0
    assert "no recado.toml here" in capsys.readouterr().err
    assert (workplace / "recado.db").is_file()
