"""What no one-time code may hold: ``sms/store-token`` takes neither links nor 0800 numbers.

How Kolmeya finds them is not documented. A link is taken for one here if a phone would make it one:
an address with a scheme or ``www.``, or a name in a domain that people know. Short texts often lack
the space after a full stop, so "1234.Com validade" and "1234.me" are no links: before the ending of
a domain's name stands a letter, and the ending does not begin like a sentence.
"""

import re
import unicodedata

# Endings that are words as well ("eu", "de", "se", "no") count only before a path.
_ENDINGS = (
    "com|net|org|edu|gov|mil|br|info|biz|io|me|ly|gl|gd|app|dev|link|site|online|store|shop|xyz"
    "|page|club|live|click|tech|bank|bet|blog|cloud|tv|cc|co|pt|us|uk"
)

_scheme = re.compile(r"\b[a-z][a-z0-9+.-]*://(?=\S)", re.IGNORECASE)
_www = re.compile(r"\bwww[0-9]?\.(?=\w)", re.IGNORECASE)
_known = re.compile(rf"\b(?:[\w-]+\.)+(?:{_ENDINGS})\b(?!-)", re.IGNORECASE)
_with_path = re.compile(r"\b(?:[\w-]+\.)+[^\W\d_]{2,}(?=/\w)")
_toll_free = re.compile(r"(?<!\d)(?:55 ?)?0[ .-]?800\)?(?:[ .-]{0,3}\d){6,7}(?!\d)")


def find_forbidden(text: str) -> str | None:
    """Say what a text holds that no one-time code may, or None if it holds nothing of the kind."""
    plain = _plain(text)
    if _scheme.search(plain) or _www.search(plain) or _has_domain(plain):
        return "a link"
    return "an 0800 number" if _toll_free.search(plain) else None


def _plain(text: str) -> str:
    """Return a text with no invisible marks, every dash a hyphen and every space a blank."""
    letters = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "".join(
        "-" if unicodedata.category(c) == "Pd" else " " if c.isspace() else c for c in letters
    )


def _has_domain(text: str) -> bool:
    names = (*_known.finditer(text), *_with_path.finditer(text))
    return any(_is_domain(match[0]) for match in names)


def _is_domain(name: str) -> bool:
    *labels, ending = name.split(".")
    begins_a_sentence = ending.istitle() and not labels[-1].istitle()
    return not begins_a_sentence and any(c.isalpha() for c in labels[-1])
