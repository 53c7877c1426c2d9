"""Notes on partners: which are written, and that nothing else ever hangs on one."""

import anyio
import pytest
from recado_core import (
    NOT_TOLD,
    InDoubtError,
    NotYetError,
    TransientSendError,
    UnreachableError,
)

from .bench import (
    LASTING,
    MO_ID,
    NUMBER,
    PASSING,
    RPC,
    StubCompanion,
    deliver_in_time,
    left,
    received,
)

SOON = 20.0
"""Seconds; the sink's own patience with one call is 30."""


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (left("sent", origin=None), "SMS enviado: Às 9h está ótimo"),
        (left("delivered", origin="other"), "SMS entregue: Às 9h está ótimo"),
        (received(), "SMS recebido: Sim, pode ser às 9h 👍"),
    ],
)
async def test_partner_is_noted_on_whoever_sent_the_message(
    odoo, make_sink, companion, event, text
):
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": True})
    await sink.deliver(event, repeated=False)
    assert companion.made("note") == [(NUMBER, text)]


async def test_only_the_notes_that_are_named_are_written(odoo, make_sink, companion):
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": ["sent"]})
    for event in (left("sent"), left("delivered"), received()):
        await sink.deliver(event, repeated=False)
    assert [text.partition(":")[0] for _, text in companion.made("note")] == ["SMS enviado"]


@pytest.mark.parametrize("status", ["sent", "delivered"])
async def test_note_that_may_be_there_is_not_written_again(odoo, make_sink, companion, status):
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": True})
    assert await sink.deliver(left(status, origin=None), repeated=True) is NOT_TOLD
    assert not companion.made("note")


async def test_short_code_is_no_partner(odoo, make_sink, companion):
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": True})
    await sink.deliver(left("sent", to="27000"), repeated=False)
    assert not companion.calls


@pytest.mark.parametrize("error", [*PASSING, *LASTING, UnreachableError("away")], ids=repr)
async def test_note_that_fails_never_has_a_persons_message_brought_again(
    odoo, make_sink, companion, caplog, error
):
    companion.errors["note"] = error
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": True})
    await sink.deliver(received(), repeated=False)
    assert len(odoo.messages) == 1
    assert "chatroom note left out" in caplog.messages


@pytest.mark.parametrize("known", [{MO_ID}, set()], ids=["there", "not there"])
async def test_note_on_a_message_is_written_once(odoo, make_sink, known):
    companion = StubCompanion(*known)
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": True})
    await sink.deliver(received(), repeated=True)
    # It follows the message: an earlier call had not come to it where the message is not there.
    assert len(companion.made("note")) == (0 if known else 1)


@pytest.mark.parametrize("error", LASTING, ids=repr)
async def test_note_is_not_repeated_where_nobody_can_say_whether_it_is_there(
    odoo, make_sink, companion, error
):
    companion.errors["has_message"] = error
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": True})
    await sink.deliver(received(), repeated=True)
    assert len(odoo.messages) == 1
    assert not companion.made("note")


async def test_note_that_was_not_begun_is_written_when_odoo_can_say_again(
    odoo, make_sink, companion, clock
):
    rpc = RPC | {"partner_notes": True}
    sink = make_sink(odoo.answer, companion, rpc=rpc, notes="all")
    companion.errors["has_message"] = InDoubtError("no answer")
    event = left("delivered", created_at=clock.now())
    with pytest.raises(NotYetError) as caught:
        await sink.deliver(event, repeated=False)
    companion.errors.clear()
    clock.advance(caught.value.retry_after)
    await sink.deliver(event, repeated=caught.value.possibly_taken)
    assert len(companion.made("note")) == 1


async def test_note_that_fails_does_not_have_the_line_written_again(odoo, make_sink, companion):
    companion.errors["note"] = TransientSendError("busy")
    rpc = RPC | {"partner_notes": True}
    sink = make_sink(odoo.answer, companion, rpc=rpc, notes="all")
    await sink.deliver(left("delivered"), repeated=False)
    assert len(companion.made("info")) == 1


async def test_note_that_takes_long_holds_up_no_other_message(
    odoo, make_sink, companion, monkeypatch
):
    monkeypatch.setattr("recado_acrux_chatroom.sink.LONGEST_NOTE", 0.05)
    companion.silent = ("note",)
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": True})
    with anyio.fail_after(SOON):
        for _ in range(3):
            await sink.deliver(received(), repeated=False)
    assert len(odoo.messages) == 3
    assert len(companion.made("note")) == 1


async def test_note_is_tried_again_a_while_after_one_that_took_long(
    odoo, make_sink, companion, monkeypatch
):
    monkeypatch.setattr("recado_acrux_chatroom.sink.LONGEST_NOTE", 0.05)
    monkeypatch.setattr("recado_acrux_chatroom.sink.NOTE_PAUSE", 0.0)
    companion.silent = ("note",)
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": True})
    with anyio.fail_after(SOON):
        for _ in range(2):
            await sink.deliver(received(), repeated=False)
    assert len(companion.made("note")) == 2


@pytest.mark.parametrize("event", [received(), left("delivered")], ids=lambda event: event.type)
async def test_what_was_told_is_not_in_doubt_for_a_note_that_takes_long(
    odoo, make_sink, companion, caplog, event
):
    companion.silent = ("note",)
    rpc = RPC | {"partner_notes": True}
    sink = make_sink(odoo.answer, companion, rpc=rpc, notes="all")
    await deliver_in_time(sink, event)
    assert len(odoo.messages) + len(companion.made("info")) == 1
    assert "chatroom note left out" in caplog.messages
