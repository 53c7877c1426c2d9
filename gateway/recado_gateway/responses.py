"""What is sent back: a status, headers, and a body that is at hand."""

from collections.abc import Mapping
from http import HTTPStatus

from litestar.types import Receive, Scope, Send

JSON = "application/json"
BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
FIRST_STATUS, LAST_STATUS = 200, 599
"""Between these is what ends a request; the server knows no others."""


class Response:
    """An ASGI application that answers this, whatever it is asked.

    Litestar's own takes several times as long to make and to send. What can't be sent can't be made
    either, so that a plugin's mistake is told as any other failure.

    Raises:
        TypeError: The body is not bytes.
        ValueError: The status ends no request, or a header is not in Latin-1.
    """

    __slots__ = ("_encoded", "body", "headers", "media_type", "status")

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str = JSON,
    ) -> None:
        if not isinstance(body, bytes):
            raise TypeError(f"an answer's body must be bytes, not {type(body).__name__}")
        if not FIRST_STATUS <= status <= LAST_STATUS:
            raise ValueError(f"an answer's status can't be {status}")
        self.body = body
        self.status = status
        self.headers = headers or {}
        self.media_type = media_type
        self._encoded = self._encode_headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI has it
        """Send it."""
        headers = self._encoded.copy()  # to which the application adds
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
