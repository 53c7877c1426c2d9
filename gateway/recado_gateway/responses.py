"""What is sent back: a status, headers, and a body that is at hand."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from litestar.types import Receive, Scope, Send

JSON = "application/json"
BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Response(msgspec.Struct, frozen=True):
    """An ASGI application that answers this, whatever it is asked.

    Litestar's own takes several times as long to make and to send.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = {}
    media_type: str = JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI has it
        """Send it."""
        headers = self._encode_headers()
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

    def _encode_headers(self) -> list[tuple[bytes, bytes]]:
        encoded = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in self.headers.items()
        ]
        if self.status not in BODILESS:
            encoded.append((b"content-type", self.media_type.encode("latin-1")))
            encoded.append((b"content-length", b"%d" % len(self.body)))
        return encoded
