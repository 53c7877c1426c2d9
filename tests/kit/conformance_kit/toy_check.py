"""A list of people not to disturb, a check that asks it, and checks with one fault each."""

import asyncio
import logging
from datetime import timedelta

import httpx
import msgspec
from recado_core import Deferral, OnFailure, Refusal
from recado_core.testing import CheckConformance, FakeVendor

log = logging.getLogger(__name__)

EVENING, MORNING = 20, 8


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
        return [self.judge(recipient, listed) for recipient in recipients]

    async def ask(self, addresses):
        response = await self._http.post("https://list.example.com", json=addresses)
        return set(response.json())

    def judge(self, recipient, listed):
        if recipient.address in listed:
            return self.refuse(recipient)
        return None if MORNING <= recipient.at.hour < EVENING else self.defer(recipient)

    def refuse(self, recipient):
        until = recipient.at + timedelta(days=1)
        return Refusal(check=self.id, reason=f"{recipient.channel} {self.reason}", until=until)

    def defer(self, recipient):
        return Deferral(check=self.id, reason="not at night", until=self.morning(recipient.at))

    def morning(self, at):
        opening = at.replace(hour=MORNING, minute=0)
        return opening if opening > at else opening + timedelta(days=1)


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

    def deferred(self, index):
        noon = self.allowed(index)
        return msgspec.structs.replace(noon, at=noon.at + timedelta(hours=10))


class Undecided(Listed):
    on_failure = "hold"


class TestUndecided(Good):
    breaks = "test_check_is_well_formed"
    kind = Undecided


class Squatter(Listed):
    id = "quiet_hours"


class TestSquatter(Good):
    breaks = "test_check_is_well_formed"
    kind = Squatter


class Wordy(Listed):
    id = "the list"


class TestWordy(Good):
    breaks = "test_check_is_well_formed"
    kind = Wordy


class Strict(Listed):
    async def check(self, recipients):
        answers = list(await super().check(recipients))
        noon = len(answers) == 1 and recipients[0].at.hour == 12
        return [self.refuse(recipients[0])] if noon else answers


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


class Loose(Listed):
    async def check(self, recipients):
        answers = await super().check(recipients)
        return [a or False for a in answers] if len(answers) > 1 else answers


class TestLoose(Good):
    breaks = "test_answer_is_a_refusal_a_deferral_or_none"
    kind = Loose


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


class Uniform(Listed):
    async def check(self, recipients):
        at = recipients[0].at if recipients else None
        return await super().check([msgspec.structs.replace(r, at=at) for r in recipients])


class TestUniform(Good):
    breaks = "test_answers_stand_in_the_order_of_the_recipients"
    kind = Uniform


class Curt(Listed):
    def refuse(self, recipient):
        return Refusal(check=self.id, reason=recipient.account or " ")


class TestCurt(Good):
    breaks = "test_refusal_says_why"
    kind = Curt


class Expired(Listed):
    def refuse(self, recipient):
        until = recipient.at - timedelta(days=1)
        return msgspec.structs.replace(super().refuse(recipient), until=until)


class TestExpired(Good):
    breaks = "test_refusal_says_why"
    kind = Expired


class Forward(Listed):
    def defer(self, recipient):
        return msgspec.structs.replace(super().defer(recipient), check="another")


class TestForward(Good):
    breaks = "test_deferral_says_why_and_until_when"
    kind = Forward


class Backward(Listed):
    def morning(self, at):
        return at.replace(hour=MORNING)


class TestBackward(Good):
    breaks = "test_deferral_says_why_and_until_when"
    kind = Backward


class Early(Listed):
    def morning(self, at):
        return super().morning(at) - timedelta(hours=4)


class TestEarly(Good):
    breaks = "test_deferral_ends_when_it_says"
    kind = Early


class TestUnannounced(Good):
    breaks = "test_nobody_is_put_off_unannounced"
    deferred = CheckConformance.deferred


class AtWork(Listed):
    async def ask(self, addresses):
        working = MORNING <= self._now().hour < EVENING
        return await super().ask(addresses) if working else set()


class TestAtWork(Good):
    breaks = "test_check_goes_by_the_recipients_time"
    kind = AtWork


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


class Addressing(Listed):
    def defer(self, recipient):
        reason = f"{recipient.address} sleeps"
        return msgspec.structs.replace(super().defer(recipient), reason=reason)


class TestAddressing(Good):
    breaks = "test_no_whole_number_is_shown"
    kind = Addressing


class Independent(Listed):
    async def ask(self, addresses):
        async with httpx.AsyncClient(verify=False):  # noqa: S501  # quick to make
            return await super().ask(addresses)


class TestIndependent(Good):
    breaks = "test_check_lets_nothing_out_by_itself"
    kind = Independent
