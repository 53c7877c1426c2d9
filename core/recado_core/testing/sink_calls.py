"""A business system's calls to a sink, changed: by a stranger who makes them, and by chance."""

from collections.abc import Collection, Iterator

from msgspec import structs

from recado_core.http import WebhookRequest
from recado_core.sinks import SupportsRequests
from recado_core.testing.disclosure import tell_error
from recado_core.testing.payloads import GARBAGE, NO_OBJECTS, UNKNOWN_BODIES, mutilated

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
PATHS = ("", "kit", "kit/../kit", "%00", "ação")
DEEP = b'{"kit": ' + b"[" * 20_000
"""More than any reader can follow."""


def strangers(request: WebhookRequest, credentials: Collection[str]) -> Iterator[WebhookRequest]:
    """Yield the call as someone makes it who lacks one of the credentials, or all."""
    for field in ("headers", "query"):
        given = dict(getattr(request, field))
        for name in sorted(credentials & given.keys()):
            others = {key: value for key, value in given.items() if key != name}
            for wrong in ("", given[name] + "x", given[name][:-1], "ação \udcff"):
                yield structs.replace(request, **{field: {**others, name: wrong}})
            yield structs.replace(request, **{field: others})
    yield structs.replace(
        request,
        headers={name: text for name, text in request.headers.items() if name not in credentials},
        query={name: text for name, text in request.query.items() if name not in credentials},
    )


def oddities(request: WebhookRequest) -> Iterator[WebhookRequest]:
    """Yield the call with another method, path, query or body."""
    for method in METHODS:
        yield structs.replace(request, method=method)
    for path in PATHS:
        yield structs.replace(request, path=path)
    for query in (
        {},
        dict.fromkeys(request.query, ""),
        dict.fromkeys(request.query, "ação \udcff"),
    ):
        yield structs.replace(request, query=query)
    for body in (*GARBAGE, *UNKNOWN_BODIES, *NO_OBJECTS, DEEP):
        yield structs.replace(request, body=body)
    if request.body:
        for variant in mutilated(request):
            yield structs.replace(request, body=variant.body)


async def tell_reply(sink: SupportsRequests, request: WebhookRequest) -> str:
    """Return what a caller, or the log, is told of a call."""
    try:
        reply = await sink.handle(request)
    except Exception as error:  # noqa: BLE001  # that it raises, another test says
        return tell_error(error)
    return reply.body.decode(errors="replace")
