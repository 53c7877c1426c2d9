import pytest
import recado_probe


async def test_provider_gets_the_answer_that_its_plugin_wants(client):
    answer = await client.call_webhook({"ref": "x", "status": "delivered"})
    assert answer.status_code == 200
    assert answer.json() == {"taken": True}


async def test_delivery_receipt_settles_its_message(working_client):
    client = working_client
    body = {"to": "+5511900000001", "text": "oi"}
    sent = (await client.post("/v1/messages", json=body)).json()
    await client.wait_for("/v1/messages", id=sent["id"], status="sent")
    await client.call_webhook({"ref": f"probe-{sent['id']}", "status": "delivered"})
    await client.wait_for("/v1/messages", id=sent["id"], status="delivered")


async def test_inbound_message_is_listed_with_its_accents(working_client):
    text = "Não, obrigado 🙂"
    said = {"id": "m-1", "from": "+5511900000001", "text": text}
    assert (await working_client.call_webhook(said)).status_code == 200
    found = await working_client.wait_for("/v1/messages", direction="in")
    assert (found["status"], found["text"]) == ("received", text)
    assert found["sender"] == "+5511900000001"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_body_of_any_type_is_taken(client, content_type):
    path = client.engine.accounts.webhook_path("main")
    body = b'{"ref": "x", "status": "delivered"}'
    signature = recado_probe.sign("probe-secret", client.public_url + path, body)
    headers = {"X-Probe-Signature": signature}
    headers |= {"Content-Type": content_type} if content_type else {}
    assert (await client.post(path, content=body, headers=headers)).status_code == 200


async def test_signature_is_checked_against_the_public_address_and_the_query_as_it_came(client):
    path = client.engine.accounts.webhook_path("main") + "?b=%20&a=1%2B&b=x"
    answer = await client.call_webhook({"ref": "x", "status": "delivered"}, path=path)
    assert answer.status_code == 200


async def test_wrong_signature_is_refused(client):
    answer = await client.call_webhook({"ref": "x", "status": "delivered"}, token="wrong")
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/webhook-refused"


async def test_body_that_can_not_be_read_is_refused(client):
    answer = await client.call_webhook(None, body=b"\xff not JSON")
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-webhook"


@pytest.mark.parametrize("path", ["main/wrong", "absent/wrong", "plain/wrong", "main/%C3%A7%00"])
async def test_wrong_address_is_not_found_and_tells_nothing_more(client, path):
    answer = await client.post(f"/webhooks/{path}", content=b"{}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == (
        "there is no such webhook address; its account or token is wrong"
    )


async def test_account_without_webhooks_has_no_address(client):
    answer = await client.call_webhook({}, account="plain", token="plain-secret")
    assert answer.status_code == 404


async def test_body_beyond_two_megabytes_is_refused(client):
    answer = await client.call_webhook(None, body=b" " * (2 * 1024 * 1024 + 1))
    assert answer.status_code == 413


async def test_two_megabytes_are_taken(client):
    body = b'{"ref": "x", "status": "delivered"}'.ljust(2 * 1024 * 1024)
    assert (await client.call_webhook(None, body=body)).status_code == 200


async def test_without_a_public_address_the_request_names_its_own(configure, run):
    settings = configure(
        '[gateway]\nplugins = ["probe"]\n[accounts.main]\nprovider = "probe"\ntoken = "s"\n'
    )
    async with run(settings) as client:
        said = {"ref": "x", "status": "delivered"}
        answer = await client.call_webhook(said, token="s", base="http://inside.test")
        assert answer.status_code == 200
