"""The processes that share the store: which live, and what the dead ones leave in doubt."""

import logging
import math
import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import accounts as store
from recado_core.engine.store.statements import dispatches

log = logging.getLogger(__name__)

BEAT = 5.0
"""Seconds between two signs of life."""
DEAD_AFTER = 30.0
"""Seconds of silence after which a process on another machine is taken for dead."""


class Node:
    """This process among those that share the store.

    Whether another lives is judged by what is seen of it here, on a clock of our own: two machines'
    clocks may differ.

    Args:
        database: The store.
        carried: Gives the dispatches that this process is carrying now.
        longest_call: Seconds after which a call of a process that fell silent has surely ended.
        now: The clock on the wall.
        monotonic: The clock that never jumps, in seconds.
    """

    def __init__(
        self,
        database: Database,
        carried: Callable[[], set[str]],
        longest_call: float,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self.id = new_id()
        self._database = database
        self._carried = carried
        self._longest_call = timedelta(seconds=longest_call)
        self._now = now
        self._monotonic = monotonic
        self._host = host_name()
        self._seen: dict[str, tuple[datetime, float]] = {}
        self._joined = False
        self._beaten_at = -math.inf

    @property
    def is_to_beat(self) -> bool:
        """Whether the next sign of life is due."""
        return self._monotonic() - self._beaten_at >= BEAT

    async def join(self) -> None:
        """Say that this process is there."""
        if not self._joined:
            await self._database.write(self._insert)
            self._joined = True

    async def leave(self) -> None:
        """Say that this process is gone; what it left open is in doubt."""
        if self._joined:
            await self._database.write(lambda connection: store.delete_node(connection, self.id))
            self._joined = False

    async def beat(self) -> None:
        """Give a sign of life, and put in doubt what nobody carries any more."""

        async def work(connection: AsyncConnection) -> tuple[list[str], int]:
            now = self._now()
            if not await store.beat(connection, self.id, now):
                await self._insert(connection)  # others took us for dead, as after a suspension
            rows = await store.list_nodes(connection)
            gone = [row["id"] for row in rows if self._is_gone(row)]
            silent = [row["id"] for row in rows if row["id"] not in gone and self._is_silent(row)]
            for node_id in gone:
                await store.delete_node(connection, node_id)
            left = await dispatches.doubt_abandoned(connection, now, now)
            if silent:
                for node_id in silent:
                    await store.delete_node(connection, node_id)
                left += await dispatches.doubt_abandoned(connection, now, now + self._longest_call)
            carried = sorted(self._carried())
            left += await dispatches.doubt_dropped(connection, self.id, carried, now)
            return gone + silent, left

        beaten_at = self._monotonic()
        dead, left = await self._database.write(work)
        self._beaten_at = beaten_at
        if left:
            log.warning("dispatches in doubt", extra={"dead_nodes": dead, "dispatches": left})
        elif dead:
            log.info("processes are gone, and left nothing open", extra={"dead_nodes": dead})

    async def _insert(self, connection: AsyncConnection) -> None:
        now = self._now()
        row = {
            "id": self.id,
            "host": self._host,
            "pid": os.getpid(),
            "started_at": now,
            "heartbeat_at": now,
        }
        await store.insert_node(connection, row)

    def _is_gone(self, row: dict[str, Any]) -> bool:
        return row["id"] != self.id and row["host"] == self._host and not _is_running(row["pid"])

    def _is_silent(self, row: dict[str, Any]) -> bool:
        clock = self._monotonic()
        value, since = self._seen.get(row["id"], (None, clock))
        if value != row["heartbeat_at"]:
            self._seen[row["id"]] = (row["heartbeat_at"], clock)
            return False
        return row["id"] != self.id and clock - since > DEAD_AFTER


def host_name() -> str:
    """Return a name for the room in which a process id means one process.

    Two containers may bear one host name; the boot and the namespace tell them apart.
    """
    parts = [socket.gethostname()]
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        path = Path(source)
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text().strip())
        except OSError:  # not Linux: the host's name has to do
            continue
    return "/".join(parts)[:255]


def _is_running(pid: int) -> bool:
    if pid == os.getpid():  # ours, and the row is another's: it had our number before us
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
