from decimal import Decimal
from importlib.metadata import version

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from recado_core.engine.failures import UnavailableError

NO_KEY = {"Authorization": ""}


async def scrape(client):
    """Read the metrics as a Prometheus server does: the value of each by its name and labels."""
    answer = await client.get("/metrics", headers=NO_KEY)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in read_text(answer.text):
        assert family.documentation
        for sample in family.samples:
            found[sample.name, *sample.labels.values()] = sample.value
    return found


async def test_accounts_are_told_as_the_api_tells_them(client):
    await client.get("/v1/accounts/main/balance")
    await client.post("/v1/messages", json={"to": "+5511900000001", "text": "oi"})
    found = await scrape(client)
    main = (await client.get("/v1/accounts/main")).json()
    assert found["recado_account_balance", "main"] == float(Decimal(main["balance"])) == 12.5
    assert found["recado_account_balance_timestamp_seconds", "main"] > 0
    assert found["recado_account_balance_threshold", "main"] == 20
    assert found["recado_account_balance_low", "main"] == 1
    assert found["recado_account_queued_messages", "main"] == 1
    assert found["recado_account_calls_limit", "main"] == 500
    assert found["recado_account_calls_left", "main"] == main["calls_left"]
    assert found["recado_account_paused", "main"] == 0


async def test_account_whose_provider_wants_to_be_left_alone_has_no_calls_left(client):
    client.engine.accounts.find("main").budget.close(float("inf"))
    assert (await scrape(client))["recado_account_calls_left", "main"] == 0
    told = (await client.get("/metrics", headers=NO_KEY)).text
    (meaning,) = (
        line for line in told.splitlines() if line.startswith("# HELP recado_account_calls_left ")
    )
    assert "window" in meaning
    assert meaning.endswith("0 while the provider has asked to be left alone.")


async def test_what_is_not_known_of_an_account_is_left_out(client):
    found = await scrape(client)
    plain = {name for name, *labels in found if labels == ["plain"]}
    assert plain == {
        "recado_account_balance_low",
        "recado_account_paused",
        "recado_account_queued_messages",
    }


async def test_paused_account_is_told(client):
    await client.post("/v1/accounts/main/pause")
    found = await scrape(client)
    assert found["recado_account_paused", "main"] == 1
    assert found["recado_account_paused", "plain"] == 0
    assert found["recado_component_ok", "account.main"] == 0


async def test_messages_are_counted_by_account_and_status(gateway, run):
    settings = msgspec.structs.replace(gateway.engine.accounts["main"], price=Decimal("0.08"))
    accounts = gateway.engine.accounts | {"main": settings}
    engine = msgspec.structs.replace(gateway.engine, accounts=accounts)
    async with run(msgspec.structs.replace(gateway, engine=engine)) as client:
        assert not [name for name, *_ in await scrape(client) if "messages_total" in name]
        for _ in range(2):
            body = {"to": "+5511900000001", "text": "oi " * 80, "account": "main"}
            await client.post("/v1/messages", json=body)
        before = await scrape(client)
        await client.engine.run_once()
        await client.write("oi")
        found = await scrape(client)
    assert before["recado_account_accepted_messages_total", "main"] == 2
    assert before["recado_account_sent_messages_total", "main"] == 0
    assert found["recado_account_accepted_messages_total", "main"] == 2
    assert found["recado_account_sent_messages_total", "main"] == 2
    assert found["recado_account_sent_segments_total", "main"] == 4
    assert found["recado_account_cost_total", "main"] == pytest.approx(0.32)
    assert found["recado_account_received_messages_total", "main"] == 1
    assert found["recado_account_messages", "main", "sent"] == 2
    assert found["recado_account_messages", "main", "delivered"] == 0


async def test_sinks_are_told_as_the_api_tells_them(desk):
    for text in ("poison", "oi", "later"):
        await desk.write(text)
    (worker,) = [each for each in desk.engine.sinks.workers if each.name == "desk"]
    await worker.drain()
    await desk.write("waits")
    found = await scrape(desk)
    view = (await desk.get("/v1/sinks/desk")).json()
    assert (view["pending"], view["dead"]) == (1, 1)
    assert found["recado_sink_up", "desk"] == 1
    assert found["recado_sink_pending", "desk"] == 1
    assert found["recado_sink_dead", "desk"] == 1
    assert 0 <= found["recado_sink_lag_seconds", "desk"] <= view["lag"]
    assert found["recado_sink_pending", "mute"] == found["recado_sink_lag_seconds", "mute"] == 0
    assert found["recado_component_ok", "sink.desk"] == 1


async def test_sink_that_takes_nothing_is_told(desk_settings, run):
    settings = desk_settings('token = "desk-secret"', 'token = "desk-secret"\ntrouble = "down"')
    async with run(settings) as client:
        await client.write("oi")
        for worker in client.engine.sinks.workers:
            await worker.drain()
        found = await scrape(client)
    assert (found["recado_sink_up", "desk"], found["recado_sink_up", "mute"]) == (0, 1)
    assert found["recado_component_ok", "sink.desk"] == 0


async def test_components_and_version_are_told(working_client):
    found = await scrape(working_client)
    for name in ("database", "schema", "worker", "account.main"):
        assert found["recado_component_ok", name] == 1
    assert found["recado_build_info", version("recado-gateway")] == 1


async def test_process_is_told_and_the_interpreter_is_not(client):
    names = {name for name, *_ in await scrape(client)}
    assert "process_resident_memory_bytes" in names
    assert not [name for name in names if name.startswith("python_")]


async def test_gateway_whose_database_is_away_still_tells_so(desk, monkeypatch):
    client = desk

    async def fail():
        raise UnavailableError("the database can't be reached now")

    monkeypatch.setattr(client.engine._database, "revision", fail)  # noqa: SLF001  # the disk's part
    found = await scrape(client)
    assert found["recado_component_ok", "database"] == 0
    assert not [name for name, *_ in found if name.startswith(("recado_account_", "recado_sink_"))]
    assert "process_resident_memory_bytes" in {name for name, *_ in found}


@pytest.mark.parametrize("room", ["accounts", "sinks"])
async def test_database_that_goes_away_between_two_looks_is_told_too(desk, monkeypatch, room):
    async def fail():
        raise UnavailableError("the database can't be reached now")

    monkeypatch.setattr(getattr(desk.engine, room), "list", fail)
    found = await scrape(desk)
    assert found["recado_component_ok", "database"] == 0


async def test_scraper_that_wants_openmetrics_gets_it(client):
    answer = await client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0, */*;q=0.1"}
    )
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0;")
    families = {family.name: family for family in read_openmetrics(answer.text)}
    assert families["recado_build"].type == "info"
    assert families["recado_account_paused"].type == "gauge"


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html",
        "application/openmetrics-text",
        "text/plain;version=1.0.0",
        ";;=,é",
        "application/openmetrics-text;version=x",
        "application/openmetrics-text;version=9.9;escaping=y",
        "text/plain;version=1.x",
    ],
)
async def test_whatever_is_accepted_there_is_an_answer(client, accept):
    answer = await client.get("/metrics", headers={b"Accept": accept.encode("latin-1")})
    assert answer.status_code == 200, answer.text
    assert "recado_build_info" in answer.text


async def test_no_secret_is_in_the_metrics(desk):
    text = (await desk.get("/metrics")).text
    assert "secret" not in text
    assert desk.engine.accounts.webhook_path("main").rpartition("/")[2] not in text
