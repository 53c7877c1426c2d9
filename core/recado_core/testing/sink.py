"""What every sink must do."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import httpx
import msgspec
import pytest

from recado_core.contract import Sink, SinkContext, SinkType
from recado_core.errors import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
)
from recado_core.messages import Event
from recado_core.testing import failures, samples
from recado_core.testing.clock import MONDAY_NOON, Clock
from recado_core.testing.conduct import ConductTests
from recado_core.testing.declarations import SettingsTests
from recado_core.testing.failures import SILENT, UNSENT, answer_with
from recado_core.testing.stage import Answers, Scene

EVENT_TYPE = re.compile(r"[a-z]+\.[a-z_]+")
BODIES = ("empty", "html", "message")


class SinkConformance(SettingsTests[Sink], ConductTests[Sink]):
    """Subclass it as ``TestConformance`` and give the sink's type, settings and answers."""

    sink_type: ClassVar[SinkType]
    """What the plugin's ``register_sinks`` returns."""

    telling: ClassVar[str]
    """A type of event that the sink surely hands over to the business system."""

    reserved_keys: ClassVar[frozenset[str]] = frozenset(("sink",))

    def accepted(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002  # for overrides
        """Return the business system's answer when it takes what this request brings."""
        return httpx.Response(200, json={})

    def refused(self, request: httpx.Request) -> httpx.Response:
        """Return an answer that looks like success and is none, if the system has such."""
        raise NotImplementedError

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

    def make_context(self, http: httpx.AsyncClient) -> SinkContext:
        """Return what the sink is made of."""
        now = Clock(MONDAY_NOON + timedelta(minutes=1)).now
        return SinkContext(name="kit", settings=self.read_settings(), http=http, now=now)

    def make_plugin(self, http: httpx.AsyncClient) -> Sink:
        """Return the sink, with this client."""
        return self.sink_type.create(self.make_context(http))

    def scenes(self) -> Iterator[Scene[Sink]]:
        """Yield every event taken, and one event with every failure."""
        for event_type in sorted(self.sink_type.events):
            yield self._scene(f"accepted, {event_type}", event_type, self.accepted)
        if type(self).refused is not SinkConformance.refused:
            yield self._scene("refused", self.telling, self.refused, fails=True)
        for name, (reply, _) in failures.all_failures().items():
            if not name.startswith("200"):  # any success may be meant
                yield self._scene(f"deliver, {name}", self.telling, reply, fails=True)

    def addresses(self) -> list[str]:
        """Return the numbers in the sample events."""
        events = [self.event(event_type) for event_type in self.sink_type.events]
        return [text for event in events for text in _numbers(event.data)]

    async def requested(self, *events: Event) -> list[httpx.Request]:
        """Return the requests that the sink makes for events that are all taken."""
        async with self.facing(self.accepted) as trial:
            for event in events:
                await trial.plugin.deliver(event)
        return trial.vendor.requests

    async def refusal(self, answers: Answers) -> SendError:
        """Return the error that the sink reports when the business system answers this."""
        async with self.facing(answers) as trial:
            with pytest.raises(SendError) as caught:
                await trial.plugin.deliver(self.event(self.telling))
        return caught.value

    # ------------------------------------------------------------ tests

    def test_sink_type_is_well_formed(self) -> None:
        """The engine makes deliveries for these types of event and no others."""
        assert re.fullmatch(r"[a-z][a-z0-9_]*", self.sink_type.id), f"id {self.sink_type.id!r}"
        assert self.sink_type.events, "a sink wants at least one type of event"
        assert not [name for name in self.sink_type.events if not EVENT_TYPE.fullmatch(name)]

    async def test_wanted_event_is_taken(self, event_type: str) -> None:
        """A type that the sink declares and can't take would end among the dead letters."""
        await self.requested(self.event(event_type))

    async def test_repeated_event_carries_the_same_id(self) -> None:
        """The engine delivers again what it is not sure of; the other side must see it."""
        event = self.event(self.telling)
        first = [self.event_id(request) for request in await self.requested(event)]
        again = [self.event_id(request) for request in await self.requested(event)]
        assert first == again

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
    async def test_no_connection_is_transient(self, failure: str) -> None:
        """A system that is down loses no event."""
        error = await self.refusal(UNSENT[failure])
        assert isinstance(error, TransientSendError), repr(error)

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

    def _scene(
        self, name: str, event_type: str, answers: Answers, *, fails: bool = False
    ) -> Scene[Sink]:
        event = self.event(event_type)
        return Scene(name=name, call=lambda sink: sink.deliver(event), answers=answers, fails=fails)


def _numbers(value: Any) -> Iterator[str]:  # noqa: ANN401  # the data of any event
    if isinstance(value, str) and re.fullmatch(r"\+\d+", value):
        yield value
    for inner in value.values() if isinstance(value, dict) else ():
        yield from _numbers(inner)
