"""A day at the vendor, as the engine spends it, under several switches at once and by chance."""

from datetime import timedelta

import pytest
from recado_core import (
    AccountError,
    Category,
    InboundMessage,
    InDoubtError,
    OutboundBatch,
    Outcome,
    Secret,
    Status,
    StatusUpdate,
    Suppressed,
    TransientSendError,
)
from recado_core.testing import make_id
from recado_kolmeya.simulator.inprocess import WEBHOOK_URL
from recado_kolmeya.simulator.switches import Fault, FaultKind
from recado_kolmeya.wire import STATUSES

from .bench import batch, magic, message, open_gateway, plain

CARRIED = [
    {},
    {"undelivered_rate": 0.4, "rejected_rate": 0.3, "expired_rate": 0.3, "seed": 7},
    {"invalid_rate": 0.5, "seed": 7},
    {"webhook_drop": 0.5, "statuses_per_body": 1, "seed": 7},
    {"statuses_per_body": 1, "webhook_concurrency": 1, "webhook_reorder": True},
    {"reply_every": 1, "replies_per_page": 1},
    {  # as the vendor's pages have it
        "lists": "object",
        "duplicates_key": False,
        "balance_form": "decimal",
        "report_form": "documented",
    },
    {  # everything at once
        "error_form": "errors",
        "rate_limit": 10,
        "rate_window": 2.0,
        "lists": "null",
        "unknown_request": "empty",
        "webhook_payload": True,
        "webhook_duplicate": 0.5,
        "webhook_drop": 0.5,
        "webhook_unknown_id": 0.5,
        "webhook_reorder": True,
        "reply_form": "object",
        "replies_per_page": 10,
        "reply_every": 3,
        "balance_form": "decimal",
        "faults": (Fault(kind=FaultKind.JSON, every=4), Fault(kind=FaultKind.ERROR, every=7)),
        "seed": 7,
    },
]
STOPPED = [
    {"token": "another-token"},
    {"allowed_ips": ("192.0.2.1",)},
    {"tenant_blocked": True},
    {"balance": "0", "empty_balance": "forbid"},
    {"balance": "0", "empty_balance": "invalid"},
]
ENDINGS = (4, 5, 6, 10, 11, 12, 13, 14, 30, 31, 41)
SETTLED = {Status.DELIVERED, Status.UNDELIVERED, Status.REJECTED, Status.EXPIRED}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def name_of(switches):
    return ",".join(f"{name}={value}" for name, value in switches.items())[:80] or "none"


class Engine:
    """As much of the gateway's engine as a day needs: it repeats what may be repeated."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.taken = []  # the references of all calls

    async def insist(self, call, *given):
        """Ask until there is an answer."""
        for _ in range(50):
            try:
                return await call(*given)
            except TransientSendError as error:
                await self.gateway.bench.advance(error.retry_after or 0.1)
        raise AssertionError("no answer")

    async def carry(self, sent):
        """Send until every message has an outcome."""
        outcomes = {}
        waiting = list(sent.messages)
        for _ in range(50):
            if not waiting:
                return outcomes
            attempt = OutboundBatch(reference=make_id(), messages=tuple(waiting))
            self.taken.append(attempt.reference)
            for result in await self.attempt(attempt):
                if result.outcome is not Outcome.TRANSIENT:
                    outcomes[result.message_id] = result
            waiting = [each for each in waiting if each.id not in outcomes]
        raise AssertionError("not sent")

    async def attempt(self, attempt):
        try:
            return await self.gateway.provider.send(attempt)
        except InDoubtError:
            doubt = True
        except TransientSendError as error:
            doubt = error.possibly_taken
            await self.gateway.bench.advance(error.retry_after or 0.1)
        if not doubt:
            return ()
        return (await self.insist(self.gateway.provider.lookup, attempt)).results

    def told(self, known):
        """Return the statuses that webhooks told of messages of ours."""
        return settled(self.gateway.received(), known)

    async def asked(self, known):
        """Return those that polls tell."""
        found = []
        for reference in self.taken:
            found += await self.insist(self.gateway.provider.poll_statuses, reference)
        return settled(found, known)

    async def replies(self, since):
        async def read():
            pages = self.gateway.provider.poll_replies(since)
            return [each async for page in pages for each in page]

        return await self.insist(read)


def settled(items, known):
    updates = [each for each in items if isinstance(each, StatusUpdate)]
    assert len({(each.message_id, each.status) for each in updates}) == len(
        {each.message_id for each in updates}
    ), "one message has two final statuses"
    return {each.message_id: each.status for each in updates if each.message_id in known}


def days_messages():
    plain_ones = [message(f"+55219{number:08d}", f"Olá {number}") for number in range(1, 13)]
    fated = [message(magic(ending), f"Olá {ending}") for ending in ENDINGS]
    twice = message("+5521900000001", "Olá 1")
    return batch(*plain_ones, *fated, twice)


@pytest.mark.parametrize("switches", CARRIED, ids=name_of)
async def test_day_ends_well(switches):
    async with open_gateway(**switches) as gateway:
        engine, began = Engine(gateway), gateway.now()
        state = gateway.bench.simulator.world.state
        code = message("+5511900000009", "1234 é o seu código", category=Category.OTP)
        outcomes = await engine.carry(days_messages()) | await engine.carry(batch(code))
        accepted = {key for key, each in outcomes.items() if each.outcome is Outcome.ACCEPTED}
        assert not any(each.outcome is Outcome.UNKNOWN for each in outcomes.values())
        assert accepted == state.references.keys()
        assert not state.repeated

        await gateway.bench.advance(7200)
        told, asked = engine.told(accepted), await engine.asked(accepted)
        truth = {
            request.items[index].reference: STATUSES[request.codes[index]]
            for request, index in state.newest_messages()
        }
        chosen = gateway.bench.simulator.world.switches
        assert asked == truth
        assert truth.keys() == (set() if chosen.forget else accepted)
        if chosen.webhooks and not chosen.webhook_drop:
            assert told.keys() == accepted
        assert told.items() <= truth.items() or chosen.forget
        assert set(told.values()) | set(asked.values()) <= SETTLED

        await check_replies(engine, state, began)
        await check_account(engine, state)


async def check_replies(engine, state, began):
    """Look whether every reply is polled under the name that webhooks gave it."""
    bench, control = engine.gateway.bench, engine.gateway.bench.control
    told = {"messages": [{"phone": 11900000001, "message": "Oi"}], "webhook_url": WEBHOOK_URL}
    job = (await control("campaigns", **told)).json()["id"]
    await control("replies", job=job, phone=11900000001, text="Quero")
    await bench.advance(120)
    polled = await engine.replies(began - timedelta(minutes=1))
    names = {each.provider_ref for each in polled}
    by_api = {each.id for each in state.replies if each.job is None}
    assert by_api < names
    assert len(names) == len(polled) == len(state.replies)
    webhooks = [each for each in engine.gateway.received() if isinstance(each, InboundMessage)]
    assert {each.provider_ref for each in webhooks} <= names


async def check_account(engine, state):
    """Look at the balance, and whether a suppressed phone stays alone."""
    provider = engine.gateway.provider
    assert await engine.insist(provider.balance) == state.balance
    entry = Suppressed(address="+5521900000777")
    await engine.insist(provider.suppress, [entry])
    assert 21900000777 in state.blacklist.phones
    (refused,) = (await engine.carry(batch(message(entry.address)))).values()
    assert refused.outcome in {Outcome.SUPPRESSED, Outcome.REJECTED}
    await engine.insist(provider.unsuppress, [entry])
    assert 21900000777 not in state.blacklist.phones


@pytest.mark.parametrize("form", ["message", "errors"])
@pytest.mark.parametrize("switches", STOPPED, ids=name_of)
@pytest.mark.parametrize("category", [Category.TRANSACTIONAL, Category.OTP])
async def test_account_that_is_stopped_sends_nothing(category, switches, form):
    settings = {"token": Secret("kolmeya-simulator")}
    async with open_gateway(settings, error_form=form, **switches) as gateway:
        with pytest.raises(AccountError):
            await gateway.provider.send(batch(message("+5521900000001", category=category)))
        assert not gateway.bench.simulator.world.state.accepted


@pytest.mark.parametrize("form", ["array", "object"])
@pytest.mark.parametrize("lost", [{"webhooks": False}, {"webhook_drop": 1.0}])
async def test_five_thousand_messages_and_their_replies_need_no_webhook(lost, form):
    async with open_gateway(reply_every=100, replies_per_page=20, reply_form=form, **lost) as gw:
        engine, began = Engine(gw), gw.now()
        outcomes = {}
        for _ in range(5):
            outcomes |= await engine.carry(plain(1000))
        await gw.bench.advance(60)
        assert gw.received() == []
        statuses = await engine.asked(outcomes)
        replies = await engine.replies(began)
    assert len(outcomes) == 5000
    assert set(statuses.values()) == {Status.DELIVERED}
    assert statuses.keys() == outcomes.keys()
    assert len({each.provider_ref for each in replies}) == len(replies) == 50
    assert {each.answers_message_id for each in replies} <= outcomes.keys()
