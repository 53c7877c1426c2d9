"""The JSON Schemas of the API's types, as msgspec makes them and clients need them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

REFERENCE = "#/components/schemas/{name}"

Json = dict[str, Any]


def schemas_of(types: Sequence[Any]) -> tuple[list[Json], Json]:
    """Return the schema of each type, and the shapes that these refer to, by name."""
    schemas, shapes = msgspec.json.schema_components(types, ref_template=REFERENCE)
    for shape in shapes.values():
        if "description" in shape:  # a docstring, in which code stands between two backticks
            shape["description"] = shape["description"].replace("``", "`")
    for struct in _structs_in(inspect.multi_type_info(types)):
        _mark_moments(struct, shapes.get(struct.cls.__name__, {}))
    return list(schemas), shapes


def _mark_moments(struct: inspect.StructType, shape: Json) -> None:
    """Say which texts are times: msgspec does where the type demands an offset, and all ours have.

    A draft's are checked by the engine, so that a batch can tell of one that has none.
    """
    for field in struct.fields:
        if any(isinstance(part, inspect.DateTimeType) for part in _parts(field.type)):
            schema = shape["properties"][field.encode_name]
            for option in schema.get("anyOf", [schema]):
                if option.get("type") == "string":
                    option["format"] = "date-time"


def _structs_in(types: Iterable[inspect.Type]) -> Iterator[inspect.StructType]:
    waiting, seen = list(types), set()
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, inspect.StructType) and id(kind) not in seen:
            seen.add(id(kind))
            yield kind
            waiting += [field.type for field in kind.fields]
        elif isinstance(kind, inspect.CollectionType):
            waiting.append(kind.item_type)
        elif isinstance(kind, inspect.DictType):
            waiting.append(kind.value_type)
        else:
            waiting += [part for part in _parts(kind) if part is not kind]


def _parts(kind: inspect.Type) -> Sequence[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _parts(kind.type)
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)
