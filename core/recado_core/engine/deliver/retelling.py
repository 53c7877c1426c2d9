"""Events as sinks are told them: with all that is known of what they are about."""

from collections.abc import Mapping
from typing import Any

import msgspec

from recado_core.engine.messages.messages import view_message
from recado_core.messages import Event, Status

Row = dict[str, Any]


def tell_events(events: Mapping[str, Row], messages: Mapping[str, Row]) -> dict[str, Event]:
    """Return events by their ids; one whose message is gone has nothing left to tell.

    Args:
        events: Their rows by their ids.
        messages: The messages that they are about, by the events' ids, each with the sink that it
            comes from and its conversation.
    """
    return {
        key: _tell(row, messages.get(key))
        for key, row in events.items()
        if row["message_id"] is None or key in messages
    }


def _tell(row: Row, message: Row | None) -> Event:
    data: dict[str, Any] = dict(row["data"] or {})
    if message is not None:
        data |= msgspec.to_builtins(_as_it_was(row, message))
        data |= {name: message[name] for name in ("origin", "conversation_id", "first_id")}
    return Event(id=row["id"], type=row["type"], time=row["time"], data=data)


def _as_it_was(row: Row, message: Row) -> msgspec.Struct:
    """Return the message as the event left it, whatever has become of it since."""
    shown = view_message(message)
    if row["to_status"] is None:
        return shown
    return msgspec.structs.replace(
        shown,
        account=row["account"] or shown.account,
        status=Status(row["to_status"]),
        status_at=row["time"],
        code=row["code"],
        status_text=row["text"],
    )
