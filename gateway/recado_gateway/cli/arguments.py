"""What is given on the command line: who is meant, and until when; and what is wrong with it."""

import argparse
import sys
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.suppressions.entry_rules import ANY_CHANNEL
from recado_core.errors import AddressError, RecadoError

from recado_gateway.settings import Settings

STANDARD_INPUT = "-"
ARGUMENTS = {"/address": "ADDRESS", "/expires_at": "--expires", "/name": "NAME"}
"""What is not called on the command line as it is elsewhere."""


def words_of(words: type[StrEnum]) -> list[str]:
    """Return the words that may be chosen from, as argparse shows them."""
    return [str(word) for word in words]


def add_document_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--document``, for ``read_document``."""
    parser.add_argument(
        "--document", metavar="CPF", help="the person's; - reads it from standard input"
    )


def add_end_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--expires``, for ``end_in_zone``."""
    parser.add_argument(
        "--expires", type=read_end, metavar="TIME", help="until then; a date alone is all of it"
    )


def read_document(text: str | None) -> str | None:
    """Return a document, from standard input where it is not to stand in the shell's history."""
    return sys.stdin.readline().strip() if text == STANDARD_INPUT else text


def find_address(
    settings: Settings, address: str, argument: str, channel: str | None = None
) -> str:
    """Return an address in the form in which it is stored: a person's, or an MO's sender's.

    Args:
        settings: The configuration's.
        address: As somebody wrote it.
        argument: What it is called on the command line.
        channel: In whose form it is.

    Raises:
        RecadoError: It has no such form.
    """
    channels, region = settings.plugins.channels, settings.engine.default_region
    medium = channels.get(channel or ANY_CHANNEL, channels[ANY_CHANNEL])
    try:
        return medium.normalise_address(address, region)
    except AddressError as error:
        try:
            return medium.normalise_sender_id(address, region)
        except AddressError:
            raise RecadoError(f"{argument}: {error}") from error


def read_end(text: str) -> date:
    """Read a time, or a date alone."""
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    raise argparse.ArgumentTypeError(f"{text!r} is no time like 2030-01-31 or 2030-01-31T18:00")


def end_in_zone(end: date | None, zone: str) -> datetime | None:
    """Return when a time is over; of a date alone, the end of the day in this zone."""
    if end is None:
        return None
    if not isinstance(end, datetime):
        end = datetime.combine(end + timedelta(days=end < date.max), time())
    at = end if end.tzinfo else end.replace(tzinfo=ZoneInfo(zone))
    return at.astimezone(UTC)


def is_argument(fault: Fault) -> bool:
    """Tell whether a fault is one of the command line's, not of a line in a file."""
    first = fault.pointer.removeprefix("/").partition("/")[0]
    return first != "" and not first.isdigit()


def in_words(error: DraftError) -> str:
    """Name what is wrong by the arguments of the command line."""
    return "; ".join(
        f"{ARGUMENTS.get(fault.pointer, f'--{fault.pointer[1:]}')}: {fault.detail}"
        for fault in error.faults
    )
