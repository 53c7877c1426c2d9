"""What the vendor that does not exist offers beside messages."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
from recado_core import InDoubtError, Operation


class Days(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    first: date
    last: date


class Row(msgspec.Struct, frozen=True, kw_only=True):
    phone: str
    at: datetime
    price: Decimal


class Report(msgspec.Struct, frozen=True, kw_only=True):
    rows: tuple[Row, ...]


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    job: int


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is told but that it was done."""


async def read_report(provider, request, progress):
    total = (request.last - request.first).days + 1
    rows = []
    for done in range(total):
        day = request.first + timedelta(days=done)
        response = await provider.post("/report", {"day": day.isoformat()})
        rows += provider.read(response, Report).rows
        progress(done + 1, total)
    return Report(rows=tuple(rows))


async def pause_job(provider, request, _progress):
    response = await provider.post(f"/jobs/{request.job}/pause", {})
    if response.content:
        raise InDoubtError("a success says nothing", raw=response.text)
    return Done()


REPORT = Operation(
    name="daily-report",
    summary="List what was sent, day by day",
    request=Days,
    reply=Report,
    call=read_report,
)
PAUSE = Operation(
    name="jobs-pause",
    summary="Stop a campaign for a while",
    request=Job,
    reply=Done,
    call=pause_job,
    changes=True,
)
OPERATIONS = (REPORT, PAUSE)
