"""A template as it is stored, and which of its variants a message takes; values in, values out."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from recado_core.engine.templates import rendering
from recado_core.errors import ContentError

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


class StoredVariant(Variant, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A variant with what was found in it when it was written, so that nobody looks again.

    ``names`` are its variables, in order, and whether each may be missing; None in what was written
    before they were kept.
    """

    names: list[tuple[str, bool]] | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template's name, and its variants; the first of a channel stands in for the others."""

    name: str
    variants: list[StoredVariant]


def read_template(row: Mapping[str, Any]) -> Template:
    """Return a stored template's variants."""
    return msgspec.convert({"name": row["name"], "variants": row["variants"]}, Template)


def store_variant(variant: Variant) -> StoredVariant:
    """Return a variant that has no faults as it is stored."""
    return StoredVariant(**msgspec.structs.asdict(variant), names=_find_names(variant))


def show_variant(variant: StoredVariant) -> Variant:
    """Return a variant as it was written."""
    return Variant(
        channel=variant.channel,
        language=variant.language,
        text=variant.text,
        provider_template=variant.provider_template,
    )


def choose(template: Template, channel: str, language: str | None) -> StoredVariant | None:
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


def names_in(variants: Iterable[StoredVariant]) -> dict[str, bool]:
    """Return the names of the variables that variants hold, in order, and which none needs."""
    found: dict[str, bool] = {}
    for variant in variants:
        names = _find_names(variant) if variant.names is None else variant.names
        for name, optional in names:
            found[name] = found.get(name, True) and optional
    return found


def _find_names(variant: Variant) -> list[tuple[str, bool]]:
    """Look for the variables of a variant; a vendor's template needs all of its."""
    found: dict[str, bool] = {}
    if variant.text is not None:
        try:
            optional = frozenset(rendering.optional_in(variant.text))
            found = {name: name in optional for name in rendering.variables_of(variant.text)}
        except ContentError:
            found = {}  # stored when a text could be more than today; who fills it is told
    if variant.provider_template is not None:
        found |= dict.fromkeys(variant.provider_template.variables, False)
    return list(found.items())


def _ranges(language: str | None) -> list[str | None]:
    """Return what is looked for, the most exact first (RFC 4647, 3.4)."""
    found: list[str | None] = []
    parts = (key_of(language) or "").split("-") if language else []
    while parts:
        found.append("-".join(parts))
        parts.pop()
    return [*found, None]
