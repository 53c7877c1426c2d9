"""The command line of the simulator: every switch is an option of the same name."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

from recado_kolmeya.simulator.app import Simulator, create_simulator
from recado_kolmeya.simulator.switches import Switches

Serve = Callable[[Simulator, str, int], int]

HOST, PORT = "127.0.0.1", 8900
WRONG_USE = 2

# Delivered "in 1 to 5 minutes", once in 39 seconds.
REALISTIC = {"sent_delay": 2.0, "final_delay": 39.0, "final_spread": 240.0, "latency": 0.15}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the address to serve on and one option for every switch."""
    parser.add_argument("--host", default=HOST, help="address to serve on (%(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="port to serve on (%(default)s)")
    parser.add_argument(
        "--realistic",
        action="store_true",
        help="deliver within minutes, as the vendor does, instead of at once",
    )
    group = parser.add_argument_group("switches")
    for field in _fields():
        flags = [f"--{field.name.replace('_', '-')}"]
        if field.name == "faults":
            flags.insert(0, "--fault")
        described, kind = _described(field.type)
        shown = "" if field.default in {None, "", ()} else f" ({_shown(field.default)})"
        help_text = f"{described}{shown}".replace("%", "%%")
        group.add_argument(*flags, dest=field.name, default=None, help=help_text, **_option(kind))


def _fields() -> tuple[inspect.Field, ...]:
    kind = inspect.type_info(Switches)
    if not isinstance(kind, inspect.StructType):
        raise TypeError("Switches is a Struct")
    return kind.fields


def _described(kind: inspect.Type) -> tuple[str, inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        described = (kind.extra_json_schema or {}).get("description", "")
        return str(described), kind.type
    return "", kind


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _option(kind: inspect.Type) -> dict[str, Any]:
    """Choose argparse's settings for a switch; its values are checked later, all at once."""
    if isinstance(kind, inspect.BoolType):
        return {"action": argparse.BooleanOptionalAction}
    if isinstance(kind, inspect.LiteralType):
        return {"choices": kind.values}
    if isinstance(kind, inspect.VarTupleType):
        return {"action": "append", "metavar": "VALUE"}
    names = {inspect.IntType: "N", inspect.FloatType: "X"}
    return {"metavar": names.get(type(kind), "VALUE")}


def switches_from(args: argparse.Namespace) -> Switches:
    """Read the switches from parsed arguments; raise ``ValueError`` if a value is wrong."""
    given = {name: getattr(args, name) for name in Switches.__struct_fields__}
    values: dict[str, Any] = dict(REALISTIC) if args.realistic else {}
    values.update({name: value for name, value in given.items() if value is not None})
    if "faults" in values:
        values["faults"] = [_fault(text) for text in values["faults"]]
    return msgspec.convert(values, Switches, strict=False)


def _fault(text: str) -> dict[str, str]:
    """Read a fault written as ``KIND,key=value,...``."""
    kind, *parts = text.split(",")
    values = {"kind": kind}
    for part in parts:
        key, sign, value = part.partition("=")
        if not sign:
            raise ValueError(f"--fault: {part!r} is not key=value")
        values[key] = value
    return values


def run(args: argparse.Namespace, serve: Serve) -> int:
    """Serve the simulator until it is interrupted, and return the exit code; 2 for a wrong option.

    Args:
        args: What ``add_arguments`` had parsed.
        serve: Serves an ASGI application on an address, as ``CommandLine.serve`` does.
    """
    try:
        switches = switches_from(args)
    except ValueError as error:
        sys.stderr.write(f"wrong option: {error}\n")
        return WRONG_USE
    return serve(create_simulator(switches), args.host, args.port)
