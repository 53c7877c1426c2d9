"""Statements on ``pushes``."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import messages, pushes
from recado_core.engine.store.statements.among import among
from recado_core.engine.store.statements.many import rows_of
from recado_core.messages import Status

Row = dict[str, Any]

P = pushes.c
M = messages.c

FARTHEST = timedelta(hours=2)
"""How far ahead addresses are put off at the most; one further off was marked by a wrong clock."""
MOST_ATTEMPTS = 100
"""Up to which attempts are counted."""


async def mark(
    connection: AsyncConnection, account: str, addresses: Collection[str], now: datetime
) -> None:
    """Note that an account's provider may have to be told of these addresses."""
    if not addresses:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [
        {"account": account, "address": address, "version": new_id(), "due_at": now}
        for address in sorted(addresses)
    ]
    statement = dialect.insert(pushes)
    statement = statement.on_conflict_do_update(
        index_elements=["account", "address"],
        set_={"version": statement.excluded.version},  # one that waits for a retry goes on waiting
    )
    await connection.execute(statement, rows)


async def any_due(
    connection: AsyncConnection, account: str, now: datetime, until: datetime
) -> bool:
    """Tell whether ``take`` would find an address."""
    for condition in _due(now, until):
        statement = sa.select(P.address).where(P.account == account, condition).limit(1)
        if (await connection.execute(statement)).first() is not None:
            return True
    return False


async def take(
    connection: AsyncConnection, account: str, now: datetime, until: datetime, limit: int
) -> list[Row]:
    """Take addresses that are due, and keep other nodes from them until ``until``."""
    addresses: list[str] = []
    for condition in _due(now, until):  # one by one, as the index has them in order
        due = (
            sa.select(P.address)
            .where(P.account == account, condition)
            .order_by(P.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if not addresses:
            addresses = list((await connection.execute(due)).scalars())
    if not addresses:
        return []
    statement = (
        sa.update(pushes)
        .where(P.account == account, among(connection, P.address, addresses))
        .values(due_at=until)
        .returning(pushes)
    )
    rows = rows_of(await connection.execute(statement))
    return sorted(rows, key=lambda row: str(row["address"]))


async def finish(connection: AsyncConnection, rows: Sequence[Row], now: datetime) -> None:
    """Delete what the provider was told of; what came up again meanwhile is due at once.

    Args:
        connection: The transaction's.
        rows: As they were taken, all at once; those that another node has taken since are its own.
        now: The time.
    """
    versions = {row["address"]: row["version"] for row in rows}
    held = await _held(connection, rows)
    done = [address for address, version in held.items() if version == versions[address]]
    again = [address for address, version in held.items() if version != versions[address]]
    for addresses, statement in (
        (done, sa.delete(pushes)),
        (again, sa.update(pushes).values(due_at=now, attempts=0)),
    ):
        if addresses:
            these = among(connection, P.address, addresses)
            await connection.execute(statement.where(P.account == rows[0]["account"], these))


async def postpone(
    connection: AsyncConnection, rows: Sequence[Row], due_at: datetime, *, counts: bool = True
) -> None:
    """Try again later.

    Args:
        connection: The transaction's.
        rows: As for ``finish``.
        due_at: When.
        counts: Whether this was an attempt.
    """
    held = await _held(connection, rows)
    if not held:
        return
    once_more = sa.case((P.attempts < MOST_ATTEMPTS, P.attempts + 1), else_=P.attempts)
    statement = (
        sa.update(pushes)
        .where(P.account == rows[0]["account"], among(connection, P.address, held))
        .values(due_at=due_at, attempts=once_more if counts else P.attempts)
    )
    await connection.execute(statement)


async def waiting(
    connection: AsyncConnection, account: str, addresses: Collection[str]
) -> set[str]:
    """Return those of the addresses of which an account's provider has not been told yet."""
    statement = sa.select(P.address).where(
        P.account == account, among(connection, P.address, addresses)
    )
    return set((await connection.execute(statement)).scalars())


async def awaiting_answer(
    connection: AsyncConnection, addresses: Collection[str], since: datetime
) -> set[str]:
    """Return those of the addresses to whom the answer to an opt-out or opt-in is still to go.

    Args:
        connection: The transaction's.
        addresses: Which are looked for.
        since: Older answers are not waited for.
    """
    statement = sa.select(M.address).where(
        among(connection, M.address, addresses),
        M.direction == "out",
        M.unchecked.is_(True),
        M.status.in_([Status.QUEUED, Status.SENDING]),
        M.created_at > since,
    )
    return set((await connection.execute(statement)).scalars())


async def count(connection: AsyncConnection) -> dict[str, int]:
    """Count the addresses of which providers have not been told yet, by account."""
    statement = sa.select(P.account, sa.func.count().label("waiting")).group_by(P.account)
    return {row.account: row.waiting for row in await connection.execute(statement)}


def _due(now: datetime, until: datetime) -> list[sa.ColumnElement[bool]]:
    """Return when an address is due: when its time has come, or can't be right."""
    return [P.due_at <= now, P.due_at > max(until, now + FARTHEST)]


async def _held(connection: AsyncConnection, rows: Sequence[Row]) -> dict[str, str]:
    """Return the versions of those that are still as they were taken, and lock them.

    Whoever takes a row next makes it due later than whoever had it before: ``due_at`` tells whose
    it is. They are locked in the order in which they are marked: no two wait for each other.
    """
    if not rows:
        return {}
    statement = (
        sa.select(P.address, P.version)
        .where(
            P.account == rows[0]["account"],
            among(connection, P.address, [row["address"] for row in rows]),
            P.due_at == rows[0]["due_at"],
        )
        .order_by(P.address)
        .with_for_update()
    )
    return {row.address: row.version for row in await connection.execute(statement)}
