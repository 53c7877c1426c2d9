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


async def test_what_the_provider_does_not_offer_is_told(client):
    for method, path in (("POST", "verify"), ("GET", "balance")):
        answer = await client.request(method, f"/v1/accounts/plain/{path}")
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/unsupported"


async def test_provider_that_fails_is_told_with_its_own_words(client):
    answer = await client.get("/v1/accounts/troubled/balance")
    assert answer.status_code == 502
    assert answer.headers["Retry-After"] == "7"
    problem = answer.json()
    assert problem["type"] == "/problems/provider-failure"
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
