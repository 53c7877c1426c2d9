"""The AcruxLab ChatRoom plugin: what it registers."""

from collections.abc import Iterable

from recado_core import SinkType, hookimpl

from recado_acrux_chatroom.events import FAILURES, RECEIVED
from recado_acrux_chatroom.settings import Settings
from recado_acrux_chatroom.sink import ChatRoomSink


@hookimpl
def register_sinks() -> Iterable[SinkType]:
    """Register the one kind of sink."""
    return [
        SinkType(
            id="acrux_chatroom",
            settings=Settings,
            events=FAILURES | {RECEIVED},
            create=ChatRoomSink,
        )
    ]
