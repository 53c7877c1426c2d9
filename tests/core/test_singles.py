"""Calls with one message each that come together: each ends as if it had come alone."""

import asyncio
import json
import weakref
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from recado_core import Deferral, OnFailure, Refusal, SinkType
from recado_core.engine.accept import singles
from recado_core.engine.accept.accepting import Answer, Draft, IdempotencyKey, OvertakenError
from recado_core.engine.accept.judging import Judging
from recado_core.engine.failures import (
    DraftError,
    IdempotencyMismatchError,
    UnavailableError,
)
from recado_core.engine.grouping import Grouping
from recado_core.engine.messages.messages import MessageFilter
from recado_core.engine.settings import SinkSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.schema import deliveries, events, messages
from sqlalchemy.exc import IntegrityError

from .conftest import VendorSettings

NOBODY = Draft(to="nobody", text="oi")
NOON = datetime(2027, 6, 1, 12, tzinfo=UTC)

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


def draft_to(number, **fields):
    return Draft(to=f"+551190000000{number}", text="oi", **fields)


async def accept_all(house, *drafts):
    return await asyncio.gather(
        *(house.engine.accept.message(draft) for draft in drafts), return_exceptions=True
    )


async def stored(house):
    return {message.to for message in (await house.engine.messages.list(MessageFilter())).items}


def kinds(ends):
    return [type(end) for end in ends]


class Asked:
    """A check that refuses some numbers and remembers how often it was asked."""

    id = "asked"
    on_failure = OnFailure.ALLOW
    time_limit = 5.0

    def __init__(self, refused=(), wait=None):
        self.refused = refused
        self.wait = wait
        self.groups = []

    async def check(self, recipients):
        self.groups.append([recipient.address for recipient in recipients])
        if self.wait is not None:
            await self.wait.wait()
        return [
            Refusal(check=self.id, reason="no") if recipient.address in self.refused else None
            for recipient in recipients
        ]


async def test_each_call_is_answered_as_if_alone(house):
    async def refuse(_connection):
        return False

    accept = house.engine.accept.message
    await accept(draft_to(1), IdempotencyKey(owner="o", key="k", fingerprint="f"))
    ends = await asyncio.gather(
        accept(draft_to(2), origin="desk"),
        accept(NOBODY),
        accept(draft_to(3), guard=refuse),
        accept(draft_to(4), IdempotencyKey(owner="o", key="k", fingerprint="g")),
        accept(Draft(to="+5511900000005", text="")),
        accept(draft_to(6), origin="api", reply=True),
        return_exceptions=True,
    )
    expected = [Answer, DraftError, OvertakenError, IdempotencyMismatchError, DraftError, Answer]
    assert kinds(ends) == expected
    assert [ends[index].faults[0].pointer for index in (1, 4)] == ["/to", "/text"]
    async with house.database.read() as connection:
        found = await connection.execute(sa.select(messages.c.address, messages.c.origin))
        origins = {(row.address, row.origin) for row in found}
    assert origins == {
        ("+5511900000001", None),
        ("+5511900000002", "desk"),
        ("+5511900000006", "api"),
    }


@on_sqlite
@pytest.mark.parametrize("error", [ZeroDivisionError, FileNotFoundError, TimeoutError])
async def test_a_draft_that_a_provider_breaks_on_spoils_no_other(open_house, error):
    def break_on_one(message):
        if message.to.endswith("2"):
            raise error

    check = Asked()
    async with open_house(kind={"check_message": break_on_one}, checks=[check]) as house:
        ends = await accept_all(house, *map(draft_to, range(5)), NOBODY)
        assert kinds(ends) == [Answer, Answer, error, Answer, Answer, DraftError]
        assert len(await stored(house)) == 4
    asked = [address for group in check.groups for address in group]
    assert len(asked) == len(set(asked)) == 4


@on_sqlite
async def test_what_is_wrong_with_a_draft_is_told_while_the_database_is_down(house, monkeypatch):
    async def fail(*_arguments):
        raise UnavailableError("the database can't be reached now")

    @asynccontextmanager
    async def fail_to_read(_database):
        raise UnavailableError("the database can't be reached now")
        yield

    templated = Draft(to="+5511900000003", template="welcome")
    monkeypatch.setattr(Database, "read", fail_to_read)
    ends = await accept_all(house, templated, NOBODY, draft_to(1))
    assert kinds(ends) == [UnavailableError, DraftError, Answer]
    monkeypatch.setattr(Database, "write", fail)
    monkeypatch.setattr(Database, "write_at_once", fail)
    ends = await accept_all(house, draft_to(1), templated, NOBODY, draft_to(2))
    assert kinds(ends) == [UnavailableError, UnavailableError, DraftError, UnavailableError]


@on_sqlite
async def test_what_is_wrong_with_a_draft_waits_for_no_check(open_house):
    check = Asked(wait=asyncio.Event())
    async with open_house(checks=[check]) as house:
        waiting = asyncio.create_task(house.engine.accept.message(draft_to(1)))
        together = asyncio.create_task(accept_all(house, draft_to(2), NOBODY))
        with pytest.raises(DraftError):
            await house.engine.accept.message(NOBODY)
        assert not waiting.done()
        check.wait.set()
        assert kinds(await together) == [Answer, DraftError]
        assert isinstance(await waiting, Answer)


@on_sqlite
async def test_a_call_that_is_given_up_before_its_checks_end_stores_nothing(open_house):
    check = Asked(wait=asyncio.Event())
    async with open_house(checks=[check]) as house:
        given_up = asyncio.create_task(house.engine.accept.message(draft_to(1)))
        other = asyncio.create_task(house.engine.accept.message(draft_to(2)))
        while not check.groups:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)
        given_up.cancel()
        check.wait.set()
        await other
        assert await stored(house) == {"+5511900000002"}


@on_sqlite
async def test_a_call_that_is_given_up_before_it_is_composed_stores_nothing(house):
    given_up = asyncio.create_task(house.engine.accept.message(draft_to(1)))
    await asyncio.sleep(0)
    given_up.cancel()
    await house.engine.accept.message(draft_to(2))
    assert await stored(house) == {"+5511900000002"}


@on_sqlite
async def test_an_error_after_the_commit_stores_nothing_twice(house, monkeypatch):
    write, failed = Database.write_at_once, []

    async def fail_once(database, steps):
        written = await write(database, steps)
        if not failed:
            failed.append(written)
            raise RuntimeError("after the commit")
        return written

    monkeypatch.setattr(Database, "write_at_once", fail_once)
    ends = await accept_all(house, *map(draft_to, range(4)))
    assert failed == [True]
    assert kinds(ends) == [IntegrityError] * 4
    assert len((await house.engine.messages.list(MessageFilter())).items) == 4


@on_sqlite
async def test_times_are_answered_as_each_draft_wrote_them(house):
    west = timezone(timedelta(hours=-3))
    moments = [NOON, NOON.astimezone(west)]
    ends = await accept_all(
        house,
        *(draft_to(1, scheduled_at=at, expires_at=at + timedelta(days=1)) for at in moments),
    )
    told = [json.loads(end.body) for end in ends]
    assert [each["scheduled_at"] for each in told] == [
        "2027-06-01T12:00:00Z",
        "2027-06-01T09:00:00-03:00",
    ]
    assert [each["expires_at"] for each in told] == [
        "2027-06-02T12:00:00Z",
        "2027-06-02T09:00:00-03:00",
    ]


@on_sqlite
async def test_a_message_that_its_judging_breaks_on_spoils_no_other(open_house, monkeypatch):
    late = NOON + timedelta(days=1)

    class Night(Asked):
        """A check that puts one off, until then."""

        async def check(self, recipients):
            return [
                Deferral(check=self.id, reason="night", until=late)
                if recipient.address.endswith("1") and recipient.at < late
                else None
                for recipient in recipients
            ]

    judge = Judging.judge

    async def break_on_one(judging, rows, documents):
        verdicts = await judge(judging, rows, documents)
        if any(row["address"].endswith("2") for row in rows):
            raise ValueError("no")
        return verdicts

    monkeypatch.setattr(Judging, "judge", break_on_one)
    async with open_house(checks=[Night()]) as house:
        ends = await accept_all(house, *map(draft_to, range(4)))
        assert kinds(ends) == [Answer, Answer, ValueError, Answer]
        told = json.loads(ends[1].body)
        assert (told["status"], told["reason"]) == ("scheduled", "night")
        async with house.database.read() as connection:
            found = await connection.execute(
                sa.select(events.c.code).where(events.c.message_id == told["id"])
            )
            assert found.scalars().all() == ["asked"]


@on_sqlite
async def test_nobody_waits_for_a_group_that_is_broken_off(open_house, monkeypatch):
    tasks = []
    make = asyncio.create_task

    def remember(work, **options):
        tasks.append(make(work, **options))
        return tasks[-1]

    check = Asked(wait=asyncio.Event())
    async with open_house(checks=[check]) as house:
        monkeypatch.setattr(singles.asyncio, "create_task", remember)
        waiting = [make(house.engine.accept.message(draft_to(number))) for number in range(3)]
        while not check.groups:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)
        (carrier,) = (task for task in tasks if "_carry" in repr(task))
        carrier.cancel()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert kinds(ends) == [RuntimeError] * 3


@on_sqlite
@pytest.mark.usefixtures("no_collector")
async def test_a_draft_that_was_refused_is_not_kept_by_its_error(house):
    class Watched(Draft, weakref=True):
        """A draft of which is seen when it is gone."""

    kept = weakref.WeakSet()

    async def ask():
        draft = Watched(to="nobody", text="oi")
        kept.add(draft)
        with pytest.raises(DraftError):
            await house.engine.accept.message(draft)

    await asyncio.gather(*(ask() for _ in range(3)))
    assert not kept


async def test_errors_among_results_are_raised_where_they_belong():
    async def answer(items):
        return [ValueError(item) if item % 2 else item for item in items]

    group = Grouping(answer)
    ends = await asyncio.gather(*map(group.submit, range(4)), return_exceptions=True)
    assert [str(end) for end in ends] == ["0", "1", "2", "3"]
    assert kinds(ends) == [int, ValueError, int, ValueError]


async def test_a_sink_hears_first_that_a_message_was_accepted(open_house):
    class Deaf:
        """A sink that takes no event."""

        async def deliver(self, _event, **_):
            raise AssertionError

    told = ("message.accepted", "message.suppressed")
    kind = SinkType(
        id="deaf",
        settings=VendorSettings,
        events=frozenset(told),
        create=lambda _: Deaf(),
    )
    check = Asked(refused={"+5511900000001"})
    async with open_house(
        checks=[check], sink_types=[kind], sinks={"ear": SinkSettings(sink="deaf")}
    ) as house:
        await accept_all(house, draft_to(1), draft_to(2))
        async with house.database.read() as connection:
            found = await connection.execute(
                sa.select(deliveries.c.thread, events.c.type)
                .join_from(deliveries, events, events.c.id == deliveries.c.event_id)
                .order_by(deliveries.c.id)
            )
            heard = [row.type for row in found if row.thread.endswith("1")]
    assert heard == list(told)
