"""The simulated vendor of the demo: another process, which ends with this one."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from recado_core.errors import RecadoError

START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
LISTENS = re.compile(r"listens on (http://\S+)")


class SimulatorError(RecadoError):
    """The simulator did not start, or ended before it was asked to."""


class Simulator:
    """A running simulator: its address, and whether it still lives."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self.url = ""

    def check(self) -> None:
        """Raise ``SimulatorError`` if it has ended."""
        code = self._process.returncode
        if code is not None:
            last = self._log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
            raise SimulatorError(f"the simulator ended with exit code {code}: {last}")

    async def wait_until_up(self) -> None:
        """Wait until it says where it listens."""
        deadline = time.monotonic() + START_SECONDS
        while not (said := LISTENS.search(self._log.read_text("utf-8", "replace"))):
            self.check()
            if time.monotonic() > deadline:
                raise SimulatorError(f"the simulator did not start in {START_SECONDS:g} s")
            await asyncio.sleep(POLL_SECONDS)
        self.url = said[1]

    async def stop(self) -> None:
        """End it, by force if it does not end by itself."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running_simulator(
    vendor: str, log: Path, environ: Mapping[str, str], *options: str
) -> AsyncIterator[Simulator]:
    """Run ``recado simulate VENDOR`` on a free port for as long as the block lasts.

    Args:
        vendor: Whose simulator.
        log: The file for its output.
        environ: Its environment.
        options: Further options of its command.
    """
    # -P: a folder that happens to be called recado_gateway here is not ours
    command = (sys.executable, "-P", "-m", "recado_gateway", "simulate", vendor, "--port", "0")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            *options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=environ,
        )
    simulator = Simulator(process, log)
    try:
        await simulator.wait_until_up()
        yield simulator
    finally:
        await simulator.stop()
