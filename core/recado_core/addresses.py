"""The address of a person or of a sender in its one form: E.164, a short code, or a name.

Brazil's notations are read here, because the library misreads some of them: to it ``005511…`` is
carrier 55 and a number of the United States, and ``900000001`` a number that lacks nothing. Every
other country's are left to it. Its word on which lengths are possible is what accepts a number, not
its word on which numbers are in use: numbering plans move faster than libraries.
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from enum import StrEnum
from functools import cache
from typing import Final

import msgspec
import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, ValidationResult

from recado_core.errors import AddressError

_BRAZIL: Final = "BR"
_BRAZIL_CODE: Final = 55
_LONGEST_TEXT: Final = 64
_LONGEST_SENDER_NAME: Final = 11  # 3GPP TS 23.040, 9.1.2.5: ten octets of septets

# The country code, or the trunk prefix 0 with or without a carrier's two digits; then area code and
# number. By their lengths no two of these readings fit the same digits.
_read_brazilian = re.compile(
    r"(?:(?:\+|00)?550?|0(?:[1-9]{2})?)?([1-9][0-9]{9,10})",
).fullmatch
_is_brazilian = re.compile(r"\+55[1-9][0-9]{9,10}").fullmatch  # in its one form
_is_brazilian_mobile = re.compile(r"\+55[1-9][0-9]9?[6-9][0-9]{7}").fullmatch
_AREA_END: Final = len("+5511")
_MOBILE_END: Final = len("+551160000000")  # without the ninth digit, which follows the area code
_is_international = re.compile(r"\+[1-9][0-9]{5,16}").fullmatch
_is_short_code = re.compile(r"[0-9]{3,6}").fullmatch
_is_fraction = re.compile(r"[^.]*\.[0-9]{1,2}\s*").fullmatch  # France parts more than once

_COMMON_SEPARATORS: Final = dict.fromkeys(map(ord, " ()-\xa0"))
_SEPARATORS: Final = frozenset(".()[]\u2212\uff08\uff09\uff0e")
_SEPARATOR_CATEGORIES: Final = frozenset({"Zs", "Pd", "Cf"})  # spaces, dashes, invisible marks

# The letters of the GSM 7-bit default alphabet, and the signs that carriers commonly let through.
_SENDER_NAME_CHARACTERS: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 &+-._"
    "ÄÅÆÇÉÑÖØÜßàäåæèéìñòöøùüΓΔΘΛΞΠΣΦΨΩ",
)

_PARSE_FAULTS: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: "no country has the code with which it starts",
    NumberParseException.TOO_LONG: "it has too many digits",
}
_LENGTH_FAULTS: Final = {
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "its area code is missing",
    ValidationResult.TOO_SHORT: "it has too few digits",
    ValidationResult.TOO_LONG: "it has too many digits",
    ValidationResult.INVALID_COUNTRY_CODE: "no country has the code with which it starts",
}


class AddressKind(StrEnum):
    """What an address is made of."""

    NUMBER = "number"  # E.164 with its +
    SHORT_CODE = "short_code"  # three to six digits, known in one country
    ALPHANUMERIC = "alphanumeric"  # a name that can't be answered


def normalise_number(text: str, region: str) -> str:
    """Return a number in E.164 with its ``+``, or raise ``AddressError``.

    Spaces, dashes, brackets, dots and invisible marks are dropped. Letters, extensions, anything
    that may part two numbers, and a decimal fraction (a spreadsheet's ``1130000001.0``) are
    refused. What is read in Brazil, where ``region`` is ``BR``:

    * ``+55…``, ``0055…`` and, of 12 or 13 digits, ``55…``; a 0 after the country code is dropped;
    * 10 or 11 digits: area code and number, also when they start with 55, an area code as well;
    * 0 before those, and 0 with two digits of a carrier before those;
    * ``+`` or 00 and the country code of elsewhere; 00 with a carrier is not read, for it looks
      the same.

    Brazil's numbers of 8 or 9 digits are refused: they lack an area code, or can't be reached by
    message. In another region the library reads what is national there, and what follows that
    region's own international prefix; 00 is taken as one where nothing else is meant by it.

    Args:
        text: As a person or a program wrote it.
        region: Two-letter code of the country in which a national number is read.
    """
    if _is_brazilian(text) is not None:
        return text
    if text[:3] == "+55" or (region == _BRAZIL and text[:1] != "+"):
        match = _read_brazilian(text)
        if match is None and len(text) <= _LONGEST_TEXT:
            match = _read_brazilian(text.translate(_COMMON_SEPARATORS))
        if match is not None:
            return "+55" + match[1]
    elif _is_international(text) is not None:
        plan = _plan_for(text[1:4])
        if plan is not None and plan.takes(text[plan.start :]):
            return text
    return read_number(text, region)


def read_number(text: str, region: str) -> str:
    """Do what ``normalise_number`` does, with no short cut: the rule that it must agree with."""
    region = region.upper()
    international, digits_ = _digits_of(text)
    if international:
        return _read_international(digits_)
    if region == _BRAZIL:
        return _read_in_brazil(digits_)
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None:
        raise AddressError(f"no region has the code {region!r}")
    prefix = metadata.international_prefix
    if digits_.startswith("00") and (prefix in {None, "00"} or not re.match(prefix, digits_)):
        return _read_international(digits_[2:])
    return _parse(digits_, region)


def normalise_sender_id(text: str, region: str, kinds: Collection[AddressKind]) -> str:
    """Return a sender ID in its one form, or raise ``AddressError`` if it is of no allowed kind.

    A text with a letter is a name; three to six digits are a short code where one is allowed;
    anything else is a number. A channel whose recipients may be short codes reads them with this.
    """
    text = unicodedata.normalize("NFC", text.strip())
    if any(character.isalpha() for character in text):
        _check_kind(AddressKind.ALPHANUMERIC, kinds)
        return _check_sender_name(text)
    if _is_short_code(text) and AddressKind.SHORT_CODE in kinds:
        return text
    _check_kind(AddressKind.NUMBER, kinds)
    return normalise_number(text, region)


def kind_of(address: str) -> AddressKind:
    """Return the kind of a normalised address."""
    if address.startswith("+") and address[1:].isdigit():
        return AddressKind.NUMBER
    return AddressKind.SHORT_CODE if _is_short_code(address) else AddressKind.ALPHANUMERIC


def mask(address: str) -> str:
    """Hide a person's address for a log: ``+5511*****0001``.

    At least four digits are hidden. Short codes are no one's and stay; what is neither, a number
    as someone wrote it for instance, is hidden whole.
    """
    if _is_short_code(address):
        return address
    sign, number = ("+", address[1:]) if address.startswith("+") else ("", address)
    if not (number.isascii() and number.isdigit()):
        return "***"
    size = len(number)
    tail = min(4, max(0, size - 3) // 2)
    head = min(4, max(0, size - 4 - tail))
    return f"{sign}{number[:head]}{'*' * (size - head - tail)}{number[size - tail :]}"


def digits(address: str) -> str:
    """Return the bare digits of a normalised number or short code, country code first."""
    bare = address.removeprefix("+")
    if bare.isascii() and bare.isdigit():
        return bare
    raise AddressError("this address is not made of digits")


def national_digits(address: str) -> str:
    """Return the 10 or 11 digits of a Brazilian number: what some vendors take and echo."""
    if _is_brazilian(address) is not None:
        return address[3:]
    match = _read_brazilian(address)
    if match is None:
        raise AddressError("this address is not a Brazilian number")
    return match[1]


def same_line(a: str, b: str) -> bool:
    """Say whether two addresses, however a vendor echoes them, are the same line.

    Of Brazil's numbers the last 11 digits count, or 10: country code, trunk prefix and carrier do
    not, nor does the ninth digit of a mobile, which some networks leave out. A landline is never
    the mobile that ends like it. Digits with no ``+`` may be Brazil's or another country's; what
    holds a letter is the same only as the same text.
    """
    return a == b or not _lines_of(a).isdisjoint(_lines_of(b))


def forms_of(address: str) -> tuple[str, ...]:
    """Return the normalised forms that one line may be stored under, the given one first.

    A Brazilian mobile has two, with the ninth digit and without; everything else has its own alone.
    """
    if _is_brazilian_mobile(address) is None:
        return (address,)
    area = address[:_AREA_END]
    if len(address) > _MOBILE_END:
        return (address, area + address[_AREA_END + 1 :])
    return (address, f"{area}9{address[_AREA_END:]}")


class _Plan(msgspec.Struct, frozen=True):
    """What a country's metadata says of its numbers, as far as the short cut needs it."""

    start: int
    lengths: frozenset[int]
    strip: Callable[[str], re.Match[str] | None] | None

    def takes(self, national: str) -> bool:
        """Say whether the library would take these digits, and take them as they are."""
        if len(national) not in self.lengths:
            return False
        prefix = self.strip(national) if self.strip is not None else None
        return prefix is None or (prefix.end() == 0 and prefix.lastindex is None)


@cache  # the metadata of at most a thousand beginnings, no numbers
def _plan_for(beginning: str) -> _Plan | None:
    for size in (1, 2, 3):
        code = int(beginning[:size])
        region = phonenumbers.region_code_for_country_code(code)
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        if metadata is None or metadata.general_desc is None or code == _BRAZIL_CODE:
            continue
        lengths = frozenset(metadata.general_desc.possible_length)
        local = metadata.general_desc.possible_length_local_only
        prefix = metadata.national_prefix_for_parsing
        strip = re.compile(prefix).match if prefix else None
        return _Plan(1 + size, lengths.difference(local), strip)
    return None


def _digits_of(text: str) -> tuple[bool, str]:
    """Return whether a text starts with a plus, and its digits."""
    if len(text) > _LONGEST_TEXT:
        raise AddressError(f"a number can't be {len(text)} characters long")
    if _is_fraction(text) is not None:
        raise AddressError("a number can't end in a decimal fraction")
    found = ""
    international = False
    for character in text:
        if "0" <= character <= "9":
            found += character
        elif character in "+\uff0b" and not found and not international:
            international = True
        elif not _is_separator(character):
            found += _ascii_digit(character)
    if not found:
        raise AddressError("a number needs digits")
    return international, found


def _is_separator(character: str) -> bool:
    return (
        character in _SEPARATORS
        or character.isspace()
        or unicodedata.category(character) in _SEPARATOR_CATEGORIES
    )


def _ascii_digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    if value is None:
        raise AddressError(f"a number can't hold {character!r} there")
    return str(value)


def _read_international(digits_: str) -> str:
    if not digits_.startswith(str(_BRAZIL_CODE)):
        return _parse("+" + digits_, None)
    match = _read_brazilian("+" + digits_)
    if match is None:
        raise _brazilian_fault(len(digits_) - 2)
    return _accept(PhoneNumber(country_code=_BRAZIL_CODE, national_number=int(match[1])))


def _read_in_brazil(digits_: str) -> str:
    match = _read_brazilian(digits_)
    if match is not None:
        return _accept(PhoneNumber(country_code=_BRAZIL_CODE, national_number=int(match[1])))
    if digits_.startswith("00"):
        return _read_international(digits_[2:])
    raise _brazilian_fault(len(digits_))


def _parse(number: str, region: str | None) -> str:
    try:
        parsed = phonenumbers.parse(number, region)
    except NumberParseException as error:
        fault = _PARSE_FAULTS.get(error.error_type, "it has too few digits")
        raise AddressError(f"this is no number: {fault}") from None
    return _accept(parsed)


def _accept(number: PhoneNumber) -> str:
    """Return the E.164 form of what has been read, if its length is possible in its country."""
    result = phonenumbers.is_possible_number_with_reason(number)
    if result != ValidationResult.IS_POSSIBLE:
        fault = _LENGTH_FAULTS.get(result, "no number of its country has as many digits")
        raise AddressError(f"this is no number of +{number.country_code}: {fault}")
    address = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if number.country_code == _BRAZIL_CODE:
        if _read_brazilian(address) is None:
            raise _brazilian_fault(len(address) - 3)
    elif phonenumbers.parse(address) != number:  # 0 0 20 … becomes 0 20 …, and that 20 …
        fault = "it can be read in two ways"
        raise AddressError(f"this is no number of +{number.country_code}: {fault}")
    return address


def _brazilian_fault(size: int) -> AddressError:
    return AddressError(
        f"{size} digits are no Brazilian number: it has an area code of 2 and 8 or 9 more, with or "
        "without 55 before them; another country's number is written with +",
    )


def _check_kind(kind: AddressKind, kinds: Collection[AddressKind]) -> None:
    if kind not in kinds:
        allowed = ", ".join(each for each in AddressKind if each in kinds)
        raise AddressError(f"a sender ID of the kind {kind} is not allowed here, only: {allowed}")


def _check_sender_name(text: str) -> str:
    for character in text:
        if character not in _SENDER_NAME_CHARACTERS:
            raise AddressError(f"a sender's name can't hold {character!r}")
    if len(text) > _LONGEST_SENDER_NAME:
        raise AddressError(
            f"a sender's name has at most {_LONGEST_SENDER_NAME} characters, this one {len(text)}",
        )
    return text


def _lines_of(address: str) -> frozenset[str]:
    """Return what the digits of an address can mean, each with its country code."""
    bare = "".join(character for character in address if "0" <= character <= "9")
    if not bare or any(character.isalpha() for character in address):
        return frozenset()
    international = address.lstrip().startswith("+")
    brazilian = _read_brazilian("+" + bare if international else bare)
    if brazilian is None:
        return frozenset({bare})
    line = brazilian[1]
    if len(line) == 10 and line[2] in "6789":  # noqa: PLR2004 a mobile with no ninth digit
        line = f"{line[:2]}9{line[2:]}"
    return frozenset({f"55{line}"} if international else {f"55{line}", bare})
