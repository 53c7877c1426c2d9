"""``GET /v1/stats``: what was sent, what became of it, what it cost."""

from datetime import UTC, datetime

import pytest
from recado_core.engine.statistics import statistics

LATE_EVENING = datetime(2030, 1, 7, 2, 30, tzinfo=UTC)  # the 6th, in São Paulo
STATUSES = [
    "sent", "delivered", "read", "undelivered", "expired", "rejected", "failed", "suppressed",
    "canceled", "unknown",
]  # fmt: skip


@pytest.fixture
async def client(gateway, run):
    """A client of a gateway that has sent, on one evening, and whose worker does not run."""
    async with run(gateway, now=lambda: LATE_EVENING) as found:
        for text, cost_centre in (("oi", "shop"), ("oi " * 80, "shop"), ("oi", None)):
            said = {"to": "+5511900000001", "account": "main", "text": text}
            body = said | ({"cost_centre": cost_centre} if cost_centre else {})
            assert (await found.post("/v1/messages", json=body)).status_code == 202
        await found.engine.run_once()
        await found.write("obrigado")
        yield found


async def ask(client, **params):
    answer = await client.get("/v1/stats", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_days_are_those_of_the_gateways_zone_and_the_last_thirty_unless_told(client):
    told = await ask(client)
    assert (told["from"], told["to"]) == ("2029-12-08", "2030-01-06")
    assert (told["timezone"], told["group_by"]) == ("America/Sao_Paulo", ["day"])
    (item,) = told["items"]
    assert item["day"] == "2030-01-06"
    assert {key: item[key] for key in told["totals"]} == told["totals"]
    assert (item["accepted"], item["sent"], item["segments"], item["replies"]) == (3, 3, 4, 1)
    assert list(item["statuses"]) == STATUSES


async def test_both_ends_are_included(client):
    for params, expected in (
        ({"from": "2030-01-06", "to": "2030-01-06"}, 3),
        ({"from": "2030-01-07", "to": "2030-01-31"}, 0),
        ({"from": "2030-01-01", "to": "2030-01-05"}, 0),
        ({"to": "2030-01-06"}, 3),
        ({"from": "2029-01-01"}, 3),
    ):
        assert (await ask(client, **params))["totals"]["accepted"] == expected


async def test_items_tell_their_group_and_nothing_else(client):
    told = await ask(client, group_by="cost_centre,account,campaign")
    groups = [
        {key: item[key] for key in item if key not in told["totals"]} for item in told["items"]
    ]
    assert groups == [
        {"cost_centre": None, "account": "main", "campaign": None},
        {"cost_centre": "shop", "account": "main", "campaign": None},
    ]
    assert [item["sent"] for item in told["items"]] == [1, 2]


async def test_only_what_is_asked_for_is_counted(client):
    assert (await ask(client, cost_centre="shop"))["totals"]["sent"] == 2
    assert (await ask(client, account="main", channel="sms"))["totals"]["sent"] == 3
    for nobody in ({"account": "plain"}, {"campaign": "x"}, {"channel": "a\0b"}):
        told = await ask(client, **nobody)
        assert (told["items"], told["totals"]["sent"]) == ([], 0)
        assert told["totals"]["delivery_rate"] is None


async def test_what_is_delivered_moves_from_one_status_to_the_next(client):
    (last, *_) = (await client.get("/v1/messages?direction=out")).json()["items"]
    said = {"ref": last["provider_ref"], "status": "delivered"}
    before = (await ask(client))["totals"]
    assert (await client.call_webhook(said)).status_code == 200
    await client.engine.receive.process()
    after = (await ask(client))["totals"]
    assert (after["statuses"]["sent"], after["delivered"]) == (2, 1)
    assert (before["delivery_rate"], after["delivery_rate"]) == (0.0, round(1 / 3, 4))
    assert after["sent"] == before["sent"] == 3


@pytest.mark.parametrize(
    ("params", "pointer", "detail"),
    [
        ({"group_by": "day,colour"}, "/group_by", "'colour'; there is day, account, campaign"),
        ({"group_by": "day,day"}, "/group_by", "has day twice"),
        ({"group_by": "day,"}, "/group_by", "unknown ''"),
        ({"from": "yesterday"}, "/from", "such as 2030-01-31"),
        ({"to": "2030-02-30"}, "/to", "date"),
        ({"from": "2030-01-07"}, "/from", "after the last day, 2030-01-06"),
        ({"from": "2030-01-07", "to": "2030-01-01"}, "/from", "after the last day, 2030-01-01"),
        ({"since": "2030-01-07"}, "/since", "unknown"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(client, params, pointer, detail):
    answer = await client.get("/v1/stats", params=params)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer
    assert detail in fault["detail"]


@pytest.mark.parametrize(
    "params", [{"to": "0001-01-02"}, {"from": "0001-01-01"}, {"to": "9999-12-31"}]
)
async def test_any_day_of_the_calendar_will_do(client, params):
    await ask(client, **params)


async def test_more_items_than_can_be_told_are_refused(client, monkeypatch):
    monkeypatch.setattr(statistics, "MAX_ITEMS", 1)
    assert len((await ask(client))["items"]) == 1
    answer = await client.get("/v1/stats", params={"group_by": "cost_centre"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/group_by"
