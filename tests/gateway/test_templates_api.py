from decimal import Decimal

import msgspec
import pytest

PATH = "/v1/templates"
WELCOME = {"name": "welcome", "text": "Oi, {{ name }}!", "language": "pt-BR"}


@pytest.fixture
async def priced(run, gateway):
    """A client of a gateway whose account main has a price."""
    accounts = gateway.engine.accounts
    main = msgspec.structs.replace(accounts["main"], price=Decimal("0.08"))
    engine = msgspec.structs.replace(gateway.engine, accounts=accounts | {"main": main})
    async with run(msgspec.structs.replace(gateway, engine=engine)) as client:
        yield client


async def make(client, **fields):
    answer = await client.post(PATH, json=WELCOME | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def pointers(answer):
    assert answer.status_code == 422, answer.text
    return [fault["pointer"] for fault in answer.json()["errors"]]


async def test_template_is_made_read_replaced_and_deleted(client):
    made = await make(client, description="Says hello")
    times = {"created_at": made["created_at"], "updated_at": made["updated_at"]}
    variant = {
        "channel": None,
        "language": "pt-BR",
        "text": "Oi, {{ name }}!",
        "provider_template": None,
    }
    assert made == {
        "name": "welcome",
        "description": "Says hello",
        **variant,
        "variants": [variant],
        "variables": ["name"],
        "optional": [],
        **times,
    }
    assert (await client.get(f"{PATH}/welcome")).json() == made
    assert (await client.get(PATH)).json() == {"items": [made], "next_cursor": None}
    changed = await client.put(f"{PATH}/welcome", json={"text": "Olá {{ nick|default('') }}"})
    assert changed.status_code == 200
    assert changed.json()["variables"] == changed.json()["optional"] == ["nick"]
    assert (changed.json()["description"], changed.json()["language"]) == (None, None)
    assert (await client.delete(f"{PATH}/welcome")).status_code == 204
    for answer in (
        await client.get(f"{PATH}/welcome"),
        await client.delete(f"{PATH}/welcome"),
        await client.post(f"{PATH}/welcome/render", json={}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_put_makes_a_template_that_is_not_there(client):
    variants = [{"channel": "sms", "text": "a"}, {"language": "en", "text": "b"}]
    answer = await client.put(f"{PATH}/order.shipped-2", json={"variants": variants})
    assert answer.status_code == 201
    assert [each["text"] for each in answer.json()["variants"]] == ["a", "b"]
    assert (answer.json()["channel"], answer.json()["text"]) == ("sms", "a")


async def test_name_that_is_taken_is_a_conflict(client):
    await make(client)
    answer = await client.post(PATH, json=WELCOME | {"text": "other"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert "welcome" in answer.json()["detail"]


async def test_call_with_an_idempotency_key_makes_one_template(client):
    headers = {"Idempotency-Key": "k1"}
    first = await client.post(PATH, json=WELCOME, headers=headers)
    again = await client.post(PATH, json=WELCOME, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    other = await client.post(PATH, json=WELCOME | {"text": "other"}, headers=headers)
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["/name"]),
        ({"name": "x"}, ["/text"]),
        ({"name": "x y", "text": "a"}, ["/name"]),
        ({"name": "x", "text": "{{ name"}, ["/text"]),
        ({"name": "x", "text": "a", "channel": "pigeon"}, ["/channel"]),
        ({"name": "x", "variants": [{"text": "{% include 'a' %}"}]}, ["/variants/0/text"]),
        ({"name": "x", "variants": [{"body": "a"}]}, ["/variants/0/body"]),
        ({"name": "x", "text": "a", "other": 1}, ["/other"]),
        ({"name": "x", "text": 1}, ["/text"]),
    ],
)
async def test_what_is_no_template_is_refused_with_its_place(client, body, wrong):
    assert pointers(await client.post(PATH, json=body)) == wrong
    assert (await client.get(PATH)).json()["items"] == []


async def test_templates_are_read_page_by_page(client):
    for index in range(5):
        await make(client, name=f"t{index}")
    names, cursor = [], None
    while len(names) < 5:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(PATH, params=params)).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (names, cursor) == (["t4", "t3", "t2", "t1", "t0"], None)
    assert pointers(await client.get(PATH, params={"cursor": "x"})) == ["/cursor"]
    assert pointers(await client.get(PATH, params={"limit": 0})) == ["/limit"]


async def test_preview_tells_the_price_and_what_makes_it_dear(priced):
    await make(priced, text="{{ name }}, sua promoção vale até às 18h " + "x" * 40)
    body = {"variables": {"name": "Ana"}, "account": "main", "language": "pt"}
    assert pointers(await priced.post(f"{PATH}/welcome/render", json=body)) == ["/language"]
    body["language"] = "pt-BR"
    shown = (await priced.post(f"{PATH}/welcome/render", json=body)).json()
    assert shown["text"] == "Ana, sua promoção vale até às 18h " + "x" * 40
    assert (shown["characters"], shown["encoding"], shown["segments"]) == (74, "ucs2", 2)
    assert (shown["account"], shown["cost"], shown["variables"]) == ("main", "0.16", ["name"])
    (warning,) = shown["warnings"]
    assert (warning["code"], warning["characters"]) == ("ucs2", ["ç", "ã"])
    assert warning["transliterated"] == {
        "text": "Ana, sua promocao vale até às 18h " + "x" * 40,
        "encoding": "gsm7",
        "segments": 1,
        "cost": "0.08",
        "dropped": [],
    }
    cheaper = await priced.post(f"{PATH}/welcome/render", json=body | {"transliterate": True})
    assert (cheaper.json()["cost"], cheaper.json()["warnings"]) == ("0.08", [])


async def test_preview_names_every_missing_variable(client):
    await make(client, text="{{ a }} {{ b }} {{ c|default('') }}")
    answer = await client.post(f"{PATH}/welcome/render", json={"variables": {"a": None}})
    assert pointers(answer) == ["/variables", "/variables"]
    details = [fault["detail"] for fault in answer.json()["errors"]]
    assert details == ["a variable is missing: 'a'", "a variable is missing: 'b'"]
    await client.put(f"{PATH}/welcome", json={"text": "plain"})
    assert (await client.post(f"{PATH}/welcome/render")).json()["text"] == "plain"


async def test_message_names_a_template(client):
    await make(client)
    message = {"to": "+5511900000001", "account": "main", "template": "welcome"}
    sent = await client.post("/v1/messages", json=message | {"variables": {"name": "Ação"}})
    assert (sent.status_code, sent.json()["encoding"]) == (202, "ucs2")
    said = message | {"variables": {"name": "Ação"}, "transliterate": True}
    sent = await client.post("/v1/messages", json=said)
    shown = (await client.get(f"/v1/messages/{sent.json()['id']}")).json()
    assert (shown["text"], shown["encoding"]) == ("Oi, Acao!", "gsm7")
    assert pointers(await client.post("/v1/messages", json=message)) == ["/variables"]
    for fields, pointer in (
        ({"template": "absent"}, "/template"),
        ({"language": "en"}, "/language"),
        ({"text": "x"}, "/template"),
        ({"transliterate": "yes"}, "/transliterate"),
    ):
        assert pointers(await client.post("/v1/messages", json=said | fields)) == [pointer]


async def test_template_needs_the_scopes_of_what_is_done(client, key_for):
    await make(client)
    reader, manager = await key_for("messages:read"), await key_for("manage")
    for method, path, body, headers, status in (
        ("POST", PATH, WELCOME | {"name": "x"}, reader, 403),
        ("PUT", f"{PATH}/x", {"text": "a"}, reader, 403),
        ("DELETE", f"{PATH}/welcome", None, reader, 403),
        ("GET", PATH, None, await key_for("messages:send"), 403),
        ("GET", PATH, None, {"Authorization": ""}, 401),
        ("GET", f"{PATH}/welcome", None, reader, 200),
        ("POST", f"{PATH}/welcome/render", {"variables": {"name": "a"}}, reader, 200),
        ("POST", PATH, WELCOME | {"name": "x"}, manager, 201),
        ("DELETE", f"{PATH}/x", None, manager, 204),
    ):
        answer = await client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, (method, path)


@pytest.mark.parametrize("name", ["absent", "%00", "%ff", "x" * 500, "a%2Fb", "é", "%20"])
async def test_template_that_is_not_there_is_not_found(client, name):
    await make(client)
    for method, path in (
        ("GET", f"{PATH}/{name}"),
        ("DELETE", f"{PATH}/{name}"),
        ("POST", f"{PATH}/{name}/render"),
    ):
        assert (await client.request(method, path)).status_code == 404, (method, path)
