"""Ids: UUIDs that look random and say where the thing they name is kept."""

from collections.abc import Iterable

INDEX_BITS = 10
REQUEST_INDEX = 1023  # a request holds at most 1000 messages, so this index is free
BITS = 48
MASK = (1 << BITS) - 1
SCATTER = 0x9E3779B97F4B  # odd, so that multiplication by it can be undone
GATHER = pow(SCATTER, -1, 1 << BITS)
LENGTH = 36


class Ids:
    """Make the ids of requests and messages, and find back the place of one.

    The place is scattered over the first 48 bits, so ids come in no order (as the vendor's do) and
    no table of a million strings is needed; the rest is drawn once, so another run's ids are
    unknown to this one.
    """

    def __init__(self, entropy: int) -> None:
        tail = f"{entropy & (1 << 62) - 1 | 1 << 63:016x}"
        self._tail = f"-4{entropy >> 64 & 0xFFF:03x}-{tail[:4]}-{tail[4:]}"

    def request(self, serial: int) -> str:
        """Make the id of a request."""
        return self._make(serial << INDEX_BITS | REQUEST_INDEX)

    def message(self, serial: int, index: int) -> str:
        """Make the id of one message of a request."""
        return self._make(serial << INDEX_BITS | index)

    def messages(self, serial: int, indexes: Iterable[int]) -> list[str]:
        """Make the ids of many messages of a request, faster than one by one."""
        first, tail = serial << INDEX_BITS, self._tail
        scattered = [(first + index) * SCATTER & MASK for index in indexes]
        return [place.to_bytes(6, "big").hex("-", -4) + tail for place in scattered]

    def _make(self, place: int) -> str:
        return (place * SCATTER & MASK).to_bytes(6, "big").hex("-", -4) + self._tail

    def find(self, text: str) -> tuple[int, int] | None:
        """Find the serial number and the index that an id stands for, or None if it is not ours."""
        text = text.lower()
        if len(text) != LENGTH or not text.endswith(self._tail):
            return None
        try:
            place = int(text[:8] + text[9:13], 16) * GATHER & MASK
        except ValueError:
            return None
        serial, index = place >> INDEX_BITS, place & ((1 << INDEX_BITS) - 1)
        return (serial, index) if self._make(place) == text else None
