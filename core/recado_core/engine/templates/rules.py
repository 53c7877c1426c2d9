"""What a template may be, and what is wrong with one."""

import re
from collections.abc import Iterator, Mapping

import msgspec

from recado_core.contract import Channel
from recado_core.engine.failures import Fault
from recado_core.engine.templates import rendering
from recado_core.engine.templates.contents import NOT_STORABLE, is_storable
from recado_core.engine.templates.variants import (
    NO_LANGUAGE,
    Variant,
    VendorTemplate,
    is_language,
    is_name,
    key_of,
    tell_variants,
)
from recado_core.errors import ContentError

LONGEST_DESCRIPTION = 1000
MOST_VARIANTS = 100
LONGEST_VENDOR_NAME = 255
MOST_VENDOR_VARIABLES = 100

_FOLDERS = (".", "..")
"""Names that every client takes out of a path, so that nobody could read or delete them."""
_is_variable = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}").fullmatch


class TemplateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template says: in one way, stated flat, or in ``variants``."""

    description: str | None = None
    channel: str | None = None
    language: str | None = None
    text: str | None = None
    provider_template: VendorTemplate | None = None
    variants: list[Variant] | None = None


_FLAT = ("channel", "language", "text", "provider_template")


def variants_of(body: TemplateBody) -> list[Variant]:
    """Return what a template says, however it was stated."""
    if body.variants is not None:
        return body.variants
    return [Variant(**{name: getattr(body, name) for name in _FLAT})]


def find_faults(name: str, body: TemplateBody, channels: Mapping[str, Channel]) -> list[Fault]:
    """Return everything that is wrong with a template, each with its place."""
    faults = list(_around(name, body))
    seen: set[tuple[str | None, str | None]] = set()
    for index, variant in enumerate(variants_of(body)):
        at = "" if body.variants is None else f"/variants/{index}"
        faults += _within(variant, at, channels)
        key = (variant.channel, key_of(variant.language))
        if key in seen:
            faults.append(
                Fault(pointer=at, detail=f"there is one for {tell_variants([variant])} already")
            )
        seen.add(key)
    return faults


def _around(name: str, body: TemplateBody) -> Iterator[Fault]:
    if not is_name(name) or name in _FOLDERS:
        detail = "must have 1 to 64 letters, digits and _ . - without accents, not . or .. alone"
        yield Fault(pointer="/name", detail=detail)
    named = getattr(body, "name", None)
    if named not in (None, name):
        yield Fault(pointer="/name", detail=f"is not {name!r}; a template keeps its name")
    if body.description is not None:
        yield from _of_text("/description", body.description, LONGEST_DESCRIPTION)
    if body.variants is not None:
        if any(getattr(body, each) is not None for each in _FLAT):
            detail = "give either variants, or one text beside the name, not both"
            yield Fault(pointer="/variants", detail=detail)
        if not 1 <= len(body.variants) <= MOST_VARIANTS:
            yield Fault(pointer="/variants", detail=f"needs 1 to {MOST_VARIANTS} items")


def _within(variant: Variant, at: str, channels: Mapping[str, Channel]) -> Iterator[Fault]:
    if variant.channel is not None and variant.channel not in channels:
        known = ", ".join(sorted(channels))
        yield Fault(pointer=f"{at}/channel", detail=f"unknown; there is {known}")
    if variant.language is not None and not is_language(variant.language):
        yield Fault(pointer=f"{at}/language", detail=NO_LANGUAGE)
    if variant.text is None and variant.provider_template is None:
        yield Fault(pointer=f"{at}/text", detail="give the text, or a provider_template")
    if variant.text is not None:
        found = list(_of_text(f"{at}/text", variant.text, rendering.LONGEST_TEXT))
        yield from found or _of_placeholders(f"{at}/text", variant.text)
    if variant.provider_template is not None:
        yield from _of_vendors(variant.provider_template, f"{at}/provider_template")


def _of_text(pointer: str, text: str, most: int) -> Iterator[Fault]:
    if not text.strip():
        yield Fault(pointer=pointer, detail="is empty")
    elif len(text) > most:
        yield Fault(pointer=pointer, detail=f"must have at most {most} characters")
    elif not is_storable(text):
        yield Fault(pointer=pointer, detail=NOT_STORABLE)


def _of_placeholders(pointer: str, text: str) -> Iterator[Fault]:
    try:
        rendering.check(text)
    except ContentError as error:
        yield Fault(pointer=pointer, detail=str(error))


def _of_vendors(template: VendorTemplate, at: str) -> Iterator[Fault]:
    for name, value in (("name", template.name), ("language", template.language)):
        if value is not None:
            yield from _of_text(f"{at}/{name}", value, LONGEST_VENDOR_NAME)
    if len(template.variables) > MOST_VENDOR_VARIABLES:
        detail = f"must have at most {MOST_VENDOR_VARIABLES} items"
        yield Fault(pointer=f"{at}/variables", detail=detail)
    for index, variable in enumerate(template.variables):
        pointer = f"{at}/variables/{index}"
        if not _is_variable(variable):
            yield Fault(pointer=pointer, detail="must be the name of a variable, such as name")
        elif variable in template.variables[:index]:
            yield Fault(pointer=pointer, detail="is there already")
