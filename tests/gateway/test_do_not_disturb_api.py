from datetime import datetime

import pytest

ADDRESS, OTHER = "+5511900000001", "+5511900000002"
PATH = "/v1/do-not-disturb"


async def put(client, name, *addresses):
    answer = await client.put(f"{PATH}/{name}", content="\n".join(["address", *addresses]).encode())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def lists(client):
    return (await client.get(PATH)).json()["items"]


async def status(client, address, category="marketing"):
    body = {"to": address, "text": "oi", "category": category}
    return (await client.post("/v1/messages", json=body)).json()["status"]


async def test_list_is_replaced_whole(client):
    assert await put(client, "national", ADDRESS) == {
        "rows": 1,
        "added": 1,
        "changed": 0,
        "unchanged": 0,
    }
    assert await status(client, ADDRESS) == "suppressed"
    assert (await put(client, "national", OTHER))["added"] == 1
    assert await status(client, ADDRESS) == "queued"
    assert await status(client, OTHER) == "suppressed"


async def test_lists_are_told_with_their_size(client):
    assert await lists(client) == []
    await put(client, "national", ADDRESS, OTHER)
    await put(client, "estado-sp", ADDRESS)
    one, other = await lists(client)
    assert (one["name"], one["size"]) == ("estado-sp", 1)
    assert (other["name"], other["size"]) == ("national", 2)
    assert datetime.fromisoformat(one["imported_at"]).tzinfo is not None
    assert set(one) == {"name", "size", "imported_at"}


async def test_message_is_told_which_list_forbids_it(client):
    await put(client, "national", ADDRESS)
    body = {"to": ADDRESS, "text": "oi", "category": "marketing"}
    told = (await client.post("/v1/messages", json=body)).json()
    assert (told["status"], told["reason"]) == ("suppressed", "on the list national")


@pytest.mark.parametrize("category", ["transactional", "otp"])
async def test_list_concerns_marketing_alone(client, category):
    await put(client, "national", ADDRESS)
    assert await status(client, ADDRESS, category) == "queued"


async def test_broken_file_leaves_the_list_as_it_was(client):
    await put(client, "national", ADDRESS)
    (before,) = await lists(client)
    answer = await client.put(f"{PATH}/national", content=f"address\n{OTHER}\nx\n".encode())
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/3/address"]
    assert await lists(client) == [before]
    assert await status(client, ADDRESS) == "suppressed"
    assert await status(client, OTHER) == "queued"


async def test_deleted_list_protects_nobody(client):
    await put(client, "national", ADDRESS)
    answer = await client.delete(f"{PATH}/national")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await lists(client) == []
    assert await status(client, ADDRESS) == "queued"
    again = await client.delete(f"{PATH}/national")
    assert again.status_code == 404
    assert again.json()["type"] == "/problems/not-found"


@pytest.mark.parametrize("name", ["a%20b", "%00", "x" * 65, "%F0%9F%99%82", "n%C3%A3o", "a.b"])
async def test_name_that_no_list_can_have_is_refused(client, name):
    answer = await client.put(f"{PATH}/{name}", content=f"address\n{ADDRESS}\n".encode())
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/name"]
    assert (await client.delete(f"{PATH}/{name}")).status_code == 404
    assert await lists(client) == []
