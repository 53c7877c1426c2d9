"""A person's number as people write it: how contacts with it are looked for, and recognised."""

import re

import phonenumbers
from recado_core.addresses import same_line

BRAZIL = "+55"
AREA, LAST = 2, 4
NINTH_DIGIT = 5
"""So long is the middle of a mobile's number with its ninth digit."""

_find_numbers = re.compile(r"\+?\d[\d\s().-]{6,}\d").findall


def search_pattern(address: str) -> str:
    """Return what ``LIKE`` finds a number by, however it is written, and some others with it.

    It is the number's groups with anything between them, without country code and, for Brazil,
    without the ninth digit: ``%11%0000%0001%`` for ``+5511900000001``.
    """
    return "%".join(["", *_groups(address), ""])


def is_same(address: str, written: object) -> bool:
    """Say whether a field holds this number, alone or beside others."""
    if not isinstance(written, str):
        return False
    return any(same_line(address, number) for number in (written, *_find_numbers(written)))


def _groups(address: str) -> list[str]:
    if address.startswith(BRAZIL):
        national = address.removeprefix(BRAZIL)
        middle = national[AREA:-LAST]
        if len(middle) == NINTH_DIGIT:
            middle = middle[1:]
        return [national[:AREA], middle, national[-LAST:]]
    number = phonenumbers.parse(address)
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return re.findall(r"\d+", written)[1:]
