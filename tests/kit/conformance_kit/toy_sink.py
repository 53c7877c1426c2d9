"""A business system that does not exist, a sink for it, and sinks with one fault each."""

import asyncio
import logging
from typing import ClassVar

import httpx
import msgspec
from recado_core import (
    PermanentSendError,
    Secret,
    SendError,
    SinkContext,
    SinkType,
    TransientSendError,
    raise_for_send,
    send_request,
)
from recado_core.testing import SinkConformance

log = logging.getLogger(__name__)


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: Secret
    base_url: str = "https://desk.example.com"


class DeskSink:
    def __init__(self, context: SinkContext) -> None:
        self._http = context.http
        self._settings = context.settings

    async def deliver(self, event):
        response = await self.post({"id": event.id, "kind": event.type, "data": event.data})
        raise_for_send(response)
        if response.content == b'{"taken": false}':
            raise TransientSendError("the desk did not take it", raw=response.text)

    async def post(self, payload):
        headers = {"authorization": f"Bearer {self._settings.token.reveal()}"}
        url = f"{self._settings.base_url}/events"
        request = self._http.build_request("POST", url, json=payload, headers=headers)
        return await send_request(self._http, request)


DESK = SinkType(
    id="desk",
    settings=DeskSettings,
    events=frozenset({"message.received", "message.failed"}),
    create=DeskSink,
)


class Good(SinkConformance):
    sink_type = DESK
    settings: ClassVar = {"token": "desk-token-1234"}
    telling = "message.received"

    def refused(self, request):
        return httpx.Response(200, content=b'{"taken": false}', request=request)


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
    async def deliver(self, event):
        if event.type == "message.failed":
            raise PermanentSendError("no such event")
        await super().deliver(event)


class TestChoosy(Good):
    breaks = "test_wanted_event_is_taken"
    sink_type = desk(Choosy)


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
    async def deliver(self, event):
        raise_for_send(await self.post({"id": event.id}))


class TestTrusting(Good):
    breaks = "test_answer_that_only_looks_like_success_is_none"
    sink_type = desk(Trusting)


def mistaking(*codes, wrong):
    class Mistaking(DeskSink):
        async def deliver(self, event):
            try:
                await super().deliver(event)
            except SendError as error:
                if error.code in codes or type(error.__cause__).__name__ in codes:
                    raise wrong(error.text) from error
                raise

    return Mistaking


class TestHasty(Good):
    breaks = "test_transient_answer_may_be_retried"
    sink_type = desk(mistaking("503", wrong=PermanentSendError))


class TestOffended(Good):
    breaks = "test_no_connection_is_transient"
    sink_type = desk(mistaking("ConnectError", wrong=PermanentSendError))


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
    async def deliver(self, event):
        try:
            await super().deliver(event)
        except TransientSendError:
            await super().deliver(event)


class TestRetrying(Good):
    breaks = "test_failure_ends_after_one_request"
    sink_type = desk(Retrying)


class Sleeping(DeskSink):
    async def deliver(self, event):
        await asyncio.sleep(3600)
        await super().deliver(event)


class TestSleeping(Good):
    breaks = "test_plugin_never_sleeps"
    sink_type = desk(Sleeping)


class Independent(DeskSink):
    async def deliver(self, event):
        async with httpx.AsyncClient(verify=False):  # noqa: S501  # quick to make
            await super().deliver(event)


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
