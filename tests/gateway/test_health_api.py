import pytest
from recado_core.engine.failures import UnavailableError
from recado_core.engine.readiness import Component
from recado_gateway.api.health import judge

NO_KEY = {"Authorization": ""}


async def test_process_that_answers_is_alive(client):
    answer = await client.get("/health/live", headers=NO_KEY)
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


async def test_gateway_tells_of_each_component_without_a_key(working_client):
    answer = await working_client.get("/health/ready", headers=NO_KEY)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    found = {component["name"]: component for component in answer.json()["components"]}
    assert {"database", "schema", "worker", "account.main"} <= set(found)
    assert all(component["ok"] for component in found.values())


async def test_paused_account_leaves_the_gateway_ready(client):
    await client.post("/v1/accounts/main/pause", json={"reason": "invoice due"})
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    found = {component["name"]: component for component in answer.json()["components"]}
    assert found["account.main"] == {"name": "account.main", "ok": False, "detail": "invoice due"}


async def test_sink_that_takes_nothing_leaves_the_gateway_ready(desk_settings, run):
    settings = desk_settings('token = "desk-secret"', 'token = "desk-secret"\ntrouble = "down"')
    async with run(settings, worker=True) as client:
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        found = {component["name"]: component for component in answer.json()["components"]}
        assert found["sink.desk"] == {"name": "sink.desk", "ok": True, "detail": "up"}
        await client.write("oi")
        await client.wait_for("/v1/sinks", name="desk", status="down")
        answer = await client.get("/health/ready", headers=NO_KEY)
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        found = {component["name"]: component for component in answer.json()["components"]}
        assert found["sink.desk"]["detail"] == "no connection to the desk"
        assert not found["sink.desk"]["ok"]
        assert found["sink.mute"]["ok"]


async def test_process_that_delivers_nothing_says_so(desk):
    components = (await desk.get("/health/ready")).json()["components"]
    found = {component["name"]: component for component in components}
    assert found["sink.desk"]["detail"] == "not told from this process"


async def test_gateway_whose_database_is_gone_is_not_ready(client, monkeypatch):
    async def fail():
        raise UnavailableError("the database can't be reached now")

    monkeypatch.setattr(client.engine._database, "revision", fail)  # noqa: SLF001  # the disk's part
    answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    ("failed", "status"),
    [
        ((), "ok"),
        (("account.main",), "degraded"),
        (("sink.desk",), "degraded"),
        (("sink.desk", "account.main"), "degraded"),
        (("sink.desk", "database"), "unavailable"),
        (("schema",), "unavailable"),
        (("worker", "account.main"), "unavailable"),
    ],
)
def test_only_what_concerns_every_message_makes_the_gateway_unavailable(failed, status):
    names = ("database", "schema", "worker", "account.main", "account.other", "sink.desk")
    components = [Component(name=name, ok=name not in failed, detail="") for name in names]
    assert judge(components).status == status
