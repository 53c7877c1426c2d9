"""``Idempotency-Key``: a client's name for one call, as the engine takes it."""

import re
from hashlib import sha256

from litestar.types import HTTPScope
from recado_core.engine.clients.idempotency import IdempotencyKey

from recado_gateway.failures import MalformedKeyError
from recado_gateway.requests import Request

HEADER = b"idempotency-key"
_is_key = re.compile(rb"[\x21-\x7e]{1,255}").fullmatch


def idempotency_key(request: Request, body: bytes) -> IdempotencyKey | None:
    """Return the key that a request came with, or None.

    Raises:
        MalformedKeyError: It is empty, too long, holds other than visible ASCII, or came twice.
    """
    found = [value for name, value in request.scope["headers"] if name == HEADER]
    if not found:
        return None
    if len(found) > 1 or not _is_key(found[0]):
        raise MalformedKeyError(
            "an Idempotency-Key has 1 to 255 visible ASCII characters, and is given once"
        )
    return IdempotencyKey(
        owner=request.auth.id,
        key=found[0].decode("ascii"),
        fingerprint=fingerprint(request.scope, body),
    )


def fingerprint(scope: HTTPScope, body: bytes) -> str:
    """Return what stands for the call: a digest of its method, path and body."""
    digest = sha256(f"{scope['method']} {scope['path']}\n".encode())
    digest.update(body)
    return digest.hexdigest()
