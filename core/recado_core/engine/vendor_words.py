"""A vendor's own words, cut to what the store takes."""

LONGEST_CODE = 64
LONGEST_TEXT = 2000
LONGEST_REFERENCE = 255


def clip_text(text: str | None) -> str | None:
    """Return a vendor's text as the store takes it: not too long, without NUL."""
    return None if text is None else storable(text[:LONGEST_TEXT])


def clip_code(code: str | None) -> str | None:
    """Return a vendor's code as the store takes it."""
    return None if code is None else storable(code[:LONGEST_CODE])


def clip_reference(reference: str | None) -> str | None:
    """Return a vendor's reference as the store takes it, the same wherever it comes from."""
    if reference is None:
        return None
    return storable(reference[:LONGEST_REFERENCE])


def storable(words: str) -> str:
    """Return words without what no database takes: NUL, and half of a surrogate pair."""
    return words.replace("\0", "\ufffd").encode(errors="replace").decode()
