"""Phones that were not sent to, and why: ``sms/reports/invalid-records``."""

import datetime as dt
from enum import StrEnum
from functools import partial

from msgspec import UNSET, Struct, UnsetType
from recado_core import Operation, Progress

from recado_kolmeya.operations.answers import ask
from recado_kolmeya.operations.kinds import Count, Moment, Phone, Text
from recado_kolmeya.operations.pages import Page, gather_pages, read_page
from recado_kolmeya.operations.rows import Rows
from recado_kolmeya.operations.spans import VendorNumber, calendar_span, check_days
from recado_kolmeya.operations.windows import split_days
from recado_kolmeya.provider import KolmeyaProvider

_PAGE = 40_000  # Kolmeya's own default; no greatest is stated


class Origin(StrEnum):
    """Where the messages came from."""

    API = "api"
    WEB = "web"  # campaigns


class InvalidRecordsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One day, or the days until ``end_date``; today if none is named.

    ``segments`` are cost centres: the account's own if nothing is said, all if the list is empty.
    """

    origin: Origin
    date: dt.date | None = None
    end_date: dt.date | None = None
    job_id: VendorNumber | None = None
    segments: list[VendorNumber] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse what is no span."""
        check_days("date", self.date, "end_date", self.end_date)


class InvalidRecord(Struct, frozen=True, kw_only=True):
    """A phone that was not sent to; ``tipo`` says why."""

    telefone: Phone
    tipo: Text
    job: Count
    criado_em: Moment
    centro_custo: Text
    api: Text
    broker: Text
    produto: Text


class InvalidRecords(Struct, frozen=True, kw_only=True):
    """What was lost, day by day; ``truncated`` if there is more."""

    data: list[InvalidRecord]
    truncated: bool = False
    unreadable: int = 0


async def read_invalid_records(
    provider: KolmeyaProvider, request: InvalidRecordsQuery, progress: Progress
) -> InvalidRecords:
    """Ask for one day after the other, all pages of each."""
    end = request.end_date or request.date
    first, last = calendar_span(provider, ("date", "end_date"), request.date, end)
    windows = split_days(first, last, 1)
    days = [partial(_ask, provider, request, window.start) for window in windows]
    found = Rows(InvalidRecord, provider.zone)
    await gather_pages(days, found, progress)
    return InvalidRecords(
        data=found.rows,
        truncated=found.truncated,
        unreadable=found.unreadable,
    )


class _InvalidRecordsCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    origin: Origin
    date: dt.date
    job_id: int | None = None
    segments: list[int] | None = None
    per_page: str  # the description types these two as texts
    page: str


async def _ask(
    provider: KolmeyaProvider, request: InvalidRecordsQuery, day: dt.date, number: int
) -> Page:
    segments = request.segments
    if isinstance(segments, UnsetType):
        own = provider.settings.segment
        segments = [] if own is None else [own]
    body = _InvalidRecordsCall(
        origin=request.origin,
        date=day,
        job_id=request.job_id,
        segments=segments or None,
        per_page=str(_PAGE),
        page=str(number),
    )
    read = partial(read_page, key="data")
    return await ask(provider, "sms/reports/invalid-records", read, body)


OPERATIONS = (
    Operation(
        name="reports-invalid-records",
        summary="The phones that requests or campaigns lost in a span of days, and why",
        request=InvalidRecordsQuery,
        reply=InvalidRecords,
        call=read_invalid_records,
    ),
)
