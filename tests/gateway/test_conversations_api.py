import msgspec
import pytest

ANA, BIA = "+5511900000001", "+5511900000002"
AGENT = "ana@example.com"


@pytest.fixture
async def conversation(client):
    """The conversation that a person has begun by writing "oi"."""
    await client.write("oi", ANA)
    (found,) = (await client.get("/v1/conversations")).json()["items"]
    return found


def path_of(conversation):
    return f"/v1/conversations/{conversation['id']}"


async def test_message_of_a_person_opens_a_conversation(client, conversation):
    assert conversation == (await client.get(path_of(conversation))).json()
    told = {name: conversation[name] for name in ("account", "channel", "address", "status")}
    assert told == {"account": "main", "channel": "sms", "address": ANA, "status": "new"}
    assert (conversation["agent"], conversation["unread"]) == (None, 1)
    assert conversation["last_received_at"] == conversation["last_activity"]
    assert conversation["last_sent_at"] is None


async def test_conversations_are_listed_by_what_is_asked_for(client, conversation):
    await client.write("olá", BIA)
    await client.patch(path_of(conversation), json={"agent": AGENT})

    async def listed(query):
        answer = await client.get(f"/v1/conversations?{query}")
        assert answer.status_code == 200, answer.text
        return {item["address"] for item in answer.json()["items"]}

    assert await listed("") == {ANA, BIA}
    assert await listed("status=current") == await listed(f"agent={AGENT}") == {ANA}
    assert await listed("status=new") == await listed("address=%2B5511900000002") == {BIA}
    assert await listed("address=+5511900000002") == {BIA}
    assert await listed("address=(11) 90000-0002") == {BIA}
    assert await listed("account=plain") == await listed("channel=email") == set()
    assert await listed("agent=%00") == set()


async def test_conversations_are_read_page_by_page(client):
    people = [f"+551190000000{index}" for index in range(5)]
    for person in people:
        await client.write("oi", person)
    found, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"/v1/conversations?limit=2&cursor={cursor}")).json()
        assert len(page["items"]) <= 2
        found += [item["address"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == people[::-1]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=open", "/status"),
        ("limit=0", "/limit"),
        ("cursor=x", "/cursor"),
        ("cursor=WyIyMDMwIiwieCJd", "/cursor"),
        ("people=x", "/people"),
    ],
)
async def test_list_refuses_what_it_does_not_know(client, query, pointer):
    answer = await client.get(f"/v1/conversations?{query}")
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_conversation_is_given_to_an_agent_closed_and_opened_again(client, conversation):
    async def change(**fields):
        answer = await client.patch(path_of(conversation), json=fields)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found == (await client.get(path_of(conversation))).json()
        return found["status"], found["agent"], found["unread"]

    assert await change() == ("new", None, 1)
    assert await change(agent=AGENT) == ("current", AGENT, 1)
    assert await change(unread=0) == ("current", AGENT, 0)
    assert await change(status="done") == ("done", AGENT, 0)
    await client.write("oi de novo", ANA)
    assert await change() == ("new", None, 1)
    assert await change(status="current", agent=AGENT) == ("current", AGENT, 1)
    assert await change(agent=None) == ("new", None, 1)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"status": "current"}, "/agent"),
        ({"status": "new", "agent": AGENT}, "/agent"),
        ({"status": "open"}, "/status"),
        ({"status": None}, "/status"),
        ({"agent": ""}, "/agent"),
        ({"agent": "a\nb"}, "/agent"),
        ({"agent": "x" * 121}, "/agent"),
        ({"agent": 7}, "/agent"),
        ({"unread": 1}, "/unread"),
        ({"unread": None}, "/unread"),
        ({"address": BIA}, "/address"),
        (None, ""),
        ([], ""),
    ],
)
async def test_change_that_can_not_be_is_refused(client, conversation, body, pointer):
    answer = await client.patch(path_of(conversation), content=msgspec.json.encode(body))
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert (await client.get(path_of(conversation))).json() == conversation


async def test_change_without_a_body_is_malformed(client, conversation):
    answer = await client.patch(path_of(conversation))
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-body"


async def test_agent_answers_where_the_person_wrote(client, conversation):
    path = f"{path_of(conversation)}/messages"
    answer = await client.post(path, json={"text": "olá", "reference": "ticket-7"})
    assert answer.status_code == 202, answer.text
    sent = answer.json()
    assert (sent["to"], sent["account"], sent["status"]) == (ANA, "main", "queued")
    page = (await client.get(path)).json()
    assert [(item["direction"], item["text"]) for item in page["items"]] == [
        ("out", "olá"),
        ("in", "oi"),
    ]
    assert page["items"][0]["priority"] > 5  # a person waits for it
    found = (await client.get(path_of(conversation))).json()
    assert (found["unread"], found["status"]) == (0, "new")
    assert found["last_sent_at"] is not None


async def test_messages_of_a_conversation_are_read_page_by_page(client, conversation):
    for index in range(3):
        await client.write(str(index), ANA)
    path = f"{path_of(conversation)}/messages?limit=3"
    first = (await client.get(path)).json()
    rest = (await client.get(f"{path}&cursor={first['next_cursor']}")).json()
    assert [item["text"] for item in first["items"] + rest["items"]] == ["2", "1", "0", "oi"]
    assert rest["next_cursor"] is None
    assert (await client.get(f"{path}&cursor=x")).status_code == 422


async def test_answer_that_can_not_be_sent_is_refused(client, conversation):
    path = f"{path_of(conversation)}/messages"
    for body, pointer in [({}, "/text"), ({"text": ""}, "/text"), ({"to": BIA}, "/to")]:
        answer = await client.post(path, json=body)
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert (await client.get(path_of(conversation))).json()["unread"] == 1


async def test_answer_to_who_opted_out_is_suppressed(client, conversation):
    await client.post("/v1/suppressions", json={"address": ANA, "reason": "complaint"})
    answer = await client.post(f"{path_of(conversation)}/messages", json={"text": "olá"})
    assert (answer.status_code, answer.json()["status"]) == (202, "suppressed")


async def test_first_message_to_a_person_opens_a_conversation_too(client):
    await client.post("/v1/messages", json={"to": BIA, "text": "oi"})
    (found,) = (await client.get("/v1/conversations")).json()["items"]
    assert (found["address"], found["status"], found["unread"]) == (BIA, "new", 0)


@pytest.mark.parametrize("name", ["absent", "%00", "%ff%fe", "x" * 500, "%F0%9F%99%82"])
async def test_conversation_that_is_not_there_is_not_found(client, name):
    path = f"/v1/conversations/{name}"
    answers = [
        await client.get(path),
        await client.patch(path, json={"status": "done"}),
        await client.get(f"{path}/messages"),
        await client.post(f"{path}/messages", json={"text": "oi"}),
    ]
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/not-found"


async def test_conversations_need_the_scopes_of_messages(client, conversation, key_for):
    path = path_of(conversation)
    reads, sends = await key_for("messages:read"), await key_for("messages:send")
    calls = [
        (reads, "GET", "/v1/conversations", None),
        (reads, "GET", path, None),
        (reads, "GET", f"{path}/messages", None),
        (sends, "PATCH", path, {"unread": 0}),
        (sends, "POST", f"{path}/messages", {"text": "oi"}),
    ]
    for allowed, method, called, body in calls:
        for headers in (reads, sends, {"Authorization": ""}):
            answer = await client.request(method, called, json=body, headers=headers)
            assert answer.is_success is (headers is allowed), (method, called)
            assert answer.is_success or answer.status_code in {401, 403}
