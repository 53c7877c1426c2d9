from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core.engine.settings import AccountSettings, EngineSettings
from recado_core.engine.statistics.tallies import (
    COUNTED,
    WENT,
    Metric,
    Tallies,
    is_taken,
    local_day,
)
from recado_core.engine.store.statements.events import new_event
from recado_core.messages import Status

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
MESSAGE = {
    "created_at": NOON,
    "channel": "sms",
    "campaign_id": None,
    "cost_centre": None,
    "segments": 2,
}
PRICE = Decimal("0.08")


def tallies(zone="America/Sao_Paulo", **prices):
    accounts = {
        name: AccountSettings(provider="vendor", price=price) for name, price in prices.items()
    }
    return Tallies(EngineSettings(database="none", timezone=zone, accounts=accounts))


def counts(kind, row=None, price=PRICE, **columns):
    event = new_event(kind, NOON, account="main", **columns)
    rows = tallies(main=price).count([event], {event["id"]: MESSAGE | (row or {})})
    return {row["metric"]: row["value"] for row in rows}


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("America/Sao_Paulo", "2026-01-06T02:59:59+00:00", "2026-01-05"),
        ("America/Sao_Paulo", "2026-01-06T03:00:00+00:00", "2026-01-06"),
        # São Paulo's summer began at midnight: the 4th had 23 hours, and no 00:30
        ("America/Sao_Paulo", "2018-11-04T02:59:59+00:00", "2018-11-03"),
        ("America/Sao_Paulo", "2018-11-04T03:00:00+00:00", "2018-11-04"),
        ("America/Sao_Paulo", "2018-11-05T01:59:59+00:00", "2018-11-04"),
        ("America/Sao_Paulo", "2018-11-05T02:00:00+00:00", "2018-11-05"),
        # and it ended at midnight, so that 23:30 of the 16th came twice
        ("America/Sao_Paulo", "2019-02-17T01:30:00+00:00", "2019-02-16"),
        ("America/Sao_Paulo", "2019-02-17T02:30:00+00:00", "2019-02-16"),
        ("America/Sao_Paulo", "2019-02-17T03:00:00+00:00", "2019-02-17"),
        ("America/New_York", "2026-11-02T04:59:59+00:00", "2026-11-01"),
        ("Pacific/Kiritimati", "2026-01-05T10:00:00+00:00", "2026-01-06"),
        ("America/Sao_Paulo", "0001-01-01T00:00:00+00:00", "0001-01-01"),
        ("Pacific/Kiritimati", "9999-12-31T23:00:00+00:00", "9999-12-31"),
    ],
)
def test_day_is_that_of_the_zone_right_over_summer_time(zone, at, day):
    assert local_day(datetime.fromisoformat(at), ZoneInfo(zone)) == day


@given(st.dates(date(1970, 1, 2), date(2037, 12, 30)), st.integers(0, 2_000))
def test_every_moment_is_of_the_one_day_whose_midnights_are_around_it(day, minutes):
    zone = ZoneInfo("America/Sao_Paulo")
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)
    counted = date.fromisoformat(local_day(at, zone))
    midnights = [
        datetime(each.year, each.month, each.day, tzinfo=zone).astimezone(UTC)
        for each in (counted, counted + timedelta(days=1))
    ]
    assert midnights[0] <= at < midnights[1]


def test_accepting_counts_once_and_is_of_no_status():
    assert counts("message.accepted", to_status=Status.QUEUED) == {"accepted": 1}


def test_being_taken_counts_segments_and_cost():
    assert counts("message.sent", from_status="sending", to_status="sent") == {
        "sent": 1,
        "taken": 1,
        "segments": 2,
        "cost": 160_000,
    }


def test_what_was_taken_before_only_changes_its_status():
    assert counts("message.read", from_status="sent", to_status="read") == {"sent": -1, "read": 1}


def test_what_waits_is_of_no_status():
    assert counts("message.queued", from_status="sending", to_status="queued") == {}
    assert counts("message.queued", from_status="unknown", to_status="queued") == {"unknown": -1}


def test_answer_is_received_and_a_reply():
    assert counts("message.received", {"answers_id": "x"}, to_status="received") == {
        "received": 1,
        "replies": 1,
    }
    assert counts("message.received", {"answers_id": None}, to_status="received") == {"received": 1}


def test_message_without_a_price_costs_nothing_to_count():
    found = counts("message.sent", price=None, from_status="sending", to_status="sent")
    assert "cost" not in found
    assert found["segments"] == 2


def test_events_of_one_key_are_one_row_and_what_cancels_out_is_none():
    told = [
        new_event("message.unknown", NOON, account="main", to_status="unknown"),
        new_event("message.queued", NOON, account="main", from_status="unknown"),
        *(new_event("message.accepted", NOON, account="main") for _ in range(1000)),
    ]
    rows = tallies().count(told, {event["id"]: MESSAGE for event in told})
    assert [(row["metric"], row["value"]) for row in rows] == [("accepted", 1000)]
    assert rows[0]["day"] == "2026-01-05"


@pytest.mark.parametrize("channels", [("sms",), ("sms", "whatsapp")])
def test_events_that_are_alike_count_as_they_do_one_by_one(channels):
    rows = [MESSAGE | {"channel": channels[index % len(channels)]} for index in range(5)]
    told = [
        new_event("message.sent", NOON, account="main", from_status="sending", to_status="sent")
        for _ in rows
    ]
    about = {event["id"]: row for event, row in zip(told, rows, strict=True)}

    def values(counted):
        return {tuple(value for name, value in row.items() if name != "id") for row in counted}

    counting = tallies(main=PRICE)
    singly = counting.count(told, about)
    assert values(counting.count([], {}, [(told[0], rows)])) == values(singly)
    assert {row["metric"] for row in singly} == {"sent", "taken", "segments", "cost"}


def test_events_of_other_things_are_not_counted():
    told = [new_event("conversation.opened", NOON, account="main"), new_event("sink.down", NOON)]
    assert tallies().count(told, {}) == []


def test_event_of_a_message_that_nobody_can_count_is_an_error():
    with pytest.raises(KeyError):
        tallies().count([new_event("message.sent", NOON, account="main")], {})


def test_every_status_and_metric_has_a_name_of_its_own():
    names = [*COUNTED, *Metric]
    assert len(set(map(str, names))) == len(names)
    assert max(map(len, names)) <= 12  # as stats.metric is wide
    assert set(COUNTED) >= WENT


def test_nothing_is_taken_twice():
    assert is_taken("sending", "sent")
    assert is_taken("unknown", "undelivered")
    assert not is_taken("sent", "delivered")
    assert not is_taken("sending", "rejected")


@pytest.mark.parametrize(
    ("price", "segments", "cost"),
    [("0.08", 2, 160_000), ("0.000001", 3, 3), ("0", 5, 0), ("1000000", 255, 255 * 10**12)],
)
def test_cost_is_exact(price, segments, cost):
    assert tallies(main=Decimal(price)).cost_of("main", segments) == cost


def test_account_without_a_price_has_no_cost():
    found = tallies(main=None)
    assert found.cost_of("main", 2) is None
    assert found.cost_of("gone from the configuration", 2) is None
