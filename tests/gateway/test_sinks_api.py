import base64

import msgspec
import pytest
from recado_core import WebhookReply

ANA, BIA = "+5511900000001", "+5511900000002"
NO_KEY = {"Authorization": ""}
MEGABYTE = 1024 * 1024


async def deliver(client):
    """Make the deliveries that are due, as the worker does."""
    for worker in client.engine.sinks.workers:
        await worker.drain()


@pytest.fixture
async def down(desk_settings, run):
    """A client of a gateway whose desk takes nothing."""
    settings = desk_settings('token = "desk-secret"', 'token = "desk-secret"\ntrouble = "down"')
    async with run(settings) as client:
        yield client


# ---------------------------------------------------------------- how they do


async def test_sinks_are_listed_with_what_waits(desk):
    await desk.write("oi")
    listed = (await desk.get("/v1/sinks")).json()
    assert listed["next_cursor"] is None
    assert [item["name"] for item in listed["items"]] == ["desk", "mute"]
    found = listed["items"][0]
    assert found == (await desk.get("/v1/sinks/desk")).json() | {"lag": found["lag"]}
    assert (found["kind"], found["status"], found["reason"]) == ("desk", "up", None)
    assert (found["pending"], found["dead"], found["delivered_at"]) == (1, 0, None)
    assert found["lag"] >= 0
    await deliver(desk)
    found = (await desk.get("/v1/sinks/desk")).json()
    assert (found["pending"], found["lag"]) == (0, 0)
    assert found["delivered_at"] is not None


async def test_sink_that_takes_nothing_is_told_with_its_reason(down):
    await down.write("oi")
    await deliver(down)
    found = (await down.get("/v1/sinks/desk")).json()
    assert (found["status"], found["reason"]) == ("down", "no connection to the desk")
    assert (found["pending"], found["dead"]) == (1, 0)
    (waiting,) = (await down.get("/v1/sinks/desk/deliveries")).json()["items"]
    assert (waiting["state"], waiting["attempts"]) == ("pending", 0)
    assert waiting["error"] == "no connection to the desk"
    assert waiting["due_at"] is not None


async def test_deliveries_are_listed_by_state_and_page_by_page(desk):
    for index in range(4):
        await desk.write("poison" if index == 2 else str(index))
    await deliver(desk)
    path = "/v1/sinks/desk/deliveries"
    (dead,) = (await desk.get(f"{path}?state=dead")).json()["items"]
    assert (dead["type"], dead["error"]) == ("message.received", "no such person")
    assert dead["due_at"] is None
    assert dead["settled_at"] is not None
    message = (await desk.get(f"/v1/messages/{dead['message_id']}")).json()
    assert message["text"] == "poison"
    assert (await desk.get(f"{path}?state=pending")).json()["items"] == []
    first = (await desk.get(f"{path}?limit=3")).json()
    rest = (await desk.get(f"{path}?limit=3&cursor={first['next_cursor']}")).json()
    ids = [item["id"] for item in first["items"] + rest["items"]]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), rest["next_cursor"]) == (4, None)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("state=lost", "/state"), ("limit=501", "/limit"), ("cursor=x", "/cursor"), ("a=b", "/a")],
)
async def test_list_of_deliveries_refuses_what_it_does_not_know(desk, query, pointer):
    answer = await desk.get(f"/v1/sinks/desk/deliveries?{query}")
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


# ---------------------------------------------------------------- replay


@pytest.mark.parametrize("path", ["/v1/sinks/desk/replay", "/v1/sinks/desk/deliveries/replay"])
@pytest.mark.parametrize("body", [b"", b"  ", b"{}", b'{"ids": null}'])
async def test_what_was_given_up_is_delivered_again(desk, path, body):
    await desk.write("poison")
    await deliver(desk)
    assert (await desk.get("/v1/sinks/desk")).json()["dead"] == 1
    answer = await desk.post(path, content=body)
    assert (answer.status_code, answer.json()) == (200, {"replayed": 1})
    found = (await desk.get("/v1/sinks/desk")).json()
    assert (found["pending"], found["dead"]) == (1, 0)


async def test_deliveries_are_made_again_by_their_ids(desk):
    for text in ("poison", "oi", "poison"):
        await desk.write(text)
    await deliver(desk)
    items = (await desk.get("/v1/sinks/desk/deliveries")).json()["items"]
    ids = [item["id"] for item in items[:2]]
    answer = await desk.post("/v1/sinks/desk/replay", json={"ids": [*ids, "absent", "\0"]})
    assert answer.json() == {"replayed": 2}
    assert (await desk.post("/v1/sinks/desk/replay", json={"ids": []})).json() == {"replayed": 0}
    assert (await desk.post("/v1/sinks/mute/replay", json={"ids": ids})).json() == {"replayed": 0}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ids": "x"}, "/ids"),
        ({"ids": [1]}, "/ids/0"),
        ({"ids": ["x"] * 1001}, "/ids"),
        ({"all": True}, "/all"),
        ([], ""),
    ],
)
async def test_replay_of_nonsense_is_refused(desk, body, pointer):
    answer = await desk.post("/v1/sinks/desk/replay", json=body)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_sink_that_is_not_there_is_not_found(desk):
    for name in ("absent", "%00", "%ff", "x" * 300):
        for method, path in [
            ("GET", f"/v1/sinks/{name}"),
            ("GET", f"/v1/sinks/{name}/deliveries"),
            ("POST", f"/v1/sinks/{name}/replay"),
            ("POST", f"/v1/sinks/{name}/deliveries/replay"),
        ]:
            answer = await desk.request(method, path)
            assert answer.status_code == 404
            assert answer.json()["type"] == "/problems/not-found"


async def test_looking_needs_one_scope_and_replaying_another(desk):
    async def key_for(*scopes):
        made = await desk.engine.keys.create("other", list(scopes))
        return {"Authorization": f"Bearer {made.token}"}

    reads, manages = await key_for("messages:read"), await key_for("manage")
    for path in ("/v1/sinks", "/v1/sinks/desk", "/v1/sinks/desk/deliveries"):
        assert (await desk.get(path, headers=reads)).status_code == 200
        assert (await desk.get(path, headers=await key_for("messages:send"))).status_code == 403
        assert (await desk.get(path, headers=NO_KEY)).status_code == 401
    for path in ("/v1/sinks/desk/replay", "/v1/sinks/desk/deliveries/replay"):
        assert (await desk.post(path, headers=manages)).status_code == 200
        assert (await desk.post(path, headers=reads)).status_code == 403
        assert (await desk.post(path, headers=NO_KEY)).status_code == 401


# ---------------------------------------------------------------- calls of the business system


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("called", "path"),
    [
        ("", ""),
        ("/", ""),
        ("/a", "a"),
        ("/a/b/", "a/b"),
        ("//a//b", "a/b"),
        ("/a%2fb", "a/b"),
        ("/%2e%2e/%2e%2e", "../.."),
        ("/%C3%A7", "ç"),
        ("/%ff%00", "\ufffd\0"),
    ],
)
async def test_call_reaches_the_sink_whole(desk, method, called, path):
    headers = {"X-Desk": "ç".encode("latin-1"), **NO_KEY}
    answer = await desk.request(
        method, f"/sinks/desk{called}?a=1&b=%00&a=2", content=b"\xff\0body", headers=headers
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    said = answer.json()
    assert (said["method"], said["path"]) == (method, path)
    assert base64.b64decode(said["body"]) == b"\xff\0body"
    assert said["query"] == {"a": "2", "b": "\0"}
    assert said["headers"]["x-desk"] == "ç"
    assert said["url"] == f"{desk.public_url}/sinks/desk{called}?a=1&b=%00&a=2"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 304, 400, 403, 404, 418, 500])
async def test_call_is_answered_exactly_as_the_sink_says(desk, status):
    answer = await desk.post(f"/sinks/desk/status/{status}", headers=NO_KEY)
    assert answer.status_code == status
    if status in {204, 304}:
        assert answer.content == b""
    else:
        assert (answer.headers["Content-Type"], answer.content) == ("text/x-desk", b"as said")
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("status", [0, 150, 600, 999])
async def test_status_that_ends_no_request_is_the_sinks_failure(desk, status):
    answer = await desk.post(f"/sinks/desk/status/{status}", headers=NO_KEY)
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal"
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "changes", [{"body": None}, {"body": "text"}, {"content_type": "text/plain; x=€"}]
)
async def test_answer_that_cannot_be_sent_is_the_sinks_failure(desk, monkeypatch, changes):
    async def handle(_request):
        return msgspec.structs.replace(WebhookReply(), **changes)

    monkeypatch.setattr(desk.engine.sinks.by_name["desk"].sink, "handle", handle)
    answer = await desk.post("/sinks/desk/a", headers=NO_KEY)
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("name", ["mute", "absent", "%00", "%ff", "x" * 300])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_call_of_a_sink_that_answers_none_is_not_found(desk, name, method):
    for below in ("", "/a/b"):
        answer = await desk.request(method, f"/sinks/{name}{below}", headers=NO_KEY)
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/not-found"


async def test_call_by_another_method_is_refused(desk):
    for method in ("PUT", "PATCH"):
        answer = await desk.request(method, "/sinks/desk", headers=NO_KEY)
        assert answer.status_code == 405
        assert {"GET", "POST", "DELETE"} <= set(answer.headers["Allow"].split(", "))


async def test_body_of_a_call_has_two_megabytes_at_most(desk):
    for method in ("POST", "DELETE"):
        fits = await desk.request(method, "/sinks/desk/a", content=b"x" * 2 * MEGABYTE)
        assert fits.status_code == 200
        answer = await desk.request(method, "/sinks/desk/a", content=b"x" * (2 * MEGABYTE + 1))
        assert answer.status_code == 413
        assert answer.json()["type"] == "/problems/too-large"


async def test_sink_that_breaks_or_hangs_is_answered_for_and_shows_no_secret(
    desk_settings, run, caplog
):
    settings = desk_settings('token = "desk-secret"', 'token = "desk-secret"\ntimeout = 0.05')
    async with run(settings) as client:
        broken = await client.post("/sinks/desk/break?token=url-secret", headers=NO_KEY)
        assert (broken.status_code, broken.headers["Content-Type"]) == (500, "application/json")
        late = await client.post("/sinks/desk/hang?token=url-secret", headers=NO_KEY)
        assert late.status_code == 503
        assert "secret" not in broken.text + late.text
    ours = [record for record in caplog.records if record.name.startswith("recado")]
    assert {record.getMessage() for record in ours} >= {
        "sink plugin broke on a call",
        "sink could not answer a call",
    }
    # The plugin's own words stand in the traceback; the gateway adds nothing of the call.
    assert "url-secret" not in "".join(f"{vars(record)}" for record in ours)


async def test_agents_message_is_sent_once_and_shown_in_its_conversation(desk):
    said = {"to": ANA, "text": "olá", "key": "odoo-7"}
    first = await desk.post("/sinks/desk/send", json=said, headers=NO_KEY)
    again = await desk.post("/sinks/desk/send", json=said, headers=NO_KEY)
    assert first.json() == again.json()
    (conversation,) = (await desk.get("/v1/conversations")).json()["items"]
    page = await desk.get(f"/v1/conversations/{conversation['id']}/messages")
    assert [item["id"] for item in page.json()["items"]] == [first.json()["message_id"]]
    refused = await desk.post("/sinks/desk/send", json=said | {"to": "12", "key": "8"})
    assert refused.json()["message_id"] is None
    assert refused.json()["refusal"]
    assert (await desk.post("/sinks/desk/addresses")).json() == [ANA]


async def test_person_s_message_reaches_the_sink_of_a_running_gateway(desk_settings, run):
    async with run(desk_settings(), worker=True) as client:
        await client.write("oi")
        await client.write("poison", BIA)
        await client.wait_for("/v1/sinks/desk/deliveries", state="delivered")
        await client.wait_for("/v1/sinks/desk/deliveries", state="dead", error="no such person")
        await client.wait_for("/v1/sinks", name="desk", status="up", pending=0, dead=1)


async def test_plugins_show_the_sinks_they_offer(desk):
    (probe,) = (await desk.get("/v1/plugins")).json()["items"]
    assert "desk" in msgspec.json.encode(probe).decode()
