"""The control calls, the command line, and the page that describes both."""

import argparse
from pathlib import Path

import msgspec
import pytest
from recado_kolmeya.simulator import (
    Fault,
    FaultKind,
    Simulator,
    Switches,
    add_arguments,
    run,
    switches_from,
)
from recado_kolmeya.simulator.control import CONTROLS
from recado_kolmeya.simulator.inprocess import WEBHOOK_URL, open_bench
from recado_kolmeya.simulator.phones import MAGIC_ENDINGS
from recado_kolmeya.simulator.routes import OPERATIONS, TRY_WEBHOOK

PAGE = Path(__file__).parents[1] / "SIMULATOR.md"
CONTROL = "http://kolmeya.test/_simulator/"


@pytest.fixture
def anyio_backend():
    return "asyncio"


def manual(**changes):
    return Switches(clock="manual", **changes)


async def store(bench, *references, **fields):
    messages = [
        {"phone": 11900000001 + number, "message": "Olá", "reference": reference}
        for number, reference in enumerate(references)
    ]
    body = {"messages": messages, "webhook_url": WEBHOOK_URL} | fields
    return (await bench.call("v1/sms/store", **body)).json()


async def show(bench, name, **query):
    return (await bench.http.get(CONTROL + name, params=query)).json()


async def test_message_sent_twice_is_noticed():
    async with open_bench() as bench:
        await store(bench, "m-1", "m-2", reference="lote-1")
        before = await show(bench, "state")
        await store(bench, "m-2", "m-3", reference="lote-1")
        await store(bench, "m-2", "m-2", None)
        after = await show(bench, "state")
    assert (before["sent_twice"], before["references_seen"]) == (0, 2)
    assert after["repeated_references"] == {"m-2": 4}
    assert (after["sent_twice"], after["references_seen"]) == (1, 3)
    assert after["references_missing"] == 1
    assert after["messages_accepted"] == 7
    assert after["request_references_repeated"] == 1


async def test_refused_message_was_not_sent_and_may_come_again():
    async with open_bench() as bench:
        for phone in (1, 11900000001):
            body = [{"phone": phone, "message": "Olá", "reference": "m-1"}]
            await bench.call("v1/sms/store", messages=body)
        state = await show(bench, "state")
    assert (state["messages_accepted"], state["sent_twice"]) == (1, 0)


async def test_state_counts_calls_answers_and_webhooks():
    async with open_bench() as bench:
        await store(bench, "m-1", "m-2")
        await bench.call("v1/sms/status/request", id="x")
        await bench.call("v1/sms/respostas")
        await bench.call("v1/sms/reports/statuses/77")
        bench.mailbox.status = 500
        await bench.advance(1)
        state = await show(bench, "state")
    assert state["calls"] == {
        "/v1/sms/store": 1,
        "/v1/sms/status/request": 1,
        "unknown": 1,
        "/v1/sms/reports/statuses/{jobId}": 1,
    }
    assert state["answers"] == {"200": 2, "404": 2}
    assert (state["store_calls"], state["requests_accepted"]) == (1, 1)
    assert state["messages_by_status"] == {"3": 2}
    assert (state["webhooks"]["failed"], state["webhooks"]["waiting"]) == (1, 0)
    assert state["balance"] == "9397.14"


async def test_messages_are_shown_newest_first():
    async with open_bench() as bench:
        await store(bench, "m-1", "m-2", reference="lote-1")
        stored = await store(bench, "m-3")
        every = (await show(bench, "messages"))["messages"]
        two = (await show(bench, "messages", limit=2))["messages"]
    assert [row["reference"] for row in every] == ["m-3", "m-2", "m-1"]
    assert [row["reference"] for row in two] == ["m-3", "m-2"]
    assert (
        every[0].items()
        >= {
            "id": stored["valids"][0]["id"],
            "request_id": stored["id"],
            "phone": 11900000001,
            "message": "Olá",
            "status_code": 1,
            "status": "Tentando enviar",
            "request_reference": None,
        }.items()
    )
    assert every[2]["request_reference"] == "lote-1"


async def test_webhooks_are_shown_without_their_secret_address():
    async with open_bench() as bench:
        stored = await store(bench, "m-1")
        await bench.advance(1)
        answer = await bench.http.get(CONTROL + "webhooks")
    (row,) = answer.json()["webhooks"]
    assert row["body"]["id"] == stored["id"]
    assert (row["status"], row["error"], row["tries"]) == (200, "", 1)
    assert "made-up" not in answer.text


async def test_switches_change_while_running():
    async with open_bench() as bench:
        changed = await bench.control("switches", balance_form="decimal", blacklist=[11900000001])
        balance = (await bench.call("v1/sms/balance")).json()
        stored = await store(bench, "m-1")
        shown = await show(bench, "switches")
    assert changed.json() == shown
    assert shown["balance_form"] == "decimal"
    assert balance == {"balance": "9397.30"}
    assert stored["blacklist"] == [{"phone": 11900000001}]


@pytest.mark.parametrize(
    "change", [{"colour": "red"}, {"rate_limit": -1}, {"lists": "tuple"}, {"faults": [{}]}]
)
async def test_wrong_switch_is_refused_and_changes_nothing(change):
    async with open_bench() as bench:
        before = await show(bench, "switches")
        answer = await bench.control("switches", **change, price="9")
        assert answer.status_code == 400
        assert next(iter(change)) in answer.json()["message"]
        assert await show(bench, "switches") == before


async def test_status_can_be_forced_even_backwards():
    async with open_bench() as bench:
        stored = await store(bench, "m-1")
        await bench.advance(1)
        answer = await bench.control("statuses", reference="m-1", code=4)
        await bench.advance(0)
        asked = (await bench.call("v1/sms/status/request", id=stored["id"])).json()
    codes = [body["messages"][0]["status_code"] for body in bench.mailbox.bodies]
    assert answer.json()["status_code"] == 4
    assert codes == [3, 4]
    assert asked["messages"][0]["status_code"] == 4


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ({}, ["m-1", "m-2", "m-3"]),
        ({"order": "reversed"}, ["m-3", "m-2", "m-1"]),
        ({"limit": 1, "times": 3}, ["m-3", "m-3", "m-3"]),
    ],
)
async def test_webhooks_can_be_sent_again(order, wanted):
    async with open_bench(manual(webhook_concurrency=1)) as bench:
        for reference in ("m-1", "m-2", "m-3"):
            await store(bench, reference)
            await bench.advance(1)
        bench.mailbox.deliveries.clear()
        answer = await bench.control("resend-webhooks", **order)
        told = [body["messages"][0]["reference"] for body in bench.mailbox.bodies]
    assert answer.json() == {"resent": len(wanted)}
    assert told == wanted


async def test_webhooks_can_be_sent_again_shuffled():
    async with open_bench(manual(webhook_concurrency=1, statuses_per_body=1, seed=1)) as bench:
        await store(bench, *(f"m-{n}" for n in range(50)))
        await bench.advance(1)
        first = [body["messages"][0]["reference"] for body in bench.mailbox.bodies]
        bench.mailbox.deliveries.clear()
        await bench.control("resend-webhooks", order="shuffled")
        second = [body["messages"][0]["reference"] for body in bench.mailbox.bodies]
    assert first != second
    assert sorted(first) == sorted(second)


async def test_clock_moves_and_waits_for_its_webhooks():
    async with open_bench() as bench:
        await store(bench, "m-1")
        answer = await bench.control("clock", advance_seconds=1)
        assert len(bench.mailbox.bodies) == 1
    assert answer.json()["due"] == 0


async def test_reset_forgets_everything_and_restores_the_switches():
    async with open_bench() as bench:
        stored = await store(bench, "m-1")
        await bench.control("switches", price="9")
        answer = await bench.control("reset")
        state = await show(bench, "state")
        asked = await bench.call("v1/sms/status/request", id=stored["id"])
        await bench.advance(60)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (state["messages_accepted"], state["references_seen"]) == (0, 0)
    assert state["balance"] == "9397.30"
    assert asked.status_code == 404
    assert bench.mailbox.bodies == []


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("nothing", {}, 404),
        ("reject", {"id": "x"}, 404),
        ("reject", {"job": 5}, 404),
        ("reject", {}, 404),
        ("statuses", {"reference": "x", "code": 3}, 404),
        ("statuses", {"reference": "x", "code": 7}, 400),
        ("replies", {"reference": "x"}, 400),
        ("accesses", {"job": 5, "phone": 11900000001}, 404),
        ("clock", {"advance_seconds": -1}, 400),
        ("clock", {"seconds": 1}, 400),
    ],
)
async def test_wrong_control_call_is_refused(name, fields, status):
    async with open_bench() as bench:
        answer = await bench.control(name, **fields)
    assert answer.status_code == status
    assert answer.json()["message"]


def parse(*words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_every_switch_is_an_option():
    args = vars(parse())
    assert set(Switches.__struct_fields__) <= set(args)
    assert switches_from(parse()) == Switches()


def test_options_become_switches():
    args = parse(
        *("--host", "192.0.2.5", "--port", "9001", "--token", "t", "--reply-every", "5"),
        *("--no-webhooks", "--forget", "--final-delay", "1.5", "--seed", "4"),
        *("--blacklist", "11900000001", "--blacklist", "11900000002"),
        *("--lists", "object", "--segments", "7:VENDAS", "--price", "0.05"),
        *("--fault", "timeout,probability=0.01,path=/sms/store", "--fault", "error,next=3"),
    )
    assert (args.host, args.port) == ("192.0.2.5", 9001)
    assert switches_from(args) == Switches(
        token="t",
        reply_every=5,
        webhooks=False,
        forget=True,
        final_delay=1.5,
        seed=4,
        blacklist=(11900000001, 11900000002),
        lists="object",
        segments=("7:VENDAS",),
        price="0.05",
        faults=(
            Fault(kind=FaultKind.TIMEOUT, probability=0.01, path="/sms/store"),
            Fault(kind=FaultKind.ERROR, next=3),
        ),
    )


def test_realistic_timing_gives_way_to_what_is_said():
    switches = switches_from(parse("--realistic", "--final-delay", "5"))
    assert (switches.sent_delay, switches.final_delay, switches.final_spread) == (2, 5, 240)


@pytest.mark.parametrize(
    "words",
    [
        ("--rate-limit", "many"),
        ("--webhook-drop", "2"),
        ("--fault", "earthquake"),
        ("--fault", "error,next"),
        ("--fault", "error,colour=red"),
        ("--segments", "VENDAS"),
    ],
)
def test_wrong_option_is_a_value_error(words):
    with pytest.raises(ValueError, match=r"."):
        switches_from(parse(*words))


def test_command_names_the_wrong_option(capsys):
    assert run(parse("--webhook-drop", "2"), lambda *_: 0) == 2
    assert "webhook_drop" in capsys.readouterr().err


def test_help_can_be_printed(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    assert "--webhook-unknown-id" in capsys.readouterr().out


def test_command_serves_the_simulator():
    served = []

    def serve(app, host, port):
        served.append((app, host, port))
        return 0

    assert run(parse("--port", "9001", "--token", "t"), serve) == 0
    ((app, host, port),) = served
    assert isinstance(app, Simulator)
    assert app.world.switches.token == "t"
    assert (host, port) == ("127.0.0.1", 9001)


def test_page_names_every_switch_with_its_default():
    page = PAGE.read_text()
    for name, value in msgspec.to_builtins(Switches()).items():
        option = f"`--{name.replace('_', '-')}`"
        assert option in page, name
        row = next(line for line in page.splitlines() if line.startswith(f"| {option}"))
        if isinstance(value, bool):
            assert ("| on |" if value else "| off |") in row
        elif value not in (None, "", ()):
            shown = ", ".join(value) if isinstance(value, list | tuple) else value
            assert f"| `{shown}` |" in row


def test_page_names_every_control_operation_and_magic_number():
    page = PAGE.read_text()
    for method, name in CONTROLS:
        assert f"`{method} /_simulator/{name}" in page
    for path in [*OPERATIONS, TRY_WEBHOOK]:
        assert f"`{path}`" in page
    for number, ending in MAGIC_ENDINGS.items():
        assert f"| `{number:02}` | {ending.value} |" in page
    for kind in FaultKind:
        assert f"| `{kind}` |" in page
