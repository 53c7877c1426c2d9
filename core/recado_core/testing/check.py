"""What every check must do."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import anyio
import msgspec
import pytest

from recado_core.checks import Answer, Check, Deferral, OnFailure, Recipient, Refusal
from recado_core.messages import Category
from recado_core.testing import samples
from recado_core.testing.clock import MONDAY_NOON, Clock
from recado_core.testing.disclosure import find_numbers
from recado_core.testing.kit import PATIENCE, Conformance
from recado_core.testing.watch import Watch

MANY = 1000
"""Recipients of the largest call that the engine makes."""

WEEK = [timedelta(hours=hours) for hours in range(5, 24 * 7, 5)]
"""Steps through a week: every hour of the day, working days and Sunday."""

TAKEN = frozenset({"suppressions", "do_not_disturb", "marketing_limits", "quiet_hours"})
"""Ids of the gateway's own checks."""


class CheckConformance(Conformance):
    """Subclass it as ``TestConformance`` and give the check and whom it allows and refuses.

    Give whom it puts off too (``deferred``), if it puts anybody off.
    """

    def make_check(self, clock: Clock) -> Check:
        """Return the check, with whatever it asks behind it.

        Args:
            clock: The time of day for the check, and what the time limit is measured on: a sleep
                moves it, and so does a ``FakeVendor`` that is given it with a ``delay``.
        """
        raise NotImplementedError("give the check under test")

    def allowed(self, index: int) -> Recipient:
        """Return a recipient whom the check lets pass, another one for every index."""
        raise NotImplementedError("give a recipient whom the check lets pass")

    def refused(self, index: int) -> Recipient:
        """Return a recipient whom the check refuses, another one for every index."""
        raise NotImplementedError("give a recipient whom the check refuses")

    def deferred(self, index: int) -> Recipient:
        """Return a recipient whom the check only puts off, another one for every index."""
        raise NotImplementedError

    def address(self, index: int) -> str:
        """Return an address for a recipient, another one for every index from 1."""
        return samples.brazilian_address(index)

    def recipient(
        self, index: int, category: Category = Category.MARKETING, at: datetime = MONDAY_NOON
    ) -> Recipient:
        """Return a recipient of an SMS at ``address(index)``, for the methods above.

        Args:
            index: Which.
            category: Why the message is sent.
            at: When it is to go: at noon, in UTC, on Monday, 5 January 2026, where the clock
                stands, unless you say otherwise.
        """
        return Recipient(address=self.address(index), channel="sms", category=category, at=at)

    # ------------------------------------------------------------ made of it

    def puts_off(self) -> bool:
        """Tell whether the author has given whom the check puts off."""
        return type(self).deferred is not CheckConformance.deferred

    def mixed(self, size: int) -> list[Recipient]:
        """Return recipients in an order that tells: each third refused, each third put off."""
        made = {None: self.allowed, Refusal: self.refused, Deferral: self.deferred}
        return [made[self.due(index)](index) for index in range(1, size + 1)]

    def due(self, index: int) -> type[Refusal | Deferral] | None:
        """Return what the recipient of this index of ``mixed`` is to be answered."""
        if index % 3 == 0:
            return Refusal
        return Deferral if index % 3 == 1 and self.puts_off() else None

    async def asked(
        self, recipients: Sequence[Recipient], clock: Clock | None = None
    ) -> tuple[list[Answer], Watch]:
        """Return the check's answers, and what was seen of it."""
        answers, watch, _ = await self._ask(recipients, clock or Clock())
        return answers, watch

    async def put_off(self) -> list[tuple[Recipient, Answer]]:
        """Return recipients to be put off, with their answers; skip the test if none are given."""
        if not self.puts_off():
            pytest.skip("no deferred(index) is given")
        recipients = [self.deferred(1), self.deferred(2)]
        answers, _ = await self.asked(recipients)
        return list(zip(recipients, answers, strict=True))

    async def _ask(
        self, recipients: Sequence[Recipient], clock: Clock
    ) -> tuple[list[Answer], Watch, float]:
        check = self.make_check(clock)
        watch = Watch(type(check).__module__.partition(".")[0], clock)
        began = clock.now()
        with watch.on(), anyio.fail_after(PATIENCE):
            answers = list(await check.check(recipients))
        return answers, watch, (clock.now() - began).total_seconds()

    # ------------------------------------------------------------ tests

    def test_check_is_well_formed(self) -> None:
        """The engine and the operator know a check by these; the id is a key of their file."""
        check = self.make_check(Clock())
        assert re.fullmatch(r"[a-z][a-z0-9_]*", check.id), f"id {check.id!r}"
        assert check.id not in TAKEN, f"the gateway has a check {check.id!r} of its own"
        assert isinstance(check.on_failure, OnFailure)
        assert check.time_limit > 0

    async def test_allowed_recipient_passes(self) -> None:
        """A check that refuses everyone stops the business."""
        assert (await self.asked([self.allowed(1)]))[0] == [None]

    async def test_refused_recipient_is_stopped(self) -> None:
        """A check that lets everyone pass is none."""
        answers, _ = await self.asked([self.refused(1)])
        assert [type(answer) for answer in answers] == [Refusal]

    async def test_nobody_is_an_empty_answer(self) -> None:
        """The engine may ask about no one."""
        assert (await self.asked([]))[0] == []

    async def test_answer_is_a_refusal_a_deferral_or_none(self) -> None:
        """Of anything else the engine can't tell what it means for the message."""
        answers, _ = await self.asked(self.mixed(6))
        strange = [a for a in answers if not isinstance(a, Refusal | Deferral | None)]
        assert not strange

    @pytest.mark.parametrize("size", [2, MANY])
    async def test_answers_stand_in_the_order_of_the_recipients(self, size: int) -> None:
        """An answer out of place stops the wrong person's message."""
        answers, _ = await self.asked(self.mixed(size))
        assert len(answers) == size
        due = [self.due(index) for index in range(1, size + 1)]
        assert [_kind(answer) for answer in answers] == due

    async def test_refusal_says_why(self) -> None:
        """The client and the operator read it; a time that is over would hold nothing."""
        recipients = [self.refused(1), self.refused(2)]
        answers, _ = await self.asked(recipients)
        for recipient, answer in zip(recipients, answers, strict=True):
            assert isinstance(answer, Refusal), f"the refused recipient got {answer}"
            self._must_say_why(answer)
            assert answer.until is None or _is_later(answer.until, recipient.at), answer

    async def test_deferral_says_why_and_until_when(self) -> None:
        """The message waits so long; for a time that is over it would not wait."""
        for recipient, answer in await self.put_off():
            assert isinstance(answer, Deferral), f"the recipient to be put off got {answer}"
            self._must_say_why(answer)
            assert _is_later(answer.until, recipient.at), answer

    async def test_deferral_ends_when_it_says(self) -> None:
        """Checked again then, the message goes; put off again and again, it never would."""
        for recipient, answer in await self.put_off():
            until = answer.until if isinstance(answer, Deferral) else None
            later = msgspec.structs.replace(recipient, at=until or recipient.at)
            answers, _ = await self.asked([later])
            assert until is None or answers == [None], f"and at {until}: {answers}"

    async def test_nobody_is_put_off_unannounced(self) -> None:
        """Whom a check puts off is tried only where ``deferred`` is given."""
        people = [self.allowed(1), self.refused(1)]
        week = [msgspec.structs.replace(p, at=p.at + step) for p in people for step in WEEK]
        answers, _ = await self.asked(week)
        put_off = [answer for answer in answers if isinstance(answer, Deferral)]
        assert self.puts_off() or not put_off, "give deferred(index)"

    async def test_check_goes_by_the_recipients_time(self) -> None:
        """A message is judged when it is accepted, too, for the time that it is scheduled for."""
        recipients = self.mixed(3)
        now = await self._kinds(recipients, Clock())
        for step in WEEK:
            kinds = await self._kinds(recipients, Clock(MONDAY_NOON - step))
            assert kinds == now, f"asked {step} before"

    @pytest.mark.parametrize("size", [1, MANY])
    async def test_check_keeps_its_time_limit(self, size: int) -> None:
        """However many are asked about: one call, one limit."""
        limit = self.make_check(Clock()).time_limit
        _, _, took = await self._ask(self.mixed(size), Clock())
        assert took <= limit, f"{size} recipients took {took} s of {limit}"

    async def test_no_whole_number_is_shown(self) -> None:
        """A log is kept longer, and read by more people, than a message."""
        recipients = self.mixed(3)
        answers, watch = await self.asked(recipients)
        texts = [("a log record", text) for text in watch.logs]
        texts += [("a reason", answer.reason) for answer in answers if answer]
        assert not find_numbers(texts, [recipient.address for recipient in recipients])

    async def test_check_lets_nothing_out_by_itself(self) -> None:
        """A connection made in the midst of a check has no time limit of ours."""
        _, watch = await self.asked(self.mixed(3))
        assert not watch.clients + watch.connections

    def _must_say_why(self, answer: Refusal | Deferral) -> None:
        assert answer.reason.strip()
        assert answer.check == self.make_check(Clock()).id

    async def _kinds(
        self, recipients: Sequence[Recipient], clock: Clock
    ) -> list[type[Refusal | Deferral] | None]:
        return [_kind(answer) for answer in (await self.asked(recipients, clock))[0]]


def _kind(answer: Answer) -> type[Refusal | Deferral] | None:
    return type(answer) if answer else None


def _is_later(until: datetime, at: datetime) -> bool:
    return until.tzinfo is not None and until > at
