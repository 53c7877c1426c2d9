"""Serving an ASGI application over uvicorn, from the first request to a graceful end."""

import asyncio
import errno
import gc
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

import uvicorn
from litestar import Litestar
from recado_core.contract import AsgiApp
from recado_core.errors import RecadoError

from recado_gateway.connections import Connection

if sys.platform == "win32":  # which uvloop does not run on
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

DONE = 0
FAILED = 1
BACKLOG = 2048
GRACE = 10
"""Seconds that requests in progress have to finish, once no more are taken."""
COLLECT_AT = (50_000, 20, 20)
"""New objects, and collections of the younger ones, before the collector of cycles sets to work."""
TURN = 0.0001
"""Seconds for which a thread may keep the interpreter from another."""


class ListenError(RecadoError):
    """An address that can't be listened on; the text names it."""


class Server:
    """One application on one address.

    The address is taken when the server is made, and answers once ``run`` has brought the
    application's lifespan up.
    """

    def __init__(self, app: Litestar | AsgiApp, host: str, port: int) -> None:
        self._socket = bind(host, port)
        self.url = url_of(self._socket)
        # Litestar's lifespan is run here, so that what it raises arrives as it was raised; of
        # another application uvicorn can only log it.
        self._lifespan = app.lifespan if isinstance(app, Litestar) else _no_lifespan
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off" if isinstance(app, Litestar) else "auto",
                log_config=None,
                log_level="warning",
                access_log=False,  # the address of a webhook holds its token
                server_header=False,
                proxy_headers=False,  # gateway.public_url says what the proxy's address is
                timeout_graceful_shutdown=GRACE,
            )
        )

    async def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until ``stop``, then finish the requests in progress, then end the lifespan."""
        self._uvicorn.on_ready = on_ready
        try:
            async with self._lifespan():
                with _settled():
                    await self._uvicorn.serve(sockets=[self._socket])
        except BaseExceptionGroup as group:  # Litestar runs the lifespan in a task group
            raise _alone(group) from group
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Begin a graceful end; a second call no longer waits for requests in progress."""
        self._uvicorn.force_exit = self._uvicorn.should_exit
        self._uvicorn.should_exit = True


class _Uvicorn(uvicorn.Server):
    """uvicorn's server, which says when it is up and leaves signals to others."""

    on_ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.on_ready is not None:
            self.on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end, which would cut off the lifespan's.
        yield


def serve(app: Litestar | AsgiApp, host: str, port: int) -> int:
    """Serve Recado until SIGINT or SIGTERM, and return the exit code; port 0 is any free one."""
    return serve_asgi(app, host, port, name="Recado")


def serve_asgi(app: Litestar | AsgiApp, host: str, port: int, *, name: str = "The server") -> int:
    """Serve an application until SIGINT or SIGTERM, and return the exit code.

    Args:
        app: The application; its lifespan ends before this returns.
        host: The address to listen on.
        port: The port to listen on; 0 is any free one.
        name: What the line that says where it listens begins with.
    """
    try:
        server = Server(app, host, port)
        with stopping_on_signals(server.stop):
            run_async(server.run(lambda: _say(f"{name} listens on {server.url}")))
    except RecadoError as error:
        _say(f"recado: {error}")
        return FAILED
    return DONE


def run_async(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)


@contextmanager
def stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` on the first two SIGINT or SIGTERM; a third does what it did before."""
    if threading.current_thread() is not threading.main_thread():  # Python lets no other do this
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    received = 0

    def take(_number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        if received > 1:
            restore()
        stop()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, take)
    try:
        yield
    finally:
        restore()


def bind(host: str, port: int) -> socket.socket:
    """Take an address, without answering on it yet.

    Raises:
        ListenError: It is in use, not this machine's, or not to be had without more rights.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError, OverflowError) as error:
        raise ListenError(f"can't listen on {host}:{port}: no such address") from error
    found = socket.socket(family, kind, protocol)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        reason = "another program does" if error.errno == errno.EADDRINUSE else error.strerror
        raise ListenError(f"can't listen on {host}:{port}: {reason}") from error
    return found


def url_of(listening: socket.socket) -> str:
    """Return the address of a socket as a URL."""
    host, port = listening.getsockname()[:2]
    return (
        f"http://[{host}]:{port}"
        if listening.family == socket.AF_INET6
        else f"http://{host}:{port}"
    )


@contextmanager
def _settled() -> Iterator[None]:
    """While it serves, spare the collector what stays, and let threads take turns more often.

    A batch is thousands of objects that go soon, and none of them is in a cycle. The store's
    threads ask for the interpreter's lock again after every step of a statement.
    """
    before, turn = gc.get_threshold(), sys.getswitchinterval()
    gc.freeze()
    gc.set_threshold(*COLLECT_AT)
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        sys.setswitchinterval(turn)


def _alone(error: BaseException) -> BaseException:
    """Return the one exception that a group holds, or the group of several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def _no_lifespan() -> AsyncIterator[None]:
    yield


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
