"""The gateway's side of the process that writes."""

import asyncio
import logging
import os
import sqlite3
import sys
from contextlib import suppress
from typing import Any, Self

import msgspec

from recado_core.engine.store.steps import TOGETHER, Steps
from recado_core.engine.store.writer import program
from recado_core.engine.store.writer.frames import Answer, Frames, Request, frame
from recado_core.engine.store.writer.program import Opening

if sys.platform == "linux":
    import fcntl

log = logging.getLogger(__name__)

CAPACITY = 1 << 20
"""Bytes that the pipe of requests holds: more than a batch, so that the loop need not send on."""
LEAVE = 5.0
"""Seconds that the process has for its end."""
PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds after which another process is started, at first and after many were of no use."""
GONE = "the process that writes is gone"

_answers = msgspec.msgpack.Decoder(list[Answer]).decode


class WriterProcess:
    """Keeps a process that carries out transactions in SQLite's file.

    The interpreter has one lock, which a thread that writes would share with the event loop. While
    there is no process, before the first is ready and after one has ended until another is, who
    uses it writes in a thread: see ``is_ready``.

    Args:
        opening: How its connection is opened.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._pipes: _Pipes | None = None
        self._keeping = asyncio.create_task(self._keep())

    @property
    def is_ready(self) -> bool:
        """Whether there is a process to write."""
        return self._pipes is not None and self._pipes.is_ready

    async def run_whole(self, some: Steps) -> list[int]:
        """Execute steps as a transaction, committed with others that come meanwhile.

        Returns:
            How many rows each step but the guards has changed.

        Raises:
            ChangedError: One of them says that it must not be.
            sqlite3.Error: As SQLite has it; OperationalError if the process has gone, and then the
                transaction is committed or not.
        """
        if self._pipes is None:
            raise sqlite3.OperationalError(GONE)
        return await self._pipes.ask(some)

    async def close(self) -> None:
        """Let the process end, and wait for its end."""
        self._keeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeping

    async def _keep(self) -> None:
        pause = PAUSE
        while True:
            try:
                was_ready, code = await self._run()
            except OSError as error:
                was_ready = False
                log.warning("the process that writes can't be started: %s", error.strerror)
            else:
                log.error("the process that writes has ended, with code %d", code)
            pause = PAUSE if was_ready else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _run(self) -> tuple[bool, int]:
        """Run a process until its end, or end it when cancelled.

        Returns:
            Whether it was ever ready, and its exit code.
        """
        with _Ends() as ends:
            settings = program.Settings(
                requests=ends.requests_out,
                answers=ends.answers_in,
                opening=self._opening,
                together=TOGETHER,
            )
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # a folder that happens to be called recado_core here is not ours
                "-m",
                program.__name__,
                msgspec.json.encode(settings).decode(),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(ends.requests_out, ends.answers_in),
                start_new_session=True,  # the terminal's Ctrl-C is for the gateway
            )
            pipes = self._pipes = await ends.connect()
        try:
            code = await process.wait()
        finally:
            self._pipes = None
            pipes.close()
            try:
                async with asyncio.timeout(LEAVE):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        return pipes.was_ready, code


class _Ends:
    """The four ends of two pipes; those that are not handed on are closed at the end."""

    def __enter__(self) -> Self:
        self.requests_out, self._requests_in = os.pipe()
        self._answers_out, self.answers_in = os.pipe()
        if sys.platform == "linux":
            with suppress(OSError):  # this user has too many of that size
                fcntl.fcntl(self._requests_in, fcntl.F_SETPIPE_SZ, CAPACITY)
        self._open = {self.requests_out, self._requests_in, self._answers_out, self.answers_in}
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._open:
            os.close(end)

    async def connect(self) -> "_Pipes":
        """Return the gateway's ends, as the loop has them."""
        loop = asyncio.get_running_loop()
        _, answers = await loop.connect_read_pipe(_Answers, self._hand_on(self._answers_out, "rb"))
        requests, _ = await loop.connect_write_pipe(
            asyncio.Protocol, self._hand_on(self._requests_in, "wb")
        )
        return _Pipes(requests, answers)

    def _hand_on(self, end: int, mode: str) -> Any:  # noqa: ANN401  # a raw file
        self._open.remove(end)
        return os.fdopen(end, mode, 0)


class _Answers(asyncio.Protocol):
    """Hands answers to those who wait for them, until there can be no more."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[list[int]]] = {}
        self.was_ready = self.is_ready = self.is_gone = False
        self._frames = Frames()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self.was_ready = self.is_ready = True
        for content in self._frames.feed(data):
            for answer in _answers(content):
                self._end(answer.number, answer.failure(), [*answer.counts])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as declared
        """Tell those who wait that there will be no answer."""
        self.is_ready, self.is_gone = False, True
        for number in [*self.waiting]:
            self._end(number, sqlite3.OperationalError(GONE), [])

    def _end(self, number: int, failure: Exception | None, counts: list[int]) -> None:
        end = self.waiting.pop(number)
        if end.done():  # nobody waits any more
            return
        if failure is None:
            end.set_result(counts)
        else:
            end.set_exception(failure)


class _Pipes:
    """The two pipes to a process, and who waits for its answers."""

    def __init__(self, requests: asyncio.WriteTransport, answers: _Answers) -> None:
        self._requests = requests
        self._answers = answers
        self._count = 0

    def close(self) -> None:
        """Tell the process that there is nothing more to come."""
        self._requests.close()

    @property
    def is_ready(self) -> bool:
        """Whether the process has said so, and goes on."""
        return self._answers.is_ready

    @property
    def was_ready(self) -> bool:
        """Whether it has ever said so."""
        return self._answers.was_ready

    async def ask(self, some: Steps) -> list[int]:
        """Ask for a transaction, and wait for what comes of it."""
        if self._answers.is_gone:
            raise sqlite3.OperationalError(GONE)
        self._count += 1
        said = frame(Request.of(self._count, some))
        end: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._answers.waiting[self._count] = end
        self._requests.write(said)
        return await end
