"""Placeholders in a text, ``{{ name }}``, filled in a sandbox."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from recado_core.errors import ContentError

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
)


def render(text: str, variables: Mapping[str, Any]) -> str:
    """Return the text with its placeholders filled.

    Raises:
        ContentError: A variable is missing (it is named), or the text is no template.
    """
    if "{" not in text:
        return text
    try:
        return _compile(text).render(variables)
    except UndefinedError as error:
        raise ContentError(f"a variable is missing: {error.message}") from error
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise ContentError(f"the placeholders can't be filled: {error}") from error


@lru_cache(maxsize=256)
def _compile(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)
