"""Pages for people, whole by themselves: the OpenAPI document and the kinds of problems."""

from collections.abc import Iterable
from html import escape
from typing import Any

import msgspec

from recado_gateway.problems import Kind, all_kinds

Json = dict[str, Any]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --key: #0a6; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 small { font-weight: normal; opacity: .7; } h2 { margin-top: 2.5rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: 4px; }
details { border: 1px solid var(--line); border-radius: 4px; margin: .5rem 0; padding: .5rem 1rem; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4.5rem; color: var(--key); }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; text-align: left;
  vertical-align: top; }
"""


def schema_page(document: Json) -> bytes:
    """Return the OpenAPI document as a page."""
    info = document["info"]
    parts = [
        f"<h1>{_text(info['title'])} <small>{_text(info['version'])}</small></h1>",
        f"<p>{_text(info['description'])}</p>",
        '<p>The same for programs: <a href="/schema/openapi.json">/schema/openapi.json</a></p>',
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{_text(tag['name'])}</h2>")
        parts += [
            _operation(method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
    parts.append("<h2>Shapes</h2>")
    schemas = document["components"]["schemas"]
    parts += [_schema(name, schemas[name]) for name in sorted(schemas)]
    parts.append("<h2>Problems</h2>")
    parts.append(
        _table(
            ("Type", "Status", "Meaning"),
            (
                (f'<a href="{kind.type}">{kind.type}</a>', str(kind.status), _text(kind.meaning))
                for kind in all_kinds()
            ),
        )
    )
    return _page("Recado API", parts)


def problem_page(kind: Kind) -> bytes:
    """Return the page that a problem's ``type`` leads to."""
    return _page(
        kind.title,
        [
            f"<h1>{_text(kind.title)} <small>{kind.status}</small></h1>",
            f"<p>{_text(kind.meaning)}</p>",
            '<p><a href="/schema">All calls and problems</a></p>',
        ],
    )


def _page(title: str, parts: Iterable[str]) -> bytes:
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    ).encode()


def _operation(method: str, path: str, operation: Json) -> str:
    inside = [f"<p>{_text(operation.get('description', ''))}</p>"]
    if parameters := operation.get("parameters"):
        inside.append(
            _table(
                ("Parameter", "In", "Type", ""),
                (
                    (
                        f"<code>{_text(one['name'])}</code>",
                        one["in"],
                        _type(one["schema"]),
                        _text(one.get("description", "")),
                    )
                    for one in parameters
                ),
            )
        )
    if body := operation.get("requestBody"):
        for media_type, content in body["content"].items():
            shape = _type(content.get("schema", {}))
            inside.append(f"<p>Body, <code>{_text(media_type)}</code>: {shape}</p>")
            if "example" in content:
                inside.append(f"<pre>{_text(_indented(content['example']))}</pre>")
    inside.append(_table(("Status", "", "Body"), map(_response, operation["responses"].items())))
    return (
        f'<details id="{_text(operation["operationId"])}"><summary><b>{method.upper()}</b> '
        f"<code>{_text(path)}</code> {_text(operation['summary'])}</summary>\n"
        + "\n".join(inside)
        + "</details>"
    )


def _response(found: tuple[str, Json]) -> tuple[str, str, str]:
    status, response = found
    shapes = (_type(content["schema"]) for content in response.get("content", {}).values())
    return status, _text(response["description"]), ", ".join(shapes)


def _schema(name: str, schema: Json) -> str:
    needed = schema.get("required", ())
    rows = (
        (
            f"<code>{_text(field)}</code>",
            _type(one),
            "required" if field in needed else _default(one),
        )
        for field, one in schema.get("properties", {}).items()
    )
    inside = _table(("Field", "Type", ""), rows) if "properties" in schema else _type(schema)
    return (
        f'<details id="{_text(name)}"><summary><code>{_text(name)}</code></summary>\n'
        f"<p>{_text(schema.get('description', ''))}</p>\n{inside}</details>"
    )


def _default(schema: Json) -> str:
    if schema.get("default") is None:
        return ""
    return f"default <code>{_text(msgspec.json.encode(schema['default']).decode())}</code>"


def _type(schema: Json) -> str:
    """Return the type that a schema means, in words, with links to the shapes it names."""
    if "$ref" in schema:
        name = _text(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{_text(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return _text(" ".join(_words(schema))) or "anything"


def _words(schema: Json) -> Iterable[str]:
    yield schema.get("format") or schema.get("type", "")
    limits = ("minimum", "maximum", "minLength", "maxLength")
    yield from (f"{name} {schema[name]}" for name in limits if name in schema)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _indented(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _text(text: str) -> str:
    return escape(text)
