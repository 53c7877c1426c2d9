"""Placeholders in a text, ``{{ name }}``, filled in a sandbox.

What a template may hold is listed below: names and their parts, comparisons, ``if``, and a few
filters. There are no loops, calls or arithmetic, so that a client can neither reach the gateway
through a template nor keep it busy with one.
"""

from collections.abc import Iterable, Iterator, Mapping
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


_UNUSABLE = (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError)
"""What Jinja raises for a text that is no template, or that does not suit its variables."""


class MissingVariableError(ContentError):
    """Variables are missing; ``names`` are all of them, as far as the text gets with the rest."""

    def __init__(self, names: list[str], text: str) -> None:
        super().__init__(text)
        self.names = names


def render(text: str, variables: Mapping[str, Any]) -> str:
    """Return the text with its placeholders filled; a variable that is null is missing.

    Raises:
        MissingVariableError: Some are missing.
        ContentError: The text is no template, or a variable does not suit it.
    """
    if "{" not in text:
        return text
    given = {name: value for name, value in variables.items() if value is not None}
    try:
        return _join(_compile(text).generate(given))
    except UndefinedError as error:
        detail = f"a variable is missing: {error.message}"
        raise MissingVariableError(_missing(text, given, error), detail) from error
    except _UNUSABLE as error:
        raise ContentError(f"the placeholders can't be filled: {error}") from error


def check(text: str) -> None:
    """Raise ``ContentError`` for a text that is no template."""
    try:
        _compile(text)
    except _UNUSABLE as error:
        raise ContentError(f"is no template: {error}") from error


def variables_of(text: str) -> list[str]:
    """Return the names of the variables that a text holds, in the order in which they first appear.

    Raises:
        ContentError: The text is no template.
    """
    return list(_read(text))


def optional_in(text: str) -> list[str]:
    """Return those of the variables that may be missing: they have a default, or are asked for.

    Raises:
        ContentError: The text is no template.
    """
    return [name for name, optional in _read(text).items() if optional]


def is_printable(value: object) -> bool:
    """Tell whether a variable is something that can be written: a text or a number."""
    return isinstance(value, str | int | float)


@lru_cache(maxsize=256)
def _read(text: str) -> Mapping[str, bool]:
    """Return the variables of a text, and whether each is optional wherever it stands."""
    if "{" not in text:
        return {}
    found: dict[str, bool] = {}
    try:
        for name, optional in _uses(_parse(text), frozenset()):
            found[name] = found.get(name, True) and optional
    except _UNUSABLE as error:
        raise ContentError(f"is no template: {error}") from error
    return found


def _uses(node: nodes.Node, asked: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Yield each use of a variable, and whether it does without: in a default, or where asked."""
    match node:
        case nodes.Name(name=name):
            yield name, name in asked
        case (
            nodes.Filter(name="default", node=nodes.Name(name=name))
            | nodes.Test(name="defined", node=nodes.Name(name=name))
        ):
            yield name, True
            for argument in node.args:
                yield from _uses(argument, asked)
        case nodes.If(test=test, body=then):
            yield from _branch_uses(test, then, [*node.elif_, *node.else_], asked)
        case nodes.CondExpr(test=test, expr1=value, expr2=other):
            yield from _branch_uses(test, [value], [other] if other else [], asked)
        case nodes.And(left=left, right=right):
            yield from _uses(left, asked)
            yield from _uses(right, asked | _asked_by(left))
        case _:
            for child in node.iter_child_nodes():
                yield from _uses(child, asked)


def _branch_uses(
    test: nodes.Node,
    then: Iterable[nodes.Node],
    otherwise: Iterable[nodes.Node],
    asked: frozenset[str],
) -> Iterator[tuple[str, bool]]:
    yield from _uses(test, asked)
    for child in then:
        yield from _uses(child, asked | _asked_by(test))
    for child in otherwise:
        yield from _uses(child, asked)


def _asked_by(test: nodes.Node) -> frozenset[str]:
    """Return the variables that are there where a condition holds."""
    match test:
        case nodes.Test(name="defined", node=nodes.Name(name=name)):
            return frozenset({name})
        case nodes.And(left=left, right=right):
            return _asked_by(left) | _asked_by(right)
    return frozenset()


def _missing(text: str, given: Mapping[str, Any], error: UndefinedError) -> list[str]:
    """Return every variable that is missing: each that is found is filled, to get to the next."""
    names = variables_of(text)
    missing: list[str] = []
    filled = dict(given)
    while (found := _named_by(error, names)) and found not in missing:
        missing.append(found)
        filled[found] = ""
        try:
            _join(_compile(text).generate(filled))
        except UndefinedError as another:
            error = another
        except (*_UNUSABLE, ContentError):
            break
    return missing


def _named_by(error: UndefinedError, names: Iterable[str]) -> str | None:
    """Return which variable was missing; None if it was a part of one."""
    return next((name for name in names if error.message == f"{name!r} is undefined"), None)


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
    if is_printable(value) or isinstance(value, Undefined):
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
    return _ENVIRONMENT.from_string(_parse(text))


def _parse(text: str) -> nodes.Template:
    tree = _ENVIRONMENT.parse(text)
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            kind = type(node).__name__.lower()
            raise TemplateRuntimeError(f"a template can't hold a {kind}")
    return tree
