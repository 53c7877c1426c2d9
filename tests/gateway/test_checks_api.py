"""What a program sees of the checks: with the messages it sends, and when it asks first."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from recado_core.engine.settings import LimitSettings

ADDRESS, OTHER = "+5511900000001", "+5511900000002"
DOCUMENT = "529.982.247-25"
PATH = "/v1/suppressions"


async def add(client, **fields):
    answer = await client.post(PATH, json={"address": ADDRESS} | fields)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


async def listed(client, **parameters):
    answer = await client.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def send(client, **fields):
    answer = await client.post("/v1/messages", json={"to": ADDRESS, "text": "oi"} | fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


# ---------------------------------------------------------------- messages


async def test_message_to_a_suppressed_address_calls_no_provider(working_client, taken):
    client = working_client
    await add(client, reason="opt_out")
    told = await send(client, text="to nobody")
    assert (told["status"], told["reason"]) == ("suppressed", "opt_out")
    other = await send(client, to=OTHER, text="to somebody")
    await client.wait_for(f"/v1/messages/{other['id']}", status="sent")
    assert taken == ["to somebody"]
    found = (await client.get(f"/v1/messages/{told['id']}")).json()
    assert (found["status"], found["code"]) == ("suppressed", "suppressions")
    assert found["attempts"] == []
    assert "message.suppressed" in [event["type"] for event in found["events"]]


async def test_suppressed_item_of_a_batch_is_told_among_the_results(client):
    await add(client, reason="complaint")
    items = [{"to": ADDRESS, "text": "oi"}, {"to": OTHER, "text": "oi"}]
    told = (await client.post("/v1/messages/batch", json={"messages": items})).json()
    assert (told["accepted"], told["rejected"], told["suppressed"]) == (1, 0, 1)
    assert [result["status"] for result in told["results"]] == ["suppressed", "queued"]
    assert told["results"][0]["error"] == [{"pointer": "/to", "detail": "complaint"}]


async def test_message_goes_again_once_the_entry_is_gone(client):
    entry = await add(client)
    assert (await send(client))["status"] == "suppressed"
    await client.delete(f"{PATH}/{entry['id']}")
    told = await send(client)
    assert (told["status"], told["reason"]) == ("queued", None)


async def test_entry_of_a_person_concerns_messages_with_this_document(client):
    await add(client, address=ADDRESS, document=DOCUMENT)
    assert (await send(client))["status"] == "queued"
    assert (await send(client, document="52998224725"))["status"] == "suppressed"


async def test_marketing_waits_for_the_end_of_quiet_hours(quiet_client):
    told = await send(quiet_client, category="marketing")
    assert told["status"] == "scheduled"
    opening = datetime(2030, 1, 7, 12, tzinfo=UTC)  # Monday at 9:00 in São Paulo
    assert (
        timedelta() <= datetime.fromisoformat(told["scheduled_at"]) - opening < timedelta(hours=1)
    )
    assert told["reason"] == "quiet hours in America/Sao_Paulo until 2030-01-07 09:00"
    assert (await send(quiet_client))["status"] == "queued"
    found = (await quiet_client.get("/v1/messages?status=scheduled")).json()["items"]
    assert [item["id"] for item in found] == [told["id"]]


async def test_marketing_beyond_the_limit_is_suppressed(gateway, run):
    limits = LimitSettings(marketing_per_day=2)
    engine = msgspec.structs.replace(gateway.engine, limits=limits)
    async with run(msgspec.structs.replace(gateway, engine=engine)) as client:
        ends = [await send(client, category="marketing") for _ in range(3)]
        assert [told["status"] for told in ends] == ["queued", "queued", "suppressed"]
        assert ends[-1]["reason"] == "2 marketing messages in 24 hours to one person"
        assert (await send(client))["status"] == "queued"


async def test_person_opts_out_and_in_by_reply(working_client, taken):
    client = working_client
    await client.call_webhook({"id": "1", "from": ADDRESS, "text": "Sair, por favor!"})
    entry = await client.wait_for(PATH, address=ADDRESS, category="marketing")
    assert (entry["reason"], entry["source"], entry["channel"]) == ("opt_out", "reply", "sms")
    assert (await send(client, text="no more"))["status"] == "suppressed"
    await client.call_webhook({"id": "2", "from": ADDRESS, "text": "voltar"})
    back = await client.wait_for("/v1/consents", act="opt_in")
    assert (back["address"], back["keyword"], back["source"]) == (ADDRESS, "VOLTAR", "reply")
    await client.wait_for(f"/v1/messages/{back['confirmation_id']}", status="sent")
    assert await listed(client) == []
    assert "no more" not in taken
    assert len(taken) == 2  # the two confirmations


# ---------------------------------------------------------------- asking the checks


async def test_check_tells_who_may_get_a_message_and_why_not(quiet_client):
    await add(quiet_client, reason="opt_out")
    answer = await quiet_client.post(
        f"{PATH}/check",
        json={
            "channel": "sms",
            "category": "marketing",
            "recipients": [
                {"address": ADDRESS},
                {"address": "(11) 90000-0002", "document": DOCUMENT},
                {"address": "nobody"},
                {"address": OTHER, "document": "1"},
                {"address": "+351910000001"},
            ],
        },
    )
    assert answer.status_code == 200
    out, quiet, nobody, nothing, abroad = answer.json()["results"]
    assert (out["address"], out["allowed"]) == (ADDRESS, False)
    assert out["reasons"][0] == {"check": "suppressions", "reason": "opt_out"}
    assert (quiet["address"], quiet["allowed"]) == (OTHER, False)
    (reason,) = quiet["reasons"]
    assert reason["check"] == "quiet_hours"
    assert datetime.fromisoformat(reason["until"]) > datetime(2030, 1, 7, tzinfo=UTC)
    assert [each["check"] for each in nobody["reasons"]] == ["address"]
    assert [each["check"] for each in nothing["reasons"]] == ["document"]
    assert abroad["allowed"] is False  # it is Sunday there too
    assert (await quiet_client.get("/v1/messages")).json()["items"] == []


async def test_check_needs_only_addresses(client):
    answer = await client.post(f"{PATH}/check", json={"recipients": [{"address": ADDRESS}]})
    assert answer.json() == {"results": [{"address": ADDRESS, "allowed": True, "reasons": []}]}


async def test_check_takes_ten_thousand(client):
    recipients = [{"address": f"+55119{number:08}"} for number in range(10_000)]
    await add(client, address="+5511900009999")
    answer = await client.post(f"{PATH}/check", json={"recipients": recipients})
    told = answer.json()["results"]
    assert [each["address"] for each in told] == [each["address"] for each in recipients]
    assert [each["address"] for each in told if not each["allowed"]] == ["+5511900009999"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/recipients"),
        ({"recipients": []}, "/recipients"),
        ({"recipients": [{"address": ADDRESS}] * 10_001}, "/recipients"),
        ({"recipients": [{"document": "x"}]}, "/recipients/0/address"),
        ({"recipients": [{"address": ADDRESS, "to": "x"}]}, "/recipients/0/to"),
        ({"recipients": [{"address": ADDRESS}], "channel": "telex"}, "/channel"),
        ({"recipients": [{"address": ADDRESS}], "category": "spam"}, "/category"),
    ],
)
async def test_question_that_is_wrong_as_a_whole_is_refused(client, body, pointer):
    answer = await client.post(f"{PATH}/check", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
