"""What every sink must do."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from operator import methodcaller
from typing import Any, ClassVar

import anyio
import httpx
import msgspec
import pytest

from recado_core.errors import (
    AccountError,
    InDoubtError,
    NotYetError,
    PermanentSendError,
    SendError,
    TransientSendError,
    UnreachableError,
)
from recado_core.http import WebhookReply, WebhookRequest
from recado_core.messages import Event
from recado_core.sinks import (
    NOT_TOLD,
    EventSubject,
    Finding,
    Lane,
    SinkContext,
    SinkGateway,
    SinkType,
)
from recado_core.testing import failures, samples, sink_calls
from recado_core.testing.clock import MONDAY_NOON, Clock
from recado_core.testing.conduct import ConductTests
from recado_core.testing.declarations import SettingsTests
from recado_core.testing.disclosure import find_secrets, find_shown
from recado_core.testing.failures import SILENT, UNSENT, answer_with
from recado_core.testing.kit import PATIENCE
from recado_core.testing.payloads import is_json, read_strings
from recado_core.testing.sink_gateway import FakeGateway
from recado_core.testing.stage import Answers, Scene

EVENT_TYPE = re.compile(r"[a-z]+\.[a-z_]+")
BODIES = ("empty", "html", "message")
WHOLE_NUMBER = re.compile(r"\+?\d{11,15}")
REFUSAL = "kit: this person gets no messages"
PROMPT = 2.0
"""Seconds in which a call is answered, though ``deliver`` is under way."""

AnySink = Any
"""A sink with whatever it declares."""


class SinkConformance(SettingsTests[AnySink], ConductTests[AnySink]):
    """Subclass it as ``TestConformance`` and give the sink's type, settings and answers."""

    sink_type: ClassVar[SinkType]
    """What the plugin's ``register_sinks`` returns."""

    telling: ClassVar[str]
    """A type of event that the sink surely hands over to the business system."""

    calls: ClassVar[Mapping[str, WebhookRequest]] = {}
    """If the type has ``requests``: the system's calls, by name, as it makes them."""

    credentials: ClassVar[frozenset[str]] = frozenset()
    """The headers (in lower case) and query parameters that tell who calls."""

    handing: ClassVar[str] = ""
    """Which of the ``calls`` hands over an agent's message."""

    reserved_keys: ClassVar[frozenset[str]] = frozenset(
        ("sink", "timeout", "concurrency", "retry_delays")
    )

    def accepted(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002  # for overrides
        """Return the business system's answer when it takes what this request brings."""
        return httpx.Response(200, json={})

    def refused(self, request: httpx.Request) -> httpx.Response:
        """Return an answer that looks like success and is none, if the system has such."""
        raise NotImplementedError

    def is_taken(self, reply: WebhookReply) -> bool:
        """Tell whether the business system reads this reply as a success."""
        return reply.status in range(200, 300)

    def strangers(self, request: WebhookRequest) -> Iterator[WebhookRequest]:
        """Yield a call as those make it who may not; ``credentials`` say what they lack."""
        yield from sink_calls.strangers(request, self.credentials)

    def event(self, event_type: str) -> Event:
        """Return a new event of this type, under an id of its own."""
        return samples.make_event(event_type)

    def event_id(self, request: httpx.Request) -> str:
        """Return what lets the business system see that it had this event before.

        It is an idempotency header where there is one, and else the whole body.
        """
        for name in ("idempotency-key", "webhook-id"):
            if name in request.headers:
                return str(request.headers[name])
        return request.content.decode(errors="replace")

    # ------------------------------------------------------------ made of it

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the tests that take an ``event_type`` once for every type that the sink wants."""
        if "event_type" in metafunc.fixturenames:
            metafunc.parametrize("event_type", sorted(self.sink_type.events))

    @property
    def settings_type(self) -> type[msgspec.Struct]:
        """Return the sink's settings Struct."""
        return self.sink_type.settings

    def make_context(
        self, http: httpx.AsyncClient, gateway: SinkGateway | None = None
    ) -> SinkContext:
        """Return what the sink is made of, under the name ``kit``."""
        return SinkContext(
            name="kit",
            settings=self.read_settings(),
            http=http,
            now=Clock(MONDAY_NOON + timedelta(minutes=1)).now,
            gateway=gateway or FakeGateway(),
            url="https://gateway.example.com/sinks/kit",
        )

    def make_plugin(self, http: httpx.AsyncClient) -> AnySink:
        """Return the sink, with this client."""
        return self.sink_type.create(self.make_context(http))

    def scenes(self) -> Iterator[Scene[AnySink]]:
        """Yield every event taken, one event with every failure, and every call answered."""
        yield from self._calls_and_probes()
        yield self._scene("repeated", self.telling, self.accepted, repeated=True)
        for event_type in sorted(self.sink_type.events):
            yield self._scene(f"accepted, {event_type}", event_type, self.accepted)
        if type(self).refused is not SinkConformance.refused:
            yield self._scene("refused", self.telling, self.refused, fails=True)
        for name, (reply, _) in failures.all_failures().items():
            if not name.startswith("200"):  # any success may be meant
                yield self._scene(f"deliver, {name}", self.telling, reply, fails=True)

    def addresses(self) -> list[str]:
        """Return the numbers in the sample events and in the system's calls."""
        events = [self.event(event_type).data for event_type in self.sink_type.events]
        return WHOLE_NUMBER.findall(f"{events} {[call.body for call in self.calls.values()]}")

    async def requested(self, *events: Event, repeated: bool = False) -> list[httpx.Request]:
        """Return the requests that the sink makes for events that are all taken."""
        async with self.facing(self.accepted) as trial:
            for event in events:
                await trial.plugin.deliver(event, repeated=repeated)
        return trial.vendor.requests

    @asynccontextmanager
    async def called(self, gateway: FakeGateway | None = None) -> AsyncIterator[AnySink]:
        """Give a sink that answers calls, before this gateway."""
        self._need_calls()
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.accepted)) as http:
            sink = self.sink_type.create(self.make_context(http, gateway))
            with self.make_watch().on(), anyio.fail_after(PATIENCE):
                yield sink

    async def refusal(self, answers: Answers) -> SendError:
        """Return the error that the sink reports when the business system answers this."""
        async with self.facing(answers) as trial:
            with pytest.raises(SendError) as caught:
                await trial.plugin.deliver(self.event(self.telling), repeated=False)
        assert not isinstance(caught.value, NotYetError), "the system was asked, and this counts"
        return caught.value

    # ------------------------------------------------------------ tests

    def test_sink_type_is_well_formed(self) -> None:
        """The engine makes deliveries for these types of event and no others."""
        assert re.fullmatch(r"[a-z][a-z0-9_]*", self.sink_type.id), f"id {self.sink_type.id!r}"
        assert self.sink_type.events, "a sink wants at least one type of event"
        assert not [name for name in self.sink_type.events if not EVENT_TYPE.fullmatch(name)]

    async def test_wanted_event_is_taken(self, event_type: str) -> None:
        """A type that the sink declares and can't take would end among the dead letters."""
        async with self.facing(self.accepted) as trial:
            said = await trial.plugin.deliver(self.event(event_type), repeated=False)
        assert said is None or (said is NOT_TOLD and not trial.vendor.requests), said
        assert said is None or event_type != self.telling, "this is surely told"

    def test_telling_event_is_wanted(self) -> None:
        """What ``wants`` says no to is never delivered."""
        if self.sink_type.wants is None:
            pytest.skip("the sink wants every event of its types")
        data = self.event(self.telling).data
        about: dict[str, Any] = {name: data.get(name) for name in ("account", "channel", "origin")}
        assert self.sink_type.wants(self.read_settings(), EventSubject(type=self.telling, **about))

    def test_any_subject_is_wanted_or_not(self) -> None:
        """``wants`` is asked in the midst of a transaction: an error there would undo it."""
        if self.sink_type.wants is None:
            pytest.skip("the sink wants every event of its types")
        for event_type in sorted(self.sink_type.events):
            for name in (None, "kit", "other"):
                subject = EventSubject(type=event_type, account=name, channel=name, origin=name)
                found = self.sink_type.wants(self.read_settings(), subject)
                assert isinstance(found, bool), subject

    def test_any_subject_has_its_lane(self) -> None:
        """Asked in the midst of a transaction as well, and about an event of a thread for ever."""
        for event_type in sorted(self.sink_type.events):
            for name in (None, "kit", "other"):
                subject = EventSubject(type=event_type, account=name, channel=name, origin=name)
                assert isinstance(self.sink_type.lane(subject), Lane), subject

    async def test_repeated_event_carries_the_same_id(self) -> None:
        """The engine delivers again what it is not sure of; the other side must see it."""
        event = self.event(self.telling)
        first = {self.event_id(request) for request in await self.requested(event)}
        again = {self.event_id(r) for r in await self.requested(event, repeated=True)}
        assert not again or first <= again, "it may look first, and then sends the same"

    async def test_repeated_event_is_not_believed_to_be_taken(self) -> None:
        """An earlier call may have been taken, or not: who looks nowhere must repeat it."""
        assert await self.requested(self.event(self.telling), repeated=True)

    async def test_two_events_carry_different_ids(self) -> None:
        """Or the second would be taken for a repeat."""
        first = await self.requested(self.event(self.telling))
        second = await self.requested(self.event(self.telling))
        assert [self.event_id(r) for r in first] != [self.event_id(r) for r in second]

    async def test_answer_that_only_looks_like_success_is_none(self) -> None:
        """Some systems answer 200 whatever happened."""
        if type(self).refused is SinkConformance.refused:
            pytest.skip("no refused(request) is given")
        await self.refusal(self.refused)

    @pytest.mark.parametrize("body", BODIES)
    @pytest.mark.parametrize("status", failures.TRANSIENT)
    async def test_transient_answer_may_be_retried(self, status: int, body: str) -> None:
        """The engine delivers again after a while."""
        error = await self.refusal(answer_with(status, body))
        assert isinstance(error, TransientSendError), repr(error)

    @pytest.mark.parametrize("failure", UNSENT)
    async def test_no_connection_is_unreachable(self, failure: str) -> None:
        """A system that is down loses no event: all of them wait, and none is given up."""
        error = await self.refusal(UNSENT[failure])
        assert isinstance(error, UnreachableError), repr(error)

    @pytest.mark.parametrize("failure", SILENT)
    async def test_silence_after_sending_is_never_permanent(self, failure: str) -> None:
        """The event may have been taken or not: it is delivered again under the same id."""
        error = await self.refusal(SILENT[failure])
        assert isinstance(error, (TransientSendError, InDoubtError)), repr(error)

    @pytest.mark.parametrize("status", failures.ACCOUNT)
    async def test_refused_credentials_are_a_send_error(self, status: int) -> None:
        """The operator reads about it; nothing is in doubt."""
        error = await self.refusal(answer_with(status, "html"))
        assert isinstance(error, (AccountError, PermanentSendError, TransientSendError))

    @pytest.mark.parametrize("status", [400, 422])
    async def test_permanent_answer_is_never_retried(self, status: int) -> None:
        """The event goes to the dead letters at once, and those behind it go on."""
        error = await self.refusal(answer_with(status, "message"))
        assert isinstance(error, PermanentSendError), repr(error)

    # ------------------------------------------------------------ the system's own calls

    async def test_call_of_the_business_system_is_answered(self) -> None:
        """What it asks for, in a form that it can read."""
        async with self.called() as sink:
            for name, call in self.calls.items():
                reply = await sink.handle(call)
                assert isinstance(reply, WebhookReply), name
                assert self.is_taken(reply), f"{name}: {reply}"
                assert not is_json(reply.content_type) or json.loads(reply.body) is not None, name

    async def test_call_of_a_stranger_is_refused(self) -> None:
        """The route is open to everyone: only the sink knows who may call."""
        gateway = FakeGateway()
        async with self.called(gateway) as sink:
            for name, call in self.calls.items():
                others = list(self.strangers(call))
                assert others, f"{name} has no credentials"
                for stranger in others:
                    reply = await sink.handle(stranger)
                    assert reply.status in (401, 403, 404), f"{name}: {reply.status}"
        assert not gateway.asked, "a stranger's call has reached the gateway"

    async def test_odd_call_never_breaks_the_sink(self) -> None:
        """Whatever comes is answered, with the gateway up or down."""
        gateway = FakeGateway()
        async with self.called(gateway) as sink:
            for gateway.is_down in (False, True):
                for name, call in self.calls.items():
                    for odd in sink_calls.oddities(call):
                        reply = await sink.handle(odd)
                        assert isinstance(reply, WebhookReply), name
                        assert reply.status in range(200, 600), name

    async def test_agents_message_reaches_the_gateway_once(self) -> None:
        """The same call again has the same key, which the gateway knows a message by."""
        gateway = FakeGateway()
        async with self.called(gateway) as sink:
            for _ in range(2):
                assert self.is_taken(await sink.handle(self.calls[self.handing]))
        assert len(gateway.sent) == 1
        assert all((gateway.sent[0].account, gateway.sent[0].to, gateway.sent[0].key))

    async def test_refusal_reaches_the_agent(self) -> None:
        """A message that can't go must not look as if it had gone."""
        gateway = FakeGateway()
        gateway.refusal = REFUSAL
        async with self.called(gateway) as sink:
            reply = await sink.handle(self.calls[self.handing])
        assert not self.is_taken(reply)
        told = read_strings(reply.content_type, reply.body)
        assert [text for text in told if REFUSAL in text], told

    async def test_gateway_that_is_down_is_no_success(self) -> None:
        """The agent's message is in no store: whoever wrote it must know."""
        gateway = FakeGateway()
        gateway.is_down = True
        async with self.called(gateway) as sink:
            assert not self.is_taken(await sink.handle(self.calls[self.handing]))

    async def test_call_is_answered_while_deliver_is_under_way(self) -> None:
        """Many systems call back before they answer: whoever makes them wait waits for ever."""
        self._need_calls()
        replies = []

        async def answer(request: httpx.Request) -> httpx.Response:
            with anyio.fail_after(PROMPT):
                replies.append(await sink.handle(self.calls[self.handing]))
            return self.accepted(request)

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            sink = self.make_plugin(http)
            with self.make_watch().on(), anyio.fail_after(PATIENCE):
                await sink.deliver(self.event(self.telling), repeated=False)
        assert replies
        assert all(self.is_taken(reply) for reply in replies)

    async def test_no_reply_shows_a_secret(self) -> None:
        """A refusal is read by whoever made the call."""
        async with self.called() as sink:
            shown = [
                (name, await sink_calls.tell_reply(sink, one))
                for name, call in self.calls.items()
                for one in (call, *self.strangers(call), *sink_calls.oddities(call))
            ]
        assert not find_shown(shown, find_secrets(self.read_settings()))

    async def test_probe_tells_what_it_finds(self) -> None:
        """And raises nothing, whatever the system answers."""
        if not self.sink_type.probe:
            pytest.skip("the sink's type has no probe")
        for name, (reply, _) in failures.all_failures().items():
            async with self.facing(reply) as trial:
                found = await trial.plugin.probe()
            assert name not in UNSENT or not all(one.ok for one in found), f"{name}: {found}"
            assert name in UNSENT or isinstance(found, list), name
        async with self.facing(self.accepted) as trial:
            found = await trial.plugin.probe()
        assert found
        assert all(isinstance(one, Finding) and one.what and one.detail for one in found), found

    def _need_calls(self) -> None:
        if not self.sink_type.requests:
            pytest.skip("the sink's type has no requests")
        assert self.handing in self.calls, "calls need one that hands an agent's message over"

    def _calls_and_probes(self) -> Iterator[Scene[AnySink]]:
        for name, call in self.calls.items() if self.sink_type.requests else ():
            for one in (call, *self.strangers(call), msgspec.structs.replace(call, body=b"{")):
                ask = methodcaller("handle", one)
                yield Scene(name=f"call {name}", call=ask, answers=self.accepted)
        for name in UNSENT if self.sink_type.probe else ():
            yield Scene(name=f"probe, {name}", call=methodcaller("probe"), answers=UNSENT[name])

    def _scene(
        self,
        name: str,
        event_type: str,
        answers: Answers,
        *,
        fails: bool = False,
        repeated: bool = False,
    ) -> Scene[AnySink]:
        deliver = methodcaller("deliver", self.event(event_type), repeated=repeated)
        return Scene(name=name, call=deliver, answers=answers, fails=fails)
