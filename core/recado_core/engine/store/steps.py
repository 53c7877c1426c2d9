"""Transactions that are ready before they begin, and how a thread or a process carries them out.

Nothing here knows of SQLAlchemy, nor of an event loop: a process that only writes has neither.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from copy import copy
from itertools import chain
from typing import Any, Protocol, TypeVar

import msgspec

Parameters = Sequence[Any]

WRITING = "BEGIN IMMEDIATE"
"""How a transaction begins that writes: one that reads first might find another in its way."""
TOGETHER = 8
"""Transactions that are committed together at the most."""


class Guard(msgspec.Struct, frozen=True):
    """A question on whose answer the steps of a transaction depend."""

    statement: str
    values: Parameters
    expected: object


class Exactly(msgspec.Struct, frozen=True):
    """A step on which depends whether the transaction goes on: it must change so many rows."""

    statement: str
    values: Any
    rows: int


class ChangedError(Exception):
    """The answer to a guard's question, or a number of rows, is another than was expected."""


Step = tuple[str, Any] | Exactly
"""A statement without rows, and what it takes: a tuple, or a list of them to repeat it for."""
Steps = Sequence[Step | Guard]


def asked(steps: Steps) -> list[tuple[str, Any]]:
    """Return the statement of each step, and what it takes."""
    return [it if isinstance(it, tuple) else (it.statement, it.values) for it in steps]


def execute(cursor: sqlite3.Cursor, steps: Steps) -> list[int]:
    """Execute the steps of a transaction; return how many rows each but the guards has changed.

    Raises:
        ChangedError: One of them says that it must not be.
    """
    counts = []
    for step, (statement, values) in zip(steps, asked(steps), strict=True):
        if isinstance(step, Guard):
            (found,) = cursor.execute(statement, values).fetchone()
            if found != step.expected:
                raise ChangedError
            continue
        run = cursor.executemany if isinstance(values, list) else cursor.execute
        run(statement, values)
        if isinstance(step, Exactly) and cursor.rowcount != step.rows:
            raise ChangedError
        counts.append(cursor.rowcount)
    return counts


class Whole(Protocol):
    """Work that is a transaction of its own, and what came of it."""

    result: Any
    error: BaseException | None

    def work(self, cursor: sqlite3.Cursor) -> Any:  # noqa: ANN401  # whatever it comes to
        """Do it; what it returns becomes the result."""


SomeWhole = TypeVar("SomeWhole", bound=Whole)


def carry_out(
    connection: sqlite3.Connection,
    waiting: deque[SomeWhole],
    tell: Callable[[Sequence[SomeWhole]], object],
    together: int,
) -> None:
    """Commit as many transactions together as may be; one by one if any of them fails.

    Args:
        connection: What writes, with no transaction begun.
        waiting: The transactions; those that are carried out are taken from its left. Where none
            can begin, all are told, as the next would wait as long (others keep the file).
        tell: Called with those that are over, each with its result or its error.
        together: How many are committed together at the most.
    """
    groups = deque([_next(waiting, together)])
    while groups and (group := groups.popleft()):
        is_begun, error = _commit(connection, group)
        if error is None:
            tell(group)
        elif not is_begun:
            _tell_error([*group, *chain.from_iterable(groups), *_next(waiting)], error, tell)
            return
        elif len(group) > 1:
            groups.extend([each] for each in group)
        else:
            _tell_error(group, error, tell)


def _next(waiting: deque[SomeWhole], most: int | None = None) -> list[SomeWhole]:
    count = len(waiting)
    return [waiting.popleft() for _ in range(count if most is None else min(count, most))]


def _commit(
    connection: sqlite3.Connection, some: Sequence[SomeWhole]
) -> tuple[bool, BaseException | None]:
    """Do work in one transaction; return whether it began, and what went wrong, if anything."""
    is_begun = False
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute(WRITING)
            is_begun = True
            for each in some:
                each.result = each.work(cursor)
            connection.commit()
    except BaseException as error:  # noqa: BLE001  # whatever it is, who waits for it is told
        with suppress(sqlite3.Error, ValueError):  # there may be none
            connection.rollback()
        return is_begun, error.with_traceback(None)  # which knows this frame, and all in it
    return True, None


def _tell_error(
    some: Sequence[SomeWhole],
    error: BaseException,
    tell: Callable[[Sequence[SomeWhole]], object],
) -> None:
    for each in some:
        each.error = copy(error) if len(some) > 1 else error  # to each its own traceback
    tell(some)
