import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from recado_core.engine.clients.idempotency import IdempotencyKey
from recado_core.engine.failures import ConflictError, DraftError, NotFoundError
from recado_core.engine.schedules.requests import NewSchedule, ScheduleChange
from recado_core.engine.schedules.schedules import ScheduleFilter
from recado_core.engine.store.identifiers import new_id

pytestmark = pytest.mark.whole

HOUR = timedelta(hours=1)
TO = "+5511900000001"
MESSAGE = {"to": TO, "text": "oi"}
NEVER = "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


def new(**fields):
    return msgspec.convert({"message": MESSAGE} | fields, NewSchedule)


async def add(house, **fields):
    answer = await house.engine.schedules.add(new(**fields))
    assert answer.status == 201
    return json.loads(answer.body)


async def faults(house, **fields):
    with pytest.raises(DraftError) as raised:
        await add(house, **fields)
    assert (await house.engine.schedules.list(ScheduleFilter())).items == []
    return [fault.pointer for fault in raised.value.faults]


def times(page):
    return [at.isoformat() for at in page.items]


# ---------------------------------------------------------------- made


async def test_a_schedule_is_made_and_found(house):
    told = await add(
        house,
        name="Monday's",
        message=MESSAGE | {"metadata": {"a": 1}, "category": "marketing"},
        rrule="rrule:freq=weekly;byday=mo;byhour=9;byminute=0",
        starts_at="2030-01-01T08:00:00",
        timezone="America/New_York",
        misfire="send",
    )
    expected = {
        "name": "Monday's",
        "kind": "message",
        "message": MESSAGE | {"metadata": {"a": 1}, "category": "marketing"},
        "campaign_id": None,
        "rrule": "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
        "starts_at": "2030-01-01T08:00:00-05:00",
        "timezone": "America/New_York",
        "misfire": "send",
        "status": "active",
        "next_at": "2030-01-07T09:00:00-05:00",
        "last_at": None,
        "runs": 0,
        "skipped": 0,
        "error": None,
    }
    assert {name: told[name] for name in expected} == expected
    assert msgspec.json.encode(await house.engine.schedules.get(told["id"])) == msgspec.json.encode(
        told
    )


@on_sqlite
@pytest.mark.parametrize(
    ("at", "zone", "expected"),
    [
        ("2031-06-01T09:00:00", None, "2031-06-01T09:00:00-03:00"),
        ("2031-06-01T09:00:00", "Europe/Lisbon", "2031-06-01T09:00:00+01:00"),
        ("2031-06-01T09:00:00Z", "Europe/Lisbon", "2031-06-01T10:00:00+01:00"),
        ("2031-03-30T01:30:00", "Europe/Lisbon", "2031-03-30T02:30:00+01:00"),
        ("2031-10-26T01:30:00", "Europe/Lisbon", "2031-10-26T01:30:00+01:00"),
        ("2031-10-26T01:30:00Z", "Europe/Lisbon", "2031-10-26T01:30:00Z"),
    ],
)
async def test_a_time_without_offset_is_one_of_the_zone(house, at, zone, expected):
    told = await add(house, scheduled_at=at, timezone=zone)
    assert datetime.fromisoformat(told["next_at"]) == datetime.fromisoformat(expected)
    assert (
        datetime.fromisoformat(told["next_at"]).isoformat()
        == datetime.fromisoformat(expected).isoformat()
    )
    assert (told["starts_at"], told["rrule"]) == (told["next_at"], None)


@on_sqlite
async def test_a_rule_without_a_start_counts_from_the_next_minute(house):
    house.clock.advance(17)
    told = await add(house, rrule="FREQ=MINUTELY")
    start = house.clock.now().replace(second=0) + timedelta(minutes=1)
    assert datetime.fromisoformat(told["next_at"]) == start


@on_sqlite
async def test_an_end_may_be_given_beside_the_rule(house):
    told = await add(
        house,
        rrule="FREQ=DAILY",
        starts_at="2031-01-01T09:00:00",
        until="2031-01-03T09:00:00",
    )
    assert told["rrule"] == "FREQ=DAILY;UNTIL=20310103T120000Z"
    assert len((await house.engine.schedules.occurrences(told["id"], 10)).items) == 3


@on_sqlite
async def test_nothing_occurs_before_its_start_where_the_clocks_go_back(house):
    told = await add(
        house,
        rrule="FREQ=DAILY",
        starts_at="2030-11-03T06:30:00Z",  # the second 1:30 of that day
        timezone="America/New_York",
    )
    page = await house.engine.schedules.occurrences(told["id"], 2)
    assert times(page) == ["2030-11-04T01:30:00-05:00", "2030-11-05T01:30:00-05:00"]


async def test_the_same_call_twice_makes_one_schedule(house):
    key = IdempotencyKey(owner="me", key="k", fingerprint="f")
    at = house.clock.now() + HOUR
    first = await house.engine.schedules.add(new(scheduled_at=at), key)
    second = await house.engine.schedules.add(new(scheduled_at=at), key)
    assert (second.body, second.status, second.replayed) == (first.body, 201, True)
    assert len((await house.engine.schedules.list(ScheduleFilter())).items) == 1


# ---------------------------------------------------------------- refused


MANY = ["/message/to", "/message/text", "/message/priority"]
SOON = {"scheduled_at": "2031-01-01T09:00:00"}


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        (SOON | {"message": None}, ["/message"]),
        (SOON | {"campaign_id": "x"}, ["/message"]),
        (SOON | {"message": None, "campaign_id": "x"}, ["/campaign_id"]),
        (SOON | {"message": None, "campaign_id": "x\0"}, ["/campaign_id"]),
        ({}, ["/scheduled_at"]),
        (SOON | {"rrule": "FREQ=DAILY"}, ["/scheduled_at"]),
        (SOON | {"starts_at": "2031-01-01T09:00:00"}, ["/starts_at"]),
        (SOON | {"until": "2031-01-01T09:00:00"}, ["/until"]),
        ({"scheduled_at": "2001-01-01T09:00:00"}, ["/scheduled_at"]),
        ({"scheduled_at": "0001-01-01T00:00:00+14:00"}, ["/scheduled_at"]),
        ({"scheduled_at": "9999-12-31T23:59:59-12:00"}, ["/scheduled_at"]),
        ({"rrule": "FREQ=SECONDLY"}, ["/rrule"]),
        ({"rrule": ""}, ["/rrule"]),
        ({"rrule": NEVER}, ["/rrule"]),
        ({"rrule": "FREQ=DAILY;UNTIL=20010101T000000Z"}, ["/rrule"]),
        ({"rrule": "FREQ=DAILY;COUNT=2", "until": "2031-01-01T09:00:00"}, ["/rrule"]),
        ({"rrule": "FREQ=DAILY", "starts_at": "9999-01-01T00:00:00"}, ["/starts_at"]),
        ({"rrule": "FREQ=DAILY", "until": "0001-01-01T00:00:00"}, ["/until"]),
        (SOON | {"timezone": "America/Nowhere"}, ["/timezone"]),
        (SOON | {"timezone": "America"}, ["/timezone"]),
        (SOON | {"timezone": ""}, ["/timezone"]),
        (SOON | {"timezone": "../etc/passwd"}, ["/timezone"]),
        (SOON | {"timezone": "UTC\0"}, ["/timezone"]),
        (SOON | {"timezone": "localtime"}, ["/timezone"]),
        (SOON | {"timezone": "posixrules"}, ["/timezone"]),
        (SOON | {"timezone": "Factory"}, ["/timezone"]),
        (SOON | {"timezone": "right/America/Sao_Paulo"}, ["/timezone"]),
        (SOON | {"timezone": "A" * 5000}, ["/timezone"]),
        (SOON | {"name": ""}, ["/name"]),
        (SOON | {"name": "x" * 121}, ["/name"]),
        (SOON | {"name": "\0"}, ["/name"]),
        (SOON | {"message": MESSAGE | {"to": "12"}}, ["/message/to"]),
        (SOON | {"message": {"to": TO}}, ["/message/text"]),
        (SOON | {"message": {"to": "12", "priority": 10}}, MANY),
        (SOON | {"message": {"to": TO, "template": "absent"}}, ["/message/template"]),
        (
            SOON | {"message": {"to": TO, "text": "{{ name }}", "variables": {}}},
            ["/message/variables"],
        ),
        (SOON | {"message": MESSAGE | {"account": "absent"}}, ["/message/account"]),
        (SOON | {"message": MESSAGE | {"priority": 10}}, ["/message/priority"]),
        (
            SOON | {"message": MESSAGE | {"scheduled_at": "2031-01-01T09:00:00Z"}},
            ["/message/scheduled_at"],
        ),
        (SOON | {"message": MESSAGE | {"document": "529.982.247-25"}}, ["/message/document"]),
        (
            SOON | {"message": MESSAGE | {"expires_at": "2031-01-01T11:00:00Z"}},
            ["/message/expires_at"],
        ),
        (
            {"rrule": "FREQ=DAILY", "message": MESSAGE | {"expires_at": "2031-01-01T11:00:00Z"}},
            ["/message/expires_at"],
        ),
        (
            SOON | {"name": "", "timezone": "x", "message": MESSAGE | {"document": "1"}},
            ["/name", "/timezone", "/message/document"],
        ),
        (SOON | {"message": MESSAGE | {"metadata": {"a": "x" * 8150}}}, ["/message/metadata"]),
    ],
)
async def test_what_can_t_be_is_refused_and_nothing_is_stored(house, fields, pointers):
    assert await faults(house, **fields) == pointers


@on_sqlite
async def test_a_rule_can_t_start_at_a_time_that_the_clocks_leave_out(house):
    start = {"starts_at": "2031-03-09T02:30:00", "timezone": "America/New_York"}
    assert await faults(house, rrule="FREQ=DAILY", **start) == ["/starts_at"]


async def test_a_message_may_expire_after_its_one_time(house):
    at = house.clock.now() + HOUR
    message = MESSAGE | {"expires_at": (at + HOUR).isoformat()}
    told = await add(house, scheduled_at=at, message=message)
    with pytest.raises(DraftError, match="/message/expires_at"):
        await change(house, told, scheduled_at=(at + 2 * HOUR).isoformat())


# ---------------------------------------------------------------- listed


async def test_schedules_are_listed_by_status_and_kind_page_by_page(house):
    made = [(await add(house, rrule="FREQ=DAILY"))["id"] for _ in range(5)]
    await house.engine.schedules.pause(made[1])
    schedules = house.engine.schedules
    paused = await schedules.list(msgspec.convert({"status": "paused"}, ScheduleFilter))
    assert [item.id for item in paused.items] == [made[1]]
    of_campaigns = msgspec.convert({"kind": "campaign"}, ScheduleFilter)
    assert (await schedules.list(of_campaigns)).items == []
    found, cursor = [], None
    while True:
        page = await schedules.list(ScheduleFilter(), 2, cursor)
        found += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == made[::-1]


async def test_a_schedule_that_is_not_there_is_not_found(house):
    schedules = house.engine.schedules
    for absent in (new_id(), "x", "\0"):
        for call in (
            schedules.get,
            schedules.pause,
            schedules.resume,
            schedules.delete,
            schedules.occurrences,
        ):
            with pytest.raises(NotFoundError):
                await call(absent)
        with pytest.raises(NotFoundError):
            await schedules.change(absent, ScheduleChange())


async def test_a_schedule_that_is_deleted_is_gone(house):
    told = await add(house, scheduled_at=house.clock.now() + HOUR)
    await house.engine.schedules.delete(told["id"])
    with pytest.raises(NotFoundError):
        await house.engine.schedules.get(told["id"])
    await house.advance(3600)
    assert house.vendor.batches == []


# ---------------------------------------------------------------- occurrences


DAILY = {"rrule": "FREQ=DAILY", "starts_at": "2031-03-08T09:00:00", "timezone": "America/New_York"}


@on_sqlite
async def test_occurrences_are_told_in_the_schedule_s_zone(house):
    told = await add(house, **DAILY)
    page = await house.engine.schedules.occurrences(told["id"], 3)
    assert times(page) == [
        "2031-03-08T09:00:00-05:00",
        "2031-03-09T09:00:00-04:00",
        "2031-03-10T09:00:00-04:00",
    ]


@on_sqlite
async def test_one_time_occurs_once(house):
    told = await add(house, scheduled_at="2031-03-08T09:00:00")
    page = await house.engine.schedules.occurrences(told["id"], 9)
    assert times(page) == ["2031-03-08T09:00:00-03:00"]


@on_sqlite
async def test_an_occurrence_that_is_due_is_told_until_it_is_sent(house):
    told = await add(house, rrule="FREQ=MINUTELY")
    due = datetime.fromisoformat(told["next_at"])
    house.clock.advance(90)
    page = await house.engine.schedules.occurrences(told["id"], 2)
    assert page.items == [due, due + timedelta(minutes=1)]
    await house.engine.schedules.pause(told["id"])
    page = await house.engine.schedules.occurrences(told["id"], 1)
    assert page.items[0] > house.clock.now()


# ---------------------------------------------------------------- changed


async def change(house, told, **fields):
    return await house.engine.schedules.change(told["id"], msgspec.convert(fields, ScheduleChange))


async def test_another_zone_keeps_the_local_time(house):
    told = await add(house, **DAILY)
    changed = await change(house, told, timezone="Europe/Lisbon")
    assert changed.starts_at.isoformat() == "2031-03-08T09:00:00+00:00"
    assert changed.next_at == changed.starts_at
    assert (await house.engine.schedules.get(told["id"])) == changed


async def test_another_rule_has_its_next_time_after_now(house):
    told = await add(house, **DAILY)
    house.clock.advance((datetime(2031, 3, 20, tzinfo=UTC) - house.clock.now()).total_seconds())
    changed = await change(house, told, rrule="FREQ=WEEKLY")
    assert (changed.rrule, changed.next_at.isoformat()) == (
        "FREQ=WEEKLY",
        "2031-03-22T09:00:00-04:00",
    )


@on_sqlite
async def test_other_changes_leave_what_is_due_alone(house):
    told = await add(house, rrule="FREQ=MINUTELY")
    due = datetime.fromisoformat(told["next_at"])
    house.clock.advance(150)
    changed = await change(
        house, told, name="x", misfire="send", message=MESSAGE | {"text": "outra"}
    )
    assert (changed.name, changed.misfire, changed.message.text) == ("x", "send", "outra")
    assert changed.next_at == due
    assert changed.updated_at > changed.created_at
    assert (await change(house, told, name=None)).name is None


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"rrule": NEVER}, ["/rrule"]),
        ({"rrule": "x"}, ["/rrule"]),
        ({"scheduled_at": "2031-01-01T09:00:00"}, ["/scheduled_at"]),
        ({"timezone": "x"}, ["/timezone"]),
        ({"name": ""}, ["/name"]),
        ({"message": {"to": "1", "text": "x"}}, ["/message/to"]),
        ({"message": MESSAGE | {"document": "1"}, "rrule": "x"}, ["/message/document", "/rrule"]),
    ],
)
async def test_a_change_that_can_t_be_changes_nothing(house, fields, pointers):
    told = await add(house, **DAILY)
    with pytest.raises(DraftError) as raised:
        await change(house, told, **fields)
    assert [fault.pointer for fault in raised.value.faults] == pointers
    assert (await house.engine.schedules.get(told["id"])).updated_at.isoformat() == told[
        "updated_at"
    ].replace("Z", "+00:00")


@on_sqlite
async def test_one_time_can_be_moved_and_gets_no_rule(house):
    told = await add(house, scheduled_at="2031-03-08T09:00:00")
    moved = await change(house, told, scheduled_at="2031-03-09T09:00:00")
    assert moved.next_at.isoformat() == "2031-03-09T09:00:00-03:00"
    with pytest.raises(DraftError, match="/rrule"):
        await change(house, told, rrule="FREQ=DAILY")
    with pytest.raises(DraftError, match="/scheduled_at"):
        await change(house, told, scheduled_at="2001-03-09T09:00:00")


@on_sqlite
async def test_a_finished_schedule_goes_on_with_a_new_time(house):
    at = house.clock.now() + HOUR
    told = await add(house, scheduled_at=at)
    await house.advance(3600)
    assert (await house.engine.schedules.get(told["id"])).status == "finished"
    for call in (house.engine.schedules.pause, house.engine.schedules.resume):
        with pytest.raises(ConflictError):
            await call(told["id"])
    assert (await house.engine.schedules.occurrences(told["id"])).items == []
    changed = await change(house, told, scheduled_at=(at + HOUR).isoformat())
    assert (changed.status, changed.next_at) == ("active", at + HOUR)
    await house.advance(3600)
    assert len(house.vendor.sent) == 2


# ---------------------------------------------------------------- paused


async def test_what_comes_during_a_pause_is_left_out(house):
    told = await add(house, rrule="FREQ=MINUTELY", misfire="send")
    schedules = house.engine.schedules
    paused = await schedules.pause(told["id"])
    assert (paused.status, paused.next_at) == ("paused", None)
    assert await schedules.pause(told["id"]) == paused
    await house.advance(3600)
    assert house.vendor.batches == []
    resumed = await schedules.resume(told["id"])
    assert resumed.status == "active"
    assert timedelta() < resumed.next_at - house.clock.now() <= timedelta(minutes=1)
    assert await schedules.resume(told["id"]) == resumed
    await house.advance(60)
    shown = await schedules.get(told["id"])
    assert (shown.runs, shown.skipped, len(house.vendor.sent)) == (1, 0, 1)


async def test_a_schedule_whose_time_passed_in_a_pause_is_finished(house):
    told = await add(house, scheduled_at=house.clock.now() + HOUR)
    await house.engine.schedules.pause(told["id"])
    await house.advance(2 * 3600)
    resumed = await house.engine.schedules.resume(told["id"])
    assert (resumed.status, resumed.next_at, resumed.runs) == ("finished", None, 0)
    assert house.vendor.batches == []
