"""A list of people not to disturb, a check that asks it, and checks with one fault each."""

import asyncio
import logging
from datetime import timedelta

import httpx
from recado_core import OnFailure, Refusal
from recado_core.testing import CheckConformance, FakeVendor

log = logging.getLogger(__name__)


class Listed:
    id = "listed"
    on_failure = OnFailure.HOLD
    time_limit = 1.0
    reason = "to this person is not wanted"

    def __init__(self, http, now):
        self._http = http
        self._now = now

    async def check(self, recipients):
        listed = await self.ask([r.address for r in recipients]) if recipients else set()
        return [self.refuse(r) if r.address in listed else None for r in recipients]

    async def ask(self, addresses):
        response = await self._http.post("https://list.example.com", json=addresses)
        return set(response.json())

    def refuse(self, recipient):
        return Refusal(check=self.id, reason=f"{recipient.channel} {self.reason}", until=self.end())

    def end(self):
        return self._now() + timedelta(days=1)


class Good(CheckConformance):
    kind = Listed

    def make_check(self, clock):
        listed = [self.address(index) for index in range(3, 3001, 3)]
        vendor = FakeVendor(httpx.Response(200, json=listed), clock=clock, delay=0.1)
        return self.kind(vendor.client(), clock.now)

    def allowed(self, index):
        return self.recipient(index + (index % 3 == 0))

    def refused(self, index):
        return self.recipient(3 * index)


class Undecided(Listed):
    on_failure = "hold"


class TestUndecided(Good):
    breaks = "test_check_is_well_formed"
    kind = Undecided


class Strict(Listed):
    async def check(self, recipients):
        answers = list(await super().check(recipients))
        return [self.refuse(recipients[0])] if answers == [None] else answers


class TestStrict(Good):
    breaks = "test_allowed_recipient_passes"
    kind = Strict


class Soft(Listed):
    async def check(self, recipients):
        return [None] if len(recipients) == 1 else await super().check(recipients)


class TestSoft(Good):
    breaks = "test_refused_recipient_is_stopped"
    kind = Soft


class Fussy(Listed):
    async def check(self, recipients):
        if not recipients:
            raise ValueError("nobody to check")
        return await super().check(recipients)


class TestFussy(Good):
    breaks = "test_nobody_is_an_empty_answer"
    kind = Fussy


class Sorting(Listed):
    async def check(self, recipients):
        return await super().check(sorted(recipients, key=lambda r: r.address))


class TestSorting(Good):
    breaks = "test_answers_stand_in_the_order_of_the_recipients"
    kind = Sorting


class Capped(Listed):
    async def check(self, recipients):
        return (await super().check(recipients))[:500]


class TestCapped(Good):
    breaks = "test_answers_stand_in_the_order_of_the_recipients"
    kind = Capped


class Curt(Listed):
    def refuse(self, recipient):
        return Refusal(check=self.id, reason=recipient.account or " ")


class TestCurt(Good):
    breaks = "test_refusal_says_why"
    kind = Curt


class Expired(Listed):
    def end(self):
        return self._now() - timedelta(days=1)


class TestExpired(Good):
    breaks = "test_refusal_says_why"
    kind = Expired


class Slow(Listed):
    async def check(self, recipients):
        for _ in recipients:
            await asyncio.sleep(0.01)
        return await super().check(recipients)


class TestSlow(Good):
    breaks = "test_check_keeps_its_time_limit"
    kind = Slow


class OneByOne(Listed):
    async def ask(self, addresses):
        answers = [await super(OneByOne, self).ask([address]) for address in addresses]
        return set().union(*answers)


class TestOneByOne(Good):
    breaks = "test_check_keeps_its_time_limit"
    kind = OneByOne


class Naming(Listed):
    def refuse(self, recipient):
        return Refusal(check=self.id, reason=f"{recipient.address} is on the list")


class TestNaming(Good):
    breaks = "test_no_whole_number_is_shown"
    kind = Naming


class Independent(Listed):
    async def ask(self, addresses):
        async with httpx.AsyncClient(verify=False):  # noqa: S501  # quick to make
            return await super().ask(addresses)


class TestIndependent(Good):
    breaks = "test_check_lets_nothing_out_by_itself"
    kind = Independent
