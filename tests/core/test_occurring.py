import asyncio
import json
import logging
from contextlib import suppress
from datetime import timedelta

import msgspec
import pytest
from recado_core.engine.failures import (
    ConflictError,
    DraftError,
    NotFoundError,
    UnavailableError,
)
from recado_core.engine.schedules import occurring as module
from recado_core.engine.schedules.occurring import Occurring
from recado_core.engine.schedules.requests import NewSchedule, ScheduleChange
from recado_core.engine.schedules.schedules import ScheduleFilter
from recado_core.engine.settings import ScheduleSettings
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import campaigns, schedules
from recado_core.engine.store.statements import schedules as store
from recado_core.engine.templates.templates import NewTemplate

from .campaign_house import Campaigner, number
from .resilience.troubles import Statements

pytestmark = pytest.mark.whole

TO = "+5511900000001"
GRACE = 300
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
on_postgres = pytest.mark.parametrize("database_url", ["postgres_url"], indirect=True)


async def add(house, **fields):
    fields = {"message": {"to": TO, "text": "oi"}} | fields
    answer = await house.engine.schedules.add(msgspec.convert(fields, NewSchedule))
    return json.loads(answer.body)["id"]


async def add_daily(house, hour=9, **fields):
    """Add a schedule that occurs each day; return its id and when it first does."""
    fields = {"rrule": f"FREQ=DAILY;BYHOUR={hour};BYMINUTE=0", "timezone": "UTC"} | fields
    schedule_id = await add(house, **fields)
    return schedule_id, (await show(house, schedule_id)).next_at


async def show(house, schedule_id):
    return await house.engine.schedules.get(schedule_id)


async def reach(house, moment, late=0):
    """Let the clock come to a moment, and do what is due."""
    house.clock.advance((moment - house.clock.now()).total_seconds() + late)
    await house.settle()


async def counts(house, schedule_id):
    shown = await show(house, schedule_id)
    return shown.runs, shown.skipped, len(house.vendor.sent)


class BreakError(Exception):
    """Stands for whatever can go wrong."""


class Runs:
    """Campaigns that are run by occurrences."""

    def __init__(self):
        self.asked = []
        self.made = set()
        self.error = None

    async def __call__(self, campaign_id, schedule_id, occurrence):
        self.asked.append(occurrence)
        if self.error is not None:
            raise self.error
        self.made.add((campaign_id, schedule_id, occurrence))


def occurring(house, run_campaign=None, accept=None):
    """Return a round of its own, as another process has it."""
    return Occurring(
        accept or house.engine.accept,
        run_campaign or Runs(),
        timedelta(seconds=GRACE),
        house.database,
        house.clock.now,
    )


# ---------------------------------------------------------------- in time


async def test_every_occurrence_is_sent_once(house):
    schedule_id, first = await add_daily(house)
    for day in range(3):
        await reach(house, first + timedelta(days=day), late=-1)
        assert len(house.vendor.sent) == day
        await reach(house, first + timedelta(days=day))
        await house.settle()
        assert len(house.vendor.sent) == day + 1
    shown = await show(house, schedule_id)
    assert (shown.runs, shown.skipped, shown.error, shown.status) == (3, 0, None, "active")
    assert (shown.last_at, shown.next_at) == (
        first + timedelta(days=2),
        first + timedelta(days=3),
    )


async def test_a_message_tells_its_schedule_and_occurrence(house):
    message = {"to": TO, "text": "oi", "reference": "r", "metadata": {"a": 1}}
    schedule_id, first = await add_daily(house, message=message)
    await reach(house, first)
    shown = await house.show(house.vendor.sent[0].id)
    occurrence = f"{first:%Y-%m-%dT%H:%M:%SZ}"
    assert shown.metadata == {"a": 1, "schedule_id": schedule_id, "occurrence": occurrence}
    assert shown.reference == "r"


@on_sqlite
async def test_one_time_is_sent_and_finished(house):
    at = house.clock.now() + timedelta(hours=1)
    schedule_id = await add(house, scheduled_at=at)
    await reach(house, at)
    shown = await show(house, schedule_id)
    assert (shown.status, shown.next_at, shown.last_at, shown.runs) == ("finished", None, at, 1)
    await house.advance(86_400)
    assert len(house.vendor.sent) == 1


@on_sqlite
async def test_a_rule_that_ends_is_finished(house):
    schedule_id, first = await add_daily(house, rrule="FREQ=DAILY;BYHOUR=9;BYMINUTE=0;COUNT=2")
    await reach(house, first)
    await reach(house, first + timedelta(days=1))
    assert (await show(house, schedule_id)).status == "finished"
    assert len(house.vendor.sent) == 2


@on_sqlite
async def test_many_at_the_same_time_all_go(house):
    at = house.clock.now() + timedelta(hours=1)
    for _ in range(120):
        await add(house, scheduled_at=at)
    await reach(house, at)
    assert len(house.vendor.sent) == 120


@on_sqlite
async def test_the_worker_sends_what_is_due(house):
    schedule_id, first = await add_daily(house)
    house.clock.advance((first - house.clock.now()).total_seconds())
    await house.engine.start()
    async with asyncio.timeout(20):
        while not house.vendor.sent:  # noqa: ASYNC110  # the vendor has no event to wait for
            await asyncio.sleep(0.02)
    await house.engine.stop()
    assert await counts(house, schedule_id) == (1, 0, 1)


@on_sqlite
async def test_a_change_of_the_message_is_sent_from_the_next_on(house):
    schedule_id, first = await add_daily(house)
    change = {"message": {"to": TO, "text": "outra"}}
    await house.engine.schedules.change(schedule_id, msgspec.convert(change, ScheduleChange))
    await reach(house, first)
    assert [message.text for message in house.vendor.sent] == ["outra"]


# ---------------------------------------------------------------- too late


async def test_an_occurrence_within_the_grace_is_sent(house):
    schedule_id, first = await add_daily(house)
    await reach(house, first, late=GRACE)
    assert await counts(house, schedule_id) == (1, 0, 1)


async def test_what_an_outage_made_too_late_is_skipped(house, caplog):
    schedule_id, first = await add_daily(house)
    with caplog.at_level(logging.WARNING, logger="recado_core.engine.schedules.occurring"):
        await reach(house, first + timedelta(days=2), late=GRACE + 1)
    assert await counts(house, schedule_id) == (0, 3, 0)
    shown = await show(house, schedule_id)
    assert (shown.next_at, shown.last_at) == (first + timedelta(days=3), None)
    (record,) = caplog.records
    assert (record.schedule, record.skipped) == (schedule_id, 3)


async def test_the_latest_of_what_is_too_late_is_sent_once(house):
    schedule_id, first = await add_daily(house, misfire="send")
    await reach(house, first + timedelta(days=2), late=GRACE + 1)
    assert await counts(house, schedule_id) == (1, 2, 1)
    shown = await show(house, schedule_id)
    assert (shown.last_at, shown.next_at) == (
        first + timedelta(days=2),
        first + timedelta(days=3),
    )
    occurrence = f"{shown.last_at:%Y-%m-%dT%H:%M:%SZ}"
    assert (await house.show(house.vendor.sent[0].id)).metadata["occurrence"] == occurrence


@on_sqlite
@pytest.mark.parametrize(("misfire", "expected"), [("skip", (0, 1, 0)), ("send", (1, 0, 1))])
async def test_one_time_that_is_too_late_is_finished(house, misfire, expected):
    at = house.clock.now() + timedelta(hours=1)
    schedule_id = await add(house, scheduled_at=at, misfire=misfire)
    await reach(house, at, late=GRACE + 1)
    assert await counts(house, schedule_id) == expected
    assert (await show(house, schedule_id)).status == "finished"


@on_sqlite
async def test_grace_is_as_configured(open_house):
    async with open_house(schedules=ScheduleSettings(grace=60)) as house:
        schedule_id, first = await add_daily(house)
        await reach(house, first, late=61)
        assert await counts(house, schedule_id) == (0, 1, 0)


TWICE = "FREQ=DAILY;BYHOUR=9;BYMINUTE=0,3"


async def test_what_is_within_the_grace_is_sent_though_what_was_before_is_skipped(house):
    schedule_id, first = await add_daily(house, rrule=TWICE)
    await reach(house, first, late=360)
    assert await counts(house, schedule_id) == (1, 1, 1)
    shown = await show(house, schedule_id)
    assert shown.last_at == first + timedelta(minutes=3)
    assert shown.next_at == first + timedelta(days=1)


async def test_what_is_within_the_grace_is_sent_beside_the_latest_that_was_missed(house):
    schedule_id, first = await add_daily(house, rrule=TWICE, misfire="send")
    await reach(house, first, late=360)
    assert await counts(house, schedule_id) == (2, 0, 2)
    occurrences = [
        (await house.show(message.id)).metadata["occurrence"] for message in house.vendor.sent
    ]
    assert [occurrence[11:16] for occurrence in sorted(occurrences)] == ["09:00", "09:03"]


@on_sqlite
async def test_a_rule_of_minutes_loses_only_what_is_older_than_the_grace(house):
    schedule_id = await add(house, rrule="FREQ=MINUTELY")
    await reach(house, (await show(house, schedule_id)).next_at, late=360)
    assert await counts(house, schedule_id) == (6, 1, 6)


# ---------------------------------------------------------------- refused


async def test_a_refused_occurrence_is_noted_and_the_schedule_goes_on(house, caplog):
    await house.engine.templates.add(NewTemplate(name="greeting", text="Oi!"))
    schedule_id, first = await add_daily(house, message={"to": TO, "template": "greeting"})
    await house.engine.templates.delete("greeting")
    with caplog.at_level(logging.WARNING, logger="recado_core.engine.schedules.occurring"):
        await reach(house, first)
    shown = await show(house, schedule_id)
    assert (shown.status, shown.runs, shown.skipped, shown.last_at) == ("active", 0, 0, first)
    assert "greeting" in shown.error
    (record,) = caplog.records
    assert (record.schedule, record.reason) == (schedule_id, shown.error)
    await house.engine.templates.add(NewTemplate(name="greeting", text="Oi!"))
    await reach(house, first + timedelta(days=1))
    shown = await show(house, schedule_id)
    assert (shown.runs, shown.error, len(house.vendor.sent)) == (1, None, 1)


@on_sqlite
async def test_what_breaks_keeps_no_other_back(house, caplog):
    broken, first = await add_daily(house, message={"to": TO, "text": "broken"})
    fine, _ = await add_daily(house)

    class Accept:
        async def walk(self, drafts, *args):
            if drafts[0].text == "broken":
                raise RuntimeError(TO)
            return await house.engine.accept.walk(drafts, *args)

    house.clock.advance((first - house.clock.now()).total_seconds())
    rounds = occurring(house, accept=Accept())
    assert [await rounds.run_due() for _ in range(3)] == [1, 0, 0]
    assert (await show(house, fine)).runs == 1
    assert [record.schedule for record in caplog.records] == [broken]
    await house.settle()  # it may have been a passing trouble
    assert (await show(house, broken)).runs == 1


async def test_what_breaks_does_not_stand_in_front_of_the_others(house, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 2)
    broken = {"message": {"to": TO, "text": "broken"}}
    for _ in range(5):
        await add_daily(house, **broken)
    fine = [(await add_daily(house, rrule=TWICE.replace("0,3", "1")))[0] for _ in range(3)]
    first = (await show(house, fine[0])).next_at

    class Accept:
        async def walk(self, drafts, *args):
            if drafts[0].text == "broken":
                raise RuntimeError(TO)
            return await house.engine.accept.walk(drafts, *args)

    house.clock.advance((first - house.clock.now()).total_seconds())
    assert await occurring(house, accept=Accept()).run_due() == 3
    assert [(await show(house, each)).runs for each in fine] == [1, 1, 1]


async def lose_zone(house, schedule_id):
    """Let a schedule have a zone that an update of the time zones took away."""
    statement = schedules.update().where(schedules.c.id == schedule_id)

    async def work(connection):
        await connection.execute(statement.values(timezone="America/Atlantis"))

    await house.database.write(work)


async def test_a_schedule_whose_zone_is_gone_is_paused_and_goes_on_in_another(house, caplog):
    lost, first = await add_daily(house)
    fine, _ = await add_daily(house)
    await lose_zone(house, lost)
    await reach(house, first)
    assert (await show(house, fine)).runs == 1
    shown = await show(house, lost)
    assert (shown.status, shown.runs, shown.next_at) == ("paused", 0, None)
    assert "time zone" in shown.error
    assert [record.schedule for record in caplog.records] == [lost]
    assert len((await house.engine.schedules.list(ScheduleFilter())).items) == 2
    assert (await house.engine.schedules.occurrences(lost)).items == []
    with pytest.raises(ConflictError, match="time zone"):
        await house.engine.schedules.resume(lost)
    with pytest.raises(DraftError, match="/timezone"):
        await house.engine.schedules.change(
            lost, msgspec.convert({"rrule": "FREQ=DAILY"}, ScheduleChange)
        )
    change = msgspec.convert({"timezone": "UTC"}, ScheduleChange)
    await house.engine.schedules.change(lost, change)
    assert (await house.engine.schedules.resume(lost)).next_at == first + timedelta(days=1)
    await reach(house, first + timedelta(days=1))
    shown = await show(house, lost)
    assert (shown.runs, shown.error) == (1, None)


async def test_why_one_was_refused_is_told_until_another_is_sent(house):
    await house.engine.templates.add(NewTemplate(name="greeting", text="Oi!"))
    schedule_id, first = await add_daily(house, message={"to": TO, "template": "greeting"})
    await house.engine.templates.delete("greeting")
    await reach(house, first)
    await reach(house, first + timedelta(days=1), late=GRACE + 1)
    shown = await show(house, schedule_id)
    assert (shown.skipped, shown.last_at) == (1, first)
    assert "greeting" in shown.error


@on_sqlite
async def test_what_breaks_for_longer_than_the_grace_is_given_up(house):
    schedule_id, first = await add_daily(house, misfire="send")

    class Accept:
        async def walk(self, *_):
            raise RuntimeError(TO)

    rounds = occurring(house, accept=Accept())
    for late in (0, GRACE, 1):
        house.clock.advance(late or (first - house.clock.now()).total_seconds())
        await rounds.run_due()
    shown = await show(house, schedule_id)
    assert (shown.runs, shown.error) == (0, "internal error: RuntimeError")
    assert shown.next_at == first + timedelta(days=1)


async def test_while_the_database_is_away_nothing_is_passed_over(house):
    schedule_id, first = await add_daily(house)

    class Accept:
        async def walk(self, *_):
            raise UnavailableError("the database can't be reached now")

    house.clock.advance((first - house.clock.now()).total_seconds())
    with pytest.raises(UnavailableError):
        await occurring(house, accept=Accept()).run_due()
    assert (await show(house, schedule_id)).next_at == first
    await house.settle()
    assert await counts(house, schedule_id) == (1, 0, 1)


# ---------------------------------------------------------------- once


@pytest.mark.parametrize("hours", [0, 23, 25, 6 * 24])
@pytest.mark.parametrize("noted", [False, True])
async def test_what_breaks_off_while_an_occurrence_is_stored_sends_nothing_twice(
    house, monkeypatch, hours, noted
):
    rule = "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"
    schedule_id, first = await add_daily(house, rrule=rule, misfire="send")
    move_on = store.move_on

    async def die(*args, **kwargs):
        if noted:
            await move_on(*args, **kwargs)
        raise BreakError

    house.clock.advance((first - house.clock.now()).total_seconds())
    with monkeypatch.context() as patched, suppress(BreakError):
        patched.setattr(store, "move_on", die)
        await house.engine._occurring.run_due()  # noqa: SLF001  # alone, as it is killed then
    assert (await show(house, schedule_id)).next_at == first
    house.clock.advance(hours * 3600)
    await house.settle()
    assert await counts(house, schedule_id) == (1, 0, 1)
    assert (await show(house, schedule_id)).next_at == first + timedelta(weeks=1)


async def pause(house, schedule_id):
    await house.engine.schedules.pause(schedule_id)


async def delete(house, schedule_id):
    await house.engine.schedules.delete(schedule_id)


async def reword(house, schedule_id):
    change = {"message": {"to": TO, "text": "outra"}}
    await house.engine.schedules.change(schedule_id, msgspec.convert(change, ScheduleChange))


@pytest.mark.parametrize("act", [pause, delete, reword])
async def test_what_is_answered_while_an_occurrence_is_stored_holds(house, act):
    schedule_id, first = await add_daily(house)
    accept = house.engine.accept

    class Accept:
        async def walk(self, *args):
            await act(house, schedule_id)
            return await accept.walk(*args)

    house.clock.advance((first - house.clock.now()).total_seconds())
    assert await occurring(house, accept=Accept()).run_due() == 0
    await house.settle()
    assert [message.text for message in house.vendor.sent] == (["outra"] if act is reword else [])


@on_sqlite
@pytest.mark.parametrize("act", [pause, delete])
async def test_what_is_answered_while_a_campaign_s_round_plans_holds(house, monkeypatch, act):
    _, schedule_id, first = await add_campaign(house)
    loop, plan = asyncio.get_running_loop(), module.make_plan

    def make_plan(*args):
        asyncio.run_coroutine_threadsafe(act(house, schedule_id), loop).result(20)
        return plan(*args)

    monkeypatch.setattr(module, "make_plan", make_plan)
    runs = Runs()
    house.clock.advance((first - house.clock.now()).total_seconds())
    assert await occurring(house, runs).run_due() == 0
    assert runs.asked == []


@pytest.mark.parametrize("fields", [{"rrule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0"}, {"name": "x"}])
async def test_a_change_that_an_occurrence_overtakes_does_not_bring_it_back(
    house, monkeypatch, fields
):
    schedule_id, first = await add_daily(house)
    ahead = Occurring(  # the node of another machine, whose clock is ahead
        house.engine.accept,
        Runs(),
        timedelta(seconds=GRACE),
        house.database,
        lambda: house.clock.now() + timedelta(seconds=2),
    )
    kept = house.engine.schedules
    find = kept._find  # noqa: SLF001  # where the row is read, before it is changed
    moved = []

    async def find_and_be_overtaken(schedule_id):
        row = await find(schedule_id)
        moved.append(await ahead.run_due())
        return row

    monkeypatch.setattr(kept, "_find", find_and_be_overtaken)
    house.clock.advance((first - house.clock.now()).total_seconds() - 1)
    await kept.change(schedule_id, msgspec.convert(fields, ScheduleChange))
    assert moved == [1, 0]
    await reach(house, first, late=1)
    assert await counts(house, schedule_id) == (1, 0, 1)
    assert (await show(house, schedule_id)).next_at == first + timedelta(days=1)


async def test_whichever_statement_fails_every_occurrence_is_sent_once(house):
    schedule_id, _ = await add_daily(house, misfire="send")
    rounds = house.engine._occurring  # noqa: SLF001  # alone, so that its statements are counted
    broken_at, came = 0, True
    while came:
        broken_at += 1
        assert broken_at < 200, "the round never got through"
        before = (await show(house, schedule_id)).next_at
        house.clock.advance((before - house.clock.now()).total_seconds())

        def fail(count, broken_at=broken_at):
            if count == broken_at:
                raise BreakError

        with Statements(fail) as statements, suppress(BreakError):
            await rounds.run_due()
        came = statements.count >= broken_at
        await rounds.run_due()
        shown = await show(house, schedule_id)
        assert (shown.runs, shown.last_at, shown.error) == (broken_at, before, None), broken_at
    await house.settle()
    occurrences = [
        (await house.show(message.id)).metadata["occurrence"] for message in house.vendor.sent
    ]
    assert len(occurrences) == len(set(occurrences)) == broken_at


@on_postgres
async def test_several_nodes_send_every_occurrence_once(open_house):
    async with open_house() as one, open_house(clock=one.clock) as other:
        ids = [(await add_daily(one, misfire=misfire))[0] for misfire in ["send", "skip"] * 10]
        first = (await show(one, ids[0])).next_at
        for day in range(5):
            now = first + timedelta(days=day)
            one.clock.advance((now - one.clock.now()).total_seconds())
            rounds = [house.engine._occurring.run_due() for house in (one, other) for _ in "ab"]  # noqa: SLF001  # at once, and nothing else
            assert sum(await asyncio.gather(*rounds)) == len(ids)
        await one.settle()
        await other.settle()
        assert len(one.vendor.sent) + len(other.vendor.sent) == 5 * len(ids)
        for schedule_id in ids:
            assert (await show(one, schedule_id)).runs == 5


@on_postgres
async def test_several_nodes_that_come_back_late_send_the_latest_once(open_house):
    async with open_house() as one, open_house(clock=one.clock) as other:
        ids = [(await add_daily(one, misfire="send"))[0] for _ in range(10)]
        first = (await show(one, ids[0])).next_at
        late = first + timedelta(days=3, hours=1)
        one.clock.advance((late - one.clock.now()).total_seconds())
        await asyncio.gather(*(house.engine._occurring.run_due() for house in (one, other)))  # noqa: SLF001  # at once, and nothing else
        await one.settle()
        await other.settle()
        assert len(one.vendor.sent) + len(other.vendor.sent) == len(ids)
        for schedule_id in ids:
            shown = await show(one, schedule_id)
            assert (shown.runs, shown.skipped) == (1, 3)


# ---------------------------------------------------------------- campaigns


async def add_campaign(house):
    """Put a campaign into the store, and a schedule of it; return both ids and the first time."""
    now = house.clock.now()
    row = {
        "id": new_id(),
        "name": "May",
        "status": "draft",
        "request": {},
        "audience_id": new_id(),
        "created_at": now,
    }

    async def work(connection):
        await connection.execute(campaigns.insert(), [row])

    await house.database.write(work)
    schedule_id, first = await add_daily(house, message=None, campaign_id=row["id"])
    return row["id"], schedule_id, first


async def test_a_campaign_is_run_at_every_occurrence(house):
    campaign_id, schedule_id, first = await add_campaign(house)
    shown = await show(house, schedule_id)
    assert (shown.kind, shown.campaign_id, shown.message) == ("campaign", campaign_id, None)
    runs = Runs()
    for day in range(2):
        now = first + timedelta(days=day)
        house.clock.advance((now - house.clock.now()).total_seconds())
        assert await occurring(house, runs).run_due() == 1
        assert await occurring(house, runs).run_due() == 0
    assert runs.made == {
        (campaign_id, schedule_id, first),
        (campaign_id, schedule_id, first + timedelta(days=1)),
    }
    assert (await show(house, schedule_id)).runs == 2


@on_sqlite
async def test_a_campaign_is_asked_for_again_after_a_kill(house, monkeypatch):
    _, schedule_id, first = await add_campaign(house)
    runs = Runs()

    async def die(*_, **__):
        raise BreakError

    house.clock.advance((first - house.clock.now()).total_seconds())
    with monkeypatch.context() as patched:
        patched.setattr(store, "move_on", die)
        assert await occurring(house, runs).run_due() == 0
    await occurring(house, runs).run_due()
    assert (runs.asked, len(runs.made)) == ([first, first], 1)
    assert (await show(house, schedule_id)).runs == 1


@on_sqlite
@pytest.mark.parametrize(
    "error", [NotFoundError("there is no campaign"), ConflictError("canceled")]
)
async def test_a_campaign_that_can_t_run_is_noted(house, error):
    _, schedule_id, first = await add_campaign(house)
    runs = Runs()
    runs.error = error
    house.clock.advance((first - house.clock.now()).total_seconds())
    assert await occurring(house, runs).run_due() == 1
    shown = await show(house, schedule_id)
    assert (shown.runs, shown.error, shown.status) == (0, str(error), "active")
    assert shown.next_at == first + timedelta(days=1)


async def test_every_run_of_a_campaign_reaches_its_audience(house, tmp_path):
    campaigner = Campaigner(house, tmp_path)
    campaign_id = await campaigner.ready(3)
    schedule_id, first = await add_daily(house, message=None, campaign_id=campaign_id)
    for day in range(2):
        await reach(house, first + timedelta(days=day))
    assert campaigner.sent_to() == sorted([number(index) for index in range(3)] * 2)
    shown = await show(house, schedule_id)
    assert (shown.runs, shown.error) == (2, None)
    await house.engine.campaigns.cancel(campaign_id)
    await reach(house, first + timedelta(days=2))
    assert (await show(house, schedule_id)).error == "the campaign was canceled"


# ---------------------------------------------------------------- how it is found


async def test_only_what_is_active_is_due_the_longest_first(house):
    at = house.clock.now()
    rows = [
        {
            "id": new_id(),
            "kind": "message",
            "request": {},
            "starts_at": at,
            "timezone": "UTC",
            "misfire": "skip",
            "status": status,
            "next_at": at + timedelta(seconds=index - 2),
            "created_at": at,
            "updated_at": at,
        }
        for index, status in enumerate(["active", "paused", "active", "active", "finished"])
    ]

    async def work(connection):
        await connection.execute(schedules.insert(), rows)
        return await store.due(connection, at, 10)

    assert [row["id"] for row in await house.database.write(work)] == [rows[0]["id"], rows[2]["id"]]
