"""HTTP at the edge: a webhook as a value, and how a vendor's answer becomes a ``SendError``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from recado_core.errors import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
    UnreachableError,
)

RAW_KEPT = 2000
"""Characters of a vendor's answer that an error keeps."""


class WebhookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's or business system's call as it arrived; header names are lower case.

    ``url`` is the public address that was called, query included, as signatures need it. ``path``
    is what follows a sink's own address, without slashes at its ends.
    """

    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    method: str = "POST"
    path: str = ""


class WebhookReply(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway answers to such a call."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b"{}"


async def send_request(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request and return the answer, whatever its status.

    Raises:
        UnreachableError: No connection could be made, so nothing was sent.
        InDoubtError: The connection broke or fell silent after the request had begun to leave.
    """
    try:
        response = await client.send(request)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise UnreachableError(
            f"no connection to {request.url.host}: {type(error).__name__}"
        ) from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise InDoubtError(
            f"no answer from {request.url.host} after sending: {type(error).__name__}"
        ) from error
    # What httpx read it from knows the response: a cycle, which would keep the bodies of both
    # until the collector comes.
    response.stream = httpx.ByteStream(response.content)
    return response


def raise_for_send(response: httpx.Response, text: str | None = None) -> None:
    """Raise the ``SendError`` that the status of this answer means, if it means one.

    Args:
        response: The vendor's answer.
        text: What the vendor says in it, already read by the plugin; the status line otherwise.

    Raises:
        AccountError: 401, 402 and 403: credentials, balance, blocking.
        TransientSendError: 408, 425, 429 and every 5xx, with ``Retry-After`` where it is given.
        PermanentSendError: Any other answer that is not a success.
    """
    if response.is_success:
        return
    raise send_error_for(response, text)


def send_error_for(response: httpx.Response, text: str | None = None) -> SendError:
    """Return the ``SendError`` that a failed answer means, as ``raise_for_send`` would raise it."""
    status = response.status_code
    said: dict[str, Any] = {
        "text": text or f"HTTP {status} {response.reason_phrase}".strip(),
        "code": str(status),
        "raw": response.text[:RAW_KEPT],
    }
    if status in (401, 402, 403):
        return AccountError(**said)
    if status in (408, 425, 429) or response.is_server_error:
        return TransientSendError(
            **said,
            retry_after=retry_after(response, datetime.now(UTC)),
            throttled=status == httpx.codes.TOO_MANY_REQUESTS,
            possibly_taken=response.is_server_error and status != httpx.codes.SERVICE_UNAVAILABLE,
        )
    return PermanentSendError(**said)


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for (RFC 9110, 10.2.3), or None."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
