"""Sample messages: accents, emoji, the odd characters that break encodings."""

import hashlib
import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

from recado_core.messages import Event, OutboundBatch, OutboundMessage
from recado_core.testing.clock import MONDAY_NOON

TEXTS = (
    "Olá, João! Sua ação nº 3 está às 9h, é só pôr a mão — não há exceção.",
    'Emoji 🎉 👩🏽‍💻 🇧🇷, "aspas", 100% + R$ 5 & <b>tags</b>; {chaves} \\ e a\nsegunda linha.',
    "Plain GSM text, 1 segment.",
)
"""What ``make_message`` says, in turn."""

MO_TEXT = 'Sim, é pra já! ñ ü ção — 100% + "ok" & <tchau> \\ 🎉👩🏽‍💻'
"""What the kit puts into captured replies."""

DOCUMENT = "11144477735"
"""A CPF that nobody has."""

_calls = itertools.count(1)


def make_id() -> str:
    """Return a new UUIDv7, the same ones in the same order in every run."""
    count = next(_calls)
    noise = int.from_bytes(hashlib.sha256(str(count).encode()).digest()[:10], "big")
    milliseconds = 1_767_614_400_000 + count
    bits = milliseconds << 80 | 0x7 << 76 | (noise >> 68) << 64 | 0b10 << 62
    return str(UUID(int=bits | noise & (1 << 62) - 1))


def brazilian_address(index: int) -> str:
    """Return a Brazilian mobile number that nobody has."""
    return f"+55119{index:08d}"


def make_message(index: int = 1, **fields: Any) -> OutboundMessage:  # noqa: ANN401  # of every type
    """Return a message to send; ``fields`` are what of ``OutboundMessage`` matters to a test."""
    given = {"id": make_id(), "to": brazilian_address(index), "text": TEXTS[index % len(TEXTS)]}
    return OutboundMessage(**(given | fields))


def make_batch(
    size: int = 1, make: Callable[[int], OutboundMessage] = make_message
) -> OutboundBatch:
    """Return a batch under a reference of its own; ``make`` is given 1, 2, 3 and so on."""
    messages = tuple(make(index) for index in range(1, size + 1))
    return OutboundBatch(reference=make_id(), messages=messages)


def make_event(event_type: str = "message.received", **data: Any) -> Event:  # noqa: ANN401  # as above
    """Return an event about a message; ``data`` are what of the message matters to a test.

    An MT is one that an agent wrote in the business system of the sink named ``kit``.
    """
    inbound = event_type == "message.received"
    person, ours = brazilian_address(1), "28506"
    message = {
        "id": make_id(),
        "direction": "in" if inbound else "out",
        "channel": "sms",
        "account": "kit",
        "to": ours if inbound else person,
        "sender": person if inbound else None,
        "sender_id": None if inbound else ours,
        "text": MO_TEXT,
        "media": None,
        "category": "transactional",
        "reference": None,
        "metadata": None,
        "status": event_type.rpartition(".")[2],
        "code": None,
        "status_text": None,
        "provider_ref": make_id(),
        "created_at": MONDAY_NOON.isoformat(),
        "conversation_id": make_id(),
        "origin": None if inbound else "kit",
    }
    return Event(id=make_id(), type=event_type, time=MONDAY_NOON, data=message | data)
