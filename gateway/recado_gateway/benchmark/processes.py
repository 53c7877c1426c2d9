"""The programs of a benchmark: other processes, which end with it, and what they cost."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from recado_core.errors import RecadoError

from recado_gateway.environment import PREFIX
from recado_gateway.server import bind

HOST = "127.0.0.1"
RECADO = ("-m", "recado_gateway")
LISTENS = re.compile(r"listens on (http://\S+)")
PATIENCE = 60.0
"""Seconds that a program may take to come up, or to go."""
LOOK = 0.05
"""Seconds between two looks whether it is up."""

_MEMORY_LINES = ("VmHWM:", "VmRSS:")


class ProgramError(RecadoError):
    """A program of the benchmark did not start, or ended before it was asked to."""


class Usage(NamedTuple):
    """What a process has cost so far: seconds of processor time, and bytes of memory."""

    cpu: float
    peak: float
    memory: float

    def __sub__(self, before: "Usage") -> float:
        """Return the processor time between two looks."""
        return self.cpu - before.cpu


class Program:
    """A running program that says on standard output or error where it listens."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.pid = process.pid
        self.url = ""
        self._name = name
        self._process = process
        self._log = log

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._log.read_text("utf-8", "replace")

    def check(self) -> None:
        """Raise ``ProgramError`` if it has ended."""
        if self._process.returncode is not None:
            code = self._process.returncode
            raise ProgramError(f"{self._name} ended with exit code {code}: {self.said.strip()}")

    async def wait_until_up(self) -> None:
        """Wait until it says where it listens."""
        deadline = time.monotonic() + PATIENCE
        while not (told := LISTENS.search(self.said)):
            self.check()
            if time.monotonic() > deadline:
                raise ProgramError(f"{self._name} did not start in {PATIENCE:g} s: {self.said}")
            await asyncio.sleep(LOOK)
        self.url = told[1]

    async def stop(self) -> None:
        """End it, by force if it does not end by itself."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running(name: str, folder: Path, *words: str) -> AsyncIterator[Program]:
    """Run a Python program in a folder for as long as the block lasts.

    Args:
        name: What it is called where something is wrong with it.
        folder: Its working directory, in which its output is kept too.
        words: What Python is given.
    """
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a folder that happens to be called recado_gateway here is not ours
            *words,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(),
        )
    program = Program(name, process, log)
    try:
        await program.wait_until_up()
        yield program
    except ProgramError:
        raise  # which holds what was said
    except RecadoError:
        sys.stderr.write(program.said)  # the cause may be there
        raise
    finally:
        await program.stop()


def free_port() -> int:
    """Return a port that nobody has now."""
    with bind(HOST, 0) as found:
        return int(found.getsockname()[1])


def usage_of(pid: int) -> Usage | None:
    """Return what a process and its children have cost so far; None where the system does not say.

    Only Linux does. ``peak`` is the sum of each one's own.
    """
    try:
        family = [_usage_of(each) for each in (pid, *_children(pid))]
    except OSError:
        return None
    return Usage(
        cpu=sum(each.cpu for each in family),
        peak=sum(each.peak for each in family),
        memory=sum(each.memory for each in family),
    )


def forget_peak(pid: int) -> None:
    """Let the peak of a process's and its children's memory be measured anew, where one can."""
    try:
        for each in (pid, *_children(pid)):
            Path(f"/proc/{each}/clear_refs").write_bytes(b"5")  # proc(5)
    except OSError:
        return  # the peak is then that of the whole run


def _children(pid: int) -> list[int]:
    told = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for line in told for child in line.split()]


def _usage_of(pid: int) -> Usage:
    folder = Path(f"/proc/{pid}")
    # The name, in brackets, may hold spaces: https://man7.org/linux/man-pages/man5/proc.5.html
    fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    status = (folder / "status").read_text("utf-8", "replace").splitlines()
    told = {words[0]: words[1] for line in status if (words := line.split())[0] in _MEMORY_LINES}
    peak, memory = (int(told.get(name, 0)) * 1024 for name in _MEMORY_LINES)
    ticks = int(fields[11]) + int(fields[12])  # utime and stime
    return Usage(cpu=ticks / os.sysconf("SC_CLK_TCK"), peak=peak, memory=memory)


def _environment() -> dict[str, str]:
    own = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    return own | {"NO_PROXY": HOST, "no_proxy": HOST}  # a proxy leads to no simulator
