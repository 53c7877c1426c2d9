"""What the sink reads in an event: fields of the message that the event is about."""

from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from recado_core import Event, Media, PermanentSendError

RECEIVED = "message.received"
FAILURES = frozenset(
    {"message.failed", "message.undelivered", "message.rejected", "message.expired"}
)

Id = Annotated[str, msgspec.Meta(min_length=1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """An MO; ``name`` is the person's, where somebody told it."""

    id: Id
    sender: str
    created_at: Moment
    text: str = ""
    media: tuple[Media, ...] | None = None
    name: str | None = None


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """An MT that did not arrive; ``code`` and ``status_text`` are the provider's words."""

    id: Id
    to: str
    created_at: Moment
    code: str | None = None
    status_text: str | None = None


E = TypeVar("E", Received, Undone)


def read_message(event: Event, kind: type[E]) -> E:
    """Return the message of an event, or raise ``PermanentSendError``."""
    try:
        return msgspec.convert(event.data, kind)
    except msgspec.ValidationError as error:
        raise PermanentSendError(f"{event.type} without what ChatRoom needs: {error}") from error
