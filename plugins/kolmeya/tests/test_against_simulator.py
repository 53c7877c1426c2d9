from decimal import Decimal

import pytest
from recado_core import (
    AccountError,
    BatchRejected,
    InboundMessage,
    InDoubtError,
    Outcome,
    PermanentSendError,
    Secret,
    Status,
    StatusUpdate,
    TransientSendError,
)
from recado_core.testing import make_id
from recado_kolmeya.settings import PhoneStyle
from recado_kolmeya.simulator.switches import Fault, FaultKind

from .bench import batch, magic, message, open_gateway, plain

# The last two digits of +55 AA 9 9990 00NN choose how a message ends; see SIMULATOR.md.
ENDINGS = {
    0: Status.DELIVERED,
    4: Status.UNDELIVERED,
    5: Status.REJECTED,
    6: Status.EXPIRED,
}
REFUSED = {
    10: (Outcome.REJECTED, "invalid", "Telefone inválido"),
    11: (Outcome.SUPPRESSED, "blacklist", 'Kolmeya lists it under "blacklist"'),
    12: (Outcome.SUPPRESSED, "not_disturb", 'Kolmeya lists it under "not_disturb"'),
    13: (Outcome.REJECTED, "duplicate", 'Kolmeya lists it under "duplicates"'),
    14: (Outcome.REJECTED, "invalid", "403"),
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("style", PhoneStyle)
async def test_thousand_messages_meet_every_fate_and_all_are_told(style):
    endings = [*ENDINGS, *REFUSED, *[None] * 991]
    texts = [f"Olá {number}" for number in range(1000)]
    phones = [
        f"+55219{number:08d}" if ending is None else magic(ending)
        for number, ending in enumerate(endings)
    ]
    sent = batch(*map(message, phones, texts))
    async with open_gateway({"phone_style": style}) as gateway:
        results = await gateway.provider.send(sent)
        await gateway.bench.advance(10)
        statuses = gateway.received()
        polled = await gateway.provider.poll_statuses(sent.reference)
        state = gateway.bench.simulator.world.state
        assert (state.calls["/v1/sms/store"], len(state.repeated)) == (1, 0)
    told = {update.message_id: update for update in statuses}
    assert [(update.message_id, update.status) for update in polled] == [
        (update.message_id, update.status) for update in statuses
    ]
    for each, ending, result in zip(sent.messages, endings, results, strict=True):
        assert result.message_id == each.id
        if ending in REFUSED:
            assert (result.outcome, result.code, result.text) == REFUSED[ending]
            assert each.id not in told
        else:
            assert result.outcome is Outcome.ACCEPTED
            assert told[each.id].status is ENDINGS.get(ending, Status.DELIVERED)
            assert told[each.id].provider_ref == result.provider_ref


@pytest.mark.parametrize("list_items", ["phone", "reference"])
@pytest.mark.parametrize("lists", ["list", "object", "null"])
@pytest.mark.parametrize("duplicates_key", [True, False])
async def test_lists_of_every_form_account_for_every_message(lists, list_items, duplicates_key):
    sent = batch(
        message(magic(11), "a"),
        message(magic(12)),
        message("+5521900000001"),
        message(magic(11), "b"),
        message("+5521900000001"),
    )
    switches = {"lists": lists, "list_items": list_items, "duplicates_key": duplicates_key}
    async with open_gateway(**switches) as gateway:
        results = await gateway.provider.send(sent)
    codes = [result.code for result in results]
    by_reference = list_items == "reference" and lists == "object"
    assert codes[:3] == ["blacklist", "not_disturb", None]
    # One object for two refused messages names one of them; a list that is missing names none.
    assert codes[3] == ("unlisted" if by_reference else "blacklist")
    assert codes[4] == ("duplicate" if duplicates_key else "unlisted")


async def test_everything_refused_is_still_an_answer():
    sent = batch(*(message(magic(ending)) for ending in REFUSED))
    async with open_gateway() as gateway:
        results = await gateway.provider.send(sent)
    assert [(r.outcome, r.code, r.text) for r in results] == list(REFUSED.values())


@pytest.mark.parametrize("list_items", ["phone", "reference"])
@pytest.mark.parametrize("lists", ["list", "object"])
async def test_list_that_a_phone_is_on_is_told_as_the_reason(lists, list_items):
    sent = batch(message(magic(11)), message(magic(12)), message(magic(10)), message(magic(0)))
    async with open_gateway(lists=lists, list_items=list_items) as gateway:
        results = await gateway.provider.send(sent)
    assert [result.suppression for result in results] == ["blacklist", "do_not_disturb", None, None]


@pytest.mark.parametrize("payload", [False, True])
@pytest.mark.parametrize("form", ["array", "object"])
async def test_reply_finds_its_message(form, payload):
    sent = batch(message(magic(30)), message(magic(31, area=55)))
    async with open_gateway(reply_form=form, webhook_payload=payload) as gateway:
        results = await gateway.provider.send(sent)
        await gateway.bench.advance(10)
        items = gateway.received()
    replies = [item for item in items if isinstance(item, InboundMessage)]
    assert [(r.sender, r.text) for r in replies] == [
        ("+5511999900030", "SIM"),
        ("+5555999900031", "SAIR"),
    ]
    for reply, each, result in zip(replies, sent.messages, results, strict=True):
        assert reply.answers_message_id == each.id
        assert reply.answers_provider_ref == result.provider_ref
        assert reply.received_at.tzinfo is not None


async def test_late_rejection_names_the_batch():
    sent = batch(message(magic(42)), message("+5511900000001"))
    async with open_gateway() as gateway:
        await gateway.provider.send(sent)
        await gateway.bench.advance(10)
        (rejected,) = gateway.received()
    assert isinstance(rejected, BatchRejected)
    assert rejected.batch_reference == sent.reference


async def test_silent_message_is_found_by_polling():
    sent = batch(message(magic(40)))
    async with open_gateway() as gateway:
        (result,) = await gateway.provider.send(sent)
        before = await gateway.provider.poll_statuses(sent.reference)
        await gateway.bench.advance(10)
        assert gateway.received() == []
        after = await gateway.provider.poll_statuses(sent.reference)
    assert [update.status for update in before] == [Status.SENT]
    assert after == [
        StatusUpdate(
            status=Status.DELIVERED,
            message_id=sent.messages[0].id,
            provider_ref=result.provider_ref,
            code="3",
            text="entregue",
        )
    ]


async def test_undocumented_code_is_unknown():
    sent = batch(message(magic(43)))
    async with open_gateway() as gateway:
        await gateway.provider.send(sent)
        await gateway.bench.advance(10)
        updates = await gateway.provider.poll_statuses(sent.reference)
    assert [(update.status, update.code) for update in updates] == [(Status.UNKNOWN, "99")]


@pytest.mark.parametrize("unknown_request", ["missing", "empty", "invalid"])
async def test_unknown_batch_is_not_found_whatever_the_vendor_says(unknown_request):
    async with open_gateway(unknown_request=unknown_request) as gateway:
        found = await gateway.provider.lookup(plain(1))
        polled = await gateway.provider.poll_statuses(make_id())
    assert not found.found
    assert polled == []


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("accepts", [True, False])
async def test_lookup_tells_after_every_fault_whether_the_batch_was_taken(kind, accepts):
    fault = Fault(kind=kind, next=1, path="sms/store", accepts=accepts)
    sent = batch(*plain(3).messages, message(magic(10)))
    async with open_gateway(faults=(fault,), timeout_seconds=0.01) as gateway:
        with pytest.raises((InDoubtError, TransientSendError)) as caught:
            await gateway.provider.send(sent)
        found = await gateway.provider.lookup(sent)
    assert found.found is accepts
    if accepts:
        assert [result.outcome for result in found.results] == [Outcome.ACCEPTED] * 3
        assert sent.messages[3].id not in {result.message_id for result in found.results}
    if kind is not FaultKind.THROTTLE:  # of a 429 nobody believes that it was carried out
        assert getattr(caught.value, "possibly_taken", True)


async def test_page_under_a_success_is_in_doubt():
    fault = Fault(kind=FaultKind.HTML, status=200, accepts=True)
    async with open_gateway(faults=(fault,)) as gateway:
        with pytest.raises(InDoubtError, match="502 Bad Gateway"):
            await gateway.provider.send(plain(1))


async def test_rate_limit_passes_on_how_long_to_wait():
    async with open_gateway(rate_limit=1, rate_window=60.0) as gateway:
        await gateway.provider.balance()
        with pytest.raises(TransientSendError) as caught:
            await gateway.provider.send(plain(1))
    assert caught.value.retry_after == 60.0
    assert not caught.value.possibly_taken


@pytest.mark.parametrize("form", ["message", "errors"])
@pytest.mark.parametrize(
    ("switches", "settings", "said"),
    [
        ({}, {"token": Secret("another-token")}, "Unauthenticated"),
        ({"allowed_ips": ("192.0.2.1",)}, {}, "unauthorized"),
        ({"tenant_blocked": True}, {}, "Tenant blocked"),
        ({"balance": "0", "empty_balance": "forbid"}, {}, "Saldo insuficiente"),
        ({"balance": "0", "empty_balance": "invalid"}, {}, "Saldo insuficiente"),
    ],
)
async def test_what_only_a_person_can_mend_stops_the_account(switches, settings, said, form):
    async with open_gateway(settings, error_form=form, **switches) as gateway:
        with pytest.raises(AccountError, match=said):
            await gateway.provider.send(plain(2))


async def test_bad_webhook_address_refuses_the_batch():
    async with open_gateway() as gateway:
        gateway.provider._webhook_url = "no-address"  # noqa: SLF001  # the gateway never gives one
        with pytest.raises(PermanentSendError, match="webhook_url"):
            await gateway.provider.send(plain(2))


@pytest.mark.parametrize("form", ["text", "decimal"])
async def test_balance_falls_by_what_was_sent(form):
    async with open_gateway(balance="9397.30", price="0.08", balance_form=form) as gateway:
        before = await gateway.provider.balance()
        await gateway.provider.send(plain(10))
        after = await gateway.provider.balance()
        assert "9396.50" in await gateway.provider.verify_credentials()
    assert (before, after) == (Decimal("9397.30"), Decimal("9396.50"))


@pytest.mark.parametrize("name", ["balance", "verify_credentials"])
async def test_bad_token_is_told_when_asked(name):
    async with open_gateway({"token": Secret("another-token")}) as gateway:
        with pytest.raises(AccountError):
            await getattr(gateway.provider, name)()
