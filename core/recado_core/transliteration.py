"""A text in GSM-7, whatever it was written in: the nearest characters of the alphabet instead.

Accents that the alphabet lacks are dropped (``ã`` is ``a``, ``ç`` is ``c``) and those that it has
are kept (``é``, ``à``, ``Ç``). Other scripts are spelled in Latin letters, as anyascii does. It
would name pictographs (``:smile:``), which costs more than it says and reads as a mistake, so that
they are dropped, with the gap that they leave.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

import msgspec
from anyascii import anyascii

from recado_core.segments import is_gsm7, outside_gsm7

# What decomposition does not find: the punctuation of word processors, and what has no width.
_EQUIVALENTS: Final = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),  # quotes, a prime, an acute
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),  # hyphens, dashes, a minus
    **dict.fromkeys("\u200b\u2060\ufeff\u00ad", ""),  # zero-width spaces, a soft hyphen
    **dict.fromkeys("\u2028\u2029\u0085", "\n"),  # other ends of a line
    "\t": " ",
    "\u2026": "...",
    "\u2022": "*",  # a bullet
    "\u00b7": ".",  # a middle dot
    "\u00b0": "o",  # a degree sign, which stands for an ordinal in Portuguese
    "\u2044": "/",  # within a decomposed fraction
    "\u2030": "o/oo",  # per mille, of which one sign less would be percent
}
_NEGATION: Final = "\u0338"
"""A stroke through what is before it, which makes of a sign its opposite."""
# What stands beside a digit and would be read as more of it, or as another unit.
_BESIDE: Final = (
    (re.compile("(?<=\\d)(?=[\u00bc-\u00be\u2150-\u215e\u2189])"), " "),  # vulgar fractions
    (re.compile("(?<=\\d)(?=[\u207a\u207b]?[\u00b2\u00b3\u00b9\u2070\u2074-\u2079])"), "^"),
    (re.compile("(?<=\\d)(?=[\u2080-\u2089])"), "_"),
    # Greek keyboards have one sign for the letter and for micro, which is no m: that is milli.
    (re.compile(r"(?<![^\W\d_])\u03bc(?=[A-Za-z])"), "u"),
)
_FLAGS: Final = "\U0001f1e6-\U0001f1ff"  # letters, two of which are a flag
_is_flag = re.compile(f"[{_FLAGS}]").fullmatch
_is_name = re.compile(r":.+:").fullmatch  # how anyascii writes a pictograph

_HOLE: Final = "\0"
"""Where a pictograph stood: it is outside the alphabet, so that no other is left by then."""
# From the first of the spaces before it, and from no other: a text may have many thousands.
_holes = re.compile(f"(?<! ) *+{_HOLE}[ {_HOLE}]*+")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Me", "Mn", "Sk"})
"""Categories of what is part of another character or of nothing: controls, marks, skin tones."""


class Transliterated(msgspec.Struct, frozen=True):
    """A text in GSM-7, and the distinct characters that it could not keep in any form."""

    text: str
    dropped: tuple[str, ...] = ()


def transliterate(text: str) -> Transliterated:
    """Write a text in GSM-7; what the alphabet holds stays as it is."""
    if is_gsm7(text):
        return Transliterated(text)
    composed = unicodedata.normalize("NFC", text)
    dropped = dict.fromkeys(
        character for character in outside_gsm7.findall(composed) if _is_lost(character)
    )
    for beside, instead in _BESIDE:
        composed = beside.sub(instead, composed)
    written = outside_gsm7.sub(lambda match: _nearest(match[0]), composed)
    return Transliterated(_holes.sub(_closed, written), tuple(dropped))


@lru_cache(maxsize=4096)
def _nearest(character: str) -> str:
    known = _EQUIVALENTS.get(character)
    if known is not None:
        return known
    if _is_flag(character):
        return _HOLE
    parts = unicodedata.normalize("NFKD", character)
    if parts[1:] == _NEGATION and not parts[0].isalpha():
        return f"!{_nearest(parts[0])}"
    letters = (c for c in parts if not "\u0300" <= c <= "\u036f")
    plain = "".join(_EQUIVALENTS.get(c, c) for c in letters)
    if is_gsm7(plain):
        return plain
    spelled = anyascii(character)
    if _is_name(spelled):
        return _HOLE
    return "".join(_EQUIVALENTS.get(c, c if is_gsm7(c) else "") for c in spelled)


def _is_lost(character: str) -> bool:
    if character in _EQUIVALENTS or unicodedata.category(character) in _UNSEEN:
        return False
    return _nearest(character) in {"", _HOLE}


def _closed(match: re.Match[str]) -> str:
    """Return what stands where pictographs stood: a space between words, else nothing."""
    before = match.string[: match.start()][-1:]
    after = match.string[match.end() :][:1]
    return "" if before in {"", "\n", "(", "["} or after in {"", *"\n.,;:!?)]"} else " "
