"""What became of one request or one message: ``sms/status/...``."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from recado_core import Operation, Progress

from recado_kolmeya.operations.answers import ask, list_in
from recado_kolmeya.operations.kinds import Count, Id, Number, Text
from recado_kolmeya.operations.rows import read_row, read_rows
from recado_kolmeya.provider import KolmeyaProvider


class StatusKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Names a request or a message by Kolmeya's id or by our reference, never by both."""

    id: UUID | None = None
    reference: Annotated[str, Meta(min_length=1)] | None = None

    def __post_init__(self) -> None:
        """Refuse both, and neither."""
        if self.id is None and self.reference is None:
            raise ValueError("id: it is needed, or else reference")
        if self.id is not None and self.reference is not None:
            raise ValueError("id: it can't stand beside reference")


class MessageState(Struct, frozen=True, kw_only=True):
    """How a message stands; the README tells what the codes mean."""

    id: Id
    reference: Text
    status: Text
    status_code: Number


class RequestHead(Struct, frozen=True, kw_only=True):
    """How a request stands; its code is of another kind than those of messages."""

    id: Text
    reference: Text
    status: Text
    status_code: Count


class RequestState(RequestHead, frozen=True, kw_only=True):
    """How a request and its messages stand."""

    messages: list[MessageState]
    unreadable: int = 0


async def read_request_state(
    provider: KolmeyaProvider, request: StatusKey, progress: Progress
) -> RequestState:
    """Ask for a request."""
    zone = provider.zone
    head, entries = await ask(
        provider,
        "sms/status/request",
        lambda value: (read_row(value, RequestHead, zone), list_in(value, "messages")),
        request,
    )
    progress(1, 1)
    found = await read_rows(entries, MessageState, zone)
    return RequestState(
        **msgspec.structs.asdict(head),
        messages=found.rows,
        unreadable=found.unreadable,
    )


async def read_message_state(
    provider: KolmeyaProvider, request: StatusKey, progress: Progress
) -> MessageState:
    """Ask for a message."""
    zone = provider.zone
    state = await ask(
        provider, "sms/status/message", lambda value: read_row(value, MessageState, zone), request
    )
    progress(1, 1)
    return state


OPERATIONS = (
    Operation(
        name="status-request",
        summary="How a request and its messages stand",
        request=StatusKey,
        reply=RequestState,
        call=read_request_state,
    ),
    Operation(
        name="status-message",
        summary="How one message stands",
        request=StatusKey,
        reply=MessageState,
        call=read_message_state,
    ),
)
