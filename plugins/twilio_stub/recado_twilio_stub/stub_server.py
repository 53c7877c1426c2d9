"""A server that answers like Twilio, fails on request, and can be asked what it was sent.

Everything that is Twilio's stands under ``/2010-04-01``; what is ours, under ``/_stub``:

* ``GET /_stub/state``: counts, with what was created twice; ``DELETE`` forgets everything
* ``GET /_stub/messages``: every message
* ``POST /_stub/faults``: what becomes of the next requests to create a message
* ``POST /_stub/deliveries``: how the messages to one number end
* ``POST /_stub/contents``: a template of the account, for ``ContentSid``
* ``POST /_stub/inbound``: a person's message, which comes as a signed webhook
"""

import argparse
import base64
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
from recado_core import CommandLine

from recado_twilio_stub import wire
from recado_twilio_stub.stub_account import Content, Delivery, Inbound, RefusedError, StubAccount

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "stub-auth-token"  # noqa: S105  # protects nothing: the stub's, for every checkout
JSON = "application/json"


class FaultKind(StrEnum):
    """What becomes of a request to create a message."""

    TOO_MANY = "429"  # code 20429
    SERVER_ERROR = "500"  # code 20500
    TIMEOUT = "timeout"  # no answer, until the client gives up
    HTML = "html"  # a 200 with the page of some proxy
    BROKEN_JSON = "broken_json"  # a 201 that ends too early
    CLOSED = "closed"  # the connection breaks before the answer is whole


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of the next ``count`` requests.

    ``accept`` says whether their messages are taken all the same; if it is left out, they are
    where the vendor would know it: after a time-out, and of a broken 201.
    """

    kind: FaultKind
    count: int = 1
    accept: bool | None = None
    retry_after: int | None = None

    def accepts(self) -> bool:
        """Tell whether the message is taken."""
        if self.accept is None:
            return self.kind in {FaultKind.TIMEOUT, FaultKind.BROKEN_JSON}
        return self.accept


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request that has been read to its end."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; ``cut`` closes the connection in the middle of it."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = {}
    cut: bool = False


class StubServer:
    """An ASGI application that pretends to be Twilio for one account."""

    def __init__(
        self,
        *,
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
        http: httpx.AsyncClient | None = None,
        delay: float = 0.2,
    ) -> None:
        self._http = http or httpx.AsyncClient(timeout=httpx.Timeout(15, pool=None))
        self._account = StubAccount(account_sid, auth_token, self._http, delay)
        self._faults: deque[Fault] = deque()
        self._root = f"/{wire.API_VERSION}/Accounts/{account_sid}"
        credentials = base64.b64encode(f"{account_sid}:{auth_token}".encode())
        self._authorization = b"Basic " + credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            reply = await self._answer(await _read(scope, receive))
            if reply is None:
                await _wait_for_the_end(receive)
            else:
                await _write(reply, send)

    async def close(self) -> None:
        """Stop reporting, and close the client."""
        await self._account.close()
        await self._http.aclose()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.shutdown":
                await self.close()
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    # ------------------------------------------------------------ Twilio's side

    async def _answer(self, request: Request) -> Reply | None:
        if request.path.startswith("/_stub/"):
            return await self._control(request)
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._authorization):
            return _refuse(RefusedError(401, 20003, "Authenticate"))
        rest = request.path.removeprefix(self._root)
        if (request.method, rest) == ("POST", "/Messages.json"):
            return self._create(request)
        found = self._find(rest) if request.method == "GET" else None
        if found is None:
            missing = f"The requested resource {request.path} was not found"
            return _refuse(RefusedError(404, 20404, missing))
        return Reply(body=msgspec.json.encode(found))

    def _create(self, request: Request) -> Reply | None:
        fault = self._faults.popleft() if self._faults else None
        if fault and not fault.accepts():
            return _break(fault, b"{}")
        form = parse_qs(request.body.decode(), keep_blank_values=True)
        try:
            body = msgspec.json.encode(self._account.create(form))
        except RefusedError as refused:
            return _refuse(refused)
        return _break(fault, body) if fault else Reply(status=201, body=body)

    def _find(self, rest: str) -> msgspec.Struct | None:
        if rest == ".json":
            return wire.AccountReply(sid=self._account.sid, status="active")
        if rest == "/Balance.json":
            return wire.BalanceReply(balance=Decimal("100.00"), currency="USD")
        name = rest.removeprefix("/Messages/").removesuffix(".json")
        return self._account.messages.get(name)

    # ------------------------------------------------------------ our side

    async def _control(self, request: Request) -> Reply:
        try:
            return await self._obey(request)
        except (ValueError, LookupError) as error:
            return Reply(status=400, body=msgspec.json.encode({"error": str(error)}))

    async def _obey(self, request: Request) -> Reply:
        match request.method, request.path.removeprefix("/_stub/"):
            case "GET", "state":
                return Reply(body=msgspec.json.encode(self._account.state()))
            case "DELETE", "state":
                self._account.clear()
                self._faults.clear()
            case "GET", "messages":
                return Reply(body=msgspec.json.encode(list(self._account.messages.values())))
            case "POST", "faults":
                fault = msgspec.json.decode(request.body, type=Fault)
                self._faults.extend([fault] * fault.count)
            case "POST", "deliveries":
                self._account.plan(msgspec.json.decode(request.body, type=Delivery))
            case "POST", "contents":
                self._account.keep(msgspec.json.decode(request.body, type=Content))
            case "POST", "inbound":
                inbound = msgspec.json.decode(request.body, type=Inbound)
                return Reply(body=msgspec.json.encode({"sid": await self._account.bring(inbound)}))
            case _:
                return Reply(status=404, body=b'{"error":"no such control"}')
        return Reply(status=204)


def add_simulator(cli: CommandLine) -> None:
    """Add the command that serves the stub."""
    parser = cli.add_command("simulate", "twilio_stub", summary="answer like Twilio")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8901)
    parser.add_argument("--account-sid", default=ACCOUNT_SID)
    parser.add_argument("--auth-token", default=AUTH_TOKEN)
    parser.add_argument(
        "--delay", type=float, default=0.2, help="seconds from one status of a message to the next"
    )

    def run(given: argparse.Namespace) -> int:
        app = StubServer(
            account_sid=given.account_sid, auth_token=given.auth_token, delay=given.delay
        )
        return cli.serve(app, given.host, given.port)

    parser.set_defaults(run=run)


# ---------------------------------------------------------------- answers


def _refuse(refused: RefusedError) -> Reply:
    return Reply(status=refused.reply.status, body=msgspec.json.encode(refused.reply))


def _break(fault: Fault, body: bytes) -> Reply | None:
    """Return the answer that a fault makes of a good one, or None for none at all."""
    match fault.kind:
        case FaultKind.TOO_MANY:
            after = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            reply = _refuse(RefusedError(429, 20429, "Too Many Requests"))
            return Reply(status=reply.status, body=reply.body, headers=after)
        case FaultKind.SERVER_ERROR:
            return _refuse(RefusedError(500, 20500, "An internal server error has occurred"))
        case FaultKind.HTML:
            return Reply(body=b"<!doctype html><h1>Welcome</h1>", content_type="text/html")
        case FaultKind.BROKEN_JSON:
            return Reply(status=201, body=body[: len(body) // 2])
        case FaultKind.CLOSED:
            return Reply(status=201, body=body, cut=True)
        case FaultKind.TIMEOUT:
            return None


# ---------------------------------------------------------------- ASGI


async def _read(scope: Scope, receive: Receive) -> Request:
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return Request(
        method=scope["method"],
        path=scope["path"],
        headers={
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        },
        body=body,
    )


async def _wait_for_the_end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(reply: Reply, send: Send) -> None:
    headers = {"Content-Type": reply.content_type, "Content-Length": str(len(reply.body))}
    headers |= reply.headers
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    if reply.cut:
        # An application can't hang up, but a server does when the body falls short of its length.
        half = reply.body[: len(reply.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        return
    await send({"type": "http.response.body", "body": reply.body})
