"""The channels that come with Recado."""

from collections.abc import Iterable, Sequence

from recado_core.addresses import AddressKind, normalise_number, normalise_sender_id
from recado_core.contract import Channel
from recado_core.errors import ContentError
from recado_core.hookspecs import hookimpl
from recado_core.messages import Media
from recado_core.segments import Segments, count_segments

MAX_SMS_CHARACTERS = 1600
"""About ten segments of GSM-7: what most carriers put together again."""


class SmsChannel:
    """Short messages: text alone, counted in segments (3GPP TS 23.040 and 23.038)."""

    id = "sms"

    def normalise_address(self, address: str, region: str) -> str:
        """Return a phone number as E.164; nobody is reached at a short code or a name."""
        return normalise_number(address, region)

    def normalise_sender_id(self, sender_id: str, region: str) -> str:
        """Return a number, a short code or an alphanumeric sender in its one form."""
        return normalise_sender_id(sender_id, region, frozenset(AddressKind))

    def check_content(self, text: str, media: Sequence[Media]) -> None:
        """Refuse media, and a text that is empty or too long."""
        if media:
            raise ContentError("an SMS carries no media; put a link into the text", code="no_media")
        if not text.strip():
            raise ContentError("the text is empty", code="empty")
        if len(text) > MAX_SMS_CHARACTERS:
            raise ContentError(
                f"the text has {len(text)} characters, and an SMS at most {MAX_SMS_CHARACTERS}",
                code="too_long",
            )

    def count_segments(self, text: str) -> Segments:
        """Return in how many parts the text travels."""
        return count_segments(text)


@hookimpl
def register_channels() -> Iterable[Channel]:
    """Register the channels that come with Recado."""
    return [SmsChannel()]
