"""Kit classes with excuses, good and bad: the outcomes are told in ``test_conformance_kit``."""

from typing import ClassVar

import pytest
from broken_questions import Rounding
from recado_core import Capabilities, PermanentSendError
from recado_core.testing import CheckConformance, ProviderConformance
from toy_check import Good as GoodCheck
from toy_check import Listed
from toy_conformance import TestConformance as Good
from toy_faults import mistaking, toy


class TestReplaced(Good):
    async def test_text_goes_out_unharmed(self):
        pass


class TestExcusedForNothing(Good):
    excused: ClassVar = {"test_that_never_was": "there is no such test"}


class TestExcusedWithoutReason(Good):
    excused: ClassVar = {"test_balance_is_read": " "}


class TestExcusedAndFine(Good):
    excused: ClassVar = {"test_balance_is_read": "an excuse that is no longer needed"}


class TestExcused(Good):
    provider_type = toy(mistaking(PermanentSendError, "502"))
    excused: ClassVar = {
        f"test_transient_answer_may_be_retried[502-{body}]": "the vendor means it"
        for body in ("empty", "html", "message")
    }


class TestMarked(Good):
    provider_type = toy(Rounding)

    @pytest.mark.xfail(reason="the vendor tells no cents", strict=True)
    async def test_balance_is_read(self):
        await super().test_balance_is_read()


class TestBare(ProviderConformance):
    """A provider that only sends: nothing declared, nothing captured, nothing signed."""

    provider_type = toy(
        receiver=None,
        check_message=None,
        operations=(),
        capabilities=Capabilities(delivery_receipts=False, inbound=False),
    )
    settings: ClassVar = {"token": "toy-token-1234"}
    accepted = Good.accepted


class Awake(Listed):
    def defer(self, _recipient):
        return None


class TestBareCheck(GoodCheck):
    """A check that puts nobody off."""

    kind = Awake
    deferred = CheckConformance.deferred
