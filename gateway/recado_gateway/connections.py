"""Connections of clients: uvicorn's own, with the head and the body of an answer sent together."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HELD = 64 * 1024
"""Bytes after which what is held back is sent."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, over a transport that joins what it writes.

    uvicorn writes head and body one after the other, and uvloop makes a call to the system of each,
    which takes as long as uvicorn itself does for a request.
    """

    def connection_made(  # type: ignore[override]  # as uvicorn's own has it
        self, transport: asyncio.Transport
    ) -> None:
        """Take up a connection."""
        joining = JoiningTransport(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", joining))

    def eof_received(self) -> None:
        """Send what is held to a client that has ended its half: the transport closes now."""
        cast("JoiningTransport", self.transport).send_held()


class JoiningTransport:
    """A transport that sends at once what is written in one turn of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the transport has
        """Return what is as the transport has it."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send this with what else is written in this turn."""
        if not self._held:
            self._loop.call_soon(self.send_held)
        self._held.append(data)
        self._size += len(data)
        if self._size > HELD:
            self.send_held()

    def close(self) -> None:
        """Close it once all is sent."""
        self.send_held()
        self._transport.close()

    def send_held(self) -> None:
        """Send what is held, unless nobody is there any more to take it."""
        held, self._held, self._size = self._held, [], 0
        if not held or self._transport.is_closing():
            return
        try:
            self._transport.writelines(held)
        except BaseException:
            self._transport.abort()  # a client that is owed this would wait for it
            raise
