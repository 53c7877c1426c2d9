"""Kolmeya's word on one message, from a webhook or a poll, read into a DLR."""

import logging
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from recado_core import Status, StatusUpdate, WebhookItem

from recado_kolmeya.masking import make_fit
from recado_kolmeya.parts import read_id
from recado_kolmeya.wire import STATUS_TEXTS, STATUSES, MessageStatus, PlainStatus, Scalar

logger = logging.getLogger(__name__)

_LONGEST_WORD = 80
_LONGEST_READ = 1_000  # of what is then cut to a word

_is_own_id = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_OWN_ID = b"00000000-0000-0000-0000-000000000000"  # with each of its digits as a zero
_digits_to_zeros = bytes.maketrans(b"123456789abcdef", b"000000000000000")


def read_receipt(entry: MessageStatus | PlainStatus) -> StatusUpdate | None:
    """Return what an entry says of its message, or None if it does not say of which."""
    message_id = own_id(entry.reference)
    provider_ref = read_id(entry.id)
    if message_id is None and provider_ref is None:
        return None
    code = read_code(entry.status_code)
    status = STATUSES.get(code) if code is not None else _by_text(entry.status)
    if status is None:
        status = Status.UNKNOWN
        _tell_unknown(code)
    return StatusUpdate(
        status=status,
        message_id=message_id,
        provider_ref=provider_ref,
        code=None if code is None else str(code),
        text=None if entry.status is None else _fit_word(str(entry.status)[:_LONGEST_READ]),
    )


def read_receipts(entries: Iterable[MessageStatus | PlainStatus]) -> list[WebhookItem]:
    """Return what entries say, without those that do not say of which message."""
    return [update for update in map(read_receipt, entries) if update is not None]


def read_plain_receipts(entries: Sequence[PlainStatus]) -> list[WebhookItem]:
    """Do the same in a third of the time where all entries name messages of ours."""
    if not _are_own_ids([entry.reference for entry in entries]):
        return read_receipts(entries)
    return [
        StatusUpdate(
            status=status,
            message_id=entry.reference,
            provider_ref=entry.id or None,
            code=code,
            text=text,
        )
        for entry in entries
        for status, code, text in [_read_fate(entry.status_code, entry.status)]
    ]


def own_id(reference: Scalar) -> str | None:
    """Return a reference that can be an id of ours: other systems share the vendor's account."""
    return reference if isinstance(reference, str) and _is_own_id(reference) else None


def read_code(value: Scalar) -> int | None:
    """Read a code: an integer, and in ``status/message`` and perhaps elsewhere a text."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        value = value.strip()
        return int(value) if value.isdecimal() and len(value) < _LONGEST_WORD else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return None if isinstance(value, bool) else value


def _are_own_ids(references: Sequence[str]) -> bool:
    """Do for many references at once, in a few passes over their bytes, what ``own_id`` does."""
    joined = ",".join(references).encode().translate(_digits_to_zeros)
    return joined == b",".join([_OWN_ID] * len(references))


@lru_cache(maxsize=64)  # a few codes and words tell the fate of all messages
def _read_fate(code: int, word: str) -> tuple[Status, str, str]:
    """Return a status, and its code and word as they are shown."""
    status = STATUSES.get(code)
    if status is None:
        status = Status.UNKNOWN
        _tell_unknown(code)
    return status, str(code), _fit_word(word)


def _by_text(text: Scalar) -> Status | None:
    if not isinstance(text, str):
        return None
    letters = unicodedata.normalize("NFD", text.strip().casefold())
    return STATUS_TEXTS.get("".join(c for c in letters if not unicodedata.combining(c)))


@lru_cache(maxsize=64)  # a few words tell the fate of all messages
def _fit_word(text: str) -> str:
    return make_fit(text, longest=_LONGEST_WORD)


@lru_cache(maxsize=64)
def _tell_unknown(code: int | None) -> None:
    logger.info("kolmeya sent a status code that is not known", extra={"code": code})
