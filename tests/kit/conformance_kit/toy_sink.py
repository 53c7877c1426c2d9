"""Sinks for a business system that does not exist, with one fault each."""

import asyncio
import itertools
import json
import logging

import httpx
import msgspec
from recado_core import (
    NOT_TOLD,
    NotYetError,
    PermanentSendError,
    Secret,
    SendError,
    TransientSendError,
    raise_for_send,
)
from toy_desk import DESK, DeskSettings, DeskSink, Good, reply_with

log = logging.getLogger(__name__)


def desk(sink=DeskSink, **changes):
    return msgspec.structs.replace(DESK, create=sink, **changes)


class TestShouting(Good):
    breaks = "test_sink_type_is_well_formed"
    sink_type = desk(events=frozenset({"message.received", "RECEIVED"}))


class LaxSettings(msgspec.Struct, frozen=True, kw_only=True):
    token: Secret
    base_url: str = "https://desk.example.com"


class TestLaxSettings(Good):
    breaks = "test_settings_refuse_unknown_keys"
    sink_type = desk(settings=LaxSettings)


class GreedySettings(DeskSettings, frozen=True, kw_only=True):
    sink: str = "desk"


class TestGreedySettings(Good):
    breaks = "test_settings_leave_the_common_keys_alone"
    sink_type = desk(settings=GreedySettings)


class PlainSettings(DeskSettings, frozen=True, kw_only=True):
    rpc_password: str = "0123456789"


class TestPlainSettings(Good):
    breaks = "test_settings_hold_secrets_as_secret"
    sink_type = desk(settings=PlainSettings)


class Choosy(DeskSink):
    async def deliver(self, event, *, repeated):
        if event.type == "message.failed":
            raise PermanentSendError("no such event")
        await super().deliver(event, repeated=repeated)


class TestChoosy(Good):
    breaks = "test_wanted_event_is_taken"
    sink_type = desk(Choosy)


class Denying(DeskSink):
    async def deliver(self, event, *, repeated):
        await super().deliver(event, repeated=repeated)
        return NOT_TOLD


class TestDenying(Good):
    breaks = "test_wanted_event_is_taken"
    sink_type = desk(Denying)


class Passing(DeskSink):
    async def deliver(self, event, *, repeated):
        await super().deliver(event, repeated=repeated)
        return True


class TestPassing(Good):
    breaks = "test_wanted_event_is_taken"
    sink_type = desk(Passing)


class Counting(DeskSink):
    count = 0

    async def post(self, payload):
        Counting.count += 1
        return await super().post({**payload, "id": Counting.count})


class TestCounting(Good):
    breaks = "test_repeated_event_carries_the_same_id"
    sink_type = desk(Counting)


class Constant(DeskSink):
    async def post(self, payload):
        return await super().post({"kind": payload["kind"]})


class TestConstant(Good):
    breaks = "test_two_events_carry_different_ids"
    sink_type = desk(Constant)


class Trusting(DeskSink):
    async def deliver(self, event, *, repeated):  # noqa: ARG002  # as above
        raise_for_send(await self.post({"id": event.id}))


class TestTrusting(Good):
    breaks = "test_answer_that_only_looks_like_success_is_none"
    sink_type = desk(Trusting)


def mistaking(*codes, wrong):
    class Mistaking(DeskSink):
        async def deliver(self, event, *, repeated):
            try:
                await super().deliver(event, repeated=repeated)
            except SendError as error:
                if error.code in codes or type(error.__cause__).__name__ in codes:
                    raise wrong(error.text) from error
                raise

    return Mistaking


class TestHasty(Good):
    breaks = "test_transient_answer_may_be_retried"
    sink_type = desk(mistaking("503", wrong=PermanentSendError))


def wait_on(text):
    return NotYetError(text, retry_after=5)


class TestPatient(Good):
    breaks = "test_transient_answer_may_be_retried"
    sink_type = desk(mistaking("503", wrong=wait_on))


class TestOffended(Good):
    breaks = "test_no_connection_is_unreachable"
    sink_type = desk(mistaking("ConnectError", wrong=TransientSendError))


class TestResigned(Good):
    breaks = "test_silence_after_sending_is_never_permanent"
    sink_type = desk(mistaking("ReadTimeout", wrong=PermanentSendError))


class TestHelpless(Good):
    breaks = "test_refused_credentials_are_a_send_error"
    sink_type = desk(mistaking("401", wrong=ValueError))


class TestStubborn(Good):
    breaks = "test_permanent_answer_is_never_retried"
    sink_type = desk(mistaking("422", wrong=TransientSendError))


class Retrying(DeskSink):
    async def deliver(self, event, *, repeated):
        try:
            await super().deliver(event, repeated=repeated)
        except TransientSendError:
            await super().deliver(event, repeated=repeated)


class TestRetrying(Good):
    breaks = "test_failure_ends_after_one_request"
    sink_type = desk(Retrying)


class Sleeping(DeskSink):
    async def deliver(self, event, *, repeated):
        await asyncio.sleep(3600)
        await super().deliver(event, repeated=repeated)


class TestSleeping(Good):
    breaks = "test_plugin_never_sleeps"
    sink_type = desk(Sleeping)


class Independent(DeskSink):
    async def deliver(self, event, *, repeated):
        async with httpx.AsyncClient(verify=False):  # noqa: S501  # quick to make
            await super().deliver(event, repeated=repeated)


class TestIndependent(Good):
    breaks = "test_plugin_uses_only_the_client_it_was_given"
    sink_type = desk(Independent)


class Chatty(DeskSink):
    async def post(self, payload):
        log.info("with %s", self._settings.token.reveal())
        return await super().post(payload)


class TestChatty(Good):
    breaks = "test_no_secret_is_shown"
    sink_type = desk(Chatty)


class Naming(DeskSink):
    async def post(self, payload):
        log.info("%s wrote", payload["data"]["sender"])
        return await super().post(payload)


class TestNaming(Good):
    breaks = "test_no_whole_number_is_shown"
    sink_type = desk(Naming)


def find_no_lane(subject):
    return {"message.received": "fast"}.get(subject.type)


class TestLost(Good):
    breaks = "test_any_subject_has_its_lane"
    sink_type = desk(lane=find_no_lane)


def want_nothing(_settings, _subject):
    return False


class TestUnwilling(Good):
    breaks = "test_telling_event_is_wanted"
    sink_type = desk(wants=want_nothing)


def want_by_name(_settings, subject):
    return subject.account.startswith("kit")


class TestPresuming(Good):
    breaks = "test_any_subject_is_wanted_or_not"
    sink_type = desk(wants=want_by_name)


class Hopeful(DeskSink):
    async def deliver(self, event, *, repeated):
        if not repeated:
            await super().deliver(event, repeated=repeated)


class TestHopeful(Good):
    breaks = "test_repeated_event_is_not_believed_to_be_taken"
    sink_type = desk(Hopeful)


class Unwell(DeskSink):
    async def handle(self, request):
        reply = await super().handle(request)
        return reply_with(500) if request.path == "health" and reply.status == 200 else reply


class TestUnwell(Good):
    breaks = "test_call_of_the_business_system_is_answered"
    sink_type = desk(Unwell)


class Trustful(DeskSink):
    def knows(self, token):
        return token.startswith("desk-token")


class TestTrustful(Good):
    breaks = "test_call_of_a_stranger_is_refused"
    sink_type = desk(Trustful)


class Brittle(DeskSink):
    async def handle(self, request):
        if self.knows(request.headers.get("x-desk-token", "")):
            json.loads(request.body)
        return await super().handle(request)


class TestBrittle(Good):
    breaks = "test_odd_call_never_breaks_the_sink"
    sink_type = desk(Brittle)


class Forgetful(DeskSink):
    count = itertools.count()

    async def hand_over(self, written):
        written.id = f"{written.id}-{next(Forgetful.count)}"
        return await super().hand_over(written)


class TestForgetful(Good):
    breaks = "test_agents_message_reaches_the_gateway_once"
    sink_type = desk(Forgetful)


def glossing_over(status):
    class Glossing(DeskSink):
        async def hand_over(self, written):
            reply = await super().hand_over(written)
            return reply_with(202) if reply.status == status else reply

    return Glossing


class TestPolite(Good):
    breaks = "test_refusal_reaches_the_agent"
    sink_type = desk(glossing_over(422))


class TestCarefree(Good):
    breaks = "test_gateway_that_is_down_is_no_success"
    sink_type = desk(glossing_over(503))


class SingleMinded(DeskSink):
    def __init__(self, context):
        super().__init__(context)
        self._lock = asyncio.Lock()

    async def deliver(self, event, *, repeated):
        async with self._lock:
            await super().deliver(event, repeated=repeated)

    async def handle(self, request):
        async with self._lock:
            return await super().handle(request)


class TestSingleMinded(Good):
    breaks = "test_call_is_answered_while_deliver_is_under_way"
    sink_type = desk(SingleMinded)


class Helpful(DeskSink):
    async def handle(self, request):
        reply = await super().handle(request)
        wanted = self._settings.token.reveal()
        return reply_with(403, error=f"say {wanted}") if reply.status == 403 else reply


class TestHelpful(Good):
    breaks = "test_no_reply_shows_a_secret"
    sink_type = desk(Helpful)


class Alarmed(DeskSink):
    async def probe(self):
        (found,) = await super().probe()
        if not found.ok:
            raise TransientSendError(found.detail)
        return [found]


class TestAlarmed(Good):
    breaks = "test_probe_tells_what_it_finds"
    sink_type = desk(Alarmed)
