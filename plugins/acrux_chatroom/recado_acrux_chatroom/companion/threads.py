"""Blocking work in threads: so many at once, each with a time after which nobody waits for it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from recado_core import InDoubtError, SendError, TransientSendError, UnreachableError

T = TypeVar("T")


class Permit:
    """Lets a thread begin one call after another, until nobody waits for it any more.

    A thread can't be stopped; but one whose caller has gone begins nothing new.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writing = False
        self.withdrawn = False

    def begin(self, *, writes: bool) -> None:
        """Note that a call begins; raise ``TransientSendError`` where nobody waits for it."""
        with self._lock:
            if self.withdrawn:
                raise TransientSendError("nobody waits for this call to Odoo any more")
            self._writing = self._writing or writes

    def withdraw(self) -> bool:
        """Let no other call begin; return whether one that writes has begun."""
        with self._lock:
            self.withdrawn = True
            return self._writing


class Threads:
    """Runs blocking work, each piece in a thread of its own.

    The threads are daemons, so that none of them keeps the gateway from ending; and they are not
    those of the event loop, which others need.

    Args:
        limit: How many may run at once. One that outlives its deadline keeps its place.
        deadline: How many seconds a piece of work may take, and may wait for a place.
    """

    def __init__(self, limit: int, deadline: float) -> None:
        self._limit = limit
        self._deadline = deadline
        self._places = asyncio.Semaphore(limit)
        self._running: set[Permit] = set()

    async def run(self, work: Callable[[Permit], T]) -> T:
        """Return what the work returns, or raise what it raises.

        Raises:
            UnreachableError: Every place is held by work whose deadline has passed.
            TransientSendError: No place became free, or the work did not end in time and had begun
                no call that writes.
            InDoubtError: It did not end in time, and had begun one.
        """
        await self._enter()
        permit = Permit()
        ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._start(work, permit, ended)
        try:
            async with asyncio.timeout(self._deadline):
                return await ended
        except TimeoutError:
            if ended.done() and not ended.cancelled():  # it ended as the deadline passed
                return ended.result()
            raise self._give_up(permit) from None
        except asyncio.CancelledError:
            permit.withdraw()
            raise

    async def _enter(self) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                await self._places.acquire()
        except TimeoutError:
            raise self._busy() from None

    def _busy(self) -> SendError:
        unanswered = sum(permit.withdrawn for permit in self._running)
        if unanswered == self._limit:
            return UnreachableError(f"Odoo has left {unanswered} calls unanswered")
        return TransientSendError("too many calls to Odoo wait for one another", throttled=True)

    def _give_up(self, permit: Permit) -> SendError:
        text = f"no answer from Odoo within {self._deadline:g} seconds"
        return InDoubtError(text) if permit.withdraw() else TransientSendError(text)

    def _start(self, work: Callable[[Permit], T], permit: Permit, ended: asyncio.Future[T]) -> None:
        loop = asyncio.get_running_loop()

        def run() -> None:
            try:
                leave = _returning(ended, work(permit))
            except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
                leave = _raising(ended, error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._leave, permit, ended, leave)

        self._running.add(permit)
        try:
            threading.Thread(target=run, daemon=True, name="odoo-rpc").start()
        except RuntimeError:  # the system has no thread left
            self._leave(permit, ended, ended.cancel)
            raise

    def _leave(self, permit: Permit, ended: asyncio.Future[T], leave: Callable[[], object]) -> None:
        self._running.discard(permit)
        self._places.release()
        if not ended.done():
            leave()


def _returning(ended: asyncio.Future[T], result: T) -> Callable[[], object]:
    return lambda: ended.set_result(result)


def _raising(ended: asyncio.Future[T], error: BaseException) -> Callable[[], object]:
    return lambda: ended.set_exception(error)
