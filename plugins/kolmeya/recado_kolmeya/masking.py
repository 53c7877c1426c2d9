"""What of Kolmeya's texts may be shown: no secret, no full phone or CPF, nobody's rows."""

import re
from collections.abc import Sequence
from functools import lru_cache
from html.entities import html5

import msgspec
from recado_core.addresses import mask

from recado_kolmeya.refusals import UNREADABLE, read_refusal

_LONGEST_TEXT = 300
_SHRINKS = 8  # a masked text is at least one of so many parts as long as the text
_LONGEST_BODY = 8_000  # of an answer that is shown in outline
_MOST_NAMES = 20
_SHORTEST_SECRET = 8  # what is shorter stands in innocent text as well
_SHORTEST_PART = 16

# A phone or a CPF: a run of digits, or 10 to 13 however parted, but no time and no address.
_number = re.compile(
    r"(?<!\d)\+?\(?(?!\d{4}-\d\d-\d\d(?!\d)|\d\d[.-]\d\d[.-]20\d\d(?!\d)"
    r"|(?:[12]?\d?\d\.){3}[12]?\d?\d(?![\d-]))"
    r"(?:\d{9,}|(?:\d[ .()\u00a0-]{0,3}){9,12}\d)(?!\d)"
)
# In JSON: what may be a field's name, any other text, also one that is cut, and greater numbers.
_value = re.compile(
    r'(?P<name>"[A-Za-z_][A-Za-z_0-9-]{0,40}"(?=\s*:))|"(?:[^"\\]|\\.)*+"?|-?[0-9][0-9.eE+-]{2,}',
    re.DOTALL,
)
_is_name = re.compile(r"[A-Za-z_][A-Za-z_0-9-]{0,40}").fullmatch


def make_fit(text: str, secrets: Sequence[str] = (), longest: int = _LONGEST_TEXT) -> str:
    """Return a vendor's text without the account's secrets and full phone numbers, and short.

    It is cut last: half a secret could not be recognised.
    """
    text = hide_secrets(text, secrets)[: longest * _SHRINKS]
    text = _number.sub(_mask_number, text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def hide_secrets(text: str, secrets: Sequence[str]) -> str:
    """Return a text of any length without the secrets, however JSON, HTML or a URL write them."""
    return _pattern(tuple(secrets)).sub("***", text) if secrets else text


def secrets_of(token: str, webhook_url: str) -> tuple[str, ...]:
    """Return what no text may show.

    The address ends in a token, which might be quoted alone. An API token of Laravel's is a number
    and the secret proper, with a ``|`` between: half of it is enough to know it by.
    """
    ending, proper = webhook_url.rpartition("/")[2], token.rpartition("|")[2]
    known = (
        webhook_url,
        ending if len(ending) >= _SHORTEST_SECRET else "",
        token,
        proper if proper != token and len(proper) >= _SHORTEST_PART else "",
    )
    return tuple(text for text in known if text)


def outline(content: bytes) -> str:
    """Return the start of a successful answer without its texts and numbers; a page as it is.

    It may hold people's names, messages and codes. It need not be sound JSON.
    """
    start = content[:_LONGEST_BODY].decode(errors="replace")
    if start.lstrip().startswith("<"):
        return start
    return _value.sub(_hide_value, start) if start.lstrip().startswith(("{", "[", '"')) else ""


def name_parts(content: bytes) -> str:
    """Say in a few words what a successful answer consists of."""
    if not content.strip():
        return "nothing"
    try:
        value = msgspec.json.decode(content)
    except UNREADABLE:
        is_page = content.lstrip().startswith(b"<")
        return read_refusal(content) if is_page else "no JSON"
    if isinstance(value, dict):
        return ", ".join(map(_name, list(value)[:_MOST_NAMES])) or "an empty object"
    return "a list" if isinstance(value, list) else "a single value"


@lru_cache(maxsize=64)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(secrets, key=len, reverse=True)
    return re.compile("|".join("".join(map(_forms, secret)) for secret in longest_first))


def _forms(character: str) -> str:
    """Return a pattern of the ways to write a character of a secret."""
    if character.isalnum():
        return re.escape(character)
    code = ord(character)
    named = [f"&{name}" for name, meant in html5.items() if meant == character]
    forms = [character, "\\" + character, *named]
    numbered = rf"&#0*{code};|(?i:&#x0*{code:x};|\\u{code:04x}|%{code:02x})"
    return f"(?:{numbered}|{'|'.join(map(re.escape, forms))})"


def _mask_number(match: re.Match[str]) -> str:
    return mask("".join(character for character in match[0] if character.isdigit()))


def _hide_value(match: re.Match[str]) -> str:
    if match["name"] is not None:
        return match[0]
    return '"…"' if match[0].startswith('"') else "0"


def _name(key: str) -> str:
    return key if _is_name(key) else "…"
