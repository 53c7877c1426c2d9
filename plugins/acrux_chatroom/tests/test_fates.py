"""What agents are told of messages that went out, and the companion's part in everything."""

import httpx
import pytest
from recado_core import (
    NOT_TOLD,
    AccountError,
    InDoubtError,
    NotYetError,
    PermanentSendError,
    TransientSendError,
    UnreachableError,
)

from .bench import LASTING, MO_ID, MT, MT_ID, NUMBER, PASSING, RPC, StubCompanion, left, received
from .odoo import BrokenOffError, Fault

WORDS = {
    "failed": "Não enviada",
    "undelivered": "Não entregue",
    "rejected": "Recusada",
    "expired": "Expirada",
    "suppressed": "Não enviada, o destinatário está bloqueado",
    "canceled": "Cancelada",
}


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize("notes", ["failures", "all"])
@pytest.mark.parametrize("generation", [15, 17])
@pytest.mark.parametrize("status", WORDS)
async def test_failure_is_shown_at_the_message(make_odoo, make_sink, status, generation, notes):
    odoo = make_odoo(generation)
    odoo.sent[MT_ID] = None
    await make_sink(odoo.answer, notes=notes).deliver(left(status), repeated=False)
    assert odoo.sent[MT_ID] == f"{WORDS[status]}: 30003: Fora de área"


async def test_failure_without_words_says_at_least_which(odoo, make_sink):
    odoo.sent[MT_ID] = None
    sink = make_sink(odoo.answer, language="en")
    await sink.deliver(left(code=None, status_text=None), repeated=False)
    assert odoo.sent[MT_ID] == "Not delivered"


@pytest.mark.parametrize("status", ["undelivered", "delivered"])
async def test_message_that_was_sent_again_is_the_one_that_odoo_knows(
    odoo, make_sink, companion, status
):
    odoo.sent[MT_ID] = None
    sink = make_sink(odoo.answer, companion, rpc=RPC, notes="all")
    await sink.deliver(left(status, id="another", first_id=MT), repeated=False)
    assert odoo.sent[MT_ID] or companion.made("info")[0][1] == MT_ID


async def test_failures_are_kept_from_agents_who_shall_not_see_them(odoo, make_sink):
    await make_sink(odoo.answer, notes="none").deliver(left(), repeated=False)
    assert not odoo.requests


async def test_failure_waits_until_odoo_has_had_time_to_store_the_message(odoo, make_sink, clock):
    odoo.sent[MT_ID] = None
    sink = make_sink(odoo.answer)
    event = left(created_at=clock.now())
    clock.advance(2)
    with pytest.raises(NotYetError) as caught:
        await sink.deliver(event, repeated=False)
    assert not odoo.requests
    clock.advance(caught.value.retry_after)
    await sink.deliver(event, repeated=False)
    assert odoo.sent[MT_ID]


async def test_failure_is_told_at_once_when_odoo_says_that_it_has_the_message(
    odoo, make_sink, clock, companion
):
    odoo.sent[MT_ID] = None
    await make_sink(odoo.answer, companion, rpc=RPC).deliver(
        left(created_at=clock.now()), repeated=False
    )
    assert odoo.sent[MT_ID]


async def test_failure_waits_for_an_odoo_that_says_it_does_not_have_the_message_yet(
    odoo, make_sink, clock
):
    sink = make_sink(odoo.answer, StubCompanion(), rpc=RPC)
    event, waits = left(created_at=clock.now()), []
    clock.advance(10)
    for _ in range(20):
        try:
            await sink.deliver(event, repeated=False)
            break
        except NotYetError as error:
            waits.append(error.retry_after)
            clock.advance(error.retry_after)
    assert waits == [10, 20, 20]
    assert len(odoo.requests) == 1


@pytest.mark.parametrize("error", [*PASSING, UnreachableError("away")], ids=repr)
async def test_odoo_that_can_not_say_whether_it_has_a_message_leaves_nothing_in_doubt(
    odoo, make_sink, clock, companion, error
):
    companion.errors["has_message"] = error
    odoo.sent[MT_ID] = None
    sink, event = make_sink(odoo.answer, companion, rpc=RPC), left(created_at=clock.now())
    waits = []
    for _ in range(5):
        try:
            await sink.deliver(event, repeated=False)
            break
        except NotYetError as not_yet:
            waits.append((not_yet.retry_after, not_yet.possibly_taken))
            clock.advance(not_yet.retry_after)
    assert waits == [(30, False)] * 2
    assert odoo.sent[MT_ID]


@pytest.mark.parametrize("status", ["undelivered", "delivered"])
async def test_outcome_is_repeated_to_an_odoo_that_answers_alone(
    odoo, make_sink, companion, status
):
    odoo.faults.append(Fault("hang", count=1, at="test", seconds=0))
    odoo.sent[MT_ID] = None

    def answer(request):
        try:
            return odoo.answer(request)
        except BrokenOffError:
            raise httpx.ReadTimeout("no answer in time") from None

    sink = make_sink(answer, companion, rpc=RPC, notes="all")
    with pytest.raises(UnreachableError):
        await sink.deliver(left(status), repeated=True)
    assert not companion.calls
    assert odoo.sent[MT_ID] is None
    await sink.deliver(left(status), repeated=True)
    assert companion.made("info") or odoo.sent[MT_ID]


async def test_message_that_was_refused_at_once_is_not_told_of_again(odoo, make_sink):
    event = left("suppressed", created_at=left().time)
    assert await make_sink(odoo.answer).deliver(event, repeated=False) is NOT_TOLD
    assert not odoo.requests


# ---------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("status", "text"),
    [("delivered", "Entregue"), ("read", "Lida"), ("unknown", "Não se sabe se chegou")],
)
async def test_agent_reads_in_a_line_what_became_of_a_message(
    odoo, make_sink, companion, status, text
):
    sink = make_sink(odoo.answer, companion, rpc=RPC, notes="all")
    await sink.deliver(left(status), repeated=False)
    assert companion.made("info") == [(NUMBER, MT_ID, text)]
    assert not odoo.requests


async def test_line_waits_for_the_message_that_it_is_about(odoo, make_sink, clock):
    companion = StubCompanion()
    sink = make_sink(odoo.answer, companion, rpc=RPC, notes="all")
    event = left("delivered", created_at=clock.now())
    with pytest.raises(NotYetError):
        await sink.deliver(event, repeated=False)
    companion.known.add(MT_ID)
    await sink.deliver(event, repeated=False)
    assert len(companion.made("info")) == 1


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (left("delivered"), {"notes": "failures"}),
        (left("delivered", origin="other"), {"notes": "all"}),
        (left("delivered", origin=None), {"notes": "all"}),
        (left("sent"), {"notes": "all"}),
    ],
)
async def test_nobody_is_told_what_nobody_asked_for(odoo, make_sink, companion, event, changes):
    await make_sink(odoo.answer, companion, rpc=RPC, **changes).deliver(event, repeated=False)
    assert not companion.calls
    assert not odoo.requests


async def test_line_is_repeated_as_the_companion_writes_it_once(odoo, make_sink, companion):
    rpc = RPC | {"partner_notes": True}
    sink = make_sink(odoo.answer, companion, rpc=rpc, notes="all")
    await sink.deliver(left("delivered"), repeated=True)
    assert len(companion.made("info")) == 1
    assert not companion.made("note")


@pytest.mark.parametrize("error", LASTING, ids=repr)
async def test_login_that_fails_makes_a_line_a_dead_letter_and_stops_nothing_else(
    odoo, make_sink, companion, error
):
    companion.errors["info"] = error
    sink = make_sink(odoo.answer, companion, rpc=RPC, notes="all")
    with pytest.raises(PermanentSendError):
        await sink.deliver(left("delivered"), repeated=False)
    await sink.deliver(received(), repeated=False)
    assert len(odoo.messages) == 1


@pytest.mark.parametrize("alive", [True, False], ids=["rpc alone", "odoo"])
@pytest.mark.parametrize(("status", "call"), [("delivered", "info"), ("sent", "note")])
async def test_line_or_note_calls_odoo_away_only_where_it_is(odoo, make_sink, status, call, alive):
    companion = StubCompanion(MT_ID)
    companion.errors[call] = UnreachableError("HTTP 503 from /jsonrpc", code="503")
    if not alive:
        odoo.faults.append(Fault("503", at="test"))
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"partner_notes": ["sent"]}, notes="all")
    with pytest.raises(TransientSendError) as caught:
        await sink.deliver(left(status), repeated=False)
    assert isinstance(caught.value, UnreachableError) != alive
    assert (caught.value.code, caught.value.possibly_taken) == ("503", False)


# ---------------------------------------------------------------- without the webhook


async def test_message_goes_by_rpc_where_there_is_no_webhook(odoo, make_sink, companion):
    odoo.faults.append(Fault("404"))
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"fallback": True})
    await sink.deliver(received(), repeated=False)
    ((message,),) = companion.made("new_message")
    assert (message.id, message.number) == (MO_ID, NUMBER)


async def test_failure_goes_as_a_line_where_there_is_no_webhook(odoo, make_sink, companion):
    odoo.faults.append(Fault("404"))
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"fallback": True})
    await sink.deliver(left(), repeated=False)
    assert companion.made("info") == [(NUMBER, MT_ID, "Não entregue: 30003: Fora de área")]


@pytest.mark.parametrize("rpc", [None, RPC], ids=["no rpc", "no fallback"])
async def test_missing_webhook_is_an_account_error_unless_the_settings_say_otherwise(
    odoo, make_sink, companion, rpc
):
    odoo.faults.append(Fault("404"))
    sink = make_sink(odoo.answer, companion if rpc else None, rpc=rpc)
    with pytest.raises(AccountError, match="odoo_url"):
        await sink.deliver(received(), repeated=False)
    assert not companion.calls


@pytest.mark.parametrize("event", [received(), left()], ids=lambda event: event.type)
async def test_repeat_that_rpc_breaks_at_is_counted(odoo, make_sink, companion, event):
    odoo.faults.append(Fault("404"))
    error = UnreachableError("HTTP 504", code="504", possibly_taken=True)
    companion.errors |= {"new_message": error, "info": error}
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"fallback": True})
    with pytest.raises(UnreachableError):
        await sink.deliver(event, repeated=False)
    with pytest.raises(TransientSendError) as caught:
        await sink.deliver(event, repeated=True)
    assert not isinstance(caught.value, UnreachableError)


@pytest.mark.parametrize("kind", ["500", "502", "failure", "html", "redirect"])
async def test_webhook_that_fails_is_not_passed_by(odoo, make_sink, companion, kind):
    odoo.faults.append(Fault(kind))
    sink = make_sink(odoo.answer, companion, rpc=RPC | {"fallback": True})
    with pytest.raises((TransientSendError, InDoubtError, AccountError)):
        await sink.deliver(received(), repeated=False)
    assert not companion.calls


# ---------------------------------------------------------------- looking


async def test_probe_tells_of_odoo_the_connector_and_the_login(odoo, make_sink, companion):
    found = await make_sink(odoo.answer, companion, rpc=RPC).probe()
    assert [(one.what, one.ok) for one in found] == [
        ("Odoo", True),
        ("ChatRoom's webhook", True),
        ("rpc", True),
    ]
    assert not odoo.messages
    assert not odoo.sent


@pytest.mark.parametrize("generation", [15, 17, 17.5])
async def test_probe_sees_an_unknown_connector(make_odoo, make_sink, generation):
    sink = make_sink(make_odoo(generation).answer, connector_uuid="another-connector")
    found = await sink.probe()
    assert [(one.what, one.ok) for one in found] == [("Odoo", True), ("ChatRoom's webhook", False)]
    assert "another-connector" not in str(found)


async def test_probe_stops_where_nobody_answers(odoo, make_sink):
    odoo.faults.append(Fault("502", at="all"))
    found = await make_sink(odoo.answer).probe()
    assert [(one.what, one.ok) for one in found] == [("Odoo", False)]


async def test_probe_survives_a_companion_that_breaks_its_word(odoo, make_sink, companion):
    companion.errors["probe"] = AccountError("wrong password")
    found = await make_sink(odoo.answer, companion, rpc=RPC).probe()
    assert (found[-1].ok, found[-1].detail) == (False, "wrong password")
