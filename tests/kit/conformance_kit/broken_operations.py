"""Operations that are misdeclared, untried, or that lie about what the vendor told."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import ClassVar

import httpx
import msgspec
from recado_core import AccountError, InDoubtError, Secret, TransientSendError
from toy_conformance import TestConformance as Good
from toy_faults import toy
from toy_operations import PAUSE, REPORT, Days, Done, Job, Report, pause_job, read_report

TOLD: Mapping = Good.operations_told
REPORT_TOLD, PAUSE_TOLD = TOLD["daily-report"], TOLD["jobs-pause"]


def offering(*operations):
    return toy(operations=operations)


def reporting(**changes):
    return offering(msgspec.structs.replace(REPORT, **changes), PAUSE)


def pausing(**changes):
    return offering(REPORT, msgspec.structs.replace(PAUSE, **changes))


class TestSnakeCase(Good):
    breaks = "test_operations_are_named_and_summed_up"
    provider_type = pausing(name="jobs_pause")
    operations_told: ClassVar = {"daily-report": REPORT_TOLD, "jobs_pause": PAUSE_TOLD}


class TestTwice(Good):
    breaks = "test_operations_are_named_and_summed_up"
    provider_type = offering(REPORT, PAUSE, PAUSE)


class TestLongWinded(Good):
    breaks = "test_operations_are_named_and_summed_up"
    provider_type = pausing(summary="Stop a campaign.\n\nFor a while.")


class TestSilent(Good):
    breaks = "test_operations_are_named_and_summed_up"
    provider_type = pausing(summary=" ")


class Hidden(Done, frozen=True, kw_only=True):
    proof: Secret | None = None


async def hide(provider, request, progress):
    await pause_job(provider, request, progress)
    return Hidden()


class TestHidden(Good):
    breaks = "test_operations_are_documented_by_their_structs"
    provider_type = pausing(reply=Hidden, call=hide)
    operations_told: ClassVar = {**TOLD, "jobs-pause": (*PAUSE_TOLD[:2], Hidden())}


class LaxJob(msgspec.Struct, frozen=True, kw_only=True):
    job: int


class TestLax(Good):
    breaks = "test_request_of_an_operation_refuses_unknown_fields"
    provider_type = pausing(request=LaxJob)
    operations_told: ClassVar = {**TOLD, "jobs-pause": (LaxJob(job=7), *PAUSE_TOLD[1:])}


class LaxFilter(msgspec.Struct, frozen=True, kw_only=True):
    number: int


class FilteredJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    only: LaxFilter
    job: int = 7


class TestLaxWithin(Good):
    breaks = "test_request_of_an_operation_refuses_unknown_fields"
    provider_type = pausing(request=FilteredJob)
    operations_told: ClassVar = {
        **TOLD,
        "jobs-pause": (FilteredJob(only=LaxFilter(number=7)), *PAUSE_TOLD[1:]),
    }


class TestUntold(Good):
    breaks = "test_every_operation_is_told"
    operations_told: ClassVar = {"daily-report": REPORT_TOLD}


class TestToldForNothing(Good):
    breaks = "test_every_operation_is_told"
    provider_type = offering(REPORT)


async def forget_the_first_day(provider, request, progress):
    report = await read_report(provider, request, progress)
    return Report(rows=report.rows[1:])


class TestForgettingADay(Good):
    breaks = "test_operation_returns_what_the_vendor_tells"
    provider_type = reporting(call=forget_the_first_day)


async def tell_as_it_stands(provider, request, progress):
    report = await read_report(provider, request, progress)
    return msgspec.to_builtins(report)


class TestTellingAsItStands(Good):
    breaks = "test_operation_returns_what_the_vendor_tells"
    provider_type = reporting(call=tell_as_it_stands)


class TestTimeless(Good):
    """The operation tells the vendor's times as they stand, and its author believes them."""

    breaks = "test_operation_returns_what_the_vendor_tells"
    timeless = Report(
        rows=tuple(
            msgspec.structs.replace(row, at=datetime(2026, 1, 1, 9))  # noqa: DTZ001  # the fault
            for row in REPORT_TOLD[2].rows
        )
    )
    operations_told: ClassVar = {
        **TOLD,
        "daily-report": (
            Days(first=date(2026, 1, 1), last=date(2026, 1, 1)),
            httpx.Response(200, content=msgspec.json.encode(timeless)),
            timeless,
        ),
    }


class RoundedJob(Job, frozen=True, kw_only=True):
    def __post_init__(self) -> None:
        if self.job % 10:
            raise ValueError("the fault: no job but the tenth")


class TestUnreadableRequest(Good):
    breaks = "test_operation_returns_what_the_vendor_tells"
    provider_type = pausing(request=RoundedJob)


def mistaking_operation(call, wrong, right):
    """Return the call of an operation that reports one error as another."""

    async def mistake(provider, request, progress):
        try:
            return await call(provider, request, progress)
        except wrong as error:
            raise right(error.text, raw=error.raw) from error

    return mistake


class TestBlaming(Good):
    breaks = "test_failed_operation_raises_what_happened"
    provider_type = pausing(call=mistaking_operation(pause_job, TransientSendError, AccountError))


async def read_nothing(provider, request, progress):
    try:
        return await read_report(provider, request, progress)
    except AccountError:
        return Report(rows=())


class TestReadingNothing(Good):
    breaks = "test_failed_operation_raises_what_happened"
    provider_type = reporting(call=read_nothing)


async def stumble(provider, request, progress):
    try:
        return await read_report(provider, request, progress)
    except InDoubtError as error:
        if error.raw == "{}":
            raise KeyError("rows") from error
        raise


class TestStumbling(Good):
    breaks = "test_unreadable_answer_to_an_operation_is_no_fault_of_the_plugin"
    provider_type = reporting(call=stumble)


async def return_nothing(provider, request, progress):
    try:
        return await read_report(provider, request, progress)
    except InDoubtError as error:
        if error.raw == "null":
            return None
        raise


class TestReturningNothing(Good):
    breaks = "test_unreadable_answer_to_an_operation_is_no_fault_of_the_plugin"
    provider_type = reporting(call=return_nothing)


def progressing(*steps):
    """Return the call of an operation that tells this of its progress."""

    async def progress_so(provider, request, progress):
        report = await read_report(provider, request, lambda _done, _total: None)
        for step in steps:
            progress(*step)
        return report

    return progress_so


class TestGoingBack(Good):
    breaks = "test_progress_of_an_operation_never_goes_back"
    provider_type = reporting(call=progressing((1, 2), (0, 2), (2, 2)))


class TestNeverThere(Good):
    breaks = "test_progress_of_an_operation_never_goes_back"
    provider_type = reporting(call=progressing((0, 2), (1, 2)))


class TestBeyond(Good):
    breaks = "test_progress_of_an_operation_never_goes_back"
    provider_type = reporting(call=progressing((3, 2), (3, 3)))
