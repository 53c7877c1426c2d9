import asyncio

import httpx
import pytest
from recado_core import TransientSendError
from recado_core.engine.accounts.limits import CallBudget, Purpose, Rate
from recado_core.engine.accounts.pacing import calling, hooks_for


class Vendor:
    """A vendor that counts calls in fixed windows, as Laravel does, and a client that keeps to it.

    ``others`` are calls that somebody else makes with the same credentials.
    """

    def __init__(self, limit=10, window=60.0, rate=None, *, fixed=False, tells=True):
        self.now = 1000.0
        self.limit, self.window, self.tells = limit, window, tells
        self.began, self.taken = self.now, 0
        self.budget = CallBudget(rate, fixed=fixed)
        self.client = httpx.AsyncClient(
            base_url="https://vendor.example.com",
            transport=httpx.MockTransport(self.answer),
            event_hooks=hooks_for(self.budget, lambda: self.now),
        )

    def answer(self, _request):
        self.take()
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.taken)),
        }
        return httpx.Response(200, headers=headers if self.tells else {})

    def take(self, others=1):
        if self.now >= self.began + self.window:
            self.began, self.taken = self.now, 0
        self.taken += others

    async def call(self, purpose, times=1):
        with calling(self.budget, purpose):
            for _ in range(times):
                await self.client.get("/")

    def waits(self):
        return {purpose: self.budget.wait(self.now, purpose) > 0 for purpose in Purpose}


@pytest.fixture
def patient(monkeypatch):
    """Pass for waiting: ``patient(vendor)`` moves its clock on instead."""

    def begin(vendor):
        async def sleep(seconds):
            vendor.now += seconds

        monkeypatch.setattr(asyncio, "sleep", sleep)

    return begin


async def test_a_vendor_that_tells_its_limit_needs_no_configured_rate():
    vendor = Vendor(limit=10)
    assert vendor.budget.left(vendor.now) is None
    await vendor.call(Purpose.ASK)
    assert (vendor.budget.limit(), vendor.budget.left(vendor.now)) == (10, 9)


async def test_reports_leave_half_and_questions_a_tenth_to_sending():
    vendor = Vendor(limit=100, rate=Rate(calls=100, seconds=60.0))
    await vendor.call(Purpose.REPORT, 2)
    await vendor.call(Purpose.ASK, 47)
    assert not any(vendor.waits().values())
    await vendor.call(Purpose.ASK)
    assert vendor.waits() == {Purpose.SEND: False, Purpose.ASK: False, Purpose.REPORT: True}
    vendor.take(39)
    await vendor.call(Purpose.SEND)
    vendor.now += 0.6  # from the half on, sending is spread over the window
    assert vendor.waits() == {Purpose.SEND: False, Purpose.ASK: True, Purpose.REPORT: True}
    vendor.now += 60.0
    assert not any(vendor.waits().values())


async def test_calls_that_others_make_are_seen():
    vendor = Vendor(limit=100)
    await vendor.call(Purpose.ASK)
    vendor.take(94)
    assert not vendor.waits()[Purpose.SEND]
    await vendor.call(Purpose.ASK, 4)
    assert vendor.budget.left(vendor.now) == 1
    assert vendor.waits() == {Purpose.SEND: False, Purpose.ASK: True, Purpose.REPORT: False}
    await vendor.call(Purpose.SEND)
    assert all(vendor.waits().values())


async def test_sending_without_end_leaves_a_few_calls_to_those_that_wait():
    vendor = Vendor(limit=100, rate=Rate(calls=100, seconds=60.0))
    made = dict.fromkeys(Purpose, 0)
    while vendor.now < 1600.0:
        for purpose in Purpose:  # sending always comes first
            if not vendor.budget.wait(vendor.now, purpose):
                vendor.budget.spend(vendor.now, purpose)
                vendor.budget.depart()
                made[purpose] += 1
        vendor.now += 0.1
    assert sum(made.values()) <= 11 * 100
    assert made[Purpose.SEND] >= 9 * 90
    assert made[Purpose.ASK] >= 9 * 5
    assert made[Purpose.REPORT] >= 9 * 2


async def test_sending_alone_has_the_whole_budget():
    vendor = Vendor(limit=10, rate=Rate(calls=10, seconds=60.0), tells=False)
    made = 0
    while vendor.now < 1600.0:
        if not vendor.budget.wait(vendor.now):
            vendor.budget.spend(vendor.now)
            made += 1
        vendor.now += 0.5
    assert made >= 98


async def test_what_must_wait_too_long_is_told_to_come_again():
    vendor = Vendor()
    vendor.budget.close(vendor.now + 3600.0)
    with pytest.raises(TransientSendError) as caught:
        await vendor.call(Purpose.REPORT)
    assert caught.value.retry_after == 3600.0


async def test_a_call_that_is_not_made_is_given_back():
    vendor = Vendor(limit=10, rate=Rate(calls=10, seconds=60.0))
    await vendor.call(Purpose.ASK)
    vendor.budget.spend(vendor.now)
    vendor.budget.refund()
    await vendor.call(Purpose.ASK)
    assert vendor.budget.left(vendor.now) == 8


async def test_overlapping_calls_are_no_new_window():
    budget = CallBudget(Rate(calls=500, seconds=60.0))
    now, left = 0.0, 500
    for _ in range(240):
        budget.spend(now)
        budget.spend(now)  # claimed, and not yet sent
        first, second = budget.depart(), budget.depart()
        left -= 2
        budget.learn(500, left + 1, first, now)
        budget.learn(500, left, second, now)
        now += 0.2
    budget.spend(now)
    budget.learn(500, 0, budget.depart(), 59.0)
    assert budget.wait(59.0, Purpose.ASK) == pytest.approx(1.0)


async def test_the_vendors_word_on_its_next_window_counts():
    budget = CallBudget(Rate(calls=10, seconds=60.0), fixed=True)
    budget.spend(1000.0)
    budget.learn(limit=10, left=0, number=budget.depart(), now=1000.0, resets_in=7.0)
    assert budget.wait(1000.0) == 7.0


async def test_a_report_waits_for_the_next_window(patient):
    vendor = Vendor(limit=10, window=60.0)
    patient(vendor)
    await vendor.call(Purpose.REPORT, 12)
    assert vendor.taken <= 5
    assert vendor.now >= 1000.0 + 60.0


async def test_no_window_of_the_vendors_ever_overflows(patient):
    vendor = Vendor(limit=10, window=60.0)
    patient(vendor)
    for _ in range(50):
        await vendor.call(Purpose.ASK)
        assert vendor.taken <= 10


async def test_what_sending_needs_beside_its_first_request_is_not_held_back(patient):
    vendor = Vendor(limit=10)
    patient(vendor)
    await vendor.call(Purpose.SEND, 12)
    assert vendor.now == 1000.0


async def test_a_paid_request_is_counted_once():
    vendor = Vendor(rate=Rate(calls=10, seconds=60.0), tells=False)
    vendor.budget.spend(vendor.now)
    with calling(vendor.budget, Purpose.SEND, paid=1):
        await vendor.client.get("/")
    assert vendor.budget.left(vendor.now) == 9
    with calling(vendor.budget, Purpose.SEND, paid=1):
        await vendor.client.get("/")
        await vendor.client.get("/")
    assert vendor.budget.left(vendor.now) == 8


async def test_the_configured_rate_stands_where_the_vendor_tells_nothing():
    vendor = Vendor(rate=Rate(calls=4, seconds=60.0), tells=False)
    await vendor.call(Purpose.SEND, 4)
    assert vendor.budget.wait(vendor.now) == 60.0
    assert (vendor.budget.limit(), vendor.budget.left(vendor.now)) == (4, 0)


async def test_the_vendors_word_replaces_the_plugins_guess_and_not_the_operators_rate():
    guessed = Vendor(limit=100, rate=Rate(calls=4, seconds=60.0))
    await guessed.call(Purpose.SEND, 4)
    assert guessed.budget.left(guessed.now) == 96
    chosen = Vendor(limit=100, rate=Rate(calls=4, seconds=60.0), fixed=True)
    await chosen.call(Purpose.SEND, 4)
    assert chosen.budget.wait(chosen.now) == 60.0
    lower = Vendor(limit=2, rate=Rate(calls=4, seconds=60.0), fixed=True)
    await lower.call(Purpose.SEND, 2)
    assert lower.budget.wait(lower.now) == 60.0


async def test_an_answer_that_came_late_gives_nothing_back():
    budget = CallBudget(Rate(calls=10, seconds=60.0))
    for _ in range(4):
        budget.spend(1000.0)
        budget.depart()
    budget.learn(limit=10, left=6, number=4, now=1000.1)
    budget.learn(limit=10, left=8, number=2, now=1000.2)  # written before the two calls after it
    assert budget.left(1000.2) == 6


@pytest.mark.parametrize("purpose", Purpose)
async def test_too_many_requests_hold_every_call_back_as_long_as_is_asked(purpose):
    vendor = Vendor()
    vendor.answer = lambda _: httpx.Response(429, headers={"Retry-After": "17"})
    vendor.client = httpx.AsyncClient(
        transport=httpx.MockTransport(vendor.answer),
        event_hooks=hooks_for(vendor.budget, lambda: vendor.now),
    )
    await vendor.client.get("https://vendor.example.com/")
    assert vendor.budget.wait(vendor.now, purpose) == 17.0


@pytest.mark.parametrize(
    "headers",
    [
        {"X-RateLimit-Limit": "500"},
        {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "few"},
        {"X-RateLimit-Limit": "²", "X-RateLimit-Remaining": "1"},
        {"X-RateLimit-Limit": "9" * 400, "X-RateLimit-Remaining": "1"},
        {"X-RateLimit-Limit": "-5", "X-RateLimit-Remaining": "-5"},
    ],
)
async def test_headers_that_make_no_sense_change_nothing(headers):
    budget = CallBudget(None)
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, headers=raw)),
        event_hooks=hooks_for(budget, lambda: 0.0),
    ) as client:
        await client.get("https://vendor.example.com/")
    assert (budget.limit(), budget.wait(0.0)) == (None, 0.0)


async def test_a_limit_of_nothing_still_lets_a_call_a_window_through(patient):
    vendor = Vendor(limit=0)
    patient(vendor)
    await vendor.call(Purpose.REPORT, 4)
    assert vendor.now >= 1000.0 + 2 * 60.0
