"""May a message go to its recipient now? What is asked of a check, and what it answers."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from recado_core.messages import Category


class OnFailure(StrEnum):
    """What happens to a message while a check can't answer."""

    ALLOW = "allow"  # it goes on
    HOLD = "hold"  # it waits and is checked again


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One message as a check sees it.

    ``at`` is when the message is to go: the present, or the time that it is scheduled for.
    ``document`` is the person's (a CPF, digits alone); it is there when the message is accepted and
    is not stored, so that it is absent when the message is checked again before it is sent.
    ``document_hash`` is the keyed hash that is stored instead. ``message_id`` is absent where a
    program asks before it sends.
    """

    address: str
    channel: str
    category: Category
    at: datetime
    account: str | None = None
    message_id: str | None = None
    document: str | None = None
    document_hash: str | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message may not go to its recipient; ``until`` if that ends by itself."""

    check: str
    reason: str
    until: datetime | None = None


class Deferral(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message may not go yet; it waits until ``until``, and is checked again then."""

    check: str
    reason: str
    until: datetime


Answer = Refusal | Deferral | None
"""What a check says of one recipient; None is that the message may go."""


class Check(Protocol):
    """May this message go to this recipient now?

    ``time_limit`` is in seconds for one call, however many recipients it holds (1000 at the most).
    """

    id: str
    on_failure: OnFailure
    time_limit: float

    async def check(self, recipients: Sequence[Recipient]) -> Sequence[Answer]:
        """Return one answer for every recipient, in their order."""
        ...
