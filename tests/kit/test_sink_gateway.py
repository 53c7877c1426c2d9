"""The gateway that the kit puts before sinks, and the calls that it makes up."""

import msgspec
import pytest
from recado_core import SinkMessage, TransientSendError, WebhookRequest
from recado_core.testing.sink_calls import oddities, strangers
from recado_core.testing.sink_gateway import FakeGateway

CALL = WebhookRequest(
    url="https://gateway.example.com/sinks/kit?client=me",
    headers={"token": "a-token-of-nobody", "action": "send"},
    query={"client": "me"},
    body=b'{"to": "+5511900000001"}',
    path="reply",
)


def message(key):
    return SinkMessage(account="kit", to="+5511900000001", text="Olá", key=key)


async def test_message_under_a_known_key_gets_the_id_that_it_had():
    gateway = FakeGateway()
    first, again = await gateway.send(message("1")), await gateway.send(message("1"))
    other = await gateway.send(message("2"))
    assert first == again != other
    assert [sent.key for sent in gateway.sent] == ["1", "2"]


async def test_refused_message_is_not_sent():
    gateway = FakeGateway()
    gateway.refusal = "no"
    assert (await gateway.send(message("1"))).refusal == "no"
    assert not gateway.sent


async def test_other_message_under_a_known_key_is_refused():
    gateway = FakeGateway()
    await gateway.send(message("1"))
    answer = await gateway.send(msgspec.structs.replace(message("1"), text="Adeus"))
    assert (answer.message_id, answer.code) == (None, "key_reused")


async def test_what_was_shortened_for_what_is_remembered():
    gateway = FakeGateway()
    gateway.short = "https://gateway.example.com/l/1"
    assert await gateway.shorten("https://example.com", "1") == gateway.short
    assert gateway.shortened == [("https://example.com", "1")]


async def test_gateway_that_is_down_fails_at_every_call_and_counts_it():
    gateway = FakeGateway()
    gateway.is_down = True
    calls = (
        gateway.send(message("1")),
        gateway.account_state("kit"),
        gateway.note_read("kit", "+5511900000001"),
        gateway.addresses("kit", 1),
        gateway.shorten("https://example.com", "1"),
    )
    for call in calls:
        with pytest.raises(TransientSendError):
            await call
    assert gateway.asked == len(calls)


def test_no_stranger_has_all_credentials():
    found = list(strangers(CALL, frozenset({"token", "client"})))
    right = {("a-token-of-nobody", "me")}
    assert {(one.headers.get("token"), one.query.get("client")) for one in found}.isdisjoint(right)
    assert any(one.headers.keys() == {"action"} and not one.query for one in found)
    assert all((one.body, one.path) == (CALL.body, CALL.path) for one in found)


def test_odd_calls_keep_their_credentials():
    assert {one.headers["token"] for one in oddities(CALL)} == {"a-token-of-nobody"}
    assert {one.path for one in oddities(CALL)} > {"reply", ""}
