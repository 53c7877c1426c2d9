"""Work that is asked for at the same time, done together: one fsync, one question, for many."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum, auto
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Later(Enum):
    """What the work for an item returns whose submitter it lets wait on, for somebody else."""

    LATER = auto()


LATER = Later.LATER

GATHER = 0.01
"""Seconds for which what comes next is left to gather, for each item of the work before it."""
LONGEST_GATHER = 0.1
"""Seconds for which it gathers at the most."""


async def gather_more(count: int) -> None:
    """Wait a moment after work that took all there was: the longer, the more traffic there is.

    Args:
        count: How many items the work had. After a single one the next is hardly kept waiting.
    """
    await asyncio.sleep(min(count * GATHER, LONGEST_GATHER))


class Grouping(Generic[Item, Result]):
    """Collects items while others are being worked on, and takes them together after that.

    An item waits for at most one group that is not its own; without traffic it waits for none.
    A group whose work fails is tried again item by item, so that a bad one spoils no other.

    Args:
        work: Does the work for a group, such as a commit, and returns one result for each item, or
            the error that its submitter meets, or ``LATER``.
        weigh: How many rows an item is.
        limit: How many rows a group may have, but for one item that is larger alone.
        is_fatal: Tells of an error that every item alone would meet too, such as a database that is
            down; then none is tried again.
        at_once: How many groups may be worked on at the same time. Another one begins only when it
            is full: with less, sharing the next one costs less than it takes to wait for it.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[Sequence[Result | Exception | Later]]],
        *,
        weigh: Callable[[Item], int] = lambda _: 1,
        limit: int = 1000,
        is_fatal: Callable[[Exception], bool] = lambda _: False,
        at_once: int = 1,
    ) -> None:
        self._work = work
        self._weigh = weigh
        self._limit = limit
        self._is_fatal = is_fatal
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._weight = 0  # of those that wait
        self._at_once = at_once
        self._workers: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """Return the item's result once its group is done, or raise what its work raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.put(item, future)
        try:
            return await future
        finally:
            del future  # an error knows this frame: it must not know the error, and keep the item

    def put(self, item: Item, future: asyncio.Future[Result]) -> None:
        """Submit an item for somebody who waits for its result already.

        Args:
            item: The item.
            future: Where its result is set, or what its work raised, unless nobody waits any more.
        """
        self._waiting.append((item, future))
        self._weight += self._weigh(item)
        is_full = self._weight >= self._limit
        if not self._workers or (is_full and len(self._workers) < self._at_once):
            self._workers.add(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        group: list[tuple[Item, asyncio.Future[Result]]] = []
        try:
            while self._waiting:
                await self._let_others_in()
                if self._waiting:  # another worker may have taken them meanwhile
                    group = self._next_group()
                    await self._take(group)
                    group = []  # those that wait for somebody else are no longer ours
        except BaseException:  # such as CancelledError: nobody may be left waiting for ever
            _fail_all((*group, *self._waiting), RuntimeError("the work was broken off"))
            self._waiting.clear()
            self._weight = 0
            raise
        finally:  # at once: what is submitted from now on needs another worker
            self._workers -= {asyncio.current_task()}

    async def _let_others_in(self) -> None:
        """Wait until no more come: those whose requests are here already, and only to be read."""
        before = 0
        while before < len(self._waiting) < self._limit:
            before = len(self._waiting)
            await asyncio.sleep(0)

    def _next_group(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        group = [self._waiting.popleft()]
        weight = self._weigh(group[0][0])
        while self._waiting and weight + (more := self._weigh(self._waiting[0][0])) <= self._limit:
            weight += more
            group.append(self._waiting.popleft())
        self._weight -= weight
        return group

    async def _take(self, group: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._work([item for item, _ in group])
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to who submitted
            if len(group) > 1 and not self._is_fatal(error):
                await self._take_each(group)
            else:
                _fail_all(group, error)
            group.clear()  # as in ``submit``
            return
        for (_, future), result in zip(group, results, strict=True):
            if result is LATER or future.done():  # its request may be cancelled; the row stays
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _take_each(self, group: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        for pair in group:
            await self._take([pair])


def _fail_all(group: Iterable[tuple[object, asyncio.Future[Any]]], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
