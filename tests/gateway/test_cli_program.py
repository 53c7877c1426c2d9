"""The command line as such: what it parses, what it says, and with which exit code it ends."""

import argparse
import io
import subprocess
import sys
from importlib import metadata

import pytest
from recado_core import ConfigurationError
from recado_core.engine import plugins as engine_plugins
from recado_gateway.cli import main, plugin_commands, program
from recado_gateway.cli.commands import Commands, Parser
from recado_gateway.cli.serving import read_port

pytestmark = pytest.mark.usefixtures("workplace")


def room_that(monkeypatch, run):
    """Put a command `play` into the program that does this."""

    def add_to(command):
        command.parser.add_argument("--volume", type=int)
        command.parser.set_defaults(run=run)

    monkeypatch.setitem(program.ROOMS, "play", ("play", "play something"))
    imported = program.import_module
    monkeypatch.setattr(
        program,
        "import_module",
        lambda name: (
            type("Room", (), {"add_to": staticmethod(add_to)})
            if name.endswith(".play")
            else imported(name)
        ),
    )


def test_alone_it_prints_help_and_ends_with_wrong_use(capsys):
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out.startswith("usage: recado")
    for name in program.ROOMS:
        assert f"    {name} " in said.out


def test_help_is_done(capsys):
    assert main(["--help"]) == 0
    assert "simulate" in capsys.readouterr().out


def test_group_alone_prints_its_help_and_ends_with_wrong_use(capsys):
    assert main(["keys"]) == 2
    said = capsys.readouterr().out
    assert all(f"    {name} " in said for name in ("create", "list", "revoke"))


def test_version_is_the_gateway_s(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"recado {metadata.version('recado-gateway')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["send", "--to", "+5511900000001"],
        ["send", "--to", "+5511900000001", "--text", "x", "--scheduled-at", "soon"],
        ["send", "--to", "+5511900000001", "--text", "x", "--variable", "no-sign"],
        ["keys", "create", "--name", "x", "--scope", "everything"],
        ["messages", "list", "--limit", "0"],
        ["messages", "list", "--stat", "sent"],
        ["--config"],
        ["serve", "--port", "high"],
        ["init"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_in_one_line_and_ends_with_2(arguments, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = [line for line in said.err.splitlines() if "as by default" not in line]
    assert line.startswith("recado")


def test_failure_is_told_in_its_own_words(capsys, monkeypatch):
    def run(_):
        raise ConfigurationError("gateway.color: unknown key")

    room_that(monkeypatch, run)
    assert main(["play"]) == 1
    assert capsys.readouterr() == ("", "recado: gateway.color: unknown key\n")


def test_unexpected_error_is_one_line_that_says_how_to_see_more(capsys, monkeypatch):
    def run(_):
        raise ZeroDivisionError("by nought\nand a second line")

    room_that(monkeypatch, run)
    assert main(["play"]) == 1
    said = capsys.readouterr().err
    assert said == "recado: ZeroDivisionError: by nought (--debug shows where)\n"


@pytest.mark.parametrize("arguments", [["--debug", "play"], ["play", "--debug"]])
def test_debug_shows_the_traceback(arguments, capsys, monkeypatch):
    def run(_):
        raise ZeroDivisionError("by nought")

    room_that(monkeypatch, run)
    assert main(arguments) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interruption_is_quiet(capsys, monkeypatch):
    def run(_):
        raise KeyboardInterrupt

    room_that(monkeypatch, run)
    assert main(["play"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "a.toml", "play", "--volume", "3"],
        ["play", "--config", "a.toml", "--volume", "3"],
        ["play", "--volume", "3", "--config=a.toml"],
        ["--config", "b.toml", "play", "--volume", "3", "--config", "a.toml"],
    ],
    ids=" ".join,
)
def test_configuration_is_named_before_the_command_or_after_it(arguments, monkeypatch):
    seen = []

    def run(args):
        seen.append((args.config, args.volume))
        return 0

    room_that(monkeypatch, run)
    assert main(arguments) == 0
    assert seen == [("a.toml", 3)]


def test_without_configuration_option_it_is_absent(monkeypatch):
    seen = []

    def run(args):
        seen.append((args.config, args.debug))
        return 7

    room_that(monkeypatch, run)
    assert main(["play"]) == 7
    assert seen == [(None, False)]


@pytest.mark.parametrize(
    "arguments", [["--config", "none.toml", "keys", "list"], ["messages", "list", "--config", "x"]]
)
def test_named_configuration_that_is_not_there_is_a_failure(arguments, capsys):
    assert main(arguments) == 1
    assert "there is no such file" in capsys.readouterr().err


def test_configuration_that_is_no_toml_is_told_with_its_line(workplace, capsys):
    (workplace / "recado.toml").write_text("[gateway\n")
    assert main(["db", "upgrade"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("recado: recado.toml: is not TOML")


# The commands of plugins


def test_simulator_of_an_installed_plugin_is_offered_without_any_configuration(capsys):
    assert main(["simulate", "kolmeya", "--help"]) == 0
    assert "--port" in capsys.readouterr().out


def test_simulator_needs_no_secret_of_the_configuration(workplace, capsys, monkeypatch):
    monkeypatch.delenv("KOLMEYA_TOKEN", raising=False)
    (workplace / "recado.toml").write_text(
        '[gateway]\nplugins = ["kolmeya"]\n'
        '[accounts.main]\nprovider = "kolmeya"\ntoken = { env = "KOLMEYA_TOKEN" }\n'
    )
    assert main(["simulate", "kolmeya", "--help"]) == 0
    assert capsys.readouterr().err == ""


def test_plugin_that_is_not_enabled_offers_no_command(workplace, capsys):
    (workplace / "recado.toml").write_text('[gateway]\nplugins = ["twilio_stub"]\n')
    assert main(["simulate", "kolmeya"]) == 2
    assert "invalid choice: 'kolmeya'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["simulate"], ["simulate", "kolmeya"]], ids=" ".join)
def test_enabled_plugins_come_from_the_environment_too(arguments, monkeypatch, capsys):
    monkeypatch.setenv("RECADO_GATEWAY__PLUGINS", "[]")
    assert main(arguments) == 2
    said = f"recado: no enabled plugin offers `recado {' '.join(arguments)}`\n"
    assert capsys.readouterr() == ("", said)


def test_broken_plugin_hides_no_other_command(capsys, monkeypatch):
    load = engine_plugins.load_plugins

    def load_or_break(enabled):
        if enabled == ["broken"]:
            raise ImportError("no module named abacus")
        return load(enabled)

    monkeypatch.setattr(plugin_commands, "installed_plugins", lambda: ["broken", "kolmeya"])
    monkeypatch.setattr(plugin_commands, "load_plugins", load_or_break)
    assert main(["simulate", "kolmeya", "--help"]) == 0
    said = capsys.readouterr()
    assert "--port" in said.out
    assert said.err == (
        "recado: the commands of plugin broken are missing: ImportError: no module named abacus\n"
    )


def test_broken_configuration_hides_no_command_of_a_plugin(workplace, capsys):
    (workplace / "recado.toml").write_text("[gateway\n")
    assert main(["simulate", "kolmeya", "--help"]) == 0
    said = capsys.readouterr()
    assert "--port" in said.out
    assert len(said.err.splitlines()) == 1


def test_plugin_can_t_replace_a_command_that_is_there():
    cli = plugin_commands.PluginCommandLine(Commands(Parser(prog="recado")))
    parser = cli.add_command("count", "sheep", summary="count sheep")
    parser.set_defaults(run=lambda _: 0)
    assert parser.prog == "recado count sheep"
    with pytest.raises(ConfigurationError, match="`recado count sheep` is there already"):
        cli.add_command("count", "sheep", summary="count them again")
    with pytest.raises(ConfigurationError, match="holds no others"):
        cli.add_command("count", "sheep", "twice", summary="count them twice")


def test_module_is_the_program():
    found = subprocess.run(
        [sys.executable, "-m", "recado_gateway", "--version"], capture_output=True, check=True
    )
    assert found.stdout.startswith(b"recado ")


def test_help_brings_neither_web_framework_nor_database():
    code = (
        "import sys; from recado_gateway.cli import main; main(['--help']);"
        "print([n for n in ('litestar', 'uvicorn', 'sqlalchemy') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("port", ["65536", "99999", "-5", "http", ""])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to 65535"):
        read_port(port)
    assert read_port("0") == 0
