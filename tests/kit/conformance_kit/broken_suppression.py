"""Providers that put other people on the vendor's list, or say that they did, or misread it."""

import msgspec
from recado_core import Outcome, PermanentSendError, SuppressionReason, TransientSendError
from toy_conformance import TestConformance as Good
from toy_faults import able, toy
from toy_provider import ToyProvider


class TestNoRoom(Good):
    breaks = "test_provider_type_is_well_formed"
    provider_type = toy(capabilities=able(max_suppress=0))


class Dropping(ToyProvider):
    async def unsuppress(self, entries):
        await super().unsuppress(entries[:1])


class TestDropping(Good):
    breaks = "test_entries_go_onto_the_list_and_off_it"
    provider_type = toy(Dropping)


class Sweeping(ToyProvider):
    async def suppress(self, entries):
        await super().suppress([msgspec.structs.replace(e, document=None) for e in entries])


class TestSweeping(Good):
    breaks = "test_entries_go_onto_the_list_and_off_it"
    provider_type = toy(Sweeping)


class Counting(ToyProvider):
    async def suppress(self, entries):
        await super().suppress(entries)
        return len(entries)


class TestCounting(Good):
    breaks = "test_entries_go_onto_the_list_and_off_it"
    provider_type = toy(Counting)


class Halving(ToyProvider):
    async def suppress(self, entries):
        for start in range(0, len(entries), 25):
            await super().suppress(entries[start : start + 25])


class TestHalvingTheList(Good):
    breaks = "test_full_list_goes_out_in_one_request"
    provider_type = toy(Halving)


class Hopeful(ToyProvider):
    async def suppress(self, entries):
        try:
            await super().suppress(entries)
        except TransientSendError:
            return


class TestHopeful(Good):
    breaks = "test_failed_change_of_the_list_is_reported"
    provider_type = toy(Hopeful)


class Hopeless(ToyProvider):
    async def unsuppress(self, entries):
        try:
            await super().unsuppress(entries)
        except TransientSendError as error:
            raise PermanentSendError(error.text) from error


class TestHopeless(Good):
    breaks = "test_failed_change_of_the_list_is_reported"
    provider_type = toy(Hopeless)


class Strict(ToyProvider):
    def result(self, message_id, told):
        result = super().result(message_id, told)
        if result.outcome is not Outcome.SUPPRESSED:
            return result
        return msgspec.structs.replace(result, outcome=Outcome.REJECTED, suppression=None)


class TestStrict(Good):
    breaks = "test_listed_recipients_are_suppressed"
    provider_type = toy(Strict)


class Resentful(ToyProvider):
    def result(self, message_id, told):
        result = super().result(message_id, told)
        if result.outcome is not Outcome.REJECTED:
            return result
        return msgspec.structs.replace(result, suppression=SuppressionReason.INVALID)


class TestResentful(Good):
    breaks = "test_only_a_suppressed_message_has_a_reason_for_it"
    provider_type = toy(Resentful)


class Remembering(ToyProvider):
    async def lookup(self, batch):
        found = await super().lookup(batch)
        results = tuple(
            msgspec.structs.replace(result, suppression=SuppressionReason.BLACKLIST)
            for result in found.results
        )
        return msgspec.structs.replace(found, results=results)


class TestRemembering(Good):
    breaks = "test_only_a_suppressed_message_has_a_reason_for_it"
    provider_type = toy(Remembering)


class Quoting(ToyProvider):
    def result(self, message_id, told):
        result = super().result(message_id, told)
        if result.suppression is None:
            return result
        return msgspec.structs.replace(result, suppression=told.error)


class TestQuoting(Good):
    breaks = "test_only_a_suppressed_message_has_a_reason_for_it"
    provider_type = toy(Quoting)
