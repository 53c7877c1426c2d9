"""Idempotency keys: the same call twice is done once, and answered alike both times.

Follows draft-ietf-httpapi-idempotency-key-header-07. The key is stored in the transaction that
stores what the call made, so that neither can be there without the other.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.failures import IdempotencyMismatchError, IdempotencyRunningError
from recado_core.engine.grouping import Grouping
from recado_core.engine.store.database import Database, is_down
from recado_core.engine.store.statements import keys
from recado_core.engine.store.steps import Step

KEPT = timedelta(hours=24)
"""How long a key is remembered."""


class IdempotencyKey(msgspec.Struct, frozen=True, kw_only=True):
    """A client's name for one call.

    ``owner`` is the API key it came with; ``fingerprint`` stands for method, path and body.
    """

    owner: str
    key: str
    fingerprint: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a call that creates is answered: JSON, now or again."""

    body: bytes
    status: int = 202
    replayed: bool = False


class RepeatedError(Exception):
    """Another node was called with the same key just before; what this call did is taken back."""

    def __init__(self, earlier: Answer) -> None:
        super().__init__()
        self.earlier = earlier


class Claim:
    """What ``Once.claimed`` gives: a context, quick where there is no key, as with most calls."""

    __slots__ = ("_key", "_once")

    def __init__(self, once: "Once", key: IdempotencyKey | None) -> None:
        self._once = once
        self._key = key

    async def __aenter__(self) -> Answer | None:
        return None if self._key is None else await self._once.claim(self._key)

    async def __aexit__(self, *_: object) -> None:
        if self._key is not None:
            self._once.release(self._key)


class Once:
    """Sees to it that a call with an idempotency key is done once."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._running: set[tuple[str, str]] = set()
        self._lookups = Grouping(
            self._find, is_fatal=is_down
        )  # reads gain by it as much as commits do

    def claimed(self, key: IdempotencyKey | None) -> "Claim":
        """Give the answer of the first call with this key, or None when this is the first.

        Raises:
            IdempotencyMismatchError: The first call had another body.
            IdempotencyRunningError: The first call is not finished.
        """
        return Claim(self, key)

    async def claim(self, key: IdempotencyKey) -> Answer | None:
        """Keep others from this key until it is released, as ``claimed`` does."""
        name = _name(key)
        if name in self._running:
            raise IdempotencyRunningError(
                "a call with this idempotency key is under way; try again when it is answered"
            )
        self._running.add(name)
        try:
            row = await self._lookups.submit(name)
            old = row is not None and row["created_at"] <= self._now() - KEPT
            return None if row is None or old else _replay(row, key)
        except BaseException:
            self.release(key)
            raise

    def release(self, key: IdempotencyKey) -> None:
        """Let others have this key again."""
        self._running.discard(_name(key))

    async def keep(
        self,
        key: IdempotencyKey | None,
        answer: Answer,
        store: Callable[[AsyncConnection], Awaitable[None]],
    ) -> Answer:
        """Store what a call makes with its key and answer, or give the earlier answer.

        Args:
            key: The call's, if it has one.
            answer: The call's.
            store: Stores what it makes, unless another node was called with the key just before.

        Raises:
            IdempotencyMismatchError: The first call had another body.
        """

        async def work(connection: AsyncConnection) -> Answer:
            earlier = await self.reserve_one(connection, key, answer)
            if earlier is None:
                await store(connection)
            return earlier or answer

        return await self._database.write(work)

    async def reserve_one(
        self, connection: AsyncConnection, key: IdempotencyKey | None, answer: Answer
    ) -> Answer | None:
        """Store one call's key and answer, as ``reserve`` does; give the earlier answer.

        Raises:
            IdempotencyMismatchError: The first call had another body.
        """
        (earlier,) = await self.reserve(connection, [(key, answer)])
        if isinstance(earlier, IdempotencyMismatchError):
            raise earlier
        return earlier

    async def reserve(
        self,
        connection: AsyncConnection,
        calls: Sequence[tuple[IdempotencyKey | None, Answer]],
    ) -> list[Answer | IdempotencyMismatchError | None]:
        """Store the keys and answers of calls; give the earlier answer of one that was made before.

        Args:
            connection: The transaction that stores what the calls make.
            calls: Each call's key, if it has one, and its answer.
        """
        now = self._now()
        # In one order everywhere: two processes that insert the same keys must not wait crosswise.
        rows = sorted(
            (_row(key, answer, now) for key, answer in calls if key is not None),
            key=lambda row: (row["owner"], row["key"]),
        )
        if not rows:
            return [None] * len(calls)
        await keys.forget_reserved(connection, now - KEPT)
        stored = await keys.reserve(connection, rows)
        repeats: list[IdempotencyKey | None] = []
        for key, _ in calls:
            fresh = key is None or _name(key) in stored
            repeats.append(None if fresh else key)
            if key is not None:  # a client may have given up and called again within one group
                stored.discard(_name(key))
        earlier = await keys.find_reserved(connection, [_name(key) for key in repeats if key])
        return [_replay_or_error(earlier, key) if key else None for key in repeats]

    def reserving(self, calls: Sequence[tuple[IdempotencyKey | None, Answer]]) -> list[Step]:
        """Return the steps by which SQLite stores keys and answers, or fails where one is there.

        Args:
            calls: As in ``reserve``.
        """
        now = self._now()
        rows = [_row(key, answer, now) for key, answer in calls if key is not None]
        return keys.reserving(rows, now - KEPT) if rows else []

    async def _find(self, names: list[tuple[str, str]]) -> list[dict[str, Any] | None]:
        async with self._database.glance() as connection:
            found = await keys.find_reserved(connection, names)
        return [found.get(name) for name in names]


def _name(key: IdempotencyKey) -> tuple[str, str]:
    return (key.owner, key.key)


def _row(key: IdempotencyKey, answer: Answer, now: datetime) -> dict[str, Any]:
    return {
        "owner": key.owner,
        "key": key.key,
        "fingerprint": key.fingerprint,
        "status": answer.status,
        "body": answer.body,
        "created_at": now,
    }


def _replay(row: dict[str, Any], key: IdempotencyKey) -> Answer:
    if row["fingerprint"] != key.fingerprint:
        raise IdempotencyMismatchError(
            "this idempotency key was used with another request; use a new key for a new request"
        )
    return Answer(body=row["body"], status=row["status"], replayed=True)


def _replay_or_error(
    earlier: dict[tuple[str, str], dict[str, Any]], key: IdempotencyKey
) -> Answer | IdempotencyMismatchError:
    try:
        return _replay(earlier[_name(key)], key)
    except IdempotencyMismatchError as error:
        return error
