"""What ChatRoom's answer means: HTTP 200 stands before refusals and failures alike."""

import re
from collections.abc import Callable
from enum import StrEnum

import httpx
import msgspec
from recado_core import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
    UnreachableError,
    send_error_for,
)
from recado_core.http import RAW_KEPT

from recado_acrux_chatroom import wire

Redact = Callable[[str], str]

DOWN = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
"""What a proxy answers while Odoo does not: to the webhook and to RPC alike."""

_read_response = re.compile(wire.RESPONSE_TEXT).fullmatch


class WebhookMissingError(AccountError):
    """There is no webhook of ChatRoom's at this address."""


class Taken(StrEnum):
    """How ChatRoom took a call."""

    DONE = "done"  # it is in the conversation
    QUEUED = "queued"  # it will be, when the queue is worked off


def read_answer(response: httpx.Response, redact: Redact) -> Taken:
    """Return how the call was taken.

    Args:
        response: Odoo's answer.
        redact: Takes the secrets and numbers out of what is kept of it.

    Raises:
        WebhookMissingError: Odoo has no ChatRoom, or does not know which database is meant.
        AccountError: The connector or the address is wrong, for every other call as well.
        UnreachableError: A proxy stands before an Odoo that is down.
        TransientSendError: Odoo failed; another time it may do.
        PermanentSendError: Odoo refused this call.
        InDoubtError: The answer is none of ChatRoom's.
    """
    if not response.is_success:
        raise _refused(response, redact)
    try:
        reply = msgspec.json.decode(response.content, type=wire.Reply)
    except (ValueError, RecursionError) as error:
        raise _in_doubt(response, redact) from error
    if reply.error is not None:
        raise _failed(reply.error, redact)
    queued = reply.result.get("status") if isinstance(reply.result, dict) else reply.status
    if queued == wire.QUEUED:
        return Taken.QUEUED
    text = _read_response(reply.result) if isinstance(reply.result, str) else None
    status = int(text[1]) if text else 0
    if status == httpx.codes.OK:
        return Taken.DONE
    if status < httpx.codes.BAD_REQUEST:
        raise _in_doubt(response, redact)
    raise _turned_down(status)


def _refused(response: httpx.Response, redact: Redact) -> SendError:
    error = send_error_for(response)
    error.raw = _raw(response, redact)
    if response.is_redirect:
        text = "Odoo sends us to another address: `odoo_url` is not the one that it wants"
        return AccountError(text, code=error.code, raw=error.raw)
    if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
        return WebhookMissingError(_nowhere(), code=error.code, raw=error.raw)
    if response.status_code in DOWN and isinstance(error, TransientSendError):
        return UnreachableError(
            f"a proxy says that Odoo is down: {error.text}",
            code=error.code,
            raw=error.raw,
            retry_after=error.retry_after,
            possibly_taken=error.possibly_taken,
        )
    return error


def _failed(said: wire.RpcError, redact: Redact) -> SendError:
    if said.code == wire.NOT_FOUND:
        return WebhookMissingError(_nowhere(), code=str(said.code))
    cause = said.data or wire.RpcErrorData()
    raw = redact(f"{said.message}: {cause.name}: {cause.message}")[:RAW_KEPT]
    text = f"Odoo failed: {redact(cause.name or said.message) or 'it does not say why'}"
    if cause.name in wire.NO_DATABASE:
        return UnreachableError(text, code=str(said.code), raw=raw, possibly_taken=True)
    return TransientSendError(text, code=str(said.code), raw=raw, possibly_taken=True)


def _turned_down(status: int) -> SendError:
    text = wire.RESPONSE_MEANINGS.get(status, f"ChatRoom answered {status}")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
        return AccountError(text, code=str(status))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return TransientSendError(text, code=str(status), possibly_taken=True)
    return PermanentSendError(text, code=str(status))


def _in_doubt(response: httpx.Response, redact: Redact) -> InDoubtError:
    what = "an answer that is none of ChatRoom's"
    if not response.content.strip():
        what = "an empty answer"
    elif response.content.lstrip().startswith(b"<"):
        what = "a page instead of ChatRoom's answer: is `odoo_url` right?"
    return InDoubtError(
        f"HTTP {response.status_code} with {what}",
        code=str(response.status_code),
        raw=_raw(response, redact),
    )


def _nowhere() -> str:
    return (
        "no ChatRoom at this `odoo_url`: the addon is not installed there, or Odoo can't tell "
        "which database is meant (`dbfilter`)"
    )


def _raw(response: httpx.Response, redact: Redact) -> str:
    return redact(response.text)[:RAW_KEPT]
