"""Campaigns made in Kolmeya's own pages: stop and go, ``sms/reports/jobs``."""

import re

import msgspec
from msgspec import Struct, field
from recado_core import Operation, Progress

from recado_kolmeya.operations.answers import ask, change, list_in
from recado_kolmeya.operations.catalogues import NoFields
from recado_kolmeya.operations.kinds import Moment, Number, Words
from recado_kolmeya.operations.rows import entries_of, read_row, read_rows
from recado_kolmeya.operations.spans import VendorNumber
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.refusals import UNREADABLE


class JobChoice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of a campaign, as ``reports-jobs`` gives it."""

    sms_job: VendorNumber = field(name="smsJob")


class JobAnswer(Struct, frozen=True, kw_only=True):
    """What Kolmeya says to it."""

    message: Words


class Job(Struct, frozen=True, kw_only=True):
    """A campaign; no times where Kolmeya gives its number alone."""

    id: Number
    created: Moment
    approved: Moment


class Jobs(Struct, frozen=True, kw_only=True):
    """The campaigns of the last seven days."""

    jobs: list[Job]
    unreadable: int = 0


async def pause_job(provider: KolmeyaProvider, request: JobChoice, progress: Progress) -> JobAnswer:
    """Pause a campaign that is still sending."""
    return await _switch(provider, f"sms/jobs/{request.sms_job}/pause", progress)


async def play_job(provider: KolmeyaProvider, request: JobChoice, progress: Progress) -> JobAnswer:
    """Let a paused campaign go on."""
    return await _switch(provider, f"sms/jobs/{request.sms_job}/play", progress)


async def list_jobs(provider: KolmeyaProvider, _request: NoFields, progress: Progress) -> Jobs:
    """Ask for the campaigns of the last seven days."""
    entries = await ask(provider, "sms/reports/jobs", _list_jobs)
    progress(1, 1)
    found = await read_rows(entries, Job, provider.zone)
    return Jobs(jobs=found.rows, unreadable=found.unreadable)


async def _switch(provider: KolmeyaProvider, path: str, progress: Progress) -> JobAnswer:
    zone = provider.zone
    answer = await change(provider, path, lambda value: read_row(value, JobAnswer, zone))
    progress(1, 1)
    return answer


def _list_jobs(value: object) -> list[object]:
    """Return the campaigns; the description types their list as a text, of JSON or of numbers."""
    section = value.get("jobs") if isinstance(value, dict) else None
    if not isinstance(section, str):
        return list_in(value, "jobs")
    try:
        listed = msgspec.json.decode(section)
    except UNREADABLE:
        listed = None
    if isinstance(listed, list | dict):
        return entries_of(listed)
    return [{"id": part} for part in re.split(r"[\s,;]+", section) if part]


OPERATIONS = (
    Operation(
        name="jobs-pause",
        summary="Pause a campaign that is still sending",
        request=JobChoice,
        reply=JobAnswer,
        call=pause_job,
        changes=True,
    ),
    Operation(
        name="jobs-play",
        summary="Let a paused campaign go on",
        request=JobChoice,
        reply=JobAnswer,
        call=play_job,
        changes=True,
    ),
    Operation(
        name="reports-jobs",
        summary="The campaigns of the last seven days",
        request=NoFields,
        reply=Jobs,
        call=list_jobs,
    ),
)
