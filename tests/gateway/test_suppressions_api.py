from datetime import UTC, datetime, timedelta

import pytest

ADDRESS, OTHER = "+5511900000001", "+5511900000002"
DOCUMENT = "529.982.247-25"
PATH = "/v1/suppressions"


async def add(client, **fields):
    answer = await client.post(PATH, json={"address": ADDRESS} | fields)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


async def listed(client, **parameters):
    answer = await client.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def pointers(answer):
    return [error["pointer"] for error in answer.json()["errors"]]


# ---------------------------------------------------------------- adding


async def test_entry_is_added_and_found(client):
    end = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    answer = await client.post(
        PATH,
        json={
            "address": "(11) 90000-0001",
            "channel": "sms",
            "category": "marketing",
            "reason": "complaint",
            "source": "shop",
            "expires_at": end,
        },
    )
    assert answer.status_code == 201
    told = answer.json()
    expected = {
        "address": ADDRESS,
        "by_document": False,
        "channel": "sms",
        "category": "marketing",
        "reason": "complaint",
        "source": "shop",
    }
    assert {name: told[name] for name in expected} == expected
    assert datetime.fromisoformat(told["expires_at"]) == datetime.fromisoformat(end)
    assert datetime.fromisoformat(told["created_at"]).tzinfo is not None
    assert await listed(client) == [told]


async def test_entry_says_by_itself_what_the_client_leaves_open(client):
    told = await add(client)
    assert (told["reason"], told["source"]) == ("manual", "api")
    assert (told["channel"], told["category"], told["expires_at"]) == (None, None, None)


async def test_entry_that_is_there_already_is_answered_as_it_is(client):
    first = await client.post(PATH, json={"address": ADDRESS, "source": "one"})
    second = await client.post(PATH, json={"address": "011 90000 0001", "source": "other"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert len(await listed(client)) == 1


async def test_document_is_never_told(client):
    answer = await client.post(PATH, json={"document": DOCUMENT})
    told = answer.json()
    assert (told["address"], told["by_document"]) == (None, True)
    assert await listed(client, document="52998224725") == [told]
    for text in (answer.text, (await client.get(PATH)).text):
        assert "52998224725" not in text.replace(".", "").replace("-", "")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/address"]),
        ({"address": None}, ["/address"]),
        ({"address": "nobody"}, ["/address"]),
        ({"address": 1}, ["/address"]),
        ({"address": ADDRESS, "channel": "telex"}, ["/channel"]),
        ({"address": ADDRESS, "category": "spam"}, ["/category"]),
        ({"address": ADDRESS, "reason": "rude"}, ["/reason"]),
        ({"address": ADDRESS, "source": ""}, ["/source"]),
        ({"address": ADDRESS, "source": "x" * 121}, ["/source"]),
        ({"address": ADDRESS, "source": "a\nb"}, ["/source"]),
        ({"address": ADDRESS, "expires_at": "2001-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"address": ADDRESS, "expires_at": "2099-01-01T00:00:00"}, ["/expires_at"]),
        ({"address": ADDRESS, "expires_at": "tomorrow"}, ["/expires_at"]),
        ({"document": "529.982.247-26"}, ["/document"]),
        ({"address": "x", "document": "1", "source": ""}, ["/address", "/document", "/source"]),
        ({"address": ADDRESS, "adress": "x"}, ["/adress"]),
        ([], [""]),
    ],
)
async def test_invalid_entry_is_answered_with_pointers_to_its_faults(client, body, expected):
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/invalid"
    assert pointers(answer) == expected
    assert await listed(client) == []


# ---------------------------------------------------------------- taking off


async def test_entry_is_taken_off_once(client):
    told = await add(client)
    path = f"{PATH}/{told['id']}"
    answer = await client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await listed(client) == []
    again = await client.delete(path)
    assert again.status_code == 404
    assert again.json()["type"] == "/problems/not-found"


@pytest.mark.parametrize("name", ["absent", "%00", "%20", "x" * 500, "%F0%9F%99%82"])
async def test_entry_that_is_not_there_is_not_found(client, name):
    assert (await client.delete(f"{PATH}/{name}")).status_code == 404


# ---------------------------------------------------------------- lists


async def test_list_is_read_page_by_page_from_the_newest(client):
    added = [(await add(client, address=f"+551190000000{n}"))["id"] for n in range(5)]
    found, cursor, pages = [], None, 0
    while True:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(PATH, params=parameters)).json()
        found += [item["id"] for item in page["items"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == added[::-1]
    assert pages == 3


async def test_filters_choose_among_entries(client):
    one = await add(client, reason="opt_out", channel="sms", source="shop")
    other = await add(client, address=OTHER, category="marketing")
    person = await add(client, address=None, document=DOCUMENT)
    assert await listed(client) == [person, other, one]
    assert await listed(client, address=ADDRESS) == [one]
    assert await listed(client, reason="opt_out") == [one]
    assert await listed(client, channel="sms") == [one]
    assert await listed(client, source="shop") == [one]
    assert await listed(client, category="marketing") == [other]
    assert await listed(client, document=DOCUMENT) == [person]
    assert await listed(client, reason="complaint") == []
    assert await listed(client, address=ADDRESS, reason="manual") == []


@pytest.mark.parametrize(
    "query", [ADDRESS, "%2B55+11+90000-0001", "(11)%2090000-0001", "011900000001", "5511900000001"]
)
@pytest.mark.parametrize("path", [PATH, "/v1/consents"])
async def test_address_may_be_written_as_everywhere(client, path, query):
    await add(client, reason="opt_out")
    found = (await client.get(f"{path}?address={query}")).json()["items"]
    assert [item["address"] for item in found] == [ADDRESS]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("address=90000-0001", "/address"),
        ("address=%00", "/address"),
        ("document=1", "/document"),
        ("category=spam", "/category"),
        ("reason=rude", "/reason"),
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("cursor=a", "/cursor"),
        ("adress=x", "/adress"),
        ("reason=manual&reason=opt_out", "/reason"),
    ],
)
async def test_bad_filter_is_refused_by_name(client, query, pointer):
    answer = await client.get(f"{PATH}?{query}")
    assert answer.status_code == 422
    assert pointers(answer) == [pointer]


# ---------------------------------------------------------------- consents


async def test_history_of_consent_is_kept(client):
    first = await add(client, reason="opt_out", source="shop")
    await add(client, address=OTHER, reason="opt_out")
    await add(client, reason="manual")
    await client.delete(f"{PATH}/{first['id']}")
    everybody = (await client.get("/v1/consents?limit=2")).json()
    assert [(one["address"], one["act"]) for one in everybody["items"]] == [
        (ADDRESS, "opt_in"),
        (OTHER, "opt_out"),
    ]
    rest = (await client.get("/v1/consents", params={"cursor": everybody["next_cursor"]})).json()
    assert [one["source"] for one in rest["items"]] == ["shop"]
    one = (await client.get(f"/v1/consents?address={ADDRESS}")).json()["items"]
    assert [(each["act"], each["source"]) for each in one] == [
        ("opt_in", "api"),
        ("opt_out", "shop"),
    ]


async def test_short_code_that_opted_out_is_found(working_client):
    await working_client.call_webhook({"id": "1", "from": "27182", "text": "STOP"})
    await working_client.wait_for("/v1/consents?address=27182", act="opt_out", address="27182")
    assert (await listed(working_client, address="27182"))[0]["address"] == "27182"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("address=1", "/address"), ("limit=x", "/limit"), ("cursor=%20", "/cursor"), ("a=1", "/a")],
)
async def test_bad_question_for_consents_is_refused_by_name(client, query, pointer):
    answer = await client.get(f"/v1/consents?{query}")
    assert answer.status_code == 422
    assert pointers(answer) == [pointer]


# ---------------------------------------------------------------- who may do what


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", PATH, "messages:read"),
        ("GET", "/v1/consents", "messages:read"),
        ("GET", "/v1/do-not-disturb", "messages:read"),
        ("POST", f"{PATH}/check", "messages:send"),
        ("POST", PATH, "manage"),
        ("DELETE", f"{PATH}/x", "manage"),
        ("POST", f"{PATH}/import", "manage"),
        ("PUT", "/v1/do-not-disturb/x", "manage"),
        ("DELETE", "/v1/do-not-disturb/x", "manage"),
    ],
)
async def test_call_needs_its_scope(client, key_for, method, path, scope):
    others = {"messages:read", "messages:send"} - {scope}
    refused = await client.request(method, path, headers=await key_for(*others))
    assert refused.status_code == 403
    assert f'scope="{scope}"' in refused.headers["WWW-Authenticate"]
    let_in = await client.request(method, path, headers=await key_for(scope))
    assert let_in.status_code not in {401, 403}
    assert (await client.request(method, path, headers={"Authorization": ""})).status_code == 401
