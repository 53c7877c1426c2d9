"""A template as it is stored, and which of its variants a message takes; values in, values out."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from recado_core.engine.templates import rendering

is_name = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch
is_language = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}").fullmatch
NO_LANGUAGE = "must be a language tag, such as pt-BR"


class VendorTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template that the provider keeps: its name and language there.

    ``variables`` are the names of ours that fill its own, in its order.
    """

    name: str
    language: str | None = None
    variables: list[str] = []


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template says in one channel and language; without one, in any."""

    channel: str | None = None
    language: str | None = None
    text: str | None = None
    provider_template: VendorTemplate | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template's name, and its variants; the first of a channel stands in for the others."""

    name: str
    variants: list[Variant]


def read_template(row: Mapping[str, Any]) -> Template:
    """Return a stored template's variants."""
    return msgspec.convert({"name": row["name"], "variants": row["variants"]}, Template)


def choose(template: Template, channel: str, language: str | None) -> Variant | None:
    """Return the variant for a channel and language, or None if nothing fits.

    A variant of the channel goes before one of any, a language before the one that it is a form of
    (``pt-BR``, ``pt``), and that before none. Who asks for no language takes the variant without
    one, or else the first.
    """
    for of_channel in (channel, None):
        mine = [each for each in template.variants if each.channel == of_channel]
        by_language = {key_of(each.language): each for each in reversed(mine)}
        for wanted in _ranges(language):
            if wanted in by_language:
                return by_language[wanted]
        if language is None and mine:
            return mine[0]
    return None


def tell_variants(variants: Iterable[Variant]) -> str:
    """Say for which channels and languages there are variants."""
    return ", ".join(
        (each.channel or "any channel") + (f" in {each.language}" if each.language else "")
        for each in variants
    )


def key_of(language: str | None) -> str | None:
    """Return a language in the form in which two are compared: ``pt_BR`` is ``pt-BR``."""
    return None if language is None else language.replace("_", "-").casefold()


def names_in(variant: Variant) -> list[str]:
    """Return the names of the variables that a variant holds, in order."""
    names = rendering.variables_of(variant.text) if variant.text is not None else []
    vendors = variant.provider_template.variables if variant.provider_template else []
    return list(dict.fromkeys([*names, *vendors]))


def optional_names_in(variant: Variant) -> list[str]:
    """Return those of the variables that may be missing; a vendor's template needs all of its."""
    names = rendering.optional_in(variant.text) if variant.text is not None else []
    vendors = variant.provider_template.variables if variant.provider_template else []
    return [name for name in names if name not in vendors]


def _ranges(language: str | None) -> list[str | None]:
    """Return what is looked for, the most exact first (RFC 4647, 3.4)."""
    found: list[str | None] = []
    parts = (key_of(language) or "").split("-") if language else []
    while parts:
        found.append("-".join(parts))
        parts.pop()
    return [*found, None]
