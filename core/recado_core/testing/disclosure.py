"""Where a configured secret or a person's whole number shows, in whatever dress."""

import base64
import json
import traceback
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

import httpx
import msgspec

from recado_core.contract import Secret

SHORTEST_SECRET = 8
"""Characters below which a secret of the kit's settings would be found in innocent text."""

TELLING_DIGITS = 9
"""Digits of a phone number that make it a person's; masked numbers show fewer in a row."""


def find_secrets(settings: object, path: str = "settings") -> dict[str, str]:
    """Return the text of every ``Secret`` in the settings, by where it stands."""
    if isinstance(settings, Secret):
        return {path: settings.reveal()}
    if isinstance(settings, msgspec.Struct):
        inner: Iterable[tuple[object, object]] = msgspec.structs.asdict(settings).items()
    elif isinstance(settings, Mapping):
        inner = settings.items()
    elif isinstance(settings, (list, tuple, set, frozenset)):
        inner = enumerate(settings)
    else:
        return {}
    found: dict[str, str] = {}
    for name, value in inner:
        found |= find_secrets(value, f"{path}.{name}")
    return found


def find_credentials(requests: Iterable[httpx.Request]) -> dict[str, str]:
    """Return what the requests carried as ``Authorization``: secrets in their sent form."""
    found = {}
    for request in requests:
        for name in ("authorization", "proxy-authorization"):
            credentials = request.headers.get(name, "").rpartition(" ")[2]
            if len(credentials) >= SHORTEST_SECRET:
                found[f"the {name} header"] = credentials
    return found


def tell_error(error: BaseException) -> str:
    """Return all that an error tells a person: its chain, its notes, its code."""
    told = [repr(error), *traceback.format_exception(error, limit=0)]  # frames show code alone
    return "\n".join([*told, str(getattr(error, "code", ""))])


def find_shown(texts: Iterable[tuple[str, str]], secrets: Mapping[str, str]) -> list[str]:
    """Return a line for every secret that one of the (place, text) pairs shows."""
    return sorted(
        {
            f"{place} shows {name}"
            for name, secret in secrets.items()
            for dress in _dress(secret)
            for place, text in texts
            if dress in text
        }
    )


def find_numbers(texts: Iterable[tuple[str, str]], addresses: Iterable[str]) -> list[str]:
    """Return a line for every (place, text) pair that shows a whole number."""
    endings = {digits[-TELLING_DIGITS:] for a in addresses if (digits := _digits(a))}
    return sorted(
        {f"{place} shows a whole number" for place, text in texts for e in endings if e in text}
    )


def _dress(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], encoded}


def _digits(address: str) -> str:
    digits = "".join(c for c in address if c.isdigit())
    return digits if len(digits) >= TELLING_DIGITS else ""
