"""The ways in which a vendor fails, and what each must become."""

from collections.abc import Awaitable

import httpx

from recado_core.errors import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
)
from recado_core.testing.vendor import Reply

Expected = type[SendError] | tuple[type[SendError], ...]

TRANSIENT = (429, 500, 502, 503, 504)
ACCOUNT = (401, 403)
PERMANENT = (400, 404, 422)

PAGE = "<!DOCTYPE html><html><body><h1>kit page</h1></body></html>"

BODIES = {
    "empty": ("", "text/plain"),
    "html": (PAGE, "text/html; charset=utf-8"),
    "broken_json": ('{"kit": [', "application/json"),
    "list": ('["kit"]', "application/json"),
    "null": ("null", "application/json"),
    "number": ("42", "application/json"),
    "text": ('"kit"', "application/json"),
    "other_object": ('{"kit": {"other": true}}', "application/json"),
    "empty_object": ("{}", "application/json"),
    "message": ('{"message": "kit message"}', "application/json"),
}
"""Bodies that no vendor's documentation promises, by name."""

UNSENT: dict[str, Reply] = {
    "refused": httpx.ConnectError("kit: connection refused"),
    "connect_timeout": httpx.ConnectTimeout("kit: no connection in time"),
    "pool_timeout": httpx.PoolTimeout("kit: no free connection in time"),
}
"""Failures before the request began to leave."""

SILENT: dict[str, Reply] = {
    "read_timeout": httpx.ReadTimeout("kit: no answer in time"),
    "read_error": httpx.ReadError("kit: connection reset"),
    "closed": httpx.RemoteProtocolError("kit: server disconnected"),
    "write_timeout": httpx.WriteTimeout("kit: half sent"),
    "write_error": httpx.WriteError("kit: half sent"),
    "undecodable": httpx.DecodingError("kit: broken compression"),
}
"""Failures after it: the vendor may have taken the batch."""


def answer_with(status: int, body: str) -> httpx.Response:
    """Return an answer of this status with one of ``BODIES``."""
    text, kind = BODIES[body]
    return httpx.Response(status, content=text.encode(), headers={"content-type": kind})


UNANSWERED: dict[str, Reply] = {
    **{f"{status}": answer_with(status, "message") for status in TRANSIENT},
    **{f"{status}": answer_with(status, "html") for status in ACCOUNT},
    **{f"200 {body}": answer_with(200, body) for body in sorted(BODIES.keys() - {"message"})},
    **UNSENT,
    **SILENT,
}
"""Answers from which a provider can learn nothing."""


def all_failures() -> dict[str, tuple[Reply, type[SendError]]]:
    """Return every failure and the error that it must become."""
    found: dict[str, tuple[Reply, type[SendError]]] = {}
    kinds = (
        (TRANSIENT, TransientSendError),
        (ACCOUNT, AccountError),
        (PERMANENT, PermanentSendError),
    )
    for statuses, error in kinds:
        for status in statuses:
            found[f"{status}"] = (answer_with(status, "message"), error)
            found[f"{status} with a page"] = (answer_with(status, "html"), error)
    found |= {name: (reply, TransientSendError) for name, reply in UNSENT.items()}
    found |= {name: (reply, InDoubtError) for name, reply in SILENT.items()}
    found |= {f"200 {body}": (answer_with(200, body), InDoubtError) for body in BODIES}
    return found


def question_failures() -> dict[str, tuple[Reply, Expected]]:
    """Return the failures of a call that sends nothing, and the errors that each may become.

    Nothing is doubled by asking again, so that silence may be transient as well. A 404 is left out:
    it may be the vendor's way to say that there is nothing.
    """
    found: dict[str, tuple[Reply, Expected]] = {}
    for statuses, error in ((TRANSIENT, TransientSendError), (ACCOUNT, AccountError)):
        for status in statuses:
            found[f"{status}"] = (answer_with(status, "message"), error)
            found[f"{status} with a page"] = (answer_with(status, "html"), error)
    for status in (400, 422):
        found[f"{status}"] = (answer_with(status, "message"), PermanentSendError)
    found |= {name: (reply, TransientSendError) for name, reply in UNSENT.items()}
    found |= {name: (reply, (TransientSendError, InDoubtError)) for name, reply in SILENT.items()}
    found["200 html"] = (answer_with(200, "html"), SendError)
    return found


async def find_wrong(call: Awaitable[object], expected: Expected) -> str:
    """Return what came of a call instead of the error that is due; nothing if that came."""
    try:
        came = await call
    except Exception as error:  # noqa: BLE001  # whatever it is, its class is judged
        return "" if isinstance(error, expected) else repr(error)
    return f"no error, but {came!r}"
