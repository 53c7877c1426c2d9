"""``recado accounts operations`` and ``run``: what a provider offers beside messages."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect
from recado_core.contract import Operation, Progress
from recado_core.engine.accounts.operations import OperationView

from recado_gateway.cli.commands import DONE, Commands, UsageError, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import explain, print_json, print_table
from recado_gateway.cli.progress import open_bar
from recado_gateway.cli.structs import print_struct
from recado_gateway.cli.times import in_zone
from recado_gateway.faults import fault_in
from recado_gateway.settings import Settings

STANDARD_INPUT = "-"


class Item(msgspec.Struct, frozen=True):
    """One field of a request: ``key=value``, whose value is a text, or ``key:=JSON``."""

    key: str
    value: Any
    is_text: bool


class Offer(msgspec.Struct, frozen=True):
    """One operation as a table shows it."""

    view: OperationView
    fields: str


def add_to(command: Commands) -> None:
    """Add the commands about operations to ``recado accounts``."""
    listing = command.add("operations", "list what else an account's provider offers").parser
    listing.add_argument("name", help="the account's name")
    add_json_option(listing)
    listing.set_defaults(run=run_list)
    running = command.add("run", "run one of the provider's operations").parser
    running.add_argument("name", help="the account's name")
    running.add_argument("operation", help="as `recado accounts operations NAME` lists it")
    running.add_argument(
        "items",
        nargs="*",
        default=[],  # without which argparse lists it among those that are needed
        type=read_item,
        metavar="key=value | key:=JSON",
        help="a field of the request; a key that is repeated makes a list",
    )
    running.add_argument(
        "--input", metavar="FILE", help="read the request from a JSON object; - is standard input"
    )
    add_json_option(running)
    running.set_defaults(run=run_operation)


# ---------------------------------------------------------------- operations


def run_list(args: argparse.Namespace) -> int:
    """List the operations; in JSON with their schemas."""
    offers = asyncio.run(_list(read_settings(args.config), args.name))
    if args.json:
        print_json({"items": [offer.view for offer in offers]})
        return DONE
    print_table(
        ("operation", "changes", "fields", "summary"),
        (
            (
                offer.view.name,
                "yes" if offer.view.changes else "",
                offer.fields,
                offer.view.summary,
            )
            for offer in offers
        ),
    )
    return DONE


async def _list(settings: Settings, name: str) -> list[Offer]:
    async with open_engine(settings) as engine:
        return [
            Offer(view, fields_in(engine.operations.find(name, view.name)))
            for view in engine.operations.list(name)
        ]


def fields_in(operation: Operation) -> str:
    """Return the names of a request's fields, those that may be left out in brackets."""
    return " ".join(
        field.encode_name if field.required else f"[{field.encode_name}]"
        for field in msgspec.structs.fields(operation.request)
    )


# ---------------------------------------------------------------- run


def run_operation(args: argparse.Namespace) -> int:
    """Run one operation and print its reply."""
    settings = read_settings(args.config)
    given = read_input(args.input) if args.input else {}
    with open_bar(args.operation) as progress:
        reply = asyncio.run(_run(settings, args, given, progress))
    if args.json:
        print_json(reply)
    elif not print_struct(reply, settings.engine.timezone):
        explain(f"{args.operation}: done; the reply is empty")
    return DONE


async def _run(
    settings: Settings, args: argparse.Namespace, given: dict[str, Any], progress: Progress | None
) -> msgspec.Struct:
    async with open_engine(settings) as engine:
        operation = engine.operations.find(args.name, args.operation)
        request = make_request(operation, given, args.items, settings.engine.timezone)
        return await engine.operations.run(args.name, args.operation, request, progress)


def read_item(text: str) -> Item:
    """Read ``key=value`` or ``key:=JSON``."""
    key, sign, value = text.partition("=")
    name = key.removesuffix(":")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is neither key=value nor key:=JSON")
    if name == key:
        return Item(key, value, is_text=True)
    try:
        return Item(name, msgspec.json.decode(value), is_text=False)
    except msgspec.DecodeError as error:
        raise argparse.ArgumentTypeError(f"{name} is no JSON: {error}") from error


def read_input(name: str) -> dict[str, Any]:
    """Read a JSON object from a file, or from standard input."""
    try:
        text = sys.stdin.read() if name == STANDARD_INPUT else Path(name).read_text("utf-8")
        return msgspec.json.decode(text, type=dict[str, Any])
    except OSError as error:
        raise UsageError(f"--input: can't read {name}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--input: {name} holds no JSON object: {error}") from error


def make_request(
    operation: Operation, given: dict[str, Any], items: Sequence[Item], zone: str
) -> msgspec.Struct:
    """Make the request of what was given and of the items over it; a time is one of the zone.

    Args:
        operation: Whose request it is.
        given: The request as ``--input`` has it.
        items: The fields of the command line.
        zone: The time zone of times without offset.

    Raises:
        UsageError: It is no such request; the text names the field.
    """
    fields = {field.encode_name: field.type for field in _fields_of(operation.request)}
    named = given | {
        key: _value_of([item for item in items if item.key == key], fields.get(key))
        for key in dict.fromkeys(item.key for item in items)
    }
    found = {key: _read_times(key, it, fields.get(key), zone) for key, it in named.items()}
    try:
        # not strict, because on the command line a number is text
        return msgspec.convert(found, operation.request, strict=False)
    except msgspec.ValidationError as error:
        fault = fault_in(error, operation.request)
        where = fault.pointer.removeprefix("/").replace("/", ".")
        known = fields_in(operation)
        raise UsageError(
            f"{operation.name}: {where}{': ' if where else ''}{fault.detail}"
            f" ({f'its fields: {known}' if known else 'it has no fields'})"
        ) from error


def _value_of(items: Sequence[Item], kind: inspect.Type | None) -> object:
    values = [it.value for it in items]
    listed = kind and any(isinstance(part, inspect.CollectionType) for part in _parts_of(kind))
    return values if len(values) > 1 or (listed and items[0].is_text) else values[0]


def _read_times(key: str, value: object, kind: inspect.Type | None, zone: str) -> object:
    if kind is None or not any(isinstance(part, inspect.DateTimeType) for part in _parts_of(kind)):
        return value
    if isinstance(value, list):
        return [_read_time(key, it, zone) for it in value]
    return _read_time(key, value, zone)


def _read_time(key: str, value: object, zone: str) -> object:
    if not isinstance(value, str):
        return value
    if _is_date(value):  # which would be its midnight, so that the last day of a span is lost
        raise UsageError(f"{key}: write the time too, such as {value}T18:00")
    try:
        return in_zone(datetime.fromisoformat(value), zone)
    except ValueError:  # msgspec says what is wrong with it
        return value


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _fields_of(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(kind)
    return found.fields if isinstance(found, inspect.StructType) else ()


def _parts_of(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types that a type allows, those in a list too."""
    match kind:
        case inspect.Metadata(type=inner):
            yield from _parts_of(inner)
        case inspect.UnionType(types=options):
            for option in options:
                yield from _parts_of(option)
        case inspect.CollectionType(item_type=inner):
            yield kind
            yield from _parts_of(inner)
        case _:
            yield kind
