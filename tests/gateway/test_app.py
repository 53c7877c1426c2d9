import asyncio

import anyio
import pytest
from recado_core import ConfigurationError
from recado_core.engine.runtime import Engine
from recado_gateway.app import ShortWay, create_app

SEVERAL_SECONDS = 20
MESSAGE = {"to": "+5511900000001", "text": "oi"}


async def test_application_migrates_an_empty_database_when_it_starts(configure, run, tmp_path):
    assert not (tmp_path / "recado.db").exists()
    async with run(configure()) as client:
        assert (await client.post("/v1/messages", json=MESSAGE)).status_code == 202


async def test_end_leaves_no_task_behind(gateway, run):
    before = asyncio.all_tasks()
    async with run(gateway, worker=True) as client:
        await client.post("/v1/messages", json=MESSAGE)
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() <= before


async def test_end_lets_the_provider_finish_and_records_its_answer(gateway, run, monkeypatch):
    started, go = anyio.Event(), anyio.Event()
    async with run(gateway, worker=True) as client:
        provider = client.engine.accounts.by_name["main"].provider
        send = provider.send

        async def slow(batch):
            started.set()
            await go.wait()
            return await send(batch)

        monkeypatch.setattr(provider, "send", slow)
        sent = (await client.post("/v1/messages", json=MESSAGE)).json()
        with anyio.fail_after(SEVERAL_SECONDS):
            await started.wait()
        asyncio.get_running_loop().call_later(0.2, go.set)
    async with run(gateway) as client:
        found = (await client.get(f"/v1/messages/{sent['id']}")).json()
        assert found["status"] == "sent"


async def test_without_a_worker_messages_wait(client):
    sent = (await client.post("/v1/messages", json=MESSAGE)).json()
    assert (await client.get("/health/ready")).json()["status"] == "ok"
    assert (await client.get(f"/v1/messages/{sent['id']}")).json()["status"] == "queued"


async def test_engine_that_is_given_is_the_one_used(gateway):
    engine = Engine(gateway.engine, gateway.plugins)
    app = create_app(gateway, engine=engine, worker=False)
    assert app.state.engine is engine
    async with app.lifespan():
        assert await engine.accounts.list()


async def test_threshold_for_a_balance_that_nobody_tells_stops_the_start(configure):
    settings = configure(RECADO_ACCOUNTS__PLAIN__BALANCE_THRESHOLD="20")
    with pytest.raises(ConfigurationError, match=r"^accounts\.plain\.balance_threshold: "):
        create_app(settings)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/", "//v1//messages"])
@pytest.mark.parametrize("host", ["inside.test:8000", "[::1]:8000", "in~side.test"])
async def test_call_is_answered_alike_by_whichever_way_it_is_reached(client, path, host):
    headers = {"Host": host, "Idempotency-Key": "order-17", "X-Request-Id": "abc"}
    first = await client.post("/v1/messages", json=MESSAGE, headers=headers | {"Host": "a"})
    answer = await client.post(f"http://inside.test{path}", json=MESSAGE, headers=headers)
    assert (answer.status_code, answer.content) == (202, first.content)
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert answer.headers.get_list("X-Request-Id") == ["abc"]
    refused = await client.post(f"http://inside.test{path}", json={}, headers={"Host": host})
    assert refused.status_code == 422
    assert len(refused.headers.get_list("X-Request-Id")) == 1
    listed = await client.get(f"http://inside.test{path}", headers={"Host": host})
    assert [item["id"] for item in listed.json()["items"]] == [first.json()["id"]]


async def test_method_that_a_call_does_not_have_is_refused_whichever_way_it_comes(client):
    for path in ("/v1/messages/batch", "/v1/messages/batch/", "/webhooks/main/x"):
        answer = await client.put(path)
        assert answer.status_code == 405
        assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
        assert (await client.options(path)).status_code == 204


async def test_plain_requests_take_the_short_way_and_others_the_long_one(client, monkeypatch):
    gone_long, handler = [], client.app.asgi_handler

    async def note(scope, receive, send):
        gone_long.append(scope["path"])
        await handler(scope, receive, send)

    monkeypatch.setattr(client.app, "asgi_handler", note)
    monkeypatch.setattr(client.app, "asgi_handler", ShortWay(client.app))
    made = (await client.post("/v1/messages", json=MESSAGE)).json()
    for path in ("/v1/messages", f"/v1/messages/{made['id']}", "/health/live", "/metrics"):
        assert (await client.get(path)).status_code == 200
    assert (await client.call_webhook({"ref": "x", "status": "delivered"})).status_code == 200
    assert gone_long == []
    assert (await client.get("/v1/messages/")).status_code == 200
    assert (await client.get("/nowhere")).status_code == 404
    assert gone_long == ["/v1/messages/", "/nowhere"]
