"""Which events the sink wants, and what it reads in them: fields of the message they are about."""

from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from recado_core import Event, EventSubject, Media, PermanentSendError
from recado_core.sinks import Lane

from recado_acrux_chatroom.settings import Notes, PartnerNote, Settings

RECEIVED = "message.received"
SUPPRESSED = "message.suppressed"
FAILURES = frozenset(
    {
        "message.failed",
        "message.undelivered",
        "message.rejected",
        "message.expired",
        SUPPRESSED,
        "message.canceled",
    }
)
# A message whose fate is unknown may still arrive, and ChatRoom never takes a failure back.
LINES = frozenset({"message.delivered", "message.read", "message.unknown"})
"""What an agent may be told in a line of its own."""

PARTNER_NOTES: dict[str, PartnerNote] = {
    "message.sent": PartnerNote.SENT,
    "message.delivered": PartnerNote.DELIVERED,
    RECEIVED: PartnerNote.RECEIVED,
}
EVENTS = FAILURES | LINES | PARTNER_NOTES.keys()

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


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """An MT; ``origin`` is the sink whose agent wrote it, ``code`` and the next the provider's.

    ``first_id`` is that of the message that the agent wrote, where this is it once more.
    """

    id: Id
    to: str
    created_at: Moment
    text: str = ""
    origin: str | None = None
    first_id: str | None = None
    code: str | None = None
    status_text: str | None = None


E = TypeVar("E", Received, Outgoing)


def wants(settings: Settings, subject: EventSubject) -> bool:
    """Tell whether an event is for a sink with these settings.

    Of what becomes of messages that agents of other sinks wrote, only notes are.
    """
    if subject.account != settings.account or subject.channel not in {None, settings.channel}:
        return False
    if subject.type == RECEIVED or wants_note(settings, subject.type):
        return True
    return subject.own and (
        wants_failure(settings, subject.type) or wants_line(settings, subject.type)
    )


def lane(subject: EventSubject) -> Lane:
    """Return in which order an event is told: a person waits for what others write, not for notes.

    A failure may wait a minute for Odoo, which must not hold up what the person writes meanwhile.
    """
    if subject.type == RECEIVED:
        return Lane.CONVERSATION
    return Lane.OUTCOME if subject.type in FAILURES else Lane.NOTE


def wants_failure(settings: Settings, event_type: str) -> bool:
    """Tell whether agents hear of a failure of this type."""
    return event_type in FAILURES and settings.notes is not Notes.NONE


def wants_line(settings: Settings, event_type: str) -> bool:
    """Tell whether an event of this type becomes a line in the conversation."""
    return event_type in LINES and settings.notes is Notes.ALL and settings.rpc is not None


def wants_note(settings: Settings, event_type: str) -> bool:
    """Tell whether an event of this type is noted on the partner."""
    note = PARTNER_NOTES.get(event_type)
    return note is not None and settings.rpc is not None and settings.rpc.notes_on(note)


def read_message(event: Event, kind: type[E]) -> E:
    """Return the message of an event, or raise ``PermanentSendError``."""
    try:
        return msgspec.convert(event.data, kind)
    except msgspec.ValidationError as error:
        raise PermanentSendError(f"{event.type} without what ChatRoom needs: {error}") from error


def status_of(event_type: str) -> str:
    """Return what has become of the message, as the type's last part says."""
    return event_type.rpartition(".")[2]
