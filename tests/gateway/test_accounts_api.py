from datetime import datetime

import jsonschema
import pytest


async def test_accounts_are_listed_with_what_they_can_do(client):
    listed = (await client.get("/v1/accounts")).json()
    assert [item["name"] for item in listed["items"]] == ["main", "plain", "troubled"]
    assert listed["next_cursor"] is None
    main = listed["items"][0]
    assert main["provider"] == "probe"
    assert main["channels"] == ["sms"]
    assert main["status"] == "active"
    assert main["capabilities"]["max_batch"] == 100
    assert (await client.get("/v1/accounts/main")).json() == main


async def test_secrets_of_an_account_are_not_shown(client):
    token = client.engine.accounts.webhook_path("main").rpartition("/")[2]
    for path in ("/v1/accounts", "/v1/accounts/main", "/v1/plugins", "/health/ready"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "probe-secret" not in answer.text
        assert token not in answer.text


@pytest.mark.parametrize(
    ("body", "reason"),
    [({}, "paused by an operator"), ({"json": {"reason": "invoice due"}}, "invoice due")],
)
async def test_account_is_paused_and_resumed(client, body, reason):
    paused = await client.post("/v1/accounts/main/pause", **body)
    assert paused.status_code == 200
    assert paused.json()["status"] == "paused"
    assert paused.json()["reason"] == reason
    resumed = await client.post("/v1/accounts/main/resume")
    assert resumed.status_code == 200
    assert resumed.json()["status"] == "active"
    assert resumed.json()["reason"] is None


async def test_reason_of_a_pause_is_checked(client):
    answer = await client.post("/v1/accounts/main/pause", json={"cause": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/cause"


async def test_credentials_are_verified(client):
    answer = await client.post("/v1/accounts/main/verify")
    assert answer.json() == {"ok": True, "detail": "the token is known"}


async def test_balance_is_a_decimal_in_a_text(client):
    answer = await client.get("/v1/accounts/main/balance")
    assert answer.json() == {"account": "main", "balance": "12.50"}


async def test_balance_that_was_asked_for_stays_with_the_account(client):
    before = (await client.get("/v1/accounts/main")).json()
    assert (before["balance"], before["balance_at"], before["balance_threshold"]) == (
        None,
        None,
        "20.00",
    )
    await client.get("/v1/accounts/main/balance")
    after = (await client.get("/v1/accounts/main")).json()
    assert (after["balance"], after["balance_low"]) == ("12.50", True)
    assert datetime.fromisoformat(after["balance_at"]).tzinfo is not None
    plain = (await client.get("/v1/accounts/plain")).json()
    assert (plain["balance"], plain["balance_low"], plain["balance_threshold"]) == (
        None,
        False,
        None,
    )


async def test_accounts_tell_how_many_calls_are_left_to_them(client):
    main, plain, _ = (await client.get("/v1/accounts")).json()["items"]
    assert (main["calls_limit"], main["calls_left"]) == (500, 500)
    assert (plain["calls_limit"], plain["calls_left"]) == (None, None)


async def test_what_the_provider_does_not_offer_is_told(client):
    for method, path in (("POST", "verify"), ("GET", "balance")):
        answer = await client.request(method, f"/v1/accounts/plain/{path}")
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/unsupported"


async def test_provider_that_fails_is_told_with_its_own_words(client):
    answer = await client.get("/v1/accounts/troubled/balance")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "7"
    problem = answer.json()
    assert problem["type"] == "/problems/provider-unavailable"
    assert problem["detail"] == "try later"
    assert problem["provider_code"] == "busy"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/verify"),
        ("GET", "/balance"),
        ("GET", "/operations"),
        ("POST", "/operations/report"),
    ],
)
async def test_account_that_is_not_there_is_not_found(client, method, path):
    answer = await client.request(method, f"/v1/accounts/absent{path}")
    assert answer.status_code == 404
    assert "absent" in answer.json()["detail"]


async def test_plugins_are_listed_with_their_providers(client):
    (plugin,) = (await client.get("/v1/plugins")).json()["items"]
    assert plugin["id"] == "probe"
    assert plugin["version"] == "1.0"
    assert [provider["id"] for provider in plugin["providers"]] == ["probe", "probe_plain"]
    assert plugin["providers"][0]["capabilities"]["balance"] is True


# ---------------------------------------------------------------- operations

REPORT = "/v1/accounts/main/operations/report"
WEEK = {"start": "2030-01-01", "end": "2030-01-07"}


async def test_operations_are_listed_with_schemas_that_stand_alone(client):
    listed = (await client.get("/v1/accounts/main/operations")).json()
    assert listed["next_cursor"] is None
    found = {one["name"]: one for one in listed["items"]}
    assert list(found) == ["report", "catalogue", "block", "fail", "echo"]
    assert found["report"]["summary"] == "what was sent"
    assert [one["changes"] for one in found.values()] == [False, False, True, False, False]
    for one in found.values():
        for schema in (one["request"], one["reply"]):
            jsonschema.Draft202012Validator.check_schema(schema)
    request = jsonschema.Draft202012Validator(found["report"]["request"])
    assert request.is_valid(WEEK)
    assert not request.is_valid({**WEEK, "other": 1})
    reply = await client.post(REPORT, json=WEEK)
    jsonschema.Draft202012Validator(found["report"]["reply"]).validate(reply.json())


async def test_provider_without_operations_lists_none(client):
    listed = await client.get("/v1/accounts/plain/operations")
    assert listed.json() == {"items": [], "next_cursor": None}


async def test_operation_answers_with_its_reply(client):
    answer = await client.post(REPORT, json={**WEEK, "statuses": [1, 2]})
    assert answer.status_code == 200
    reply = answer.json()
    assert (reply["total"], reply["statuses"], len(reply["lines"])) == (7, [1, 2], 7)
    assert reply["lines"][0]["price"] == "0.08"


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"content": b""}])
async def test_operation_without_fields_needs_no_body(client, body):
    answer = await client.post("/v1/accounts/main/operations/catalogue", **body)
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/start"),
        ({**WEEK, "other": 1}, "/other"),
        ({**WEEK, "end": "soon"}, "/end"),
        ({**WEEK, "statuses": [1, "2"]}, "/statuses/1"),
        ([], ""),
    ],
)
async def test_request_that_is_not_the_operation_s_is_pointed_at(client, body, pointer):
    answer = await client.post(REPORT, json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/invalid"
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_request_that_contradicts_itself_is_told_in_the_provider_s_words(client):
    answer = await client.post(REPORT, json={"start": "2030-01-02", "end": "2030-01-01"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/end", "detail": "lies before start"}]


async def test_operation_that_is_not_there_is_told_with_those_that_are(client):
    answer = await client.post("/v1/accounts/main/operations/absent", json={})
    assert answer.status_code == 404
    assert "report, catalogue, block, fail, echo" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("how", "status", "kind", "said"),
    [
        ("refused", 422, "provider-refused", ("the period is too long", "E17", None)),
        ("account", 502, "provider-failure", ("wrong token", "401", None)),
        ("doubt", 502, "provider-failure", ("no answer came", None, None)),
        ("busy", 503, "provider-unavailable", ("try later", None, "7")),
    ],
)
async def test_each_failure_of_the_provider_is_a_problem_of_its_kind(
    client, how, status, kind, said
):
    answer = await client.post("/v1/accounts/main/operations/fail", json={"how": how})
    assert answer.status_code == status
    problem = answer.json()
    assert problem["type"] == f"/problems/{kind}"
    code, again = problem.get("provider_code"), answer.headers.get("Retry-After")
    assert (problem["detail"], code, again) == said


async def test_operations_are_for_those_who_manage(client, key_for):
    for scope, status in (("messages:send", 403), ("messages:read", 403), ("manage", 200)):
        headers = await key_for(scope)
        answers = [
            await client.get("/v1/accounts/main/operations", headers=headers),
            await client.post(REPORT, json=WEEK, headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [status, status]
