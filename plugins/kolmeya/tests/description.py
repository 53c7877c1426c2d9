"""The vendor's own description of its API, where it lies beside the repository, and what is not so.

Its schemas are read narrowly: a field that they do not name is none, and a format counts.
"""

import json
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import jsonschema
from recado_kolmeya.simulator.routes import find_operation

DESCRIPTION = Path(__file__).parents[4] / "shared" / "reference" / "kolmeya-openapi.json"
MISSING = f"the vendor's description is not beside the repository: there is no {DESCRIPTION}"
REQUEST = "request"


class Deviation(NamedTuple):
    """One thing that is not as described."""

    path: str
    body: str | int  # of the request, or of the answer with this status
    place: str
    what: str


@cache
def _description():
    return json.loads(DESCRIPTION.read_text())


def described_paths():
    return _description()["paths"]


def described_statuses():
    """Return every path with every status that it may answer with."""
    return {
        (path, int(status))
        for path, operations in described_paths().items()
        for status in operations["post"]["responses"]
    }


def find_path(request):
    """Return the described path of a call."""
    return find_operation(request.method, request.url.path.removeprefix("/api"))[0]


def request_deviations(path, content):
    """Yield what of a request's body is not as described."""
    operation = described_paths()[path]["post"]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        yield from _deviations(schema, json.loads(content), path, REQUEST)
    elif content:
        yield Deviation(path, REQUEST, "", "a body")


def answer_deviations(path, answer):
    """Yield what of an answer is not as described."""
    status = answer.status_code
    found = described_paths()[path]["post"]["responses"].get(str(status))
    if found is None:
        yield Deviation(path, status, "", "the status")
        return
    content = _resolve(found).get("content")
    if content is None and answer.content:
        yield Deviation(path, status, "", "a body")
    elif content is not None:
        assert answer.headers["Content-Type"] == "application/json"
        schema = content["application/json"]["schema"]
        yield from _deviations(schema, answer.json(), path, status)


def _deviations(schema, value, path, body):
    validator = jsonschema.Draft202012Validator(_narrow(schema), format_checker=_formats)
    for error in validator.iter_errors(value):
        place = "/".join("*" if isinstance(part, int) else part for part in error.absolute_path)
        for what in _say(error):
            yield Deviation(path, body, place, what)


def _say(error):
    """Return what is wrong, in few words."""
    match error.validator:
        case "additionalProperties":
            known = error.schema["properties"]
            return [f"unknown {name}" for name in error.instance if name not in known]
        case "required":
            return [f"no {name}" for name in error.validator_value if name not in error.instance]
        case "type" if error.instance is None or error.instance == []:
            return [f"{json.dumps(error.instance)} for {error.validator_value}"]
        case name:
            return [f"{name} {error.validator_value}"]


def _narrow(schema):
    """Return a schema with its references in place, its parts in one, and no room for more."""
    if isinstance(schema, list):
        return [_narrow(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = _resolve(schema)
    if "allOf" in schema:
        parts = [_resolve(part) for part in schema["allOf"]]
        schema = {
            "type": "object",
            "properties": {k: v for part in parts for k, v in part["properties"].items()},
            "required": [name for part in parts for name in part.get("required", ())],
        }
    narrow = {key: _narrow(part) for key, part in schema.items() if key != "example"}
    return narrow | {"additionalProperties": False} if "properties" in schema else narrow


def _resolve(part):
    """Return what a reference names."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    return _description()["components"][kind][name]


_formats = jsonschema.FormatChecker(formats=())


def _checked(name):
    def register(read):
        _formats.checks(name, ValueError)(lambda value: not isinstance(value, str) or read(value))

    return register


@_checked("uuid")
def _is_uuid(text):
    return bool(UUID(text))


@_checked("date")
def _is_date(text):
    return bool(date.fromisoformat(text))


@_checked("date-time")
def _is_moment(text):
    return "T" in text and datetime.fromisoformat(text).tzinfo is not None


@_checked("uri")
def _is_uri(text):
    return bool(urlsplit(text).scheme)
