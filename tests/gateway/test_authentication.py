import pytest

NO_KEY = {"Authorization": ""}
MESSAGE = {"to": "+5511900000001", "text": "oi"}

CALLS = [
    ("POST", "/v1/messages", "messages:send"),
    ("POST", "/v1/messages/batch", "messages:send"),
    ("POST", "/v1/messages/x/cancel", "messages:send"),
    ("POST", "/v1/messages/x/resend", "messages:send"),
    ("GET", "/v1/messages", "messages:read"),
    ("GET", "/v1/messages/x", "messages:read"),
    ("GET", "/v1/accounts", "manage"),
    ("GET", "/v1/accounts/main", "manage"),
    ("POST", "/v1/accounts/main/pause", "manage"),
    ("POST", "/v1/accounts/main/resume", "manage"),
    ("POST", "/v1/accounts/main/verify", "manage"),
    ("GET", "/v1/accounts/main/balance", "manage"),
    ("GET", "/v1/plugins", "manage"),
    ("GET", "/v1/api-keys", "admin"),
    ("POST", "/v1/api-keys", "admin"),
    ("DELETE", "/v1/api-keys/x", "admin"),
]
SUFFICIENT = {
    "messages:send": {"messages:send", "manage", "admin"},
    "messages:read": {"messages:read", "manage", "admin"},
    "manage": {"manage", "admin"},
    "admin": {"admin"},
}


@pytest.mark.parametrize(("method", "path"), [call[:2] for call in CALLS])
async def test_call_without_a_key_is_refused(client, method, path):
    answer = await client.request(method, path, headers=NO_KEY)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["type"] == "/problems/unauthenticated"


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
async def test_call_needs_its_scope_or_one_that_implies_it(client, key_for, method, path, scope):
    for given in SUFFICIENT:
        answer = await client.request(method, path, headers=await key_for(given))
        if given in SUFFICIENT[scope]:
            assert answer.status_code not in {401, 403}
        else:
            assert answer.status_code == 403
            assert scope in answer.json()["detail"]
            challenge = answer.headers["WWW-Authenticate"]
            assert challenge == f'Bearer error="insufficient_scope", scope="{scope}"'


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic dTpw", "rcd_x", "Bearerrcd_x", "Token rcd_x"]
)
async def test_header_without_a_bearer_token_is_no_key(client, header):
    answer = await client.get("/v1/messages", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["rcd_unknown", "x" * 10_000, "ção", "a b"])
async def test_unknown_token_is_told_from_none(client, token):
    answer = await client.get(
        "/v1/messages", headers={b"Authorization": f"Bearer {token}".encode("latin-1")}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert token not in answer.text


async def test_scheme_is_read_in_any_case(client, key_for):
    token = (await key_for("messages:read"))["Authorization"].removeprefix("Bearer ")
    answer = await client.get("/v1/messages", headers={"Authorization": f"bearer  {token} "})
    assert answer.status_code == 200


async def test_body_is_not_read_for_a_stranger(client):
    read = False

    async def body():
        nonlocal read
        read = True
        yield b"{}"

    answer = await client.post("/v1/messages", content=body(), headers=NO_KEY)
    assert answer.status_code == 401
    assert not read


# ---------------------------------------------------------------- keys through the API


async def test_made_key_is_shown_once_and_works(client):
    answer = await client.post("/v1/api-keys", json={"name": "shop", "scopes": ["messages:send"]})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert made["name"] == "shop"
    assert made["scopes"] == ["messages:send"]
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert (await client.post("/v1/messages", json=MESSAGE, headers=headers)).status_code == 202
    listed = await client.get("/v1/api-keys")
    assert made["token"] not in listed.text
    assert made["id"] in [item["id"] for item in listed.json()["items"]]
    assert listed.json()["next_cursor"] is None


async def test_revoked_key_is_refused_at_once(client):
    body = {"name": "shop", "scopes": ["messages:read"]}
    made = (await client.post("/v1/api-keys", json=body)).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert (await client.get("/v1/messages", headers=headers)).status_code == 200
    answer = await client.delete(f"/v1/api-keys/{made['id']}")
    assert answer.status_code == 204
    assert answer.content == b""
    assert (await client.get("/v1/messages", headers=headers)).status_code == 401
    assert (await client.delete(f"/v1/api-keys/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "", "scopes": ["admin"]}, "/name"),
        ({"name": " ", "scopes": ["admin"]}, "/name"),
        ({"name": "x" * 121, "scopes": ["admin"]}, "/name"),
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": "x", "scopes": ["root"]}, "/scopes/0"),
        ({"name": "x"}, "/scopes"),
        ({"name": "x", "scopes": ["admin"], "token": "mine"}, "/token"),
    ],
)
async def test_invalid_key_is_refused(client, body, pointer):
    answer = await client.post("/v1/api-keys", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
