"""What the configuration takes from outside its file: variables, and secrets kept elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recado_core.errors import ConfigurationError

PREFIX = "RECADO_"
SEPARATOR = "__"
WHOLE_TABLES = frozenset(
    {
        "GATEWAY",
        "ACCOUNTS",
        "ROUTES",
        "SINKS",
        "SUPPRESSIONS",
        "DO_NOT_DISTURB",
        "QUIET_HOURS",
        "LIMITS",
        "OPT_OUT",
        "CHECKS",
    }
)
"""What a name without ``__`` must be to be ours: a table of the file, whole, as JSON."""

Table = dict[str, Any]


class Text(str):
    """A value that was written outside the file, where everything is text."""

    __slots__ = ()


def add_environment(table: Table, environ: Mapping[str, str]) -> None:
    """Put what the environment says over what the file says; an empty variable says nothing."""
    for name in sorted(environ):
        path = name.removeprefix(PREFIX).split(SEPARATOR)
        if not name.startswith(PREFIX) or not environ[name]:
            continue
        if len(path) > 1 or path[0] in WHOLE_TABLES:
            _put(table, path, Text(environ[name]), name)


def resolve_secrets(value: Any, path: str, environ: Mapping[str, str], folder: Path) -> Any:  # noqa: ANN401  # any value of the file
    """Return the value with every ``{ env = "NAME" }`` and ``{ file = "PATH" }`` in it read."""
    if isinstance(value, list):
        return [
            resolve_secrets(item, f"{path}[{index}]", environ, folder)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, dict):
        return value
    match value:
        case {"env": str(name), **rest} if not rest:
            return _read_variable(name, path, environ)
        case {"file": str(name), **rest} if not rest:
            return _read_file(folder / name, path)
    return {
        key: resolve_secrets(item, f"{path}.{key}" if path else key, environ, folder)
        for key, item in value.items()
    }


def _put(table: Table, path: list[str], text: Text, name: str) -> None:
    for part in path[:-1]:
        below = table.setdefault(_key_for(table, part), {})
        if not isinstance(below, dict):
            raise ConfigurationError(f"{name}: {part.lower()} is not a table")
        table = below
    table[_key_for(table, path[-1])] = text


def _key_for(table: Table, part: str) -> str:
    """Return the key that a part of a variable's name means: an existing one, if one fits."""
    fits = (key for key in table if key.upper().replace("-", "_") == part)
    return next(fits, part.lower())


def _read_variable(name: str, path: str, environ: Mapping[str, str]) -> Text:
    text = environ.get(name, "")
    if not text:
        raise ConfigurationError(f"{path}: the environment variable {name} is not set")
    return Text(text)


def _read_file(file: Path, path: str) -> Text:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{path}: can't read {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: {file} is not UTF-8 text") from None
    if not text:
        raise ConfigurationError(f"{path}: {file} is empty")
    return Text(text)
