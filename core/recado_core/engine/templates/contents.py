"""What a message says: a text or a template, its variables filled, in the alphabet asked for."""

from collections.abc import Mapping
from typing import Any

import msgspec

from recado_core.engine.failures import Fault
from recado_core.engine.templates import rendering
from recado_core.engine.templates.rendering import MissingVariableError
from recado_core.engine.templates.variants import (
    NO_LANGUAGE,
    Template,
    VendorTemplate,
    choose,
    is_language,
    tell_variants,
)
from recado_core.errors import ContentError
from recado_core.messages import ProviderTemplate
from recado_core.transliteration import transliterate as write_in_gsm7

NOT_STORABLE = "has a character that is none: a zero byte, or half of a surrogate pair"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a message, and the vendor's template that it is sent by, if it is by one."""

    text: str = ""
    template: ProviderTemplate | None = None


def fill_text(
    text: str,
    variables: Mapping[str, Any] | None,
    faults: list[Fault],
    *,
    transliterate: bool | None = None,
) -> Content:
    """Return a text with its placeholders filled; without variables it has none.

    Args:
        text: The text.
        variables: What fills it.
        faults: Gets what is wrong.
        transliterate: Whether it is written in GSM-7.
    """
    if variables is not None:
        if "{" in text and len(text) > rendering.LONGEST_TEXT:
            detail = f"with variables it must have at most {rendering.LONGEST_TEXT} characters"
            faults.append(Fault(pointer="/text", detail=detail))
            return Content()
        try:
            text = rendering.render(text, variables)
        except MissingVariableError as error:
            faults += _missing(error.names, str(error))
            return Content()
        except ContentError as error:
            faults.append(Fault(pointer="/variables", detail=str(error)))
            return Content()
    if not is_storable(text):
        faults.append(Fault(pointer="/text", detail=NOT_STORABLE))
        return Content()
    return Content(text=write_in_gsm7(text).text if transliterate else text)


def fill_template(  # noqa: PLR0913  # what it says, for whom and how
    template: Template,
    channel: str,
    language: str | None,
    variables: Mapping[str, Any],
    faults: list[Fault],
    *,
    transliterate: bool | None = None,
) -> Content:
    """Return what a template says in a channel and language.

    Args:
        template: The template.
        channel: The channel's id.
        language: The language asked for, if one is.
        variables: What fills it.
        faults: Gets what is wrong.
        transliterate: Whether the text is written in GSM-7; the vendor writes its own as it does.
    """
    if not check_language(language, faults):
        return Content()
    variant = choose(template, channel, language)
    if variant is None:
        wanted = f"{channel} in {language}" if language is not None else channel
        detail = (
            f"the template {template.name!r} has nothing for {wanted}; "
            f"there is {tell_variants(template.variants)}"
        )
        has_channel = choose(template, channel, None) is not None
        faults.append(Fault(pointer="/language" if has_channel else "/channel", detail=detail))
        return Content()
    found: list[Fault] = []
    content = Content()
    if variant.text is not None:
        content = fill_text(variant.text, variables, found, transliterate=transliterate)
    vendors = None
    if variant.provider_template is not None:
        vendors = _fill_vendors(variant.provider_template, variables, found)
    faults += dict.fromkeys(found)
    return Content(text=content.text, template=vendors)


def check_language(language: str | None, faults: list[Fault]) -> bool:
    """Tell whether a message may ask for this language, and note what is wrong with it."""
    if language is None or is_language(language):
        return True
    faults.append(Fault(pointer="/language", detail=NO_LANGUAGE))
    return False


def is_storable(text: str) -> bool:
    """Tell whether both databases keep this text: PostgreSQL has no zero byte, UTF-8 no half."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fill_vendors(
    template: VendorTemplate, variables: Mapping[str, Any], faults: list[Fault]
) -> ProviderTemplate:
    filled = {}
    for name in template.variables:
        value = variables.get(name)
        if value is None:
            faults += _missing([name])
        elif not rendering.is_printable(value) or not is_storable(str(value)):
            detail = f"{name!r} must be a text or a number"
            faults.append(Fault(pointer="/variables", detail=detail))
        elif len(str(value)) > rendering.LONGEST_VARIABLE:
            detail = f"{name!r} must have at most {rendering.LONGEST_VARIABLE} characters"
            faults.append(Fault(pointer="/variables", detail=detail))
        else:
            filled[name] = str(value)
    return ProviderTemplate(name=template.name, language=template.language, variables=filled)


def _missing(names: list[str], text: str = "") -> list[Fault]:
    details = [f"a variable is missing: {name!r}" for name in names] or [text]
    return [Fault(pointer="/variables", detail=detail) for detail in details]
