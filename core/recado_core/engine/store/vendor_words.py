"""A vendor's own words, cut to what the store takes."""

import hashlib

LONGEST_CODE = 64
LONGEST_TEXT = 2000
LONGEST_REFERENCE = 255
LONGEST_ADDRESS = 320
LONGEST_CHANNEL = 32


def clip_text(text: str | None) -> str | None:
    """Return a vendor's text as the store takes it: not too long, without NUL."""
    return None if text is None else storable(text[:LONGEST_TEXT])


def clip_address(address: str) -> str:
    """Return an address, in a form of the vendor's own, as the store takes it."""
    return storable(address[:LONGEST_ADDRESS])


def clip_code(code: str | None) -> str | None:
    """Return a vendor's code as the store takes it."""
    return None if code is None else storable(code[:LONGEST_CODE])


def clip_reference(reference: str | None) -> str | None:
    """Return a vendor's reference as the store takes it, the same wherever it comes from."""
    if reference is None or len(reference) <= LONGEST_REFERENCE:
        return None if reference is None else storable(reference)
    # Two long ones may differ only at their end.
    digest = hashlib.sha256(reference.encode(errors="replace")).hexdigest()
    return f"{storable(reference[: LONGEST_REFERENCE - len(digest) - 1])}:{digest}"


def id_in(words: str | None) -> str:
    """Return an id of ours that a vendor names; empty for what no database takes, as none is."""
    return words if words and storable(words) == words else ""


def storable(words: str) -> str:
    """Return words without what no database takes: NUL, and half of a surrogate pair."""
    if words.isascii() and "\0" not in words:
        return words
    return words.replace("\0", "\ufffd").encode(errors="replace").decode()
