import pytest

NO_KEY = {"Authorization": ""}
URL = "https://shop.example.com/orders/17?from=sms#top"


async def shorten(client, url=URL):
    answer = await client.post("/v1/links", json={"url": url})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_short_link_leads_to_the_long_one_and_counts(client):
    made = await shorten(client)
    assert made["short_url"] == f"{client.public_url}/l/{made['code']}"
    assert (made["clicks"], made["last_click_at"]) == (0, None)
    for _ in range(2):
        answer = await client.get(f"/l/{made['code']}", headers=NO_KEY)
        assert answer.status_code == 302
        assert answer.headers["Location"] == URL
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.content == b""
    (found,) = (await client.get("/v1/links")).json()["items"]
    assert (found["url"], found["clicks"]) == (URL, 2)
    assert found["last_click_at"] is not None


@pytest.mark.parametrize(
    ("url", "location"),
    [
        (
            "https://example.com/ação?q=日本",
            "https://example.com/a%C3%A7%C3%A3o?q=%E6%97%A5%E6%9C%AC",
        ),
        ("https://example.com/%C3%A7?a=b%20c", "https://example.com/%C3%A7?a=b%20c"),
        ("https://example.com/🙂", "https://example.com/%F0%9F%99%82"),
        ("HTTP://EXAMPLE.com", "HTTP://EXAMPLE.com"),
    ],
)
async def test_address_with_any_characters_is_followed(client, url, location):
    made = await shorten(client, url)
    assert made["url"] == url
    answer = await client.get(f"/l/{made['code']}", headers=NO_KEY)
    assert (answer.status_code, answer.headers["Location"]) == (302, location)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example.com",
        "javascript:alert(1)",
        "ftp://example.com/a",
        "https://",
        "https:///a",
        "https://[::1",
        "https://example.com/a b",
        "https://example.com/a\r\nSet-Cookie: a=b",
        "https://example.com/\0",
        "https://example.com/" + "x" * 2048,
        None,
        7,
    ],
)
async def test_what_is_no_web_address_is_refused(client, url):
    answer = await client.post("/v1/links", json={"url": url})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/url"]
    assert (await client.get("/v1/links")).json()["items"] == []


@pytest.mark.parametrize("code", ["absent", "%00", "%ff", "x" * 500, "AAAAAAAAAAA", "..", "%2e%2e"])
async def test_link_that_is_not_there_is_not_found(client, code):
    answer = await client.get(f"/l/{code}", headers=NO_KEY)
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/not-found"


async def test_links_are_read_page_by_page(client):
    made = [(await shorten(client, f"https://example.com/{index}"))["url"] for index in range(5)]
    found, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"/v1/links?limit=2&cursor={cursor}")).json()
        found += [item["url"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == made[::-1]


@pytest.mark.parametrize("cursor", ["x", "%00", "AAAAAAAAAAA", "WzEsMl0"])
async def test_cursor_that_is_not_ours_is_refused(client, cursor):
    await shorten(client)
    answer = await client.get(f"/v1/links?cursor={cursor}")
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/cursor"]


async def test_links_need_the_scopes_of_messages(client, key_for):
    reads, sends = await key_for("messages:read"), await key_for("messages:send")
    for headers, listed, made in [(reads, 200, 403), (sends, 403, 201), (NO_KEY, 401, 401)]:
        assert (await client.get("/v1/links", headers=headers)).status_code == listed
        answer = await client.post("/v1/links", json={"url": URL}, headers=headers)
        assert answer.status_code == made


async def test_gateway_without_a_public_address_has_no_short_one(configure, run):
    async with run(configure("")) as client:
        made = await shorten(client)
        assert made["short_url"] is None
        assert (await client.get(f"/l/{made['code']}")).status_code == 302
