"""The simulator behind a real server: its own process's view of sockets, faults and webhooks."""

import asyncio
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from recado_kolmeya.simulator import Fault, FaultKind, Switches, create_simulator

ONE = {"messages": [{"phone": 5511900000001, "message": "Olá", "reference": "m-1"}]}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@asynccontextmanager
async def serving(app, lifespan="off"):
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", ws="none", lifespan=lifespan)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    for _ in range(2000):
        if server.started:
            break
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def simulating(**switches):
    simulator = create_simulator(Switches(**switches))
    headers = {"Authorization": "Bearer kolmeya-simulator"}
    async with (
        serving(simulator, lifespan="on") as url,
        httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, trust_env=False) as http,
    ):
        yield http, simulator


async def test_webhooks_arrive_over_a_socket():
    arrived = asyncio.Queue()

    async def gateway(scope, receive, send):
        assert scope["path"] == "/webhooks/made-up"
        arrived.put_nowait((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with serving(gateway) as url, simulating() as (http, _):
        answer = await http.post(
            "/sms/store", json=ONE | {"webhook_url": f"{url}/webhooks/made-up"}
        )
        assert len(answer.json()["valids"]) == 1
        async with asyncio.timeout(20):
            body = await arrived.get()
    assert b'"status":"entregue"' in body


async def test_address_nobody_listens_on_is_told_as_zero():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with simulating() as (http, _):
        url = f"http://127.0.0.1:{port}/"
        answer = await http.post("/sms/webhook", json={"webhook_url": url})
    assert answer.json() == {"code_returned": 0}


async def test_closed_connection_is_closed_for_real():
    async with simulating(faults=(Fault(kind=FaultKind.CLOSE, next=1, accepts=True),)) as (http, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post("/sms/store", json=ONE)
        found = await http.post("/sms/status/message", json={"reference": "m-1"})
    assert found.status_code == 200


async def test_client_gives_up_on_a_call_that_was_accepted():
    async with simulating(faults=(Fault(kind=FaultKind.TIMEOUT, next=1),)) as (http, _):
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/sms/store", json=ONE, timeout=httpx.Timeout(60, read=1))
        found = await http.post("/sms/status/message", json={"reference": "m-1"})
    assert found.status_code == 200


async def test_empty_answers_are_really_empty():
    phones = {"phones": [{"phone": "11900000001"}]}
    async with simulating() as (http, _):
        added = await http.post("/blacklist/store", json=phones)
        removed = await http.post("/blacklist/destroy", json=phones)
    assert (added.status_code, added.content, added.headers["Content-Length"]) == (201, b"", "0")
    assert (removed.status_code, removed.content) == (204, b"")
    with pytest.raises(ValueError, match=r"."):
        added.json()


async def test_closing_drops_what_is_still_due():
    async with simulating(final_delay=3600) as (http, simulator):
        await http.post("/sms/store", json=ONE)
        assert len(simulator.world.schedule) == 1
    assert len(simulator.world.schedule) == 0


async def test_websocket_is_not_served():
    simulator = create_simulator()
    with pytest.raises(ValueError, match="websocket"):
        await simulator({"type": "websocket"}, None, None)
