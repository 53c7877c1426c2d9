"""What every check must do."""

from collections.abc import Sequence

import anyio
import pytest

from recado_core.checks import Check, OnFailure, Recipient, Refusal
from recado_core.messages import Category
from recado_core.testing import samples
from recado_core.testing.clock import Clock
from recado_core.testing.disclosure import find_numbers
from recado_core.testing.kit import PATIENCE, Conformance
from recado_core.testing.watch import Watch

MANY = 1000
"""Recipients of the largest call that the engine makes."""


class CheckConformance(Conformance):
    """Subclass it as ``TestConformance`` and give the check and whom it allows and refuses."""

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

    def address(self, index: int) -> str:
        """Return an address for a recipient, another one for every index from 1."""
        return samples.brazilian_address(index)

    def recipient(self, index: int, category: Category = Category.MARKETING) -> Recipient:
        """Return a recipient of an SMS at ``address(index)``, for the methods above."""
        return Recipient(address=self.address(index), channel="sms", category=category)

    # ------------------------------------------------------------ made of it

    def mixed(self, size: int) -> list[Recipient]:
        """Return recipients in an order that tells: each third one is to be refused."""
        return [
            self.refused(index) if index % 3 == 0 else self.allowed(index)
            for index in range(1, size + 1)
        ]

    async def asked(self, recipients: Sequence[Recipient]) -> tuple[list[Refusal | None], Watch]:
        """Return the check's answers, and what was seen of it."""
        answers, watch, _ = await self._ask(recipients)
        return answers, watch

    async def _ask(
        self, recipients: Sequence[Recipient]
    ) -> tuple[list[Refusal | None], Watch, float]:
        clock = Clock()
        check = self.make_check(clock)
        watch = Watch(type(check).__module__.partition(".")[0], clock)
        began = clock.now()
        with watch.on(), anyio.fail_after(PATIENCE):
            answers = list(await check.check(recipients))
        return answers, watch, (clock.now() - began).total_seconds()

    # ------------------------------------------------------------ tests

    def test_check_is_well_formed(self) -> None:
        """The engine and the operator know a check by these."""
        check = self.make_check(Clock())
        assert check.id.strip()
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

    @pytest.mark.parametrize("size", [2, MANY])
    async def test_answers_stand_in_the_order_of_the_recipients(self, size: int) -> None:
        """An answer out of place stops the wrong person's message."""
        recipients = self.mixed(size)
        answers, _ = await self.asked(recipients)
        assert len(answers) == len(recipients)
        stopped = [index for index, answer in enumerate(answers, start=1) if answer]
        assert stopped == [index for index in range(1, size + 1) if index % 3 == 0]

    async def test_refusal_says_why(self) -> None:
        """The client and the operator read it; a time in the past would hold nothing."""
        for refusal in (await self.asked([self.refused(1), self.refused(2)]))[0]:
            assert refusal, "the refused recipient passed"
            assert refusal.reason.strip()
            assert refusal.check == self.make_check(Clock()).id
            if refusal.until:
                assert refusal.until > Clock().now()

    @pytest.mark.parametrize("size", [1, MANY])
    async def test_check_keeps_its_time_limit(self, size: int) -> None:
        """However many are asked about: one call, one limit."""
        limit = self.make_check(Clock()).time_limit
        _, _, took = await self._ask(self.mixed(size))
        assert took <= limit, f"{size} recipients took {took} s of {limit}"

    async def test_no_whole_number_is_shown(self) -> None:
        """A log is kept longer, and read by more people, than a message."""
        recipients = self.mixed(3)
        answers, watch = await self.asked(recipients)
        texts = [("a log record", text) for text in watch.logs]
        texts += [("a refusal", answer.reason) for answer in answers if answer]
        assert not find_numbers(texts, [recipient.address for recipient in recipients])

    async def test_check_lets_nothing_out_by_itself(self) -> None:
        """A connection made in the midst of a check has no time limit of ours."""
        _, watch = await self.asked(self.mixed(3))
        assert not watch.clients + watch.connections
