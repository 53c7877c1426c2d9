"""The tree of commands, to which every room of the command line and every plugin adds its own."""

import argparse
from typing import Any, NoReturn

DONE = 0
FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130


class UsageError(Exception):
    """Arguments that are well formed one by one and make no sense together."""


class Parser(argparse.ArgumentParser):
    """A parser whose commands all take the general options, and that complains in one line."""

    _looking_between = False

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 # argparse's own, handed through
        super().__init__(**settings, allow_abbrev=False)
        add_general_options(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 # argparse's own, overloaded
        """Take options between the arguments too, not before and after them alone."""
        if self._looking_between or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._looking_between = True  # argparse calls this method again, for one kind at a time
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._looking_between = False

    def error(self, message: str) -> NoReturn:
        """End the program with the exit code of wrong use."""
        self.exit(WRONG_USE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_general_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command; one that is absent sets nothing, so none hides another."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="the configuration (default: $RECADO_CONFIG, then recado.toml)",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an unexpected error",
    )


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` to a command that shows a table."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


class Commands:
    """A command: its parser, and the commands below it if it is a group."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser
        self._below: dict[str, Commands] = {}
        self._subparsers: Any = None  # argparse keeps the type private

    @property
    def is_group(self) -> bool:
        """Whether there are commands below this one."""
        return bool(self._below)

    @property
    def is_command(self) -> bool:
        """Whether this can be run itself."""
        return not self.is_group and self.parser.get_default("run") is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the commands below this one."""
        return tuple(self._below)

    def get(self, name: str) -> "Commands | None":
        """Return the command of this name below this one."""
        return self._below.get(name)

    def add(self, name: str, summary: str) -> "Commands":
        """Add a command below this one, which becomes a group; its ``run`` is still to be set."""
        if self._subparsers is None:
            self._subparsers = self.parser.add_subparsers(metavar="COMMAND", title="commands")
            self.parser.set_defaults(run=self._show_help)
        parser = self._subparsers.add_parser(
            name, help=summary, description=summary[:1].upper() + summary[1:] + "."
        )
        self._below[name] = Commands(parser)
        return self._below[name]

    def _show_help(self, _: argparse.Namespace) -> int:
        self.parser.print_help()
        return WRONG_USE
