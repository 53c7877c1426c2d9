"""The gateway's side of the process that writes."""

import asyncio
import logging
import os
import sqlite3
import sys
from collections.abc import Callable
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
LOOK = 1.0
"""Seconds between two looks whether the process still answers."""
SILENCE = 120.0
"""Seconds of looks at the same oldest request after which it is killed: four times what it waits
for the file. Time in which this process stood still itself is not among them."""
HASTE = 35.0
"""The same while the gateway stops: just more than it waits for the file."""
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
        self._running: _Running | None = None
        self._patience = SILENCE
        self._keeping = asyncio.create_task(self._keep())

    @property
    def is_ready(self) -> bool:
        """Whether there is a process to write."""
        return self._running is not None and self._running.answers.is_ready

    async def run_whole(self, steps: Steps) -> list[int]:
        """Execute steps as a transaction, committed with others that come meanwhile.

        Returns:
            How many rows each step but the guards has changed.

        Raises:
            ChangedError: One of them says that it must not be.
            sqlite3.Error: As SQLite has it; OperationalError if the process has gone, and then the
                transaction is committed or not.
        """
        if self._running is None:
            raise sqlite3.OperationalError(GONE)
        return await self._running.ask(steps)

    def hasten(self) -> None:
        """Wait no longer for its answers than it may take: the gateway is to stop."""
        self._patience = HASTE

    async def close(self) -> None:
        """Let the process end, and wait for its end."""
        self._keeping.cancel()
        await asyncio.wait([self._keeping])  # who waits here may be cancelled, and it ends as well

    async def _keep(self) -> None:
        pause = PAUSE
        while True:
            level = logging.ERROR if pause == PAUSE else logging.DEBUG  # of no use: told of once
            was_ready = False
            try:
                self._running = running = await _start(self._opening)
            except Exception as error:  # noqa: BLE001  # whatever it is, the thread writes
                log.log(level, "the process that writes can't be started: %s", error)
            else:
                try:
                    code = await running.wait(lambda: self._patience)
                finally:
                    self._running = None
                    await running.end()
                was_ready = running.answers.was_ready
                level = logging.ERROR if was_ready else level
                log.log(level, "the process that writes has ended, with code %d", code)
            pause = PAUSE if was_ready else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)


async def _start(opening: Opening) -> "_Running":
    with _Ends() as ends:
        settings = program.Settings(
            requests=ends.requests_out,
            answers=ends.answers_in,
            opening=opening,
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
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        try:
            return _Running(process, *await ends.connect())
        except BaseException:
            _kill(process)
            raise


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        process.kill()


class _Ends:
    """The four ends of two pipes; those that are not handed on are closed at the end."""

    def __enter__(self) -> Self:
        self._open: set[int] = set()
        try:
            self.requests_out, self._requests_in = self._pipe()
            self._answers_out, self.answers_in = self._pipe()
        except BaseException:
            self.__exit__()
            raise
        if sys.platform == "linux":
            with suppress(OSError):  # this user has too many of that size
                fcntl.fcntl(self._requests_in, fcntl.F_SETPIPE_SZ, CAPACITY)
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._open:
            os.close(end)

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open |= {*ends}
        return ends

    async def connect(self) -> tuple[asyncio.WriteTransport, asyncio.ReadTransport, "_Answers"]:
        """Hand the gateway's ends on to the loop."""
        loop = asyncio.get_running_loop()
        file = self._hand_on(self._answers_out, "rb")
        try:
            reading, answers = await loop.connect_read_pipe(_Answers, file)
        except BaseException:
            file.close()
            raise
        file = self._hand_on(self._requests_in, "wb")
        try:
            requests, _ = await loop.connect_write_pipe(asyncio.Protocol, file)
        except BaseException:
            reading.close()
            file.close()
            raise
        return requests, reading, answers

    def _hand_on(self, end: int, mode: str) -> Any:  # noqa: ANN401  # a raw file
        self._open.remove(end)
        return os.fdopen(end, mode, 0)


class _Answers(asyncio.Protocol):
    """Hands answers to those who wait for them, until there can be no more."""

    def __init__(self) -> None:
        self.was_ready = False
        self.gone = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[list[int]]] = {}
        self._frames = Frames()

    @property
    def is_ready(self) -> bool:
        """Whether the process has said that it is ready, and goes on."""
        return self.was_ready and not self.gone.is_set()

    def wait_for(self, number: int) -> asyncio.Future[list[int]]:
        """Return what is to hold the answer to a request."""
        end: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = end
        return end

    def oldest(self) -> int | None:
        """Return the number of the oldest request that waits for its answer."""
        return next(iter(self._waiting), None)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self.was_ready = True
        for content in self._frames.feed(data):
            for answer in _answers(content):
                self._end(answer.number, answer.failure(), [*answer.counts])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as declared
        """Tell those who wait that there will be no answer."""
        self.gone.set()
        for number in [*self._waiting]:
            self._end(number, sqlite3.OperationalError(GONE), [])

    def _end(self, number: int, failure: Exception | None, counts: list[int]) -> None:
        end = self._waiting.pop(number)
        if end.done():  # nobody waits any more
            return
        if failure is None:
            end.set_result(counts)
        else:
            end.set_exception(failure)


class _Running:
    """A process that was started, and the pipes to it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        requests: asyncio.WriteTransport,
        reading: asyncio.ReadTransport,
        answers: _Answers,
    ) -> None:
        self.answers = answers
        self._process = process
        self._requests = requests
        self._reading = reading
        self._count = 0

    async def ask(self, steps: Steps) -> list[int]:
        """Ask for a transaction, and wait for what comes of it."""
        if self.answers.gone.is_set():
            raise sqlite3.OperationalError(GONE)
        said = frame(Request.of(self._count + 1, steps))
        self._count += 1
        end = self.answers.wait_for(self._count)
        self._requests.write(said)
        return await end

    async def wait(self, patience: Callable[[], float]) -> int:
        """Wait for the end of the process, and return its code; one that says nothing is killed.

        Args:
            patience: After how many seconds of looks at the same request.
        """
        ending = asyncio.ensure_future(self._process.wait())
        seen: int | None = None
        silent = 0.0
        is_killed = False
        try:
            while not (await asyncio.wait([ending], timeout=LOOK))[0]:
                oldest = self.answers.oldest()
                silent = silent + LOOK if oldest is not None and oldest == seen else 0.0
                seen = oldest
                if silent > patience() and not is_killed:
                    log.error("the process that writes does not answer for %g s", silent)
                    _kill(self._process)
                    is_killed = True
            return ending.result()
        finally:
            ending.cancel()

    async def end(self) -> None:
        """Let the process end, or make it."""
        self._requests.close()
        try:
            async with asyncio.timeout(LEAVE):
                await self._process.wait()
                await self.answers.gone.wait()  # all is read that it has told
        except TimeoutError:
            _kill(self._process)
            await self._process.wait()
        except BaseException:
            _kill(self._process)
            raise
        finally:
            self._reading.close()
