import asyncio

import httpx
import msgspec
import pytest
from recado_core import InDoubtError, Operation, PermanentSendError, TransientSendError
from recado_core.engine.accounts.limits import Purpose
from recado_core.engine.failures import NotFoundError


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    days: int = 1


class ReportReply(msgspec.Struct, frozen=True, kw_only=True):
    rows: list[str]


class Pages:
    """An operation of several steps, which remembers who was called."""

    def __init__(self, error=None):
        self.error = error
        self.providers = []

    async def call(self, provider, request, progress):
        if self.error is not None:
            raise self.error
        self.providers.append(provider)
        for step in range(request.days):
            progress(step + 1, request.days)
        return ReportReply(rows=[f"day {step}" for step in range(request.days)])

    def operation(self):
        return Operation(
            name="report",
            summary="what was sent, day by day",
            request=ReportRequest,
            reply=ReportReply,
            call=self.call,
        )


async def test_an_operation_is_called_for_its_account(open_house):
    pages, told = Pages(), []
    async with open_house(kind={"operations": (pages.operation(),)}) as house:
        reply = await house.engine.operations.run(
            "main", "report", ReportRequest(days=2), lambda *step: told.append(step)
        )
        assert reply == ReportReply(rows=["day 0", "day 1"])
        assert pages.providers == [house.vendor]
        assert told == [(1, 2), (2, 2)]


async def test_nobody_need_watch_the_progress(open_house):
    async with open_house(kind={"operations": (Pages().operation(),)}) as house:
        reply = await house.engine.operations.run("main", "report", ReportRequest())
        assert reply.rows == ["day 0"]


async def test_operations_are_shown_with_their_schemas(open_house):
    async with open_house(kind={"operations": (Pages().operation(),)}) as house:
        (view,) = house.engine.operations.list("main")
        assert (view.name, view.changes) == ("report", False)
        assert "days" in str(view.request)
        assert "rows" in str(view.reply)


async def test_an_unknown_operation_is_an_error_that_names_the_others(open_house):
    async with open_house(kind={"operations": (Pages().operation(),)}) as house:
        with pytest.raises(NotFoundError, match="'reprot'; there is report"):
            house.engine.operations.find("main", "reprot")
        with pytest.raises(NotFoundError, match="there is no account 'other'"):
            house.engine.operations.list("other")


async def test_a_refusal_of_the_vendors_is_passed_on(open_house):
    refused = PermanentSendError("no such job", code="404")
    async with open_house(kind={"operations": (Pages(refused).operation(),)}) as house:
        with pytest.raises(PermanentSendError, match="no such job"):
            await house.engine.operations.run("main", "report", ReportRequest())


async def test_a_change_that_may_have_been_made_is_in_doubt(open_house):
    failed = TransientSendError("HTTP 504", code="504", possibly_taken=True)
    operation = Pages(failed).operation()
    change = msgspec.structs.replace(operation, name="change", changes=True)
    async with open_house(kind={"operations": (operation, change)}) as house:
        with pytest.raises(InDoubtError, match="HTTP 504"):
            await house.engine.operations.run("main", "change", ReportRequest())
        with pytest.raises(TransientSendError):
            await house.engine.operations.run("main", "report", ReportRequest())


async def test_no_more_than_two_operations_of_an_account_run_at_once(open_house):
    running, most, go = 0, [], asyncio.Event()

    async def call(_provider, _request, _progress):
        nonlocal running
        running += 1
        most.append(running)
        await go.wait()
        running -= 1
        return ReportReply(rows=[])

    report = msgspec.structs.replace(Pages().operation(), call=call)
    async with open_house(kind={"operations": (report,)}) as house:
        calls = [
            asyncio.create_task(house.engine.operations.run("main", "report", ReportRequest()))
            for _ in range(6)
        ]
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.gather(*calls)
    assert max(most) == 2
    assert len(most) == 6


async def test_the_calls_of_an_operation_leave_half_of_the_rate_to_sending(open_house):
    used = []

    async def call(_provider, request, _progress):
        budget = house.engine.accounts.find("main").budget
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(lambda _: httpx.Response(200)),
            event_hooks=house.context.http.event_hooks,
        ) as client:
            for _ in range(request.days):
                await client.get("https://vendor.example.com/")
            used.append(budget.wait(house.clock.now().timestamp(), Purpose.REPORT) > 0)
            used.append(budget.wait(house.clock.now().timestamp(), Purpose.SEND) > 0)
        return ReportReply(rows=[])

    report = Operation(
        name="report", summary="calls", request=ReportRequest, reply=ReportReply, call=call
    )
    async with open_house(
        accounts={"main": {"rate": "9/60s"}}, kind={"operations": (report,)}
    ) as house:
        await house.engine.operations.run("main", "report", ReportRequest(days=4))
    assert used == [True, False]
