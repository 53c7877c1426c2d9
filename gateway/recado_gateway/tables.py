"""Reading a table of the configuration as a Struct, with every fault named by its dotted path."""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from enum import Enum
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from recado_core.contract import Secret, decode_setting
from recado_core.errors import ConfigurationError

from recado_gateway.environment import Text

T = TypeVar("T", bound=msgspec.Struct)
Kind = Any  # a type, or what else may stand in an annotation


def read_table(table: object, kind: type[T], path: str) -> T:
    """Read a table as a Struct, or raise ``ConfigurationError`` that names the key.

    An empty path is that of the whole file.
    """
    plain = read_value(table, kind, path)
    try:
        return msgspec.convert(plain, kind, dec_hook=decode_setting)
    except msgspec.ValidationError as error:  # a list's length, or __post_init__
        text, _, inner = str(error).partition(" - at `$.")
        if inner:
            fault = f"{_join(path, inner.rstrip('`'))}: {text.replace('`', '')}"
            raise ConfigurationError(fault) from None
        field, colon, _ = text.partition(": ")
        named = colon and field in {each.encode_name for each in msgspec.structs.fields(kind)}
        raise ConfigurationError(f"{path}{'.' if named else ': '}{text}") from None


def read_value(value: object, kind: Kind, path: str) -> Any:  # noqa: ANN401  # what the file holds
    """Return a value whose text from outside is read, once it is known to be of this type."""
    struct, item = _shape_of(kind)
    if isinstance(value, Text) and (struct or _shape_of(item)[0]):
        value = _read_json(value, path)
    if struct and isinstance(value, dict):
        return read_fields(value, struct, path)
    if item and isinstance(value, list):
        return [read_value(it, item, f"{path}[{index}]") for index, it in enumerate(value)]
    if item and isinstance(value, dict):
        return {key: read_value(it, item, f"{path}.{key}") for key, it in value.items()}
    return _read_leaf(value, kind, path)


def read_fields(table: dict[str, Any], kind: type[msgspec.Struct], path: str) -> dict[str, Any]:
    """Return a table whose keys are all fields of this Struct, none that it needs missing."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    refuse_unknown(table, fields, path)
    for name, field in fields.items():
        if field.required and name not in table:
            raise ConfigurationError(f"{_join(path, name)}: missing")
    return {
        name: read_value(it, fields[name].type, _join(path, name)) for name, it in table.items()
    }


def hide_secrets(table: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the table with its secrets as such, so that no print of it shows them."""
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    return {key: _hide(value, types[key]) for key, value in table.items()}


def _hide(value: object, kind: Kind) -> object:
    struct, item = _shape_of(kind)
    if struct is not None and isinstance(value, dict):
        return hide_secrets(value, struct)
    if item is not None and isinstance(value, list):
        return [_hide(it, item) for it in value]
    if item is not None and isinstance(value, dict):
        return {key: _hide(it, item) for key, it in value.items()}
    return Secret(value) if Secret in _options(kind) and isinstance(value, str) else value


def refuse_unknown(keys: Iterable[str], known: Collection[str], path: str) -> None:
    """Raise for a key that means nothing, and name the one that may have been meant."""
    for key in keys:
        if key not in known:
            raise ConfigurationError(f"{_join(path, key)}: unknown key{did_you_mean(key, known)}")


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return ``, did you mean …?`` if something known is close to the word, or nothing."""
    found = get_close_matches(word, known, n=1)
    return f", did you mean {found[0]}?" if found else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _read_leaf(value: object, kind: Kind, path: str) -> object:
    try:
        if isinstance(value, Text):
            return _read_text(value, kind)
        msgspec.convert(value, kind, dec_hook=decode_setting)
    except NotImplementedError:  # decode_setting makes a Secret of a text alone
        raise ConfigurationError(f"{path}: must be a text") from None
    except msgspec.ValidationError as error:
        text, _, inner = str(error).partition(" - at `$")
        fault = text.replace("`", "") + _choices(kind)
        raise ConfigurationError(f"{path}{inner.rstrip('`')}: {fault}") from None
    return value


def _read_text(text: Text, kind: Kind) -> object:
    """Return what a text from outside means where a value of this type is wanted."""
    readings = list(_readings(str(text)))
    if _shape_of(kind)[1] is not None:  # of what may be a text or a list, commas make a list
        readings.sort(key=lambda reading: not isinstance(reading, list))
    for reading in readings:
        try:
            msgspec.convert(reading, kind, dec_hook=decode_setting)
        except (msgspec.ValidationError, NotImplementedError):
            continue
        return reading
    return msgspec.convert(str(text), kind, dec_hook=decode_setting)  # for the fault it raises


def _readings(text: str) -> Iterator[object]:
    """Yield what a text may mean: itself, a truth value, JSON, a list with commas."""
    yield text
    if text.lower() in {"true", "false"}:
        yield text.lower() == "true"
    yield from _as_json(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    yield parts
    yield [next(_as_json(part), part) for part in parts]


def _as_json(text: str) -> Iterator[object]:
    try:
        yield msgspec.json.decode(text)
    except msgspec.DecodeError:
        return


def _read_json(text: Text, path: str) -> object:
    for value in _as_json(str(text)):
        return value
    raise ConfigurationError(f"{path}: must be JSON where it comes from the environment")


def _shape_of(kind: Kind) -> tuple[type[msgspec.Struct] | None, Kind]:
    """Return the Struct that a type allows, and the type of what a list or table in it holds."""
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option, None
        if _origin(option) in (list, tuple):
            return None, get_args(option)[0]
        if _origin(option) is dict:
            return None, get_args(option)[1]
    return None, None


def _choices(kind: Kind) -> str:
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, Enum):
            return f" (one of {', '.join(str(member.value) for member in option)})"
    return ""


def _options(kind: Kind) -> list[Kind]:
    """Return the types that a type allows, without what is noted beside them."""
    if _origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if _origin(kind) in (Union, UnionType):
        return [plain for option in get_args(kind) for plain in _options(option)]
    return [kind]


def _origin(kind: Kind) -> Kind:
    return get_origin(kind)
