import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

PATH = "/v1/schedules"
TO = "+5511900000001"
MESSAGE = {"to": TO, "text": "oi"}
DAILY = {"message": MESSAGE, "rrule": "FREQ=DAILY", "starts_at": "2199-03-08T09:00:00"}
NO_KEY = {"Authorization": ""}


async def add(client, **fields):
    answer = await client.post(PATH, json=DAILY | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def pointers(answer):
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


async def test_schedule_is_made_shown_and_listed(client):
    made = await add(client, name="x", timezone="America/New_York")
    assert made["next_at"] == "2199-03-08T09:00:00-05:00"
    assert (made["kind"], made["status"], made["misfire"]) == ("message", "active", "skip")
    assert made["message"] == MESSAGE
    assert (await client.get(f"{PATH}/{made['id']}")).json() == made
    for query, found in [("", [made]), ("?status=active", [made]), ("?kind=campaign", [])]:
        listed = (await client.get(f"{PATH}{query}")).json()
        assert listed == {"items": found, "next_cursor": None}


async def test_zone_is_the_gateway_s_unless_told(client):
    assert (await add(client))["timezone"] == "America/Sao_Paulo"


async def test_faults_of_the_message_are_told_at_once(client):
    for message, expected in [
        ({"to": "1", "text": "x"}, ["/message/to"]),
        ({"to": TO, "template": "absent"}, ["/message/template"]),
        ({"text": "x"}, ["/message/to"]),
        ({"to": TO, "text": 1}, ["/message/text"]),
        ({"to": TO, "text": "x", "other": 1}, ["/message/other"]),
    ]:
        assert pointers(await client.post(PATH, json=DAILY | {"message": message})) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"rrule": "FREQ=SECONDLY"}, ["/rrule"]),
        ({"rrule": 1}, ["/rrule"]),
        ({"misfire": "perhaps"}, ["/misfire"]),
        ({"timezone": "Mars"}, ["/timezone"]),
        ({"starts_at": "soon"}, ["/starts_at"]),
        ({"campaign_id": "x"}, ["/message"]),
        ({"other": 1}, ["/other"]),
    ],
)
async def test_what_makes_no_schedule_is_refused(client, fields, expected):
    assert pointers(await client.post(PATH, json=DAILY | fields)) == expected
    assert (await client.get(PATH)).json()["items"] == []


async def test_schedule_is_changed_paused_resumed_and_deleted(client):
    path = f"{PATH}/{(await add(client))['id']}"
    changed = await client.patch(path, json={"rrule": "FREQ=WEEKLY", "name": "y"})
    assert (changed.json()["rrule"], changed.json()["name"]) == ("FREQ=WEEKLY", "y")
    assert pointers(await client.patch(path, json={"rrule": "x"})) == ["/rrule"]
    assert pointers(await client.patch(path, json={"status": "paused"})) == ["/status"]
    for _ in range(2):
        paused = await client.post(f"{path}/pause")
        assert (paused.status_code, paused.json()["status"]) == (200, "paused")
        assert paused.json()["next_at"] is None
    for _ in range(2):
        resumed = await client.post(f"{path}/resume")
        assert (resumed.json()["status"], resumed.json()["next_at"]) == (
            "active",
            "2199-03-08T09:00:00-03:00",
        )
    assert (await client.delete(path)).status_code == 204
    for method, end in [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/occurrences"),
        ("POST", "/pause"),
        ("POST", "/resume"),
    ]:
        assert (await client.request(method, path + end)).status_code == 404
    assert (await client.patch(path, json={})).status_code == 404


async def test_occurrences_are_told_with_the_offset_of_their_day(client):
    made = await add(client, timezone="America/New_York")
    path = f"{PATH}/{made['id']}/occurrences"
    answer = await client.get(path, params={"limit": 3})
    assert answer.json() == {
        "items": [
            "2199-03-08T09:00:00-05:00",
            "2199-03-09T09:00:00-05:00",
            "2199-03-10T09:00:00-04:00",
        ],
        "next_cursor": None,
    }
    assert len((await client.get(path)).json()["items"]) == 10
    for limit in ("0", "101", "x"):
        assert pointers(await client.get(path, params={"limit": limit})) == ["/limit"]


async def test_schedules_are_read_as_messages_and_kept_as_campaigns(client, key_for):
    reads, manages = await key_for("messages:read"), await key_for("manage")
    sends = await key_for("messages:send")
    for headers, listed, made in [
        (reads, 200, 403),
        (sends, 403, 403),
        (manages, 200, 201),
        (NO_KEY, 401, 401),
    ]:
        assert (await client.get(PATH, headers=headers)).status_code == listed
        assert (await client.post(PATH, json=DAILY, headers=headers)).status_code == made


async def test_the_same_call_twice_makes_one_schedule(client):
    headers = {"Idempotency-Key": "k"}
    first = await client.post(PATH, json=DAILY, headers=headers)
    second = await client.post(PATH, json=DAILY, headers=headers)
    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_schedule_is_sent_in_time(working_client):
    client = working_client
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    answer = await client.post(PATH, json={"message": MESSAGE, "scheduled_at": at.isoformat()})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    done = await client.wait_for(PATH, id=made["id"], status="finished")
    assert (done["runs"], done["error"]) == (1, None)
    (message,) = (await client.get("/v1/messages")).json()["items"]
    assert message["metadata"]["schedule_id"] == made["id"]


async def test_every_rule_of_the_page_is_taken(client):
    page = Path(__file__).parents[2] / "docs" / "schedules.md"
    rules = re.findall(r"^\| `(FREQ=[^`]+)` \|", page.read_text("utf-8"), re.MULTILINE)
    assert len(rules) == 8
    for rule in rules:
        made = await add(client, rrule=rule, starts_at="2029-01-01T00:00:00")
        assert made["rrule"] == rule
