"""What may be said of an entry of the suppression list, by a program or in a file."""

from datetime import datetime
from typing import Final

from recado_core.engine.failures import Fault
from recado_core.engine.policy import YEARS
from recado_core.engine.suppressions.suppressing import FROM_PROVIDER

ANY_CHANNEL: Final = "sms"
"""The channel in whose form an address is read that is suppressed in all of them."""
LONGEST_SOURCE: Final = 120


def check_source(source: str) -> str:
    """Return a source, or raise ``ValueError`` for one that can't be, or is not a client's to say.

    What a provider has said itself is not pushed to it: in an opt-out's name, that would be lost.
    """
    if not (1 <= len(source) <= LONGEST_SOURCE and source.isprintable()):
        raise ValueError(f"must have 1 to {LONGEST_SOURCE} printable characters")
    if source.lower().startswith(FROM_PROVIDER):
        raise ValueError(f"{FROM_PROVIDER} begins only what a provider itself has said")
    return source


def check_end(at: datetime, now: datetime) -> datetime:
    """Return the time at which an entry ends, or raise ``ValueError``."""
    if at.tzinfo is None:
        raise ValueError("needs an offset, as in 2026-01-31T09:00:00-03:00")
    if at.year not in YEARS or at <= now:
        raise ValueError(f"must be in the future, in the year {YEARS.stop - 1} at the latest")
    return at


def find_faults(source: str | None, end: datetime | None, now: datetime) -> list[Fault]:
    """Return what is wrong with the source and the end of an entry, as far as they are given."""
    faults = []
    try:
        if source is not None:
            check_source(source)
    except ValueError as error:
        faults.append(Fault(pointer="/source", detail=str(error)))
    try:
        if end is not None:
            check_end(end, now)
    except ValueError as error:
        faults.append(Fault(pointer="/expires_at", detail=str(error)))
    return faults
