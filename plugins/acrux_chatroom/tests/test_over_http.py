"""Odoo and the sink on real ports, each calling the other as it does, with its own library."""

import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import to_thread
from recado_core import AccountState, InDoubtError, TransientSendError, UnreachableError

from .addon import Connector, ShownError
from .bench import MT_ID, NUMBER, PERSON, RPC, StubCompanion, left, received
from .fake_odoo import TOKEN, UUID, FakeOdooServer
from .front import Front
from .odoo import FakeOdoo, Fault

KINDS = ("apichat.io", "chatapi", "waba_extern")
PATIENCE = 60


@pytest.fixture
def home():
    """Give an Odoo on a port; ``home.odoo`` is what it knows."""
    with FakeOdooServer(FakeOdoo(Connector(UUID, TOKEN, None))) as server:
        yield server


@pytest.fixture
async def open_front(make_sink, home):
    fronts = []

    def open_it(companion=None, **changes):
        sink = make_sink(companion=companion, odoo_url=home.url, **changes)
        fronts.append(Front(sink).__enter__())
        home.odoo.connector.endpoint = fronts[-1].url + "/"
        return sink

    yield open_it
    for front in fronts:
        front.__exit__()


@pytest.fixture
async def connector(home, open_front):
    open_front()
    return home.odoo.connector


async def press(button, *args):
    """Do something in Odoo, which waits for its answer in a thread of its own."""
    with anyio.fail_after(PATIENCE):
        return await to_thread.run_sync(button, *args)


# ---------------------------------------------------------------- what people press in Odoo


@pytest.mark.parametrize("kind", KINDS)
async def test_status_is_checked_and_the_connector_connects(connector, caplog, kind):
    connector.kind = kind
    assert await press(connector.check_status) in {"active", "Connected."}
    assert connector.ca_status
    assert not caplog.messages  # the webhook that it names is the one that we call


@pytest.mark.parametrize("kind", KINDS)
async def test_paused_account_disconnects_the_connector(connector, gateway, kind):
    connector.kind = kind
    gateway.state = AccountState(ok=False, text="paused: no balance")
    assert await press(connector.check_status) == "paused: no balance"
    assert not connector.ca_status


@pytest.mark.parametrize("kind", KINDS)
async def test_agents_message_goes_out_and_gets_its_id(connector, gateway, kind):
    connector.kind, connector.ca_status = kind, True
    message = {"type": "text", "text": "Às 9h está ótimo 👍", "to": NUMBER, "id": "87123"}
    msgid = await press(connector.send, message)
    assert (msgid[:5], msgid[-len(f"_{NUMBER}@c.us") :]) == ("true_", f"_{NUMBER}@c.us")
    assert [(sent.to, sent.text) for sent in gateway.sent] == [(PERSON, "Às 9h está ótimo 👍")]


@pytest.mark.parametrize("kind", KINDS)
async def test_agent_sees_why_a_message_can_not_go(connector, gateway, kind):
    connector.kind, connector.ca_status = kind, True
    gateway.refusal = "this person gets no messages: opt_out"
    with pytest.raises(ShownError) as caught:
        await press(connector.send, {"type": "text", "text": "Olá", "to": NUMBER, "id": "1"})
    assert str(caught.value) == f"O Recado não aceitou a mensagem. {gateway.refusal}"


@pytest.mark.parametrize("kind", KINDS)
async def test_agent_sees_that_the_gateway_is_down(connector, gateway, kind):
    connector.kind, connector.ca_status = kind, True
    gateway.is_down = True
    with pytest.raises(ShownError, match="novamente"):
        await press(connector.send, {"type": "text", "text": "Olá", "to": NUMBER, "id": "1"})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [{"token": "another-token"}, {"uuid": "another-uuid"}])
async def test_administrator_sees_that_the_credentials_are_wrong(connector, kind, wrong):
    connector.kind = kind
    for name, value in wrong.items():
        setattr(connector, name, value)
    with pytest.raises(ShownError, match="Account ID"):
        await press(connector.check_status)


@pytest.mark.parametrize("kind", KINDS)
async def test_everything_else_that_is_pressed_works(connector, gateway, kind):
    connector.kind, connector.ca_status = kind, True
    assert await press(connector.get_contact, NUMBER) == ""
    assert await press(connector.set_read, NUMBER) == {}
    assert await press(connector.get_templates) == []
    assert gateway.seen == [("kolmeya_main", "sms", PERSON)]
    assert await press(connector.logout) == {}
    assert not connector.ca_status


async def test_what_only_connectors_without_paths_ask_works(connector, gateway):
    gateway.known = [PERSON]
    assert await press(connector.get_chat_list) == {NUMBER: ("", "")}
    assert await press(connector.check_numbers, [NUMBER, "27000"]) == {
        NUMBER: (True, NUMBER),
        "27000": (False, ""),
    }
    assert await press(connector.delete_message, NUMBER, MT_ID) == {}
    assert await press(connector.call, "opt_in", {"number": NUMBER, "opt_in": True}) == {}
    assert await press(connector.call, "config_get") == {}
    with pytest.raises(ShownError, match="AcruxLab"):
        await press(connector.call, "init_free_test", {"tz": "America/Sao_Paulo"})


# ---------------------------------------------------------------- calls within calls


@pytest.mark.parametrize("generation", [15, 16, 17, 18])
async def test_odoo_asks_for_the_person_and_its_bot_answers_within_our_call(
    home, open_front, gateway, generation
):
    home.odoo.generation = generation
    home.odoo.connector.ca_status = True
    home.odoo.bot = "Já respondemos"
    sink = open_front()
    with anyio.fail_after(PATIENCE):
        await sink.deliver(received(), repeated=False)
    assert [message["number"] for message in home.odoo.messages] == [NUMBER]
    assert [(sent.to, sent.text) for sent in gateway.sent] == [(PERSON, "Já respondemos")]
    assert len(home.odoo.agents) == 1


async def test_many_conversations_open_at_once_while_agents_write(home, open_front, gateway):
    home.odoo.connector.ca_status = True
    sink = open_front()
    people = [f"+55119000{index:05d}" for index in range(20)]

    async def talk(person):
        await sink.deliver(received(sender=person), repeated=False)
        await press(home.odoo.write, person[1:], "Olá")

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            for person in people:
                group.start_soon(talk, person)
    assert {sent.to for sent in gateway.sent} == set(people)
    assert len(home.odoo.messages) == len(home.odoo.agents) == len(people)


async def test_failure_of_a_message_shows_once_odoo_has_committed_it(
    home, open_front, gateway, clock
):
    home.odoo.connector.ca_status = True
    home.odoo.commit_time = 0.3
    sink = open_front()
    async with anyio.create_task_group() as group:
        group.start_soon(press, home.odoo.write, NUMBER, "Olá")
        await press(until, lambda: gateway.sent)
        event = left(created_at=clock.now())
        with pytest.raises(TransientSendError) as caught:
            await sink.deliver(event, repeated=False)
    clock.advance(caught.value.retry_after)
    home.odoo.sent[MT_ID] = None
    await sink.deliver(event, repeated=False)
    assert home.odoo.sent[MT_ID] == "Não entregue: 30003: Fora de área"


# ---------------------------------------------------------------- an Odoo that fails


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("500", TransientSendError),
        ("502", UnreachableError),
        ("503", UnreachableError),
        ("504", UnreachableError),
        ("html", InDoubtError),
        ("empty", InDoubtError),
        ("close", InDoubtError),
        ("failure", TransientSendError),
        ("rpc_error", TransientSendError),
        ("no_database", UnreachableError),
    ],
)
@pytest.mark.parametrize("taken", [False, True])
async def test_every_failure_is_told_as_what_it_is_and_passes(home, open_front, kind, error, taken):
    home.odoo.faults.append(Fault(kind, count=1, taken=taken))
    sink, event = open_front(), received()
    with pytest.raises(error) as caught:
        await sink.deliver(event, repeated=False)
    assert isinstance(caught.value, UnreachableError) == (error is UnreachableError)
    await sink.deliver(event, repeated=True)
    assert len(home.odoo.messages) == 1 + taken  # without RPC, in doubt is twice rather than never


@pytest.mark.parametrize("kind", ["502", "close", "failure", "rpc_error"])
@pytest.mark.parametrize("taken", [False, True])
async def test_message_in_doubt_is_there_once_where_odoo_can_be_asked(
    home, open_front, kind, taken
):
    class Companion(StubCompanion):
        async def has_message(self, _, msgid):
            return msgid in {message["id"] for message in home.odoo.messages}

    home.odoo.faults.append(Fault(kind, count=1, taken=taken))
    sink, event = open_front(Companion(), rpc=RPC), received()
    with pytest.raises((TransientSendError, InDoubtError)):
        await sink.deliver(event, repeated=False)
    await sink.deliver(event, repeated=True)
    assert len(home.odoo.messages) == 1


async def test_odoo_that_is_gone_is_unreachable_until_it_is_back(home, open_front):
    sink, event = open_front(), received()
    home.stop()
    for repeated in (False, True):
        with pytest.raises(UnreachableError):
            await sink.deliver(event, repeated=repeated)
    home.start()
    await sink.deliver(event, repeated=True)
    assert len(home.odoo.messages) == 1


async def test_odoo_that_hangs_is_in_doubt_once_and_away_from_then_on(home, open_front):
    home.odoo.faults.append(Fault("hang", seconds=1.0, at="all"))
    sink, event = open_front(), received()
    sink._chatroom._http.timeout = httpx.Timeout(0.3)  # noqa: SLF001  # as the gateway sets it
    with pytest.raises(InDoubtError):
        await sink.deliver(event, repeated=False)
    with pytest.raises(UnreachableError):
        await sink.deliver(event, repeated=True)
    home.odoo.faults.clear()
    await sink.deliver(event, repeated=True)
    assert len(home.odoo.messages) == 1


async def test_connections_that_broke_by_a_restart_are_made_anew(home, open_front):
    sink = open_front()
    await sink.deliver(received(), repeated=False)
    await to_thread.run_sync(home.restart)
    try:
        await sink.deliver(received(), repeated=False)
    except InDoubtError:  # the old connection broke while the call went out
        await sink.deliver(received(), repeated=True)
    assert len(home.odoo.messages) >= 2


# ---------------------------------------------------------------- as a program


def test_fake_odoo_runs_as_a_program_and_is_steered_over_http(start_fake_odoo):
    url = start_fake_odoo("--port", "0", "--generation", "17")
    with httpx.Client(base_url=f"{url}/control/", timeout=PATIENCE) as control:
        assert control.get("state").json()["messages"] == []
        control.post("fault", json={"kind": "502", "count": 1})
        webhook = f"{url}/acrux_webhook/whatsapp_connector/{UUID}"
        body = {"params": {"events": [{"type": "phone-status", "status": "connected"}]}}
        assert control.post(webhook, json=body).status_code == 502
        assert control.post(webhook, json=body).json()["result"] == {"status": "ok"}
        assert control.post(f"{webhook}/process", json=body).status_code == 200
        assert control.get("state").json()["connected"]
        told = control.post("agent", json={"number": NUMBER, "text": "Olá"})
        assert told.status_code == 400  # it has no endpoint
        control.post("down", json={"seconds": 0.3})
        until(lambda: starts(url) == 2)


@pytest.fixture
def start_fake_odoo():
    started = []

    def start(*args):
        program = Path(__file__).with_name("fake_odoo.py")
        started.append(
            subprocess.Popen([sys.executable, program, *args], stdout=subprocess.PIPE, text=True)
        )
        return started[-1].stdout.readline().strip()

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def until(it_is_so):
    deadline = time.monotonic() + PATIENCE
    while not it_is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def starts(url):
    """Return how often it has come up; None while it is away."""
    try:
        return httpx.get(f"{url}/control/state").json()["starts"]
    except httpx.TransportError:
        return None
