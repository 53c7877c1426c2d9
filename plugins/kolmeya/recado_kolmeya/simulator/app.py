"""The simulator as an ASGI application."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

import httpx
from msgspec import structs

from recado_kolmeya.simulator.answers import (
    Answer,
    RefusedError,
    error_list,
    message,
)
from recado_kolmeya.simulator.calls import Call
from recado_kolmeya.simulator.catalogues import try_webhook
from recado_kolmeya.simulator.control import PREFIX, answer_control
from recado_kolmeya.simulator.faults import (
    ConnectionClosedError,
    NeverAnsweredError,
    faulty_answer,
    throttled,
)
from recado_kolmeya.simulator.rates import Headers
from recado_kolmeya.simulator.routes import OPERATIONS, TRY_WEBHOOK, find_operation
from recado_kolmeya.simulator.switches import Fault, FaultKind, Switches
from recado_kolmeya.simulator.world import World

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

BASE = "/api"  # of the vendor's address; we answer with and without


class Simulator:
    """A fake of the vendor's HTTP API; also an async context manager that closes what it opened."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop what is under way and close the connections."""
        self.world.schedule.clear()
        await self.world.webhooks.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            raise ValueError(f"the simulator serves http, not {scope['type']}")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                self.world.webhooks.open()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await _read_call(scope, receive)
        if call.path.startswith(PREFIX):
            await _send_answer(send, await answer_control(self.world, call))
            return
        world = self.world
        operation = find_operation(call.method, call.path)
        world.state.calls[operation[0] if operation else "unknown"] += 1
        now = world.clock.now()
        allowed, headers = world.rate.take(world.switches, now)
        if not allowed:
            await self._finish(send, throttled(world.switches), headers)
            return
        fault = world.faults.meet(call.path, now, world.random) if world.switches.faults else None
        answer = None
        if fault is None or fault.carried_out:
            answer = await self._carry_out(call, operation)
        if world.switches.latency:
            await asyncio.sleep(world.switches.latency)
        if fault is not None:
            world.state.faults[fault.kind] += 1
            answer = await self._go_wrong(fault, answer, receive, send)
        if answer is not None:
            await self._finish(send, answer, headers)

    async def _carry_out(self, call: Call, operation: tuple[str, str] | None) -> Answer:
        if operation is None:
            return error_list("Not found.", 404)
        path, argument = operation
        if argument:
            call = structs.replace(call, argument=argument)
        try:
            self._authenticate(call)
            if path == TRY_WEBHOOK:
                return await try_webhook(self.world, call)
            return OPERATIONS[path](self.world, call)
        except RefusedError as refused:
            return refused.answer

    def _authenticate(self, call: Call) -> None:
        switches = self.world.switches
        form = error_list if switches.error_form == "errors" else message
        scheme, _, token = call.headers.get(b"authorization", b"").partition(b" ")
        wanted = switches.token.encode()
        if scheme.lower() != b"bearer" or not token or (wanted and token.strip() != wanted):
            raise RefusedError(form("Unauthenticated.", 401))
        if switches.allowed_ips and call.caller not in switches.allowed_ips:
            raise RefusedError(form("This action is unauthorized.", 403))

    async def _go_wrong(
        self, fault: Fault, good: Answer | None, receive: Receive, send: Send
    ) -> Answer | None:
        if fault.kind is FaultKind.TIMEOUT:
            await _leave_waiting(receive, self.world.switches.timeout_seconds)
            return None
        if fault.kind is FaultKind.CLOSE:
            await _close_connection(send)
        return faulty_answer(fault, self.world.switches, good)

    async def _finish(self, send: Send, answer: Answer, headers: Headers) -> None:
        self.world.state.answers[answer.status] += 1
        await _send_answer(send, answer, headers)


async def _read_call(scope: Scope, receive: Receive) -> Call:
    chunks = []
    while True:
        event = await receive()
        chunks.append(event.get("body", b""))
        if not event.get("more_body", False):
            break
    path: str = scope["path"]
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"localhost").decode("latin-1")
    return Call(
        method=scope["method"],
        path=path.removeprefix(BASE) if path.startswith(BASE + "/") else path,
        url=f"{scope.get('scheme', 'http')}://{host}{path}",
        query=scope.get("query_string", b""),
        headers=headers,
        body=chunks[0] if len(chunks) == 1 else b"".join(chunks),
        caller=(scope.get("client") or ("",))[0],
    )


async def _send_answer(send: Send, answer: Answer, headers: Headers = ()) -> None:
    head = [*headers, *answer.headers]
    if answer.body:
        head.append((b"content-type", answer.content_type))
    if answer.status != 204:  # noqa: PLR2004 - "no content" has no length either
        head.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": head})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _leave_waiting(receive: Receive, seconds: float) -> None:
    """Wait until the client gives up, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        raise NeverAnsweredError("The simulator never answers this call.") from None


async def _close_connection(send: Send) -> None:
    """Break off in the middle of an answer, which makes every server close the connection."""
    head = [(b"content-type", b"application/json"), (b"content-length", b"64")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b'{"id":"', "more_body": True})
    raise ConnectionClosedError("The simulator closed the connection.")


def create_simulator(
    switches: Switches | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    now: Callable[[], float] = time.time,
) -> Simulator:
    """Make a simulator.

    Args:
        switches: How it behaves; the defaults if not given.
        transport: What carries its webhooks; the network if not given.
        now: The time of the running clock.
    """
    return Simulator(World(switches or Switches(), now=now, transport=transport))
