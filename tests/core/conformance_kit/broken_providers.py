"""Toy providers with one fault each, and the one test of the kit that must find it."""

import asyncio
import contextlib
import logging
import socket
import time
from asyncio import sleep as doze
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

import httpx
import msgspec
from recado_core import (
    AccountError,
    InboundMessage,
    InDoubtError,
    LookupResult,
    MalformedWebhookError,
    Outcome,
    PermanentSendError,
    Secret,
    SendError,
    SendResult,
    Status,
    StatusUpdate,
    TransientSendError,
    WebhookReply,
)
from toy_conformance import TestConformance as Good
from toy_provider import TOY, ToyProvider, ToyReceiver, ToySettings

log = logging.getLogger(__name__)


def toy(provider=ToyProvider, receiver=ToyReceiver, **changes):
    return msgspec.structs.replace(TOY, create=provider, create_receiver=receiver, **changes)


def able(**capabilities):
    return msgspec.structs.replace(TOY.capabilities, **capabilities)


def changed(results, **fields):
    return [msgspec.structs.replace(result, **fields) for result in results]


# ---------------------------------------------------------------- declarations


class TestOddRate(Good):
    breaks = "test_provider_type_is_well_formed"
    provider_type = toy(capabilities=able(rate="fast"))


class TestNoChannel(Good):
    breaks = "test_provider_type_is_well_formed"
    provider_type = toy(channels=frozenset())
    channel = "sms"


def refuse(message):
    raise ValueError(message.text)


class TestSampleRefusedLocally(Good):
    breaks = "test_sample_messages_pass_the_local_check"
    provider_type = toy(check_message=refuse)


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


# ---------------------------------------------------------------- sending


class Forgetful(ToyProvider):
    async def send(self, batch):
        results = await super().send(batch)
        return results if results[0].outcome is Outcome.REJECTED else results[:-1]


class TestForgetful(Good):
    breaks = "test_accepted_batch_has_one_result_for_every_message"
    provider_type = toy(Forgetful)


class Repeating(ToyProvider):
    async def send(self, batch):
        results = await super().send(batch)
        return results if results[0].outcome is Outcome.REJECTED else [*results, results[0]]


class TestRepeating(Good):
    breaks = "test_accepted_batch_has_one_result_for_every_message"
    provider_type = toy(Repeating)


class Nameless(ToyProvider):
    async def send(self, batch):
        return changed(await super().send(batch), provider_ref=None)


class TestNameless(Good):
    breaks = "test_accepted_message_has_a_reference"
    provider_type = toy(Nameless)


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


def mistaking(wrong, *codes, **fields):
    """Return a provider that reports another error for these codes."""

    class Mistaking(ToyProvider):
        async def send(self, batch):
            try:
                return await super().send(batch)
            except SendError as error:
                if error.code in codes:
                    raise wrong(error.text, code=error.code, raw=error.raw, **fields) from error
                raise

    return Mistaking


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


# ---------------------------------------------------------------- conduct


class Retrying(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except TransientSendError:
            return await super().send(batch)


class TestRetrying(Good):
    breaks = "test_failure_ends_after_one_request"
    provider_type = toy(Retrying)


class Asking(ToyProvider):
    async def balance(self):
        try:
            return await super().balance()
        except InDoubtError:
            return await super().balance()


class TestAskingTwice(Good):
    breaks = "test_failure_ends_after_one_request"
    provider_type = toy(Asking)


class Sleeping(ToyProvider):
    async def send(self, batch):
        await asyncio.sleep(3600)
        return await super().send(batch)


class TestSleeping(Good):
    breaks = "test_plugin_never_sleeps"
    provider_type = toy(Sleeping)


class Dozing(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except TransientSendError:
            await doze(3600)
            raise


class OwnSettings(ToySettings, frozen=True, kw_only=True):
    """Settings of this module, so that it is the plugin's package."""


class TestDozing(Good):
    breaks = "test_plugin_never_sleeps"
    provider_type = toy(Dozing, settings=OwnSettings)


class Blocking(ToyProvider):
    async def balance(self):
        time.sleep(3600)  # noqa: ASYNC251  # the fault
        return await super().balance()


class TestBlocking(Good):
    breaks = "test_plugin_never_sleeps"
    provider_type = toy(Blocking)


class Independent(ToyProvider):
    def __init__(self, context):
        super().__init__(context)
        self.other = httpx.AsyncClient(verify=False)  # noqa: S501  # quick to make


class TestIndependent(Good):
    breaks = "test_plugin_uses_only_the_client_it_was_given"
    provider_type = toy(Independent)


class Beacon(ToyProvider):
    async def send(self, batch):
        try:
            await asyncio.open_connection("telemetry.example.com", 443)
        except OSError:
            log.info("no telemetry")
        return await super().send(batch)


class TestBeacon(Good):
    breaks = "test_plugin_uses_only_the_client_it_was_given"
    provider_type = toy(Beacon)


class Chatty(ToyProvider):
    async def post(self, path, payload):
        log.debug("asking", extra={"token": self._settings.token.reveal()})
        return await super().post(path, payload)


class Echoing(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except InDoubtError as error:
            error.raw = f"{error.raw} to {self._settings.token.reveal()}"
            raise


class TestEchoing(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(Echoing)


class TestChatty(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(Chatty)


class Quoting(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except AccountError as error:
            raise AccountError(f"{self._settings.token.reveal()} is no good") from error


class TestQuoting(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(Quoting)


class Open(ToyProvider):
    def __repr__(self):
        return f"Open({self._webhook_url})"


class TestOpen(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(Open)


class InQuery(ToyProvider):
    async def post(self, path, payload):
        return await super().post(f"{path}?key={self._settings.token.reveal()}", payload)


class TestInQuery(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(InQuery)


class Naming(ToyProvider):
    async def send(self, batch):
        log.info("sending to %s", ", ".join(m.to for m in batch.messages))
        return await super().send(batch)


class TestNaming(Good):
    breaks = "test_no_whole_number_is_shown"
    provider_type = toy(Naming)


# ---------------------------------------------------------------- capabilities


class TestUncaptured(Good):
    breaks = "test_declared_receipts_and_replies_are_captured"
    webhooks: ClassVar = {"refused.json": Good.webhooks["refused.json"]}


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


# ---------------------------------------------------------------- webhooks


class Codeless(ToyReceiver):
    def items(self, told):
        return [
            msgspec.structs.replace(item, code=None) if isinstance(item, StatusUpdate) else item
            for item in super().items(told)
        ]


class TestCodeless(Good):
    breaks = "test_captured_payload_says_what_it_should"
    provider_type = toy(receiver=Codeless)


def saying(kind, **fields):
    """Return a receiver that says something else of every item of a kind, and what it says."""

    def altered(items):
        return [
            msgspec.structs.replace(item, **fields) if isinstance(item, kind) else item
            for item in items
        ]

    class Saying(ToyReceiver):
        def items(self, told):
            return altered(super().items(told))

    return Saying, {name: altered(items) for name, items in Good.webhooks.items()}


class TestUnknowing(Good):
    breaks = "test_delivery_receipt_has_a_known_status"
    receiver, webhooks = saying(StatusUpdate, status=Status.UNKNOWN)
    provider_type = toy(receiver=receiver)


class TestUnmatched(Good):
    breaks = "test_webhook_items_can_be_matched"
    receiver, webhooks = saying(StatusUpdate, provider_ref=None)
    provider_type = toy(receiver=receiver)


class TestNaive(Good):
    breaks = "test_webhook_items_can_be_matched"
    receiver, webhooks = saying(InboundMessage, received_at=datetime(2026, 1, 5))  # noqa: DTZ001
    provider_type = toy(receiver=receiver)


class Latin(ToyReceiver):
    def inbound(self, reply):
        reply.text = reply.text.encode("latin-1", "replace").decode("latin-1")
        return super().inbound(reply)


class TestLatin(Good):
    breaks = "test_reply_keeps_accents_and_emoji"
    provider_type = toy(receiver=Latin)


class Remembering(ToyReceiver):
    seen: bytes | None = None

    def parse(self, request):
        items = [] if request.body == self.seen else super().parse(request)
        self.seen = request.body
        return items


class TestRemembering(Good):
    breaks = "test_same_webhook_gives_the_same_items"
    provider_type = toy(receiver=Remembering)


class Deaf(ToyReceiver):
    def authenticate(self, request):
        super().authenticate(msgspec.structs.replace(request, body=b"kit"))


class TestDeaf(Good):
    breaks = "test_vendors_own_webhook_is_let_in"
    provider_type = toy(receiver=Deaf)


class Gullible(ToyReceiver):
    def authenticate(self, request):
        if "x-toy-signature" not in request.headers:
            super().authenticate(request)


class TestGullible(Good):
    breaks = "test_forged_webhook_is_refused"
    provider_type = toy(receiver=Gullible)


class Curious(ToyReceiver):
    def authenticate(self, request):
        self.parse(request)
        super().authenticate(request)


class TestCurious(Good):
    breaks = "test_forgery_is_refused_before_it_is_read"
    provider_type = toy(receiver=Curious)


class Swallowing(ToyReceiver):
    def parse(self, request):
        try:
            return super().parse(request)
        except MalformedWebhookError:
            return []


class TestSwallowing(Good):
    breaks = "test_garbage_is_malformed_and_nothing_worse"
    provider_type = toy(receiver=Swallowing)


class Rigid(ToyReceiver):
    def items(self, told):
        if isinstance(told, dict) and "kit" in told:
            raise MalformedWebhookError("a webhook of another kind")
        return super().items(told)


class TestRigid(Good):
    breaks = "test_webhook_of_unknown_shape_is_no_event"
    provider_type = toy(receiver=Rigid)


class Fragile(ToyReceiver):
    def items(self, told):
        if isinstance(told, dict) and "reports" in told:
            [report["id"] for report in told["reports"]]
        return super().items(told)


class TestFragile(Good):
    breaks = "test_mutilated_payload_never_breaks_the_receiver"
    provider_type = toy(receiver=Fragile)


class Grumpy(ToyReceiver):
    reply = WebhookReply(status=500)


class TestGrumpy(Good):
    breaks = "test_webhook_is_answered_with_success"
    provider_type = toy(receiver=Grumpy)


class Inquiring(ToyReceiver):
    def parse(self, request):
        with contextlib.suppress(OSError):
            socket.create_connection(("toy.example.com", 443))
        return super().parse(request)


class TestInquiring(Good):
    breaks = "test_webhook_is_read_without_asking_anyone"
    provider_type = toy(receiver=Inquiring)


class Gossip(ToyReceiver):
    def inbound(self, reply):
        log.info("%s wrote", reply.phone)
        return super().inbound(reply)


class TestGossip(Good):
    breaks = "test_webhook_shows_no_secret_and_no_number"
    provider_type = toy(receiver=Gossip)


class Telling(ToyReceiver):
    def parse(self, request):
        try:
            return super().parse(request)
        except MalformedWebhookError as error:
            raise MalformedWebhookError(f"{error} with {self._secret}") from error


class TestTelling(Good):
    breaks = "test_webhook_shows_no_secret_and_no_number"
    provider_type = toy(receiver=Telling)
