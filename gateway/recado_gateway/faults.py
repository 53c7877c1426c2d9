"""What is wrong with a value that should have been a Struct, and where."""

import msgspec
from msgspec import inspect
from recado_core.engine.failures import Fault, fault_of

EXAMPLES = {
    "Invalid RFC3339 encoded datetime": "2030-01-31T09:00:00-03:00",
    "Expected datetime with a timezone component": "2030-01-31T09:00:00-03:00",
    "Invalid RFC3339 encoded date": "2030-01-31",
}


def fault_in(error: msgspec.ValidationError, kind: object) -> Fault:
    """Return what msgspec found wrong with a value that should have been of this type.

    A Struct that looks at its fields together (``__post_init__``) can't say where; if it begins
    with the name of one, as in ``end: lies before start``, that one is pointed at.
    """
    fault = fault_of(error)
    name, colon, detail = fault.detail.partition(": ")
    if fault.pointer or not colon or name not in _fields_of(kind):
        return Fault(pointer=fault.pointer, detail=_in_words(fault, kind))
    return Fault(pointer=f"/{name}", detail=detail)


def _fields_of(kind: object) -> set[str]:
    if not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return set()
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def _in_words(fault: Fault, kind: object) -> str:
    """Return the detail for a person: what a pattern means, which values there are, an example."""
    if fault.detail in EXAMPLES:
        return f"{fault.detail}, such as {EXAMPLES[fault.detail]}"
    if not fault.detail.startswith(("Expected str matching regex", "Invalid enum value")):
        return fault.detail
    for found in _types_at(inspect.type_info(kind), fault.pointer.split("/")[1:]):
        match found:
            case inspect.Metadata(
                type=inspect.StrType(pattern=str()), extra_json_schema={"description": str(said)}
            ):
                return f"must be {said}"
            case inspect.EnumType(cls=values) if "enum" in fault.detail:
                return f"{fault.detail} (one of {', '.join(str(it.value) for it in values)})"
            case inspect.LiteralType(values=values) if "enum" in fault.detail:
                return f"{fault.detail} (one of {', '.join(map(str, values))})"
    return fault.detail


def _types_at(kind: inspect.Type, steps: list[str]) -> list[inspect.Type]:
    """Return what a value at the end of these steps of a JSON pointer may be."""
    options = _options(kind)
    if not steps:
        return options
    inside = [inner for option in options for inner in _inside(option, steps[0])]
    return [found for inner in inside for found in _types_at(inner, steps[1:])]


def _options(kind: inspect.Type) -> list[inspect.Type]:
    match kind:
        case inspect.UnionType(types=types):
            return [option for each in types for option in _options(each)]
        case inspect.Metadata(type=inner):
            return [kind, *_options(inner)]
    return [kind]


def _inside(kind: inspect.Type, step: str) -> list[inspect.Type]:
    match kind:
        case inspect.StructType(fields=fields):
            return [field.type for field in fields if field.encode_name == step]
        case inspect.CollectionType(item_type=inner) | inspect.DictType(value_type=inner):
            return [inner]
    return []
