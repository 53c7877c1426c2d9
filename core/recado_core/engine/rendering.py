"""Placeholders in a text, ``{{ name }}``, filled in a sandbox.

What a template may hold is listed below: names and their parts, comparisons, ``if``, and a few
filters. There are no loops, calls or arithmetic, so that a client can neither reach the gateway
through a template nor keep it busy with one.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, Undefined, UndefinedError, nodes
from jinja2.exceptions import TemplateRuntimeError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from recado_core.errors import ContentError

FILTERS = ("capitalize", "default", "first", "last", "length", "lower", "title", "trim", "upper")
LONGEST_RESULT = 100_000
"""Characters; what a channel carries is far less."""

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Test,
)


def render(text: str, variables: Mapping[str, Any]) -> str:
    """Return the text with its placeholders filled; a variable that is null is missing.

    Raises:
        ContentError: A variable is missing (it is named), or the text is no template.
    """
    if "{" not in text:
        return text
    given = {name: value for name, value in variables.items() if value is not None}
    try:
        return _join(_compile(text).generate(given))
    except UndefinedError as error:
        raise ContentError(f"a variable is missing: {error.message}") from error
    except (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ContentError(f"the placeholders can't be filled: {error}") from error


def _join(pieces: Iterable[str]) -> str:
    """Join what a template yields, and stop where it grows too long."""
    written: list[str] = []
    length = 0
    for piece in pieces:
        written.append(piece)
        length += len(piece)
        if length > LONGEST_RESULT:
            raise ContentError(f"the text is too long: more than {LONGEST_RESULT} characters")
    return "".join(written)


def _printable(value: object) -> object:
    if isinstance(value, str | int | float | Undefined):
        return value
    raise TemplateRuntimeError("a placeholder stands for something other than a text or a number")


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_printable
)
_ENVIRONMENT.globals.clear()  # they would stand in for variables that are missing
_ENVIRONMENT.tests = {"defined": _ENVIRONMENT.tests["defined"]}
_ENVIRONMENT.filters = {name: _ENVIRONMENT.filters[name] for name in FILTERS}


@lru_cache(maxsize=256)
def _compile(text: str) -> Template:
    tree = _ENVIRONMENT.parse(text)
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            kind = type(node).__name__.lower()
            raise TemplateRuntimeError(f"a template can't hold a {kind}")
    return _ENVIRONMENT.from_string(tree)
