"""What is wrong with a value that should have been a Struct, and where."""

import msgspec
from recado_core.engine.failures import Fault, fault_of


def fault_in(error: msgspec.ValidationError, kind: object) -> Fault:
    """Return what msgspec found wrong with a value that should have been of this type.

    A Struct that looks at its fields together (``__post_init__``) can't say where; if it begins
    with the name of one, as in ``end: lies before start``, that one is pointed at.
    """
    fault = fault_of(error)
    name, colon, detail = fault.detail.partition(": ")
    if fault.pointer or not colon or name not in _fields_of(kind):
        return fault
    return Fault(pointer=f"/{name}", detail=detail)


def _fields_of(kind: object) -> set[str]:
    if not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return set()
    return {field.encode_name for field in msgspec.structs.fields(kind)}
