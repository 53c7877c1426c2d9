"""An account of ours at a simulated vendor, as the gateway treats one; what passes is kept."""

import json
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import httpx
import msgspec
from recado_core import (
    AccountContext,
    InDoubtError,
    OutboundBatch,
    OutboundMessage,
    Outcome,
    ReceiverContext,
    Secret,
    SendError,
    TransientSendError,
    WebhookRequest,
)
from recado_core.testing import make_id
from recado_kolmeya.operations import OPERATIONS
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.simulator.inprocess import BASE_URL, WEBHOOK_URL, open_bench
from recado_kolmeya.simulator.switches import Switches
from recado_kolmeya.webhooks import KolmeyaReceiver

START = datetime(2090, 1, 2, 15, 0, tzinfo=UTC)  # a Monday's noon at the vendor
STEPS = (0.1, 0.4, 1.5, 8.0, 50.0, 540.0)  # ten minutes, with a look at the mailbox in between
TRIES = 3
TOKEN = Secret("kolmeya-simulator")
BY_NAME = {operation.name: operation for operation in OPERATIONS}

_ids = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Recorder(httpx.AsyncBaseTransport):
    """Passes calls on and keeps them with their answers."""

    def __init__(self, inner):
        self.inner = inner
        self.exchanges = []

    async def handle_async_request(self, request):
        response = await self.inner.handle_async_request(request)
        await response.aread()
        self.exchanges.append((request, response))
        return response


class Stage:
    """Sends and asks like the gateway: what passes is tried again, what is in doubt looked up.

    What it returns is fit to be compared with what another run returned: ids are replaced by the
    labels of what they stand for, and times by the minutes since the beginning.
    """

    def __init__(self, bench, http, exchanges, settings):
        self.bench = bench
        self.settings = {"token": TOKEN, "base_url": BASE_URL} | settings
        self.http = http
        self.exchanges = exchanges
        self.provider = self.make_provider()
        self.references = {}  # those of every attempt, by the batch's label
        self.arrivals = []  # how many webhooks there were at each look
        self.ran = set()  # names of operations
        self._labels = {}

    @property
    def world(self):
        return self.bench.simulator.world

    def now(self):
        return datetime.fromtimestamp(self.world.clock.now(), UTC)

    def make_provider(self, **settings):
        context = AccountContext(
            account="kolmeya_main",
            settings=KolmeyaSettings(**(self.settings | settings)),
            http=self.http,
            now=self.now,
            webhook_url=WEBHOOK_URL,
        )
        return KolmeyaProvider(context)

    async def wait(self):
        """Let ten minutes pass."""
        for seconds in STEPS:
            await self.bench.advance(seconds)
            self.arrivals.append(len(self.bench.mailbox.deliveries))

    async def control(self, name, /, **fields):
        """Make something happen at the vendor's."""
        answer = await self.bench.control(name, **fields)
        assert answer.is_success
        return answer.json()

    async def blacklist(self):
        """Return the vendor's blacklist, which only the simulator shows."""
        answer = await self.bench.http.get("http://kolmeya.test/_simulator/blacklist")
        return answer.json()["phones"]

    # ------------------------------------------------------------ messages

    def message(self, label, to, text="Olá", **fields):
        message = OutboundMessage(id=make_id(), to=to, text=text, **fields)
        self._labels[message.id] = label
        return message

    async def send(self, label, messages, provider=None):
        """Return the outcome of each message, or what became of the last attempt at it."""
        outcomes = {}
        waiting = list(messages)
        for _ in range(TRIES):
            attempt = self.make_batch(label, waiting)
            results, failure, is_final = await self._try(provider or self.provider, attempt)
            settled = [each for each in results if each.outcome is not Outcome.TRANSIENT]
            outcomes |= {self._labels[each.message_id]: _outcome(each) for each in settled}
            waiting = [each for each in waiting if self._labels[each.id] not in outcomes]
            if is_final or not waiting:
                break
        return outcomes | {self._labels[each.id]: failure for each in waiting}

    def make_batch(self, label, messages):
        batch = OutboundBatch(reference=make_id(), messages=tuple(messages))
        self._labels[batch.reference] = label
        self.references.setdefault(label, []).append(batch.reference)
        return batch

    async def _try(self, provider, attempt):
        """Return the results, what failed, and whether that is final."""
        try:
            return await provider.send(attempt), None, False
        except TransientSendError as error:
            failure, is_in_doubt = name_failure(error), error.possibly_taken
            await self.bench.advance(error.retry_after or 0.01)
        except InDoubtError as error:
            failure, is_in_doubt = name_failure(error), True
        except SendError as error:
            return (), name_failure(error), True
        finally:
            self._learn_ids()
        if not is_in_doubt:
            return (), failure, False
        found = await self.ask(provider.lookup, attempt, show=lambda found: found)
        return ((), found, True) if isinstance(found, str) else (found.results, failure, False)

    def _learn_ids(self):
        for request in self.world.state.requests.values():
            self._labels[request.id] = "kolmeya's " + self.show(request.reference)
        for request, index in self.world.state.newest_messages():
            id_ = self.world.state.ids.message(request.serial, index)
            self._labels[id_] = "kolmeya's " + self.show(request.items[index].reference)

    def held_reference(self, label):
        """Return the reference of a batch under which the vendor holds it, if it does."""
        held = self.world.state.request_references
        return next((each for each in self.references[label] if each in held), "of nothing")

    def id_of(self, label):
        """Return the id that goes by a label, or one of nothing."""
        known = {label: id_ for id_, label in self._labels.items()}
        return known.get(label, "11111111-1111-4111-8111-111111111111")

    # ------------------------------------------------------------ questions

    async def ask(self, call, *given, show=None):
        """Return what a call returns, shown; or the failure that trying again does not mend."""
        failure = None
        for _ in range(TRIES):
            try:
                return (show or self.show)(await call(*given))
            except TransientSendError as error:
                failure = name_failure(error)
                await self.bench.advance(error.retry_after or 0.01)
            except SendError as error:
                return name_failure(error)
        return failure

    async def run(self, name, /, *parts, provider=None, **fields):
        """Return what an operation replies: all of it, or these parts of each of its rows."""
        operation = BY_NAME[name]
        self.ran.add(name)
        request = msgspec.json.decode(json.dumps(fields), type=operation.request)
        steps = []

        async def call():
            reply = await operation.call(
                provider or self.provider, request, lambda *step: steps.append(step)
            )
            assert isinstance(reply, operation.reply)
            assert steps[-1][0] == steps[-1][1]
            return reply

        return await self.ask(call, show=lambda reply: self.show(_select(reply, parts)))

    # ------------------------------------------------------------ what was received

    def received(self, kind):
        """Return what the webhooks have told of one kind, each thing once: the gateway knows it."""
        receiver = KolmeyaReceiver(
            ReceiverContext(account="kolmeya_main", settings=self.provider.settings)
        )
        items = []
        for delivery in self.bench.mailbox.deliveries:
            body = msgspec.json.encode(delivery.body)
            request = WebhookRequest(url=WEBHOOK_URL, headers=delivery.headers, query={}, body=body)
            items += [item for item in receiver.parse(request) if isinstance(item, kind)]
        return items

    def show(self, value):
        """Return a value with labels for ids and minutes for times."""
        match value:
            case msgspec.Struct():
                return self.show(msgspec.structs.asdict(value))
            case dict():
                return {str(key): self.show(part) for key, part in value.items()}
            case list() | tuple():
                return [self.show(part) for part in value]
            case datetime():
                return f"{(value - START).total_seconds() // 60:+.0f} min"
            case Decimal() | UUID() | str():
                text = str(value)
                return self._labels.get(text) or ("an id" if _ids.fullmatch(text) else text)
        return value

    def show_all(self, values):
        """Return values in an order that does not depend on when they came, each once."""
        shown = {repr(each): each for each in map(self.show, values)}
        return [shown[key] for key in sorted(shown)]

    def trace(self):
        """Return all that has passed, the same for two runs of which nothing differs."""
        calls = [
            [request.url.path, response.status_code, dict(response.headers), response.text]
            for request, response in self.exchanges
        ]
        told = [delivery.body for delivery in self.bench.mailbox.deliveries]
        text = json.dumps([calls, self.arrivals, told])
        known = {}
        return _ids.sub(lambda found: known.setdefault(found[0], f"id-{len(known)}"), text)


def name_failure(error):
    return f"{type(error).__name__} {error.code}"


def _outcome(result):
    if result.outcome is Outcome.ACCEPTED:
        return "accepted"
    return f"{result.outcome} as {result.code}: {result.text}"


def _select(reply, parts):
    """Return these parts of every row of a reply, whose first field is its rows."""
    if not parts:
        return reply
    rows = getattr(reply, reply.__struct_fields__[0])
    assert reply.unreadable == 0
    return [[getattr(row, part) for part in parts] for row in rows]


@asynccontextmanager
async def open_stage(switches, **settings):
    """Open a stage at ``START``, where faults begin to count, for an account of these settings."""
    without_faults = msgspec.structs.replace(switches, faults=())
    async with open_bench(without_faults) as bench:
        await bench.advance(START.timestamp() - bench.simulator.world.clock.now())
        if switches.faults:
            bench.simulator.world.change({"faults": msgspec.to_builtins(switches.faults)})
        recorder = Recorder(httpx.ASGITransport(bench.simulator))
        async with httpx.AsyncClient(transport=recorder) as http:
            yield Stage(bench, http, recorder.exchanges, settings)


def make_switches(**changes):
    """Return switches with a clock that stands, unless they say otherwise."""
    return Switches(**({"clock": "manual"} | changes))
