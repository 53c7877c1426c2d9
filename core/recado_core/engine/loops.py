"""What is done again and again until the engine stops."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from recado_core.engine.store.statements.due import Work

log = logging.getLogger(__name__)


class Loops:
    """Repeats work, by the clock or whenever it is seen to be due, until all is to stop."""

    def __init__(self) -> None:
        self._wakes: dict[Work | None, asyncio.Event] = {}
        self._stopping = asyncio.Event()

    def resume(self) -> None:
        """Let work be repeated again after ``stop``."""
        self._stopping.clear()

    def stop(self) -> None:
        """Let every loop end after the round it is in."""
        self._stopping.set()
        for wake in self._wakes.values():
            wake.set()

    def wake(self, due: Collection[Work]) -> None:
        """Begin a round of the kinds of work that are due, and of what follows every look."""
        for work, wake in self._wakes.items():
            if work is None or work in due:
                wake.set()

    async def when_due(self, work: Work | None, do: Callable[[], Awaitable[object]]) -> None:
        """Do the work of a kind whenever any is seen to be due; None: after every look."""
        wake = self._wakes.setdefault(work, asyncio.Event())

        async def when_woken() -> None:
            await wake.wait()
            wake.clear()
            if not self._stopping.is_set():
                await do()

        await self.repeat(0.0, when_woken)

    async def repeat(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do the work, rest for so many seconds, and so on, whatever happens to one round."""
        troubled = False
        while not self._stopping.is_set():
            try:
                await work()
            except Exception:
                if not troubled:
                    log.exception("a round failed; it is tried again")
                troubled = True
            else:
                troubled = False
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                continue
