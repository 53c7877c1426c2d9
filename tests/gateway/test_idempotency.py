import anyio
import pytest

MESSAGE = {"to": "+5511900000001", "text": "oi"}
ANSWER = "/v1/conversations/{conversation}/messages"
CREATING = [
    ("/v1/messages", MESSAGE, MESSAGE | {"to": "+5511900000002"}, 202),
    ("/v1/messages/batch", {"messages": [MESSAGE, {"to": "x"}]}, {"messages": [MESSAGE]}, 202),
    (ANSWER, {"text": "olá"}, {"text": "adeus"}, 202),
    ("/v1/links", {"url": "https://example.com/a"}, {"url": "https://example.com/b"}, 201),
    (
        "/v1/schedules",
        {"message": MESSAGE, "rrule": "FREQ=DAILY"},
        {"message": MESSAGE, "rrule": "FREQ=WEEKLY"},
        201,
    ),
    ("/v1/suppressions", {"address": "+5511900000001"}, {"address": "+5511900000002"}, 201),
    ("/v1/api-keys", {"name": "a", "scopes": ["admin"]}, {"name": "b", "scopes": ["admin"]}, 201),
]
LISTED = (
    "/v1/messages?direction=out",
    "/v1/links",
    "/v1/schedules",
    "/v1/suppressions",
    "/v1/api-keys",
)


async def whole_path(client, path):
    """Return the path with the id of a conversation in it, where it wants one."""
    if path != ANSWER:
        return path
    await client.write("oi")
    (found,) = (await client.get("/v1/conversations")).json()["items"]
    return path.format(conversation=found["id"])


async def count(client):
    """Count what the calls of these tests make."""
    return sum([len((await client.get(path)).json()["items"]) for path in LISTED])


@pytest.mark.parametrize(("path", "body", "other", "status"), CREATING)
async def test_same_call_again_is_answered_alike_and_does_nothing(
    client, path, body, other, status
):
    assert body != other
    path, headers = await whole_path(client, path), {"Idempotency-Key": "order-17"}
    before = await count(client)
    first = await client.post(path, json=body, headers=headers)
    second = await client.post(path, json=body, headers=headers)
    assert first.status_code == second.status_code == status
    assert first.content == second.content
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await count(client) == before + 1


@pytest.mark.parametrize(("path", "body", "other", "status"), CREATING)
async def test_same_key_with_another_body_is_refused(client, path, body, other, status):
    path, headers = await whole_path(client, path), {"Idempotency-Key": "order-17"}
    assert (await client.post(path, json=body, headers=headers)).status_code == status
    made = await count(client)
    answer = await client.post(path, json=other, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/idempotency-mismatch"
    assert await count(client) == made


async def test_answers_in_two_conversations_have_nothing_to_do_with_each_other(client):
    await client.write("oi", "+5511900000001")
    await client.write("oi", "+5511900000002")
    headers = {"Idempotency-Key": "order-17"}
    one, other = [item["id"] for item in (await client.get("/v1/conversations")).json()["items"]]
    first = await client.post(ANSWER.format(conversation=one), json={"text": "a"}, headers=headers)
    assert first.status_code == 202
    answer = await client.post(
        ANSWER.format(conversation=other), json={"text": "a"}, headers=headers
    )
    assert answer.status_code == 422  # as for every other call: the key is of the first one


async def test_same_key_for_another_call_is_refused(client):
    headers = {"Idempotency-Key": "order-17"}
    sent = (await client.post("/v1/messages", json=MESSAGE, headers=headers)).json()
    answer = await client.post(f"/v1/messages/{sent['id']}/resend", headers=headers)
    assert answer.status_code == 422


async def test_keys_of_two_clients_have_nothing_to_do_with_each_other(client, key_for):
    headers = {"Idempotency-Key": "order-17"}
    one = await client.post("/v1/messages", json=MESSAGE, headers=headers)
    other = await client.post(
        "/v1/messages", json=MESSAGE, headers=headers | await key_for("messages:send")
    )
    assert "Idempotency-Replayed" not in other.headers
    assert one.json()["id"] != other.json()["id"]


async def test_refused_call_does_not_use_up_its_key(client):
    headers = {"Idempotency-Key": "order-17"}
    refused = await client.post("/v1/messages", json={"to": "x", "text": "oi"}, headers=headers)
    assert refused.status_code == 422
    answer = await client.post("/v1/messages", json=MESSAGE, headers=headers)
    assert answer.status_code == 202


async def test_calls_at_the_same_time_make_one_message(client):
    answers = []

    async def call():
        headers = {"Idempotency-Key": "order-17"}
        answers.append(await client.post("/v1/messages", json=MESSAGE, headers=headers))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(call)
    assert {answer.status_code for answer in answers} <= {202, 409}
    running = [answer for answer in answers if answer.status_code == 409]
    assert all(answer.json()["type"] == "/problems/idempotency-running" for answer in running)
    assert all(answer.headers["Retry-After"] == "1" for answer in running)
    assert len((await client.get("/v1/messages")).json()["items"]) == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ç", "a\tb"])
async def test_malformed_key_is_refused(client, key):
    answer = await client.post(
        "/v1/messages", json=MESSAGE, headers={b"Idempotency-Key": key.encode("latin-1")}
    )
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-idempotency-key"
    assert (await client.get("/v1/messages")).json()["items"] == []


async def test_key_that_comes_twice_is_refused(client):
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), *client.headers.items()]
    answer = await client.post("/v1/messages", json=MESSAGE, headers=headers)
    assert answer.status_code == 400


async def test_longest_key_is_taken(client):
    headers = {"Idempotency-Key": "~" * 255}
    assert (await client.post("/v1/messages", json=MESSAGE, headers=headers)).status_code == 202
