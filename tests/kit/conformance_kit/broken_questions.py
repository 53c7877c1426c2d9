"""Providers that lie about lookups, DLRs, balances and credentials."""

from decimal import Decimal
from typing import ClassVar

import msgspec
from recado_core import (
    AccountError,
    InDoubtError,
    LookupResult,
    TransientSendError,
)
from toy_conformance import TestConformance as Good
from toy_faults import able, toy
from toy_provider import ToyProvider


class TestUncaptured(Good):
    breaks = "test_declared_receipts_and_replies_are_captured"
    webhooks: ClassVar = {"refused.json": Good.webhooks["refused.json"]}
    provider_type = toy(capabilities=able(poll_replies=False))


class Never(ToyProvider):
    async def lookup(self, batch):
        await super().lookup(batch)
        return LookupResult(found=False)


class TestNeverFound(Good):
    breaks = "test_lookup_finds_a_batch_that_was_taken"
    provider_type = toy(Never)


class Always(ToyProvider):
    async def lookup(self, batch):
        found = await super().lookup(batch)
        return LookupResult(found=True, results=found.results)


class TestAlwaysFound(Good):
    breaks = "test_lookup_misses_a_batch_that_was_not"
    provider_type = toy(Always)


class Renaming(ToyProvider):
    async def lookup(self, batch):
        return await super().lookup(msgspec.structs.replace(batch, reference="another"))


class TestRenaming(Good):
    breaks = "test_lookup_asks_for_the_reference_that_was_sent"
    provider_type = toy(Renaming)


class Guessing(ToyProvider):
    async def lookup(self, batch):
        try:
            return await super().lookup(batch)
        except InDoubtError:
            return LookupResult(found=False)


class TestGuessing(Good):
    breaks = "test_lookup_never_guesses"
    provider_type = toy(Guessing)


class Idle(ToyProvider):
    async def poll_statuses(self, batch_reference):
        await super().poll_statuses(batch_reference)
        return []


class TestIdle(Good):
    breaks = "test_polled_statuses_are_read"
    provider_type = toy(Idle)


class Rounding(ToyProvider):
    async def balance(self):
        return Decimal(int(await super().balance()))


class TestRounding(Good):
    breaks = "test_balance_is_read"
    provider_type = toy(Rounding)


class Silent(ToyProvider):
    async def verify_credentials(self):
        await super().verify_credentials()
        return ""


class TestSilent(Good):
    breaks = "test_good_credentials_are_confirmed"
    provider_type = toy(Silent)


class Lenient(ToyProvider):
    async def verify_credentials(self):
        try:
            return await super().verify_credentials()
        except AccountError as error:
            raise TransientSendError(error.text) from error


class TestLenient(Good):
    breaks = "test_bad_credentials_are_refused"
    provider_type = toy(Lenient)


class Crashing(ToyProvider):
    async def balance(self):
        try:
            return await super().balance()
        except InDoubtError as error:
            raise ValueError("no balance") from error


class TestCrashing(Good):
    breaks = "test_unanswered_question_is_a_send_error"
    provider_type = toy(Crashing)
