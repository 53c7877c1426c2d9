"""What happens before anything is told again, and how long each part of a delivery may take."""

import asyncio
import logging

import pytest
from recado_acrux_chatroom.asides import LOOK_AGAIN
from recado_core import (
    NOT_TOLD,
    NotYetError,
    UnreachableError,
)

from .bench import (
    LASTING,
    MO_ID,
    NUMBER,
    PASSING,
    PATIENCE,
    RPC,
    StubCompanion,
    deliver_in_time,
    received,
)


async def test_message_that_odoo_has_is_not_brought_again(odoo, make_sink):
    sink = make_sink(odoo.answer, StubCompanion(MO_ID), rpc=RPC)
    assert await sink.deliver(received(), repeated=True) is NOT_TOLD
    assert not odoo.messages


async def test_message_that_odoo_lacks_is_brought_again(odoo, make_sink, companion):
    await make_sink(odoo.answer, companion, rpc=RPC).deliver(received(), repeated=True)
    assert companion.made("has_message") == [(NUMBER, MO_ID)]
    assert len(odoo.messages) == 1


async def test_first_call_asks_nobody(odoo, make_sink, companion):
    await make_sink(odoo.answer, companion, rpc=RPC).deliver(received(), repeated=False)
    assert not companion.calls


@pytest.mark.parametrize("error", [*PASSING, UnreachableError("away")], ids=repr)
async def test_repeat_waits_while_odoo_can_not_say_and_goes_when_it_has_waited_long(
    odoo, make_sink, companion, clock, error
):
    companion.errors["has_message"] = error
    sink, event = make_sink(odoo.answer, companion, rpc=RPC), received()
    with pytest.raises(NotYetError) as caught:
        await sink.deliver(event, repeated=True)
    assert caught.value.retry_after == LOOK_AGAIN
    assert not odoo.messages
    clock.advance(121)
    await sink.deliver(event, repeated=True)
    assert len(odoo.messages) == 1


@pytest.mark.parametrize("error", LASTING, ids=repr)
async def test_repeat_does_not_wait_for_a_login_that_does_not_work(
    odoo, make_sink, companion, caplog, error
):
    caplog.set_level(logging.INFO, logger="recado_acrux_chatroom")
    companion.errors["has_message"] = error
    sink = make_sink(odoo.answer, companion, rpc=RPC)
    await sink.deliver(received(), repeated=True)
    await sink.deliver(received(), repeated=True)
    companion.errors.clear()
    await sink.deliver(received(), repeated=True)
    assert len(odoo.messages) == 3
    assert [text for text in caplog.messages if "rpc" in text] == [
        "odoo rpc can't be used",
        "odoo rpc can be used again",
    ]


# ---------------------------------------------------------------- time


async def test_what_is_queued_is_not_in_doubt_for_a_queue_that_takes_long(
    make_odoo, make_sink, caplog
):
    odoo = make_odoo(17)

    async def answer(request):
        if request.url.path.endswith("/process"):
            await asyncio.sleep(3600)
        return odoo.answer(request)

    await deliver_in_time(make_sink(answer), received())
    assert len(odoo.queue) == 1
    assert "chatroom queue left to odoo" in caplog.messages


async def test_odoo_that_takes_long_to_say_that_it_is_there_is_away(odoo, make_sink):
    async def answer(request):
        await asyncio.sleep(3600 if request.method == "GET" else 0)
        return odoo.answer(request)

    with pytest.raises(UnreachableError, match="too long"):
        await deliver_in_time(make_sink(answer), received(), repeated=True)
    assert not odoo.messages


async def test_repeat_has_time_left_for_its_call_though_odoo_does_not_say_what_it_has(
    odoo, make_sink, companion, clock
):
    async def answer(request):
        if request.method == "POST":
            await asyncio.sleep(0.6 * PATIENCE)  # most of what one call has
        return odoo.answer(request)

    companion.silent = ("has_message",)
    sink, event = make_sink(answer, companion, rpc=RPC), received()
    with pytest.raises(NotYetError, match="too long"):
        await deliver_in_time(sink, event, repeated=True)
    clock.advance(121)
    await deliver_in_time(sink, event, repeated=True)
    assert len(odoo.messages) == 1
