"""What a plugin does behind the kit's back while it runs: clients, connections, sleeps, logs."""

import asyncio
import functools
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest

from recado_core.testing.clock import Clock


class Watch(logging.Handler):
    """Lets nothing out, waits for nothing, and notes who tried.

    Args:
        package: The plugin's package; what its modules imported by name is watched as well.
        clock: Moved on by every sleep, if given.
    """

    def __init__(self, package: str, clock: Clock | None = None) -> None:
        super().__init__(logging.DEBUG)
        self.clients: list[str] = []
        self.connections: list[str] = []
        self.sleeps: list[float] = []
        self.logs: list[str] = []
        self._package = package
        self._clock = clock or Clock()
        self._thread = threading.get_ident()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Watch for as long as the block runs."""
        with pytest.MonkeyPatch.context() as patch:
            self._watch_clients(patch)
            self._watch_sockets(patch)
            self._watch_loop(patch)
            self._watch_sleeps(patch)
            with self._listen(patch):
                yield

    def emit(self, record: logging.LogRecord) -> None:
        """Keep all that a log record holds, ``extra`` and traceback included."""
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.logs.append(f"{record.getMessage()} {vars(record)} {trace}")

    def _watch_clients(self, patch: pytest.MonkeyPatch) -> None:
        for kind in (httpx.AsyncClient, httpx.Client):
            patch.setattr(kind, "__init__", self._noting_client(kind.__name__, kind.__init__))

    def _noting_client(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def noting(*args: Any, **options: Any) -> None:  # noqa: ANN401  # httpx's own
            self.clients.append(f"httpx.{name}")
            real(*args, **options)

        return noting

    def _watch_sockets(self, patch: pytest.MonkeyPatch) -> None:
        def connect(_: socket.socket, address: object) -> None:
            self.connections.append(str(address))
            raise ConnectionRefusedError("the conformance kit lets nothing out")

        def look_up(host: object, *_: object, **__: object) -> None:
            self.connections.append(str(host))
            raise socket.gaierror(socket.EAI_FAIL, "the conformance kit lets nothing out")

        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect)
        patch.setattr(socket, "getaddrinfo", look_up)

    def _watch_loop(self, patch: pytest.MonkeyPatch) -> None:
        """Watch the running event loop too: uvloop's asks nothing of ``socket``."""

        async def refuse(_: object, *args: object, **options: object) -> None:
            self.connections.append(f"{args} {options}")
            raise ConnectionRefusedError("the conformance kit lets nothing out")

        try:
            loop = type(asyncio.get_running_loop())
        except RuntimeError:  # what receives webhooks is no coroutine
            return
        for name in ("create_connection", "create_unix_connection", "create_datagram_endpoint"):
            patch.setattr(loop, name, refuse)
        patch.setattr(loop, "getaddrinfo", refuse)

    def _watch_sleeps(self, patch: pytest.MonkeyPatch) -> None:
        pause, real_sleep = asyncio.sleep, time.sleep

        async def sleep(delay: float, result: object = None) -> object:
            self._slept(delay)
            return await pause(0, result)

        def block(delay: float) -> None:
            if threading.get_ident() == self._thread:
                self._slept(delay)
            else:
                real_sleep(delay)

        stand_ins = {pause: sleep, anyio.sleep: sleep, real_sleep: block}
        for module, name in _find_sleeps(self._package, len(sys.modules)):
            value = getattr(module, name)
            patch.setattr(module, name, stand_ins.get(value, value))

    def _slept(self, delay: float) -> None:
        if delay > 0:
            self.sleeps.append(delay)
            self._clock.advance(delay)

    @contextmanager
    def _listen(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        patch.setattr(logging.root.manager, "disable", logging.NOTSET)
        names = ("", "httpx", "httpcore", self._package)
        loggers = [logging.getLogger(name) for name in names]
        loggers = [logger for logger in loggers if logger.level > logging.DEBUG]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        logging.root.addHandler(self)
        try:
            yield
        finally:
            logging.root.removeHandler(self)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@functools.lru_cache(maxsize=8)
def _find_sleeps(package: str, _loaded: int) -> list[tuple[Any, str]]:
    """Return where a ``sleep`` may be called from: by module and name, anew when more is loaded."""
    mine = [m for n, m in list(sys.modules.items()) if f"{n}.".startswith(f"{package}.")]
    return [
        (module, name)
        for module in (asyncio, anyio, time, *mine)
        for name, value in list(vars(module).items())
        if callable(value) and getattr(value, "__name__", "") == "sleep"
    ]
