"""Providers that declare wrongly, or misread what the vendor answers to ``send``."""

import httpx
import msgspec
from recado_core import (
    AccountError,
    Category,
    ContentError,
    InDoubtError,
    Outcome,
    PermanentSendError,
    Secret,
    SendError,
    SendResult,
    TransientSendError,
)
from toy_conformance import TestConformance as Good
from toy_faults import able, changed, mistaking, toy
from toy_provider import ToyProvider, ToySettings


class TestOddRate(Good):
    breaks = "test_provider_type_is_well_formed"
    provider_type = toy(capabilities=able(rate="fast"))


class TestNoChannel(Good):
    breaks = "test_provider_type_is_well_formed"
    provider_type = toy(channels=frozenset())
    channel = "sms"


def refuse(message):
    raise ContentError(message.text)


class TestSampleRefusedLocally(Good):
    breaks = "test_sample_messages_pass_the_local_check"
    provider_type = toy(check_message=refuse)


def refuse_codes(message):
    if message.category is Category.OTP:
        raise ContentError("no codes")


class TestCodesRefusedLocally(Good):
    breaks = "test_sample_messages_pass_the_local_check"
    provider_type = toy(check_message=refuse_codes)


class TestLettingThrough(Good):
    breaks = "test_refused_text_is_refused_locally"
    provider_type = toy(check_message=lambda _message: None)


class LaxSettings(msgspec.Struct, frozen=True, kw_only=True):
    token: Secret
    signing_secret: Secret
    base_url: str = "https://toy.example.com"


class TestLaxSettings(Good):
    breaks = "test_settings_refuse_unknown_keys"
    provider_type = toy(settings=LaxSettings)


class GreedySettings(ToySettings, frozen=True, kw_only=True):
    rate: str | None = None


class TestGreedySettings(Good):
    breaks = "test_settings_leave_the_common_keys_alone"
    provider_type = toy(settings=GreedySettings)


class PlainSettings(ToySettings, frozen=True, kw_only=True):
    api_key: str = "0123456789"


class TestPlainSettings(Good):
    breaks = "test_settings_hold_secrets_as_secret"
    provider_type = toy(settings=PlainSettings)


class Forgetful(ToyProvider):
    async def send(self, batch):
        results = await super().send(batch)
        return results[:-1] if results[0].outcome is Outcome.ACCEPTED else results


class TestForgetful(Good):
    breaks = "test_accepted_batch_has_one_result_for_every_message"
    provider_type = toy(Forgetful)


class Repeating(ToyProvider):
    async def send(self, batch):
        results = await super().send(batch)
        return [*results, results[0]] if results[0].outcome is Outcome.ACCEPTED else results


class TestRepeating(Good):
    breaks = "test_accepted_batch_has_one_result_for_every_message"
    provider_type = toy(Repeating)


class Nameless(ToyProvider):
    async def send(self, batch):
        return changed(await super().send(batch), provider_ref=None)


class TestNameless(Good):
    breaks = "test_accepted_message_has_a_reference"
    provider_type = toy(Nameless)


class NamelessCodes(ToyProvider):
    async def send(self, batch):
        results = await super().send(batch)
        if batch.messages[0].category is not Category.OTP:
            return results
        return changed(results, provider_ref=None)


class TestNamelessCodes(Good):
    breaks = "test_accepted_message_has_a_reference"
    provider_type = toy(NamelessCodes)


class OneCodeACall(ToyProvider):
    async def send(self, batch):
        if batch.messages[0].category is not Category.OTP or len(batch.messages) <= 3:
            return await super().send(batch)
        await self.post("/otp", {})
        return await super().send(batch)


class TestOneCodeACall(Good):
    breaks = "test_full_batch_goes_out_in_one_request"
    provider_type = toy(OneCodeACall)


class Splitting(ToyProvider):
    async def send(self, batch):
        if len(batch.messages) > 10:
            await super().send(batch)
        return await super().send(batch)


class TestSplitting(Good):
    breaks = "test_full_batch_goes_out_in_one_request"
    provider_type = toy(Splitting)


class Stripping(ToyProvider):
    async def post(self, path, payload):
        for message in payload.get("messages", ()):
            message["text"] = message["text"].encode("ascii", "ignore").decode()
        return await super().post(path, payload)


class TestStripping(Good):
    breaks = "test_text_goes_out_unharmed"
    provider_type = toy(Stripping)


class Blind(ToyProvider):
    async def post(self, path, payload):
        for message in payload.get("messages", ()):
            message["media"] = []
        return await super().post(path, payload)


class TestBlind(Good):
    breaks = "test_declared_media_goes_out"
    provider_type = toy(Blind)


class Untaught(ToyProvider):
    async def post(self, path, payload):
        for message in payload.get("messages", ()):
            message["template"] = message["template"] and message["template"]["name"]
        return await super().post(path, payload)


class TestUntaught(Good):
    breaks = "test_declared_template_goes_out"
    provider_type = toy(Untaught)


class Mute(ToyProvider):
    async def send(self, batch):
        return changed(await super().send(batch), text=None)


class TestMute(Good):
    breaks = "test_rejected_batch_is_refused_with_a_reason"
    provider_type = toy(Mute)


class Losing(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except InDoubtError as error:
            if error.raw is None and error.__cause__ is None:  # an answer about other messages
                return []
            raise


class TestLosing(Good):
    breaks = "test_answer_that_forgets_a_message_loses_none"
    provider_type = toy(Losing)


class TestHasty(Good):
    breaks = "test_transient_answer_may_be_retried"
    provider_type = toy(mistaking(PermanentSendError, "502"))


class TestImpatient(Good):
    breaks = "test_retry_after_is_passed_on"
    provider_type = toy(mistaking(TransientSendError, "429", "503"))


class TestSure(Good):
    breaks = "test_failed_server_may_have_taken_the_batch"
    provider_type = toy(mistaking(TransientSendError, "504"))


class TestTrusting(Good):
    breaks = "test_refused_credentials_stop_the_account"
    provider_type = toy(mistaking(PermanentSendError, "403"))


class TestStubborn(Good):
    breaks = "test_permanent_answer_is_never_retried"
    provider_type = toy(mistaking(AccountError, "404"))


class Halving(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except PermanentSendError as error:
            one = SendResult(
                message_id=batch.messages[0].id, outcome=Outcome.REJECTED, text=error.text
            )
            return [one]


class TestHalving(Good):
    breaks = "test_permanent_answer_is_never_retried"
    provider_type = toy(Halving)


def misreading(kind, wrong):
    """Return a provider that takes one of httpx's failures for another."""

    class Misreading(ToyProvider):
        async def send(self, batch):
            try:
                return await super().send(batch)
            except SendError as error:
                if isinstance(error.__cause__, kind):
                    raise wrong(error.text, raw=error.raw) from error
                raise

    return Misreading


class TestDoubting(Good):
    breaks = "test_no_connection_is_transient"
    provider_type = toy(misreading(httpx.ConnectTimeout, InDoubtError))


class TestDoubling(Good):
    breaks = "test_silence_after_sending_is_in_doubt"
    provider_type = toy(misreading(httpx.ReadTimeout, TransientSendError))


class TestResigned(Good):
    breaks = "test_unreadable_success_is_in_doubt"
    provider_type = toy(misreading(msgspec.DecodeError, PermanentSendError))


class Discarding(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except SendError as error:
            error.raw = None
            raise


class TestDiscarding(Good):
    breaks = "test_unreadable_answer_is_kept"
    provider_type = toy(Discarding)
