"""What is read from a request: its id, its body, its query, a provider's webhook."""

import random
import re
from collections.abc import AsyncIterator, Collection
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar
from litestar.types import HTTPScope, Message, Receive, Scope
from recado_core.engine.clients.keys import ApiKey
from recado_core.engine.failures import Fault
from recado_core.http import WebhookRequest

from recado_gateway.failures import (
    BodyTooLargeError,
    BodyTypeError,
    InvalidRequestError,
    MalformedRequestError,
)
from recado_gateway.faults import fault_in

T = TypeVar("T")

REQUEST_ID = b"x-request-id"
MOST_PARAMETERS = 100
BODY_LIMIT = "body_limit"
"""Under which a handler's options hold how many bytes a body may have."""
_ID_KEY = "recado_request_id"
_is_sane_id = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}").fullmatch


class Request:
    """One request, as the calls of the API read it.

    Litestar's own takes longer to make than most calls do. ``headers`` holds the first value of
    each header, ``auth`` the API key that the request came with.
    """

    __slots__ = ("auth", "headers", "receive", "scope")

    auth: ApiKey

    def __init__(self, scope: HTTPScope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.headers = dict(reversed(list(scope["headers"])))

    @property
    def app(self) -> Litestar:
        """The application that was called."""
        return self.scope["litestar_app"]


# ---------------------------------------------------------------- headers


def find_header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first value of a header; its name is given in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None


def request_id(scope: Scope) -> str:
    """Return the id of a request: the client's own if it is sane, else one made here."""
    state = scope["state"]
    found = state.get(_ID_KEY)
    if found is None:
        sent = find_header(scope, REQUEST_ID)
        sane = sent is not None and _is_sane_id(sent)
        state[_ID_KEY] = found = sent.decode() if sent and sane else _made_id()
    return str(found)


def _made_id() -> str:
    """Return one like no other; it is no secret, and the system's random bytes take far longer."""
    return f"{random.getrandbits(128):032x}"


async def add_request_id(message: Message, scope: Scope) -> None:
    """Put the request's id on its response."""
    if message["type"] == "http.response.start":
        header = (REQUEST_ID, request_id(scope).encode())
        message["headers"] = [*message["headers"], header]


# ---------------------------------------------------------------- bodies


async def read_body(request: Request) -> bytes:
    """Return the body as it came.

    Raises:
        BodyTooLargeError: It is longer than the call allows.
        MalformedRequestError: The client hung up before its end.
    """
    body = _Body(request)
    parts = []
    while body.more:
        parts.append(await body.receive_part())
    return b"".join(parts)


async def body_parts(request: Request) -> AsyncIterator[bytes]:
    """Yield the body part by part, as it comes.

    Raises:
        BodyTooLargeError: It is longer than the call allows.
        MalformedRequestError: The client hung up before its end.
    """
    body = _Body(request)
    while body.more:
        yield await body.receive_part()


class _Body:
    """A body on its way, of which no more is taken than the call allows."""

    __slots__ = ("_limit", "_receive", "_size", "more")

    def __init__(self, request: Request) -> None:
        self._limit: int = request.scope["route_handler"].opt[BODY_LIMIT]
        self._receive = request.receive
        self._size = 0
        self.more = True
        announced = request.headers.get(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > self._limit:
            raise BodyTooLargeError(self._limit)

    async def receive_part(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise MalformedRequestError("the connection ended before the body did")
        part, self.more = message.get("body", b""), message.get("more_body", False)
        self._size += len(part)
        if self._size > self._limit:
            raise BodyTooLargeError(self._limit)
        return part


async def read_json(request: Request) -> bytes:
    """Return a body that claims to be JSON, or claims nothing.

    Raises:
        BodyTypeError: It claims to be something else, or to be compressed.
    """
    claimed = media_type(request)
    if claimed is not None and not _is_json(claimed):
        raise BodyTypeError("send the body as application/json")
    refuse_packed(request)
    return await read_body(request)


def media_type(request: Request) -> str | None:
    """Return what a body claims to be, without parameters, or None where it claims nothing."""
    claimed = request.headers.get(b"content-type")
    return None if claimed is None else claimed.partition(b";")[0].strip().lower().decode("latin-1")


def refuse_packed(request: Request) -> None:
    """Raise ``BodyTypeError`` for a body that claims to be compressed."""
    packed = request.headers.get(b"content-encoding")
    if packed is not None and packed.strip().lower() != b"identity":
        raise BodyTypeError("send the body without a Content-Encoding")


def decode_json(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return what a JSON body holds.

    Raises:
        MalformedRequestError: It is no JSON.
        InvalidRequestError: It is JSON, and not what is wanted.
    """
    try:
        body.decode()  # a msgspec.Raw in the type would put off finding that it is not UTF-8
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequestError([fault_in(error, decoder.type)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = str(error) if isinstance(error, msgspec.DecodeError) else "not to be read as UTF-8"
        if isinstance(error, RecursionError):
            text = "nested too deeply"
        raise MalformedRequestError(f"the body is no JSON: {text}") from error


def _is_json(kind: str) -> bool:
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


# ---------------------------------------------------------------- queries


def read_query(request: Request, kind: type[T], plus: Collection[str] = ()) -> T:
    """Return what the query says; a parameter without a value is as if it were not there.

    Args:
        request: The request.
        kind: A Struct of the parameters.
        plus: Parameters in which a space is a plus sign that nobody escaped, as numbers and
            offsets of times are written by hand.

    Raises:
        InvalidRequestError: A parameter that is unknown, given twice, or not what it should be.
    """
    text = request.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(text, max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidRequestError([Fault(pointer="", detail="too many parameters")]) from error
    found = {name: value.replace(" ", "+") if name in plus else value for name, value in pairs}
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise InvalidRequestError([Fault(pointer=f"/{twice}", detail="given twice")])
    try:
        # not strict, because in a query a number is text
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequestError([fault_in(error, kind)]) from error


# ---------------------------------------------------------------- webhooks


def webhook_request(
    request: Request, body: bytes, public_url: str | None, path: str = ""
) -> WebhookRequest:
    """Return a provider's or business system's call as its plugin reads it.

    Its address is the public one, because that is what the provider signs; without
    ``gateway.public_url`` it is the one that the call itself names.
    """
    scope = request.scope
    query = scope["query_string"].decode("latin-1")
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    base = public_url or f"{scope['scheme']}://{headers.get('host', '')}"
    raw_path = scope.get("raw_path") or scope["path"].encode()
    return WebhookRequest(
        url=base + raw_path.decode("latin-1") + (f"?{query}" if query else ""),
        headers=headers,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        body=body,
        method=scope["method"],
        path=path,
    )
