"""The parts in which a text travels by SMS: GSM-7 or UCS-2, counted as the networks count.

The alphabet is the GSM 7-bit default one with its extension table (3GPP TS 23.038, 6.2.1 and
6.2.1.1). The national language tables of the same document are not counted on: who sends through
a provider can't choose them. So ``Ç`` is in the alphabet; ``ç``, ``ã``, ``á`` and ``ê`` are not.
"""

import re
from codecs import utf_16_be_encode
from enum import StrEnum
from typing import Final

import msgspec

from recado_core.errors import ContentError

# In the order of the table; 0x1B, the escape to the extension, stands for no character of its own.
GSM7_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each is sent as an escape and a septet: it costs two, and stays whole within one part.
GSM7_EXTENSION: Final = "\f^{}\\[~]|€"

# A part is 140 octets; of several, each loses six to the header that joins them.
GSM7_SINGLE: Final = 160
GSM7_PART: Final = 153
UCS2_SINGLE: Final = 70
UCS2_PART: Final = 67

_ESCAPE: Final = "\x1b"
_is_basic = re.compile(f"[{re.escape(GSM7_BASIC)}]*+").fullmatch
_is_gsm7 = re.compile(f"[{re.escape(GSM7_BASIC + GSM7_EXTENSION)}]*+").fullmatch
outside_gsm7: Final = re.compile(f"[^{re.escape(GSM7_BASIC + GSM7_EXTENSION)}]")
"""Finds a character that the alphabet does not hold."""
_extension = re.compile(f"[{re.escape(GSM7_EXTENSION)}]")

_LEADING_HALVES: Final = range(0xD8, 0xDC)  # upper octets of the first code unit of a pair


class Encoding(StrEnum):
    """The alphabet in which a text travels."""

    GSM7 = "gsm7"  # septets of the GSM 7-bit default alphabet
    UCS2 = "ucs2"  # code units of UTF-16, since phones take them so


# Looked up once: up to Python 3.11 each look-up in the class is a call.
_GSM7: Final = Encoding.GSM7
_UCS2: Final = Encoding.UCS2


class Segments(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a text travels: ``count`` parts that hold ``units`` septets or UTF-16 code units."""

    encoding: Encoding
    count: int
    units: int


_SINGLES: Final = [
    Segments(encoding=_GSM7, count=1, units=units) for units in range(GSM7_SINGLE + 1)
]
"""Those of one part, by their septets: to find one takes half as long as to make it."""


def count_segments(text: str) -> Segments:
    """Count the parts of a text.

    An empty text is one part of no units, for that is what would be sent and charged; that no one
    sends it is decided elsewhere. Half of a surrogate pair is a ``ContentError``: no alphabet
    carries it.
    """
    if _is_basic(text) is not None:
        units = len(text)
        if units <= GSM7_SINGLE:
            return _SINGLES[units]
        return Segments(encoding=_GSM7, count=-(-units // GSM7_PART), units=units)
    if _is_gsm7(text) is not None:
        return _count_escaped(text)
    return _count_ucs2(text)


def is_gsm7(text: str) -> bool:
    """Tell whether the alphabet and its extension hold every character of a text."""
    return _is_gsm7(text) is not None


def ucs2_characters(text: str) -> tuple[str, ...]:
    """Return the distinct characters that force UCS-2, in the order in which they appear."""
    return tuple(dict.fromkeys(outside_gsm7.findall(text)))


def _count_escaped(text: str) -> Segments:
    units = len(text) + sum(map(text.count, GSM7_EXTENSION))
    count = 1
    if units > GSM7_SINGLE:
        septets = _extension.sub(rf"{_ESCAPE}\g<0>", text)
        start = 0
        while units - start > GSM7_PART:
            start += GSM7_PART - (septets[start + GSM7_PART - 1] == _ESCAPE)
            count += 1
    return Segments(encoding=_GSM7, count=count, units=units)


def _count_ucs2(text: str) -> Segments:
    try:
        octets, _ = utf_16_be_encode(text)  # str.encode looks the codec up
    except UnicodeEncodeError:
        raise ContentError("the text holds half of a surrogate pair") from None
    units = len(octets) // 2
    count = 1
    if units > UCS2_SINGLE:
        start = 0
        while units - start > UCS2_PART:
            start += UCS2_PART - (octets[2 * (start + UCS2_PART - 1)] in _LEADING_HALVES)
            count += 1
    return Segments(encoding=_UCS2, count=count, units=units)
