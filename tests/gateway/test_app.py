import asyncio

import anyio
import pytest
from recado_core import ConfigurationError
from recado_core.engine.runtime import Engine
from recado_gateway.app import create_app

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
