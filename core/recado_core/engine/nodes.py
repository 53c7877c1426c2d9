"""The processes that share the store: which live, and what the dead ones leave in doubt."""

import logging
import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from recado_core.engine.database import Database
from recado_core.engine.identifiers import new_id
from recado_core.engine.store import accounts as store
from recado_core.engine.store import dispatches

log = logging.getLogger(__name__)

BEAT = 5.0
"""Seconds between two signs of life."""
DEAD_AFTER = timedelta(seconds=30)
"""Silence after which a process on another machine is taken for dead."""


class Node:
    """This process among those that share the store."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self.id = new_id()
        self._database = database
        self._now = now
        self._host = host_name()

    async def join(self) -> None:
        """Say that this process is there."""
        now = self._now()
        row = {
            "id": self.id,
            "host": self._host,
            "pid": os.getpid(),
            "started_at": now,
            "heartbeat_at": now,
        }
        async with self._database.write() as connection:
            await store.insert_node(connection, row)

    async def leave(self) -> None:
        """Say that this process is gone and left nothing open."""
        async with self._database.write() as connection:
            await store.delete_node(connection, self.id)

    async def beat(self) -> None:
        """Give a sign of life, and put in doubt what dead processes left open."""
        now = self._now()
        async with self._database.write() as connection:
            known = await store.beat(connection, self.id, now)
            rows = await store.list_nodes(connection)
            dead = [row["id"] for row in rows if self._is_dead(row, now)]
            living = {self.id, *(row["id"] for row in rows)} - set(dead)
            left = await dispatches.abandon(connection, sorted(living), now)
            for node_id in dead:
                await store.delete_node(connection, node_id)
        if dead or left:
            log.warning("a process died", extra={"nodes": dead, "dispatches_in_doubt": left})
        if not known:  # others took us for dead, as after a suspended machine
            await self.join()

    def _is_dead(self, row: dict[str, Any], now: datetime) -> bool:
        if row["id"] == self.id:
            return False
        if row["host"] == self._host and not _is_running(row["pid"]):
            return True
        return bool(row["heartbeat_at"] < now - DEAD_AFTER)


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
