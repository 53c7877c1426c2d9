"""The calls about campaigns: what is taken, what is refused, and who may make them."""

import base64
import csv
import io
from datetime import datetime

import pytest
from recado_gateway.endpoints import FILE_LIMIT

PATH = "/v1/campaigns"
FILE = "telefone;nome\n+5511900000001;Ana\n11900000002;João\n+5511900000001;Ana\n12;Rui\n"
NDJSON = '{"to": "+5511900000001", "nome": "Ana"}\n{"to": "+5511900000002", "nome": "João"}\n'
REQUEST = {"name": "Spring", "text": "Oi, {{ nome }}!", "account": "main"}
ACTS = ["start", "pause", "resume", "cancel"]


async def make(client, **fields):
    answer = await client.post(PATH, json=REQUEST | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def give(client, campaign, file=FILE, **headers):
    path = f"{PATH}/{campaign['id']}/recipients"
    return await client.post(path, content=file.encode(), headers=headers)


async def ask(client, campaign, what, method="POST", **options):
    return await client.request(method, f"{PATH}/{campaign['id']}/{what}", **options)


@pytest.fixture
async def campaign(client):
    """A campaign with two recipients, a repeat and a number that is none."""
    made = await make(client)
    assert (await give(client, made)).status_code == 200
    return made


def pointers(answer):
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


# ---------------------------------------------------------------- making and finding


async def test_campaign_is_made_and_found(client):
    made = await make(client, cost_centre="sales", throttle="100/1s", variables={"nome": "você"})
    assert (made["name"], made["status"], made["category"]) == ("Spring", "draft", "marketing")
    assert made["variables"] == {"nome": "você"}
    assert made["recipients"]["total"] == 0
    assert datetime.fromisoformat(made["created_at"]).tzinfo is not None
    assert (await client.get(f"{PATH}/{made['id']}")).json() == made
    assert (await client.get(PATH)).json() == {"items": [made], "next_cursor": None}


async def test_campaigns_are_listed_by_pages_and_by_what_they_are(client):
    names = ["one", "two", "one"]
    made = [await make(client, name=name) for name in names]
    first = (await client.get(PATH, params={"limit": 2})).json()
    assert [item["id"] for item in first["items"]] == [made[2]["id"], made[1]["id"]]
    rest = (await client.get(PATH, params={"cursor": first["next_cursor"]})).json()
    assert [item["id"] for item in rest["items"]] == [made[0]["id"]]
    for query, expected in (("name=one", 2), ("status=draft", 3), ("status=running", 0)):
        assert len((await client.get(f"{PATH}?{query}")).json()["items"]) == expected, query


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"text": None}, "/text"),
        ({"template": "x"}, "/template"),
        ({"throttle": "fast"}, "/throttle"),
        ({"account": "absent"}, "/account"),
        ({"channel": "telex"}, "/channel"),
        ({"priority": 10}, "/priority"),
        ({"scheduled_at": "2030-01-01T00:00:00"}, "/scheduled_at"),
        ({"to": "+5511900000001"}, "/to"),
    ],
)
async def test_what_is_wrong_with_a_campaign_is_named(client, fields, pointer):
    answer = await client.post(PATH, json=REQUEST | fields)
    assert pointer in pointers(answer)
    assert (await client.get(PATH)).json()["items"] == []


async def test_same_call_twice_makes_one_campaign(client):
    headers = {"Idempotency-Key": "spring"}
    first, again = [await client.post(PATH, json=REQUEST, headers=headers) for _ in range(2)]
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len((await client.get(PATH)).json()["items"]) == 1


# ---------------------------------------------------------------- the audience


async def test_file_is_taken_and_what_is_wrong_is_told_by_line(client, campaign):
    report = (await give(client, campaign)).json()
    counts = ("rows", "accepted", "duplicates", "invalid", "more")
    assert [report[name] for name in counts] == [4, 2, 1, 1, 0]
    assert [(fault["line"], fault["column"]) for fault in report["faults"]] == [
        (4, "address"),
        (5, "address"),
    ]
    seen = (await client.get(f"{PATH}/{campaign['id']}")).json()["recipients"]
    assert seen == {"total": 4, "valid": 2, "duplicates": 1, "invalid": 1, "unfinished": 0}


@pytest.mark.parametrize(
    ("file", "media_type"),
    [
        (FILE, "text/csv; charset=utf-8"),
        (FILE, "application/csv"),
        (FILE, "application/octet-stream"),
        (NDJSON, "application/x-ndjson"),
        (NDJSON, "application/ndjson"),
        (NDJSON, "application/jsonl"),
        (NDJSON, "text/plain"),
        (NDJSON, ""),
    ],
)
async def test_what_a_file_is_follows_from_its_type_or_is_found_out(client, file, media_type):
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await give(client, await make(client), file, **headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 2


async def test_file_is_what_it_says_it_is(client):
    headers = {"Content-Type": "text/csv"}
    answer = await give(client, await make(client), NDJSON, **headers)
    assert answer.status_code == 422 or answer.json()["accepted"] == 0


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data; boundary=x"])
async def test_file_of_another_type_is_refused_with_what_to_send(client, campaign, media_type):
    answer = await give(client, campaign, FILE, **{"Content-Type": media_type})
    assert answer.status_code == 415
    assert "text/csv or application/x-ndjson" in answer.json()["detail"]


async def test_announced_file_beyond_the_limit_is_refused_unread(client, campaign):
    headers = {"Content-Length": str(FILE_LIMIT + 1)}

    async def unread():
        raise AssertionError("the body is not to be read")
        yield b""

    path = f"{PATH}/{campaign['id']}/recipients"
    answer = await client.post(path, content=unread(), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


async def test_same_file_again_is_told_of_as_before_and_adds_nobody(client, campaign):
    first, again = [(await give(client, campaign)).json() for _ in range(2)]
    assert again == first
    seen = (await client.get(f"{PATH}/{campaign['id']}")).json()["recipients"]
    assert seen["total"] == 4


async def test_audience_of_a_campaign_that_runs_does_not_grow(client, campaign):
    assert (await ask(client, campaign, "start")).status_code == 200
    answer = await give(client, campaign, "+5511900000003\n")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


async def test_file_without_recipients_is_refused(client):
    campaign = await make(client)
    for file in ("", "telefone\n"):
        assert (await give(client, campaign, file)).status_code == 422
    assert (await client.get(f"{PATH}/{campaign['id']}")).json()["recipients"]["total"] == 0


async def test_recipients_are_listed_by_pages_and_by_status(client, campaign):
    path = f"{PATH}/{campaign['id']}/recipients"
    page = (await client.get(path, params={"limit": 3})).json()
    rest = (await client.get(path, params={"cursor": page["next_cursor"]})).json()
    told = [(each["line"], each["status"]) for each in page["items"] + rest["items"]]
    assert told == [(2, "pending"), (3, "pending"), (4, "duplicate"), (5, "invalid")]
    assert rest["next_cursor"] is None
    (only,) = (await client.get(path, params={"status": "invalid"})).json()["items"]
    assert only["line"] == 5
    assert only["fault"]


async def test_cursor_of_recipients_is_of_its_list_alone(client, campaign):
    path = f"{PATH}/{campaign['id']}/recipients"
    of_campaigns = base64.urlsafe_b64encode(campaign["id"].encode()).decode().rstrip("=")
    page = (await client.get(path, params={"limit": 1, "status": "pending"})).json()
    for cursor in (of_campaigns, page["next_cursor"]):
        answer = await client.get(path, params={"cursor": cursor})
        assert (answer.status_code, pointers(answer)) == (422, ["/cursor"])


async def test_recipients_of_an_unknown_status_are_refused(client, campaign):
    answer = await client.get(f"{PATH}/{campaign['id']}/recipients?status=happy")
    assert pointers(answer) == ["/status"]


# ---------------------------------------------------------------- trying and sending


async def test_dry_run_tells_what_it_would_come_to_and_sends_nothing(client, campaign):
    await client.post("/v1/suppressions", json={"address": "+5511900000002", "reason": "opt_out"})
    told = (await ask(client, campaign, "dry-run")).json()
    counts = ("recipients", "messages", "suppressed", "faulty", "segments")
    assert [told[name] for name in counts] == [2, 1, 1, 0, 1]
    (why,) = told["suppressions"]
    assert (why["check"], why["reason"], why["count"]) == ("suppressions", "opt_out", 1)
    assert "90000000" not in str(why)
    assert (await client.get("/v1/messages")).json()["items"] == []


async def test_test_goes_to_the_first_five_who_are_not_sent_to_again(working_client):
    client = working_client
    campaign = await make(client)
    rows = "".join(f"+551190000000{number},P{number}\n" for number in range(7))
    await give(client, campaign, f"telefone,nome\n{rows}")
    tried = await ask(client, campaign, "test")
    assert tried.status_code == 200, tried.text
    assert [each["line"] for each in tried.json()["recipients"]] == [2, 3, 4, 5, 6]
    assert (await ask(client, campaign, "start")).status_code == 200
    await client.wait_for(f"{PATH}/{campaign['id']}", status="finished")
    sent = (await client.get("/v1/messages", params={"campaign_id": campaign["id"]})).json()
    assert sorted(item["text"] for item in sent["items"]) == [f"Oi, P{n}!" for n in range(7)]


async def test_campaign_is_paused_resumed_and_canceled(client, campaign):
    for act, status in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "canceled"),
    ):
        answer = await ask(client, campaign, act)
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == status
    answer = await ask(client, campaign, "resume")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


async def test_what_is_not_there_is_not_found(client):
    missing = {"id": "absent"}
    calls = [("POST", act) for act in (*ACTS, "test", "dry-run")]
    calls += [("GET", "recipients"), ("GET", "results.csv"), ("GET", "")]
    for method, what in calls:
        answer = await ask(client, missing, what, method)
        assert answer.status_code == 404, (what, answer.text)
    assert (await give(client, missing)).status_code == 404


# ---------------------------------------------------------------- results


def cells(answer):
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_results_have_every_line_of_the_file(client, campaign):
    answer = await ask(client, campaign, "results.csv", "GET")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert [(row["line"], row["address"], row["status"]) for row in cells(answer)] == [
        ("2", "+5511900000001", "pending"),
        ("3", "+5511900000002", "pending"),
        ("4", "+5511900000001", "duplicate"),
        ("5", "12", "invalid"),
    ]


async def test_no_cell_of_the_results_is_a_formula(client):
    campaign = await make(client, text="{{ nome }}")
    await give(client, campaign, 'telefone,nome\n+5511900000001,=1+1\n"=cmd|x",x\n')
    await ask(client, campaign, "test")
    first, second = cells(await ask(client, campaign, "results.csv", "GET"))
    assert (first["address"], first["text"]) == ("+5511900000001", "'=1+1")
    assert second["address"] == "'=cmd|x"


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize("what", [*ACTS, "test"])
async def test_only_who_manages_controls_campaigns(client, campaign, key_for, what):
    for scope in ("messages:send", "messages:read"):
        headers = await key_for(scope)
        answer = await ask(client, campaign, what, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")
    answer = await ask(client, campaign, what, headers=await key_for("manage"))
    assert answer.status_code in {200, 409}


async def test_who_reads_sees_campaigns_and_makes_none(client, campaign, key_for):
    headers = await key_for("messages:read")
    for path in (PATH, f"{PATH}/{campaign['id']}", f"{PATH}/{campaign['id']}/results.csv"):
        assert (await client.get(path, headers=headers)).status_code == 200
    assert (await client.post(PATH, json=REQUEST, headers=headers)).status_code == 403
    assert (await give(client, campaign, **headers)).status_code == 403
    assert (await ask(client, campaign, "dry-run", headers=headers)).status_code == 403
