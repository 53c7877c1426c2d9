"""The program ``recado``: which room runs a command, and what is said when it fails."""

import argparse
import atexit
import gc
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module, metadata

from recado_gateway.cli.commands import (
    DONE,
    FAILED,
    INTERRUPTED,
    WRONG_USE,
    Commands,
    Parser,
    UsageError,
)

# Only the room of the command that runs is imported: the others bring the engine and the web
# framework with them, and help must come at once.
ROOMS = {
    "init": ("init", "write a configuration, make the database and print an admin key"),
    "serve": ("serving", "run the HTTP API and the worker"),
    "worker": ("worker", "run a worker without the HTTP API"),
    "demo": ("demo", "send messages through a simulated vendor and watch them arrive"),
    "check": ("check", "check configuration, plugins, database, accounts and webhook address"),
    "send": ("send", "send one message"),
    "import": ("imports", "make a campaign of a file of recipients, and send it"),
    "campaign": ("campaigns", "make, try, start, watch and stop campaigns"),
    "schedules": ("schedules", "send messages and campaigns later, once or again and again"),
    "messages": ("messages", "list, show, cancel and resend messages"),
    "templates": ("templates", "keep templates of messages, and try them out"),
    "stats": ("stats", "sum up what was sent, what became of it and what it cost"),
    "suppressions": ("suppressions", "keep the suppression list, and ask who may get a message"),
    "do-not-disturb": ("do_not_disturb", "list, import and remove do-not-disturb lists"),
    "accounts": ("accounts", "look after the accounts, and run what else their providers offer"),
    "sinks": ("sinks", "list the sinks, and what has not reached them"),
    "keys": ("keys", "make, list and revoke API keys"),
    "plugins": ("plugins", "list the plugins"),
    "db": ("database", "look after the database"),
    "bench": ("bench", "measure how fast the gateway is on this machine"),
}
# Groups that only plugins fill.
PLUGIN_GROUPS = {"simulate": "run the simulator of a vendor"}


class Summary(argparse.HelpFormatter):
    """Help in which every command has one line, that of the longest name too."""

    def add_argument(self, action: argparse.Action) -> None:
        """Add an option, or the commands."""
        super().add_argument(action)
        # Python 3.11 leaves it out of its account that commands are indented.
        lengths = [
            len(self._format_action_invocation(each)) + self._current_indent
            for each in self._iter_indented_subactions(action)
        ]
        self._action_max_length = max([self._action_max_length, *lengths])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong use."""
    if argv is None:
        # At its end Python looks for cycles in all that was imported: half a second for a server.
        atexit.register(gc.freeze)
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except SystemExit as stop:  # argparse's way out, after it has said why
        return stop.code if isinstance(stop.code, int) else DONE if stop.code is None else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `recado messages list | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except UsageError as error:
        _complain(f"recado: {error}")
        return WRONG_USE
    except Exception as error:  # noqa: BLE001 # the last resort: a person gets a line, not a trace
        return _report(error, debug="--debug" in arguments)


def _run(arguments: list[str]) -> int:
    general, words = _read_general_options(arguments)
    if general.version:
        sys.stdout.write(f"recado {metadata.version('recado-gateway')}\n")
        return DONE
    commands = Commands(
        Parser(
            prog="recado", description="A self-hosted messaging gateway.", formatter_class=Summary
        )
    )
    commands.parser.add_argument("--version", action="store_true", help="print the version")
    for name, (room, summary) in ROOMS.items():
        command = commands.add(name, summary)
        if words[:1] == [name]:
            import_module(f"recado_gateway.cli.{room}").add_to(command)
    for name, summary in PLUGIN_GROUPS.items():
        commands.add(name, summary)
    if not _reaches_command(commands, words):
        import_module("recado_gateway.cli.plugin_commands").add_to(commands, general.config)
        _refuse_empty_group(commands, words)
    parsed = commands.parser.parse_args(arguments, argparse.Namespace(config=None, debug=False))
    run: Callable[[argparse.Namespace], int] = parsed.run
    return run(parsed)


def _read_general_options(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Read the general options wherever they stand, and the words that may name a command."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--version", action="store_true")
    try:
        general, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError:  # `--config` without its value: the whole parser says so
        return argparse.Namespace(config=None, debug=False, version=False), []
    words = [word for word in rest if not word.startswith("-")]
    general.version = general.version and not words
    return general, words


def _reaches_command(commands: Commands, words: list[str]) -> bool:
    found: Commands | None = commands
    for word in words:
        found = found.get(word) if found else None
        if found and found.is_command:
            return True
    return False


def _refuse_empty_group(commands: Commands, words: list[str]) -> None:
    group = commands.get(words[0]) if words else None
    if group and words[0] in PLUGIN_GROUPS and not group.is_group:
        raise UsageError(f"no enabled plugin offers `recado {' '.join(words[:2])}`")


def _report(error: Exception, *, debug: bool) -> int:
    # Here and not above: the contract brings the HTTP client, which help does not need
    from recado_core.errors import RecadoError  # noqa: PLC0415

    if debug:
        traceback.print_exception(error)
    elif isinstance(error, RecadoError):
        _complain(f"recado: {error}")
    else:
        text = str(error).partition("\n")[0]
        said = f"{type(error).__name__}: {text}" if text else type(error).__name__
        _complain(f"recado: {said} (--debug shows where)")
    return FAILED


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")
