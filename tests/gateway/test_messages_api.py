from datetime import UTC, datetime, timedelta

import pytest

TO = "+5511900000001"
SMS = {"to": TO, "text": "Oi, {{ name }}!", "variables": {"name": "Ana"}}


async def send(client, **fields):
    answer = await client.post("/v1/messages", json={"to": TO, "text": "oi"} | fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def is_moment_with_offset(text):
    return datetime.fromisoformat(text).tzinfo is not None


# ---------------------------------------------------------------- sending


async def test_message_is_accepted_with_what_the_client_needs_to_know(client):
    answer = await client.post("/v1/messages", json=SMS | {"reference": "order-17"})
    assert answer.status_code == 202
    assert answer.headers["Content-Type"] == "application/json"
    told = answer.json()
    expected = {
        "status": "queued",
        "channel": "sms",
        "to": TO,
        "account": "main",
        "segments": 1,
        "encoding": "gsm7",
        "category": "transactional",
        "reference": "order-17",
        "scheduled_at": None,
    }
    assert {name: told[name] for name in expected} == expected
    assert is_moment_with_offset(told["created_at"])


async def test_accepted_message_is_found_with_its_text_rendered(client):
    sent = (await client.post("/v1/messages", json=SMS)).json()
    found = (await client.get(f"/v1/messages/{sent['id']}")).json()
    assert found["text"] == "Oi, Ana!"
    assert found["direction"] == "out"
    assert [event["type"] for event in found["events"]] == ["message.accepted"]
    assert found["attempts"] == []


async def test_national_number_is_read_in_the_default_region(client):
    assert (await send(client, to="(11) 90000-0001"))["to"] == TO


async def test_message_for_later_is_scheduled(client):
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    told = await send(client, scheduled_at=later)
    assert told["status"] == "scheduled"
    assert datetime.fromisoformat(told["scheduled_at"]) == datetime.fromisoformat(later)


async def test_worker_brings_a_message_to_the_provider(working_client):
    sent = await send(working_client)
    found = await working_client.wait_for(f"/v1/messages/{sent['id']}", status="sent")
    assert found["provider_ref"] == f"probe-{sent['id']}"
    (attempt,) = found["attempts"]
    assert attempt["account"] == "main"
    steps = [(event["from"], event["to"]) for event in found["events"]]
    assert steps[-1] == ("sending", "sent")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"text": "oi"}, ["/to"]),
        ({"to": 1, "text": "oi"}, ["/to"]),
        ({"to": TO}, ["/text"]),
        ({"to": TO, "text": "oi", "txt": "oi"}, ["/txt"]),
        ({"to": TO, "text": "oi", "a/b~c": 1}, ["/a~1b~0c"]),
        ({"to": TO, "text": "oi", "category": "spam"}, ["/category"]),
        ({"to": TO, "text": "oi", "channel": "telex"}, ["/channel"]),
        ({"to": TO, "text": "oi", "account": "absent"}, ["/account"]),
        ({"to": TO, "text": "oi", "media": [{"url": "x"}, {"url": 2}]}, ["/media/1/url"]),
        ({"to": TO, "text": "oi", "media": [{"type": "x"}]}, ["/media/0/url"]),
        ({"to": TO, "text": "oi", "scheduled_at": "2030-01-01T09:00:00"}, ["/scheduled_at"]),
        ({"to": "nobody", "text": "oi", "priority": 10}, ["/to", "/priority"]),
        ([], [""]),
        ("oi", [""]),
        (1, [""]),
    ],
)
async def test_invalid_message_is_answered_with_pointers_to_its_faults(client, body, pointers):
    answer = await client.post("/v1/messages", json=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "/problems/invalid"
    assert problem["status"] == 422
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert all(error["detail"] for error in problem["errors"])
    assert (await client.get("/v1/messages")).json()["items"] == []


# ---------------------------------------------------------------- batches


async def test_bad_item_spoils_no_other_of_its_batch(client):
    items = [{"to": TO, "text": "um"}, {"to": "x", "text": "dois"}, {"to": TO}, {"text": 4}]
    answer = await client.post("/v1/messages/batch", json={"messages": items})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["rejected"], told["suppressed"]) == (1, 3, 0)
    assert [result["index"] for result in told["results"]] == [0, 1, 2, 3]
    assert [result["status"] for result in told["results"]] == ["queued"] + ["rejected"] * 3
    assert [bool(result.get("error")) for result in told["results"]] == [False, True, True, True]
    listed = await client.get("/v1/messages", params={"batch_id": told["batch_id"]})
    assert [item["id"] for item in listed.json()["items"]] == [told["results"][0]["id"]]


async def test_defaults_of_a_batch_fill_what_its_items_leave_open(client):
    body = {
        "defaults": {"text": "Oi, {{ name }}", "category": "marketing"},
        "messages": [
            {"to": TO, "variables": {"name": "Ana"}},
            {"to": TO, "text": "Tchau", "category": "otp"},
        ],
    }
    await client.post("/v1/messages/batch", json=body)
    listed = (await client.get("/v1/messages")).json()["items"]
    assert {(item["text"], item["category"]) for item in listed} == {
        ("Oi, Ana", "marketing"),
        ("Tchau", "otp"),
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"messages": []}, "/messages"),
        ({"messages": {}}, "/messages"),
        ({}, "/messages"),
        ({"messages": [{"to": TO, "text": "oi"}], "default": {}}, "/default"),
        ({"messages": [{"to": TO, "text": "oi"}], "defaults": {"to": TO}}, "/defaults/to"),
        ({"messages": [{"to": TO, "text": "oi"}] * 10_001}, "/messages"),
    ],
)
async def test_batch_that_is_wrong_as_a_whole_is_refused(client, body, pointer):
    answer = await client.post("/v1/messages/batch", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_batch_takes_ten_thousand(client):
    items = [{"to": TO, "text": str(index)} for index in range(10_000)]
    answer = await client.post("/v1/messages/batch", json={"messages": items})
    assert answer.json()["accepted"] == 10_000


# ---------------------------------------------------------------- lists


async def test_list_is_read_page_by_page_from_the_newest(client):
    sent = [(await send(client, text=str(number)))["id"] for number in range(5)]
    found, cursor, pages = [], None, 0
    while True:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/messages", params=parameters)).json()
        assert set(page) == {"items", "next_cursor"}
        found += [item["id"] for item in page["items"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == sent[::-1]
    assert pages == 3


async def test_filters_choose_among_messages(client):
    one = await send(client, reference="order-17", account="plain")
    other = await send(client, to="+5511900000002")
    await client.post(f"/v1/messages/{other['id']}/cancel")

    async def found(**parameters):
        listed = await client.get("/v1/messages", params=parameters)
        assert listed.status_code == 200, listed.text
        return [item["id"] for item in listed.json()["items"]]

    assert await found(status="canceled") == [other["id"]]
    assert await found(direction="out") == [other["id"], one["id"]]
    assert await found(direction="in") == []
    assert await found(channel="sms", account="plain") == [one["id"]]
    assert await found(to="+5511900000002") == [other["id"]]
    assert await found(reference="order-17") == [one["id"]]
    assert await found(campaign_id="none") == []
    assert await found(since=other["created_at"]) == [other["id"]]
    assert await found(until=other["created_at"]) == [one["id"]]
    assert await found(status="") == [other["id"], one["id"]]


async def test_plus_that_was_not_escaped_is_read_as_one(client):
    sent = await send(client)
    since = "2020-01-01T00:00:00+00:00"
    listed = await client.get(f"/v1/messages?to={TO}&since={since}")
    assert [item["id"] for item in listed.json()["items"]] == [sent["id"]]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=lost", "/status"),
        ("direction=up", "/direction"),
        ("since=yesterday", "/since"),
        ("until=2030-01-01T00:00:00", "/until"),
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("limit=ten", "/limit"),
        ("cursor=a", "/cursor"),
        ("cursor=%20!", "/cursor"),
        ("stauts=sent", "/stauts"),
        ("status=sent&status=failed", "/status"),
        ("&".join(f"a{number}=1" for number in range(101)), ""),
    ],
)
async def test_bad_filter_is_refused_by_name(client, query, pointer):
    answer = await client.get(f"/v1/messages?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


# ---------------------------------------------------------------- one message


async def test_queued_message_can_be_taken_back_once(client):
    sent = await send(client)
    answer = await client.post(f"/v1/messages/{sent['id']}/cancel")
    assert answer.status_code == 200
    assert answer.json()["status"] == "canceled"
    again = await client.post(f"/v1/messages/{sent['id']}/cancel")
    assert again.status_code == 409
    assert again.json()["type"] == "/problems/conflict"


async def test_message_in_good_standing_is_not_resent(client):
    sent = await send(client)
    answer = await client.post(f"/v1/messages/{sent['id']}/resend")
    assert answer.status_code == 409


async def test_undelivered_message_is_sent_anew_and_linked_to_the_old(working_client):
    client = working_client
    sent = await send(client)
    path = f"/v1/messages/{sent['id']}"
    await client.wait_for(path, status="sent")
    await client.call_webhook({"ref": f"probe-{sent['id']}", "status": "undelivered"})
    await client.wait_for(path, status="undelivered")
    answer = await client.post(f"{path}/resend")
    assert answer.status_code == 202
    assert answer.json()["resend_of"] == sent["id"]
    assert answer.json()["id"] != sent["id"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", "/cancel"), ("POST", "/resend")]
)
async def test_message_that_is_not_there_is_not_found(client, method, path):
    answer = await client.request(method, f"/v1/messages/absent{path}")
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/not-found"
