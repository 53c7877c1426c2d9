"""Placeholders in a text, ``{{ name }}``, filled in a sandbox.

What a template may hold is listed below: names and their parts, comparisons, ``if``, and a few
filters. There are no loops, calls or arithmetic, and the sizes have limits, so that a client can
neither reach the gateway through a template nor keep it busy with one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import msgspec
from jinja2 import (
    StrictUndefined,
    Template,
    TemplateError,
    Undefined,
    UndefinedError,
    nodes,
)
from jinja2.exceptions import TemplateRuntimeError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from recado_core.errors import ContentError

FILTERS = ("capitalize", "default", "first", "last", "length", "lower", "title", "trim", "upper")
LONGEST_TEXT = 10_000
"""Characters of a text with placeholders; who calls looks to it."""
LONGEST_RESULT = 100_000
"""Characters; what a channel carries is far less."""
MOST_LEVELS = 20
"""Levels of nesting: what compiles a template, Python's compiler last, takes each many times."""
MOST_NODES = 2000
LONGEST_VARIABLE = 10_000
"""Characters of one text among the variables."""
MOST_VARIABLES = 100_000
"""Characters and values of all variables, those within others included."""
MOST_WORK = 200_000
"""How much filters and comparisons may go through, each of them through all the variables."""

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


_LINEAR = frozenset({"capitalize", "lower", "title", "trim", "upper"})
"""The filters that go through all of a text."""

_UNUSABLE = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    RecursionError,
    SyntaxError,
    MemoryError,
)
"""What Jinja raises for a text that is no template, or that does not suit its variables.

The last two are Python's own compiler's, of what is nested too deep for it.
"""


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
    size = _measure(given)
    try:
        reading = _read(text)
        if reading.steps * (size + reading.constants) > MOST_WORK:
            detail = "the variables are too long for so many filters and comparisons"
            raise ContentError(detail)
        return _join(_compile(text).generate(given))
    except UndefinedError as error:
        detail = f"a variable is missing: {error.message}"
        raise MissingVariableError(_missing(text, given), detail) from error
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
    return list(_look_into(text).variables)


def optional_in(text: str) -> list[str]:
    """Return those of the variables that may be missing: they have a default, or are asked for.

    Raises:
        ContentError: The text is no template.
    """
    return [name for name, optional in _look_into(text).variables.items() if optional]


def is_printable(value: object) -> bool:
    """Tell whether a variable is something that can be written: a text or a number."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


class _Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a text: its variables, and whether each is optional wherever it stands.

    ``steps`` are the filters and comparisons that go through what they are given, ``constants`` the
    characters that stand in the text itself for them.
    """

    variables: Mapping[str, bool] = {}
    steps: int = 0
    constants: int = 0


def _look_into(text: str) -> _Reading:
    if "{" not in text:
        return _Reading()
    try:
        return _read(text)
    except _UNUSABLE as error:
        raise ContentError(f"is no template: {error}") from error


@lru_cache(maxsize=256)
def _read(text: str) -> _Reading:
    tree = _parse(text)
    found: dict[str, bool] = {}
    for name, optional in _uses(tree, frozenset()):
        found[name] = found.get(name, True) and optional
    filters = sum(each.name in _LINEAR for each in tree.find_all(nodes.Filter))
    values = [each.value for each in tree.find_all(nodes.Const)]
    return _Reading(
        variables=found,
        steps=filters + sum(1 for _ in tree.find_all(nodes.Operand)),
        constants=sum(len(value) for value in values if isinstance(value, str)),
    )


def _measure(variables: Mapping[str, Any]) -> int:
    """Return how much there is in variables, or raise ``ContentError`` if it is too much."""
    size = 0
    left: list[object] = [dict(variables)]
    while left:
        value = left.pop()
        size += 1
        if isinstance(value, dict):
            size += sum(len(name) for name in value)
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str):
            size += len(value)
            if len(value) > LONGEST_VARIABLE:
                detail = f"a variable is too long: more than {LONGEST_VARIABLE} characters"
                raise ContentError(detail)
        if size + len(left) > MOST_VARIABLES:
            detail = f"the variables are too long: more than {MOST_VARIABLES} characters in all"
            raise ContentError(detail)
    return size


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


class _Noted(Undefined):
    """A variable that is missing: where it is needed it notes its name, and stands for nothing."""

    _undefined_notes: dict[str, None]

    def __init__(self, name: str, notes: dict[str, None]) -> None:
        super().__init__(name=name)
        self._undefined_notes = notes


def _noting(answer: Callable[[_Noted], object]) -> Callable[..., object]:
    def method(self: _Noted, *_: object) -> object:
        self._undefined_notes.setdefault(str(self._undefined_name))
        return answer(self)

    return method


for _names, _answer in (
    ("str", lambda _: ""),
    ("len", lambda _: 0),
    ("iter", lambda _: iter(())),
    ("getitem", lambda itself: itself),
    ("bool eq ne lt le gt ge", lambda _: False),
):
    for _name in _names.split():
        setattr(_Noted, f"__{_name}__", _noting(_answer))


def _missing(text: str, given: Mapping[str, Any]) -> list[str]:
    """Return every variable that is missing, in one more round in which they note their names."""
    notes: dict[str, None] = {}
    names = (name for name in variables_of(text) if name not in given)
    filled = {**given, **{name: _Noted(name, notes) for name in names}}
    with suppress(*_UNUSABLE, ContentError):
        _join(_compile(text).generate(filled))
    return list(notes)


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


class _Environment(ImmutableSandboxedEnvironment):
    """Finds the parts of a variable alone, and never an attribute of what Python keeps it in."""

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401  # as Jinja has it
        try:
            return obj[argument]
        except (AttributeError, TypeError, LookupError):
            return self.undefined(obj=obj, name=argument)

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401  # as Jinja has it
        return self.getitem(obj, attribute)


# Jinja's optimizer asks each level for its value anew, and gains what a text seldom has.
_ENVIRONMENT = _Environment(
    undefined=StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
    finalize=_printable,
    optimized=False,
)
_ENVIRONMENT.globals.clear()  # they would stand in for variables that are missing
_ENVIRONMENT.tests = {"defined": _ENVIRONMENT.tests["defined"]}
_ENVIRONMENT.filters = {name: _ENVIRONMENT.filters[name] for name in FILTERS}


@lru_cache(maxsize=256)
def _compile(text: str) -> Template:
    return _ENVIRONMENT.from_string(_parse(text))


def _parse(text: str) -> nodes.Template:
    tree = _ENVIRONMENT.parse(text)
    count, level = 0, list[nodes.Node]([tree])
    for _ in range(MOST_LEVELS):
        for node in level:
            _check_node(node)
        count += len(level)
        level = [child for node in level for child in node.iter_child_nodes()]
    if level:
        raise TemplateRuntimeError(f"it is nested deeper than {MOST_LEVELS} levels")
    if count > MOST_NODES:
        raise TemplateRuntimeError(f"it has more than {MOST_NODES} parts")
    return tree


def _check_node(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        kind = type(node).__name__.lower()
        raise TemplateRuntimeError(f"a template can't hold a {kind}")
    if isinstance(node, nodes.Filter):
        # Those of trim cost their length times the text's, and it can't be interrupted.
        more = node.args if node.name != "default" else []
        if more or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise TemplateRuntimeError(f"the filter {node.name} takes nothing here")
