"""What the account may use: cost centres, brokers, layouts of campaign files."""

from typing import Annotated

from msgspec import Struct
from recado_core import Operation, Progress

from recado_kolmeya.operations.answers import ask_rows
from recado_kolmeya.operations.kinds import Count, Number, Text
from recado_kolmeya.operations.rows import rows_within
from recado_kolmeya.provider import KolmeyaProvider


class NoFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing: there is nothing to choose."""


class Segment(Struct, frozen=True, kw_only=True):
    """A cost centre; its id is what the setting ``segment`` takes."""

    id: Number
    name: Text


class Segments(Struct, frozen=True, kw_only=True):
    """The account's cost centres."""

    segments: list[Segment]
    unreadable: int = 0


class Api(Struct, frozen=True, kw_only=True):
    """A broker; its id is what the setting ``sms_api_id`` takes."""

    id: Number
    name: Text


class Apis(Struct, frozen=True, kw_only=True):
    """The account's brokers."""

    apis: list[Api]
    unreadable: int = 0


class LayoutItem(Struct, frozen=True, kw_only=True):
    """A column of a campaign's file."""

    id: Number
    name: Text
    type: Text
    position: Count


class Layout(Struct, frozen=True, kw_only=True):
    """A layout of campaign files."""

    id: Number
    name: Text
    items: Annotated[list[LayoutItem], rows_within(LayoutItem)]


class Layouts(Struct, frozen=True, kw_only=True):
    """The account's layouts."""

    layouts: list[Layout]
    unreadable: int = 0


async def list_segments(
    provider: KolmeyaProvider, _request: NoFields, progress: Progress
) -> Segments:
    """Ask for the cost centres."""
    found = await ask_rows(provider, "sms/segments", "segments", Segment, progress)
    return Segments(segments=found.rows, unreadable=found.unreadable)


async def list_apis(provider: KolmeyaProvider, _request: NoFields, progress: Progress) -> Apis:
    """Ask for the brokers."""
    found = await ask_rows(provider, "sms/apis", "apis", Api, progress)
    return Apis(apis=found.rows, unreadable=found.unreadable)


async def list_layouts(
    provider: KolmeyaProvider, _request: NoFields, progress: Progress
) -> Layouts:
    """Ask for the layouts."""
    found = await ask_rows(provider, "sms/layouts", "layouts", Layout, progress)
    return Layouts(layouts=found.rows, unreadable=found.unreadable)


OPERATIONS = (
    Operation(
        name="segments",
        summary="The account's cost centres",
        request=NoFields,
        reply=Segments,
        call=list_segments,
    ),
    Operation(
        name="apis",
        summary="The account's brokers",
        request=NoFields,
        reply=Apis,
        call=list_apis,
    ),
    Operation(
        name="layouts",
        summary="The account's layouts of campaign files",
        request=NoFields,
        reply=Layouts,
        call=list_layouts,
    ),
)
