"""What people answered in the last hours: ``sms/replys`` and ``sms/replys-web``."""

from functools import partial
from typing import Annotated, TypeVar

from msgspec import Meta, Struct
from recado_core import Operation, Progress

from recado_kolmeya.operations.answers import ask
from recado_kolmeya.operations.kinds import Count, Fields, Id, Moment, Phone, Text
from recado_kolmeya.operations.pages import Page, gather_pages, read_page
from recado_kolmeya.operations.rows import Rows, row_within
from recado_kolmeya.provider import KolmeyaProvider


class RepliesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hours to look back; Kolmeya remembers 168."""

    period: Annotated[int, Meta(ge=1, le=168)] = 24


class AnsweredMessage(Struct, frozen=True, kw_only=True):
    """The message that was answered."""

    id: Text
    reference: Text
    phone: Phone


class AnsweredRequest(Struct, frozen=True, kw_only=True):
    """The request with which it was sent."""

    id: Text
    reference: Text


class ApiReply(Struct, frozen=True, kw_only=True):
    """An answer to a message that was sent by API."""

    id: Id
    reply: Text
    received_at: Moment
    message: Annotated[AnsweredMessage | None, row_within(AnsweredMessage)]
    request: Annotated[AnsweredRequest | None, row_within(AnsweredRequest)]


class ApiReplies(Struct, frozen=True, kw_only=True):
    """The answers to what was sent by API, the newest first; ``truncated`` if there are more."""

    data: list[ApiReply]
    truncated: bool = False
    unreadable: int = 0


class WebReply(Struct, frozen=True, kw_only=True):
    """An answer to a campaign's message."""

    id: Id
    job: Count
    phone: Phone
    message: Text
    parameters: Fields
    send_at: Moment
    reply: Text
    received_at: Moment


class WebReplies(Struct, frozen=True, kw_only=True):
    """The answers to campaigns, the newest first; ``truncated`` if there are more."""

    data: list[WebReply]
    truncated: bool = False
    unreadable: int = 0


async def read_api_replies(
    provider: KolmeyaProvider, request: RepliesQuery, progress: Progress
) -> ApiReplies:
    """Ask for all pages of answers to what was sent by API."""
    found = await _read(provider, provider.settings.replies_path, request, ApiReply, progress)
    return ApiReplies(
        data=_unique(found.rows),
        truncated=found.truncated,
        unreadable=found.unreadable,
    )


async def read_web_replies(
    provider: KolmeyaProvider, request: RepliesQuery, progress: Progress
) -> WebReplies:
    """Ask for all pages of answers to campaigns."""
    found = await _read(
        provider, provider.settings.campaign_replies_path, request, WebReply, progress
    )
    return WebReplies(
        data=_unique(found.rows),
        truncated=found.truncated,
        unreadable=found.unreadable,
    )


class _RepliesCall(Struct, frozen=True):
    period: int
    page: int


_Reply = TypeVar("_Reply", ApiReply, WebReply)


async def _read(
    provider: KolmeyaProvider,
    path: str,
    request: RepliesQuery,
    kind: type[_Reply],
    progress: Progress,
) -> Rows[_Reply]:
    """Ask for all pages."""

    async def ask_page(number: int) -> Page:
        body = _RepliesCall(request.period, number)
        return await ask(provider, path, partial(read_page, key="data"), body)

    found = Rows(kind, provider.zone)
    await gather_pages([ask_page], found, progress)
    return found


def _unique(rows: list[_Reply]) -> list[_Reply]:
    """Return the replies once each: one that moved to the next page may have changed."""
    return list({row.id: row for row in rows}.values())


OPERATIONS = (
    Operation(
        name="replys",
        summary="Answers to messages sent by API, of the last hours",
        request=RepliesQuery,
        reply=ApiReplies,
        call=read_api_replies,
    ),
    Operation(
        name="replys-web",
        summary="Answers to campaigns, of the last hours",
        request=RepliesQuery,
        reply=WebReplies,
        call=read_web_replies,
    ),
)
