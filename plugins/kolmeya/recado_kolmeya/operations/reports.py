"""Reports on messages and requests: ``sms/reports/statuses``, ``.../{jobId}``, ``.../requests``."""

from datetime import date, datetime, timedelta
from functools import partial

from msgspec import Struct, field
from recado_core import Operation, Progress

from recado_kolmeya.operations.answers import ask, list_in
from recado_kolmeya.operations.kinds import Count, Document, Fields, Id, Moment, Phone, Text
from recado_kolmeya.operations.pages import Page, gather_pages, read_page
from recado_kolmeya.operations.rows import Rows
from recado_kolmeya.operations.spans import (
    Instant,
    VendorNumber,
    calendar_span,
    check_days,
    check_instants,
    clock_span,
)
from recado_kolmeya.operations.windows import (
    DayWindow,
    MinuteWindow,
    gather_windows,
    split_days,
    split_minutes,
)
from recado_kolmeya.provider import KolmeyaProvider

MOST_STATUSES = 30_000
STATUSES_SPAN = timedelta(days=7)
REQUEST_DAYS = 31
_JOB_PAGE = 5000
_REQUESTS_PAGE = 1000


class StatusesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A span of any length, in full minutes; until now, and all of it, if nothing else is said."""

    start_at: Instant
    end_at: Instant | None = None
    limit: VendorNumber | None = None

    def __post_init__(self) -> None:
        """Refuse what is no span."""
        check_instants(self.start_at, self.end_at)


class SentMessage(Struct, frozen=True, kw_only=True):
    """A message as the reports show it."""

    telefone: Phone
    nome: Text
    cpf: Document
    mensagem: Text
    status: Text
    enviada_em: Moment
    parametros: Fields
    lote: Count
    job: Count
    centro_custo: Text
    api: Text
    broker: Text
    produto: Text


class Statuses(Struct, frozen=True, kw_only=True):
    """What was sent in a span; ``truncated`` if there are, or may be, more."""

    messages: list[SentMessage]
    truncated: bool
    unreadable: int = 0


class JobStatusesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign, or a request by the number that reports give it."""

    job_id: VendorNumber = field(name="jobId")


class JobStatuses(Struct, frozen=True, kw_only=True):
    """What a job has sent; ``truncated`` if there is more."""

    messages: list[SentMessage]
    truncated: bool = False
    unreadable: int = 0


class RequestsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days, both with all their hours; until today if no end is given."""

    start_at: date
    end_at: date | None = None

    def __post_init__(self) -> None:
        """Refuse what is no span."""
        check_days("start_at", self.start_at, "end_at", self.end_at)


class SentRequest(Struct, frozen=True, kw_only=True):
    """A request by API."""

    id: Id
    reference: Text
    status: Text
    quantity: Count
    valids: Count
    invalids: Count
    created_at: Moment


class Requests(Struct, frozen=True, kw_only=True):
    """The requests of a span, the newest first; ``truncated`` if there are more."""

    requests: list[SentRequest]
    truncated: bool = False
    unreadable: int = 0


async def read_statuses(
    provider: KolmeyaProvider, request: StatusesQuery, progress: Progress
) -> Statuses:
    """Ask for what was sent, window by window."""
    span = clock_span(provider, request.start_at, request.end_at)
    windows = split_minutes(span.start, span.end, STATUSES_SPAN)

    async def ask_window(window: MinuteWindow, limit: int) -> list[object]:
        body = _StatusesCall(_minute(window.start), _minute(window.end), limit)
        read = partial(list_in, key="messages")
        return await ask(provider, "sms/reports/statuses", read, body)

    found = Rows(SentMessage, provider.zone, request.limit)
    await gather_windows(ask_window, windows, MOST_STATUSES, found, progress)
    return Statuses(
        messages=found.rows,
        truncated=found.truncated or span.truncated,
        unreadable=found.unreadable,
    )


async def read_job_statuses(
    provider: KolmeyaProvider, request: JobStatusesQuery, progress: Progress
) -> JobStatuses:
    """Ask for all pages of what a job has sent."""

    async def ask_page(number: int) -> Page:
        path = f"sms/reports/statuses/{request.job_id}"
        read = partial(read_page, key="messages")
        return await ask(provider, path, read, _PageCall(_JOB_PAGE, number))

    found = Rows(SentMessage, provider.zone)
    await gather_pages([ask_page], found, progress)
    return JobStatuses(
        messages=found.rows,
        truncated=found.truncated,
        unreadable=found.unreadable,
    )


async def read_requests(
    provider: KolmeyaProvider, request: RequestsQuery, progress: Progress
) -> Requests:
    """Ask for the requests, month by month, from the last to the first."""
    span = calendar_span(provider, ("start_at", "end_at"), request.start_at, request.end_at)
    windows = split_days(*span, REQUEST_DAYS)
    months = [partial(_ask_requests, provider, window) for window in reversed(windows)]
    found = Rows(SentRequest, provider.zone)
    await gather_pages(months, found, progress)
    unique = {row.id: row for row in found.rows}  # one that moved a page on may have changed
    return Requests(
        requests=list(unique.values()),
        truncated=found.truncated,
        unreadable=found.unreadable,
    )


class _StatusesCall(Struct, frozen=True):
    start_at: str
    end_at: str
    limit: int


class _PageCall(Struct, frozen=True):
    per_page: int
    page: int


class _RequestsCall(Struct, frozen=True):
    start_at: date
    end_at: date
    per_page: int
    page: int


async def _ask_requests(provider: KolmeyaProvider, window: DayWindow, number: int) -> Page:
    body = _RequestsCall(window.start, window.end, _REQUESTS_PAGE, number)
    read = partial(read_page, key="requests")
    return await ask(provider, "sms/reports/requests", read, body)


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


OPERATIONS = (
    Operation(
        name="reports-statuses",
        summary="What was sent in a span of time, and how it stands",
        request=StatusesQuery,
        reply=Statuses,
        call=read_statuses,
    ),
    Operation(
        name="reports-statuses-job",
        summary="What one job has sent, and how it stands",
        request=JobStatusesQuery,
        reply=JobStatuses,
        call=read_job_statuses,
    ),
    Operation(
        name="reports-requests",
        summary="The requests made by API in a span of days",
        request=RequestsQuery,
        reply=Requests,
        call=read_requests,
    ),
)
