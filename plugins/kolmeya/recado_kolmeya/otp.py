"""What no one-time code may hold: ``sms/store-token`` takes neither links nor 0800 numbers.

How Kolmeya finds them is not documented. A link is taken for one here if a phone would make it one:
an address with a scheme or ``www.``, or a name in a domain that people know. Short texts often lack
the space after a full stop, so "1234.Com validade" and "Joao.me avise" are no links: before the
ending of a domain's name stands a letter, and the ending does not begin like a sentence. A path
after the name makes it plainer.

Every pattern looks no further than a few characters: the time this takes grows as the text does.
"""

import re
import unicodedata
from itertools import pairwise

_is_known = re.compile(
    r"com|net|org|edu|gov|mil|br|info|biz|io|ai|ly|gl|gd|app|dev|link|site|online|store|shop|xyz|page"
    r"|club|live|click|tech|bank|bet|blog|cloud|tv|cc|pt|uk|vip|top|digital|website|fun",
    re.IGNORECASE,
).fullmatch
"""What is a link's ending even without a path: no ending that is a word as well."""

_is_word_too = re.compile(r"me|co|us", re.IGNORECASE).fullmatch
_scheme = re.compile(r"[a-z][a-z0-9+.-]{0,30}://(?=\S)", re.IGNORECASE)
_www = re.compile(r"\bwww[0-9]?\.(?=\w)", re.IGNORECASE)
_names = re.compile(r"[\w.-]++")
_path = re.compile(r"(?::[0-9]{1,5})?/\w")
_is_country = re.compile(r"[a-z]{2}").fullmatch
_is_address = re.compile(r"(?:[12]?[0-9]?[0-9]\.){3}[12]?[0-9]?[0-9]").fullmatch
# What follows 0800 is no date.
_toll_free = re.compile(
    r"(?<!\d)(?:55 ?)?0[ .-]?800\)?"
    r"(?![ .:/-]{0,3}(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:20)?\d\d(?!\d))"
    r"(?:[ .-]{0,3}| ?[/:] ?)\d(?:[ .-]{0,3}\d){5,6}(?!\d)"
)


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
    for match in _names.finditer(text):
        labels = match[0].split(".")
        if len(labels) == 1:
            continue
        if any(_is_domain(*pair) for pair in pairwise(labels)):
            return True
        if _path.match(text, match.end()) and _leads_on(match[0], *labels[-2:]):
            return True
    return False


def _is_domain(label: str, ending: str) -> bool:
    begins_a_sentence = ending.istitle() and not label.istitle()
    return _is_known(ending) is not None and not begins_a_sentence and any(map(str.isalpha, label))


def _leads_on(name: str, label: str, ending: str) -> bool:
    """Say whether a name with a path after it is a link's."""
    if _is_country(ending) and label.islower():  # any two letters: short links have rare countries
        return True
    known = _is_known(ending) or _is_word_too(ending)
    return (known is not None and label != "") or _is_address(name) is not None
