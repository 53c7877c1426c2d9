"""Files with up to a million rows, imported as suppressions or as do-not-disturb lists.

A file is read twice, a chunk at a time. First all of it is checked; only if nothing is wrong with
any row, what it says is written while it is read again.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import Channel
from recado_core.engine.failures import DraftError, Fault, NotFoundError, UnavailableError
from recado_core.engine.files.delimited import Columns, CsvFault, CsvFaults, CsvFile
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.documents import Documents
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import EPOCH
from recado_core.engine.store.statements import consents, events
from recado_core.engine.store.statements import do_not_disturb as lists
from recado_core.engine.suppressions.consents import history_row
from recado_core.engine.suppressions.entry_rules import ANY_CHANNEL
from recado_core.engine.suppressions.import_rows import (
    ADDRESS_COLUMNS,
    DEFAULT_SOURCE,
    ENTRY_COLUMNS,
    AddressReader,
    EntryReader,
    ImportDefaults,
    check_address_columns,
    check_entry_columns,
)
from recado_core.engine.suppressions.keywords import ConsentAct
from recado_core.engine.suppressions.suppressing import Entry, Put, Suppressing
from recado_core.messages import SuppressionReason

__all__ = ["DoNotDisturbList", "ImportDefaults", "ImportReport", "Imports", "Progress"]

log = logging.getLogger(__name__)

CHUNK = 2000
"""Rows read at once, and written in one transaction; it takes 80 ms on SQLite."""
ABANDONED: Final = timedelta(hours=24)
"""After so long, a version that is no list's is one of an import that broke off."""

Progress = Callable[[int, int], None]
"""Is told how many bytes are done, of how many: each is checked, and then again written."""
Item = TypeVar("Item")
Items = TypeVar("Items")
Row = dict[str, Any]
Read = Callable[[int, Mapping[str, str], CsvFaults], Item | None]

_NO_HEADER: Final = (
    "is this a header? No column in it is known; that of the address may be called phone, telefone"
)

_is_name = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the rows of a file; those that a file repeats are ``unchanged``.

    ``added`` were not on the list, ``changed`` are on it for longer than before.
    """

    rows: int
    added: int
    changed: int
    unchanged: int


class DoNotDisturbList(msgspec.Struct, frozen=True, kw_only=True):
    """A do-not-disturb list, and how many addresses are on it."""

    name: str
    size: int
    imported_at: datetime


class Imports:
    """Takes files into the suppression list and into do-not-disturb lists.

    Args:
        channels: By id.
        settings: The region and the zone in which numbers and dates are read.
        database: The store.
        documents: Their hashes.
        suppressing: The way on to the suppression list.
        now: The clock on the wall.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what rows are read by, and where they go
        self,
        channels: Mapping[str, Channel],
        settings: EngineSettings,
        database: Database,
        documents: Documents,
        suppressing: Suppressing,
        now: Callable[[], datetime],
    ) -> None:
        self._channels = channels
        self._region = settings.default_region
        self._zone = ZoneInfo(settings.timezone)
        self._database = database
        self._documents = documents
        self._suppressing = suppressing
        self._now = now

    async def suppressions(
        self, path: Path, defaults: ImportDefaults, progress: Progress | None = None
    ) -> ImportReport:
        """Put all that a file names on the suppression list.

        Where this breaks off while it writes, the same file imported again does the rest.

        Args:
            path: The file.
            defaults: What an entry is where its row leaves it open.
            progress: Is told how far it is.

        Raises:
            DraftError: The file or the defaults are at fault, and nothing was changed.
            UnavailableError: The database can't be reached.
        """
        now = self._now()
        reader = EntryReader(
            self._channels, self._region, self._zone, self._documents, defaults, now
        )
        look = partial(_Look, path, ENTRY_COLUMNS, check_entry_columns, reader.read)
        report = ImportReport(rows=0, added=0, changed=0, unchanged=0)
        async with aclosing(_read_twice(look, _unite, progress)) as chunks:
            async for chunk in chunks:
                source = defaults.source or DEFAULT_SOURCE
                work = partial(self._put, chunk=chunk, before=report, source=source, now=now)
                report = await self._database.write(work)
                await self._database.let_others_write()
        return report

    async def do_not_disturb(
        self, name: str, path: Path, progress: Progress | None = None
    ) -> ImportReport:
        """Replace a do-not-disturb list by the addresses in a file, all at once.

        Args:
            name: The list's: up to 64 letters, digits, _ and -. It need not be there yet.
            path: The file.
            progress: Is told how far it is.

        Raises:
            DraftError: The name or the file is at fault, and nothing was changed.
            UnavailableError: The database can't be reached, and the list is as it was.
        """
        if not _is_name(name):
            detail = "a list's name has 1 to 64 letters (A to Z), digits, _ and -"
            raise DraftError([Fault(pointer="/name", detail=detail)])
        reader = AddressReader(self._channels[ANY_CHANNEL], self._region)
        look = partial(_Look, path, ADDRESS_COLUMNS, check_address_columns, reader.read)
        version, rows, size = new_id(), 0, 0
        async with aclosing(_read_twice(look, set, progress)) as chunks:
            async for chunk in chunks:
                work = partial(lists.insert, version=version, addresses=sorted(chunk.items))
                size += await self._database.write(work)
                rows = chunk.rows
                await self._database.let_others_write()
        if not rows:
            detail = "there is no address in the file; a list that is over is deleted instead"
            raise DraftError([Fault(pointer="", detail=detail)])
        added = size - await self._replace(name, version, size)
        return ImportReport(rows=rows, added=added, changed=0, unchanged=rows - added)

    async def do_not_disturb_lists(self) -> list[DoNotDisturbList]:
        """Return every do-not-disturb list, by name."""
        async with self._database.read() as connection:
            rows = await lists.lists(connection)
        return [
            DoNotDisturbList(name=row["name"], size=row["size"], imported_at=row["imported_at"])
            for row in rows
        ]

    async def delete_do_not_disturb(self, name: str) -> None:
        """Delete a do-not-disturb list, or raise ``NotFoundError``."""
        deleted = None
        if _is_name(name):
            deleted = await self._database.write(partial(lists.delete_list, name=name))
        if deleted is None:
            raise NotFoundError(f"there is no do-not-disturb list {name!r}")
        await self._clear_away(deleted)

    async def _put(
        self,
        connection: AsyncConnection,
        *,
        chunk: "_Chunk[list[Entry]]",
        before: ImportReport,
        source: str,
        now: datetime,
    ) -> ImportReport:
        """Put a chunk's entries on the list; return what came of all rows so far.

        One event tells of the whole file, with its last chunk.
        """
        put = await self._suppressing.put(connection, chunk.items, now, with_events=False)
        await consents.append(connection, _opt_outs(put, now))
        added = before.added + len(put.added)
        changed = before.changed + len(put.prolonged)
        unchanged = chunk.rows - added - changed
        report = ImportReport(rows=chunk.rows, added=added, changed=changed, unchanged=unchanged)
        if chunk.last and added:
            data = {"import": source} | msgspec.structs.asdict(report)
            await events.append(connection, [events.new_event("suppression.added", now, data=data)])
        return report

    async def _replace(self, name: str, version: str, size: int) -> int:
        """Let a version be the list; return how many of its addresses were on the list before."""
        now = self._now()
        async with self._database.read() as connection:
            kept = await lists.count_kept(connection, name, version)
        work = partial(lists.replace, name=name, version=version, size=size, now=now)
        await self._clear_away(await self._database.write(work))
        return kept

    async def _clear_away(self, version: str | None) -> None:
        """Delete a version that is no list's any more, and what broken imports have left."""
        try:
            async with self._database.read() as connection:
                before = _first_id(self._now() - ABANDONED)
                abandoned = await lists.abandoned(connection, before)
            for each in abandoned if version is None else {version, *abandoned}:
                work = partial(lists.clear_away, version=each, limit=CHUNK)
                while await self._database.write(work) == CHUNK:
                    continue
        except UnavailableError:  # what was asked for is done
            log.warning("what a do-not-disturb list held before is deleted by a later import")


# ---------------------------------------------------------------- reading


class _Chunk(msgspec.Struct, Generic[Items], frozen=True, kw_only=True):
    """What some rows say; ``rows`` counts them and all before, ``last`` is of those at the end."""

    items: Items
    rows: int
    last: bool


class _Look(Generic[Item]):
    """One look through a file, a chunk of rows at a time; that takes long, so it is for threads.

    Raises:
        DraftError: Its encoding or its header is at fault.
    """

    def __init__(
        self, path: Path, columns: Columns, check: Callable[[CsvFile], None], read: Read[Item]
    ) -> None:
        self.file = CsvFile(path, columns)
        if self.file.has_header and not self.file.refused:
            check(self.file)
        self.refuse_faults()
        self.rows = 0
        self.ended = False
        self._read = read
        self._lines = iter(self.file)
        self._may_be_header = not self.file.has_header

    def take(self) -> list[Item]:
        """Return what the next rows say; those that have a fault say nothing."""
        items: list[Item] = []
        taken = 0
        for line, cells in islice(self._lines, CHUNK):
            taken += 1
            item = self._read(line, cells, self.file.faults)
            if item is not None:
                items.append(item)
            elif self._may_be_header and not any(map(str.isdigit, cells["address"])):
                self.file.faults.add(line, None, _NO_HEADER)
            self._may_be_header = False
        self.ended = taken < CHUNK
        self.rows += len(items)
        return items

    def refuse_faults(self) -> None:
        """Raise ``DraftError`` if there have been faults."""
        faults = self.file.faults
        if not faults:
            return
        told = [_fault(each) for each in faults.kept]
        if faults.more:
            last = f"{told[-1].detail}; and there are {faults.more} more faults"
            told[-1] = Fault(pointer=told[-1].pointer, detail=last)
        raise DraftError(told)


async def _read_twice(
    look: Callable[[], _Look[Item]],
    gather: Callable[[list[Item]], Items],
    progress: Progress | None,
) -> AsyncGenerator[_Chunk[Items]]:
    """Yield what a file says, chunk by chunk, after all of it has been found to be right."""

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, 2 * size)

    first = await asyncio.to_thread(look)
    size = first.file.size
    while not first.ended:
        await asyncio.to_thread(first.take)
        tell(min(first.file.bytes_read, size))
    first.refuse_faults()
    second = await asyncio.to_thread(look)
    while not second.ended:
        items = await asyncio.to_thread(lambda: gather(second.take()))
        second.refuse_faults()
        if second.ended and second.rows != first.rows:
            raise DraftError([Fault(pointer="", detail="the file has changed while it was read")])
        yield _Chunk(items=items, rows=second.rows, last=second.ended)
        tell(size + min(second.file.bytes_read, size))


def _fault(found: CsvFault) -> Fault:
    if found.column is None:
        return Fault(pointer=f"/{found.line}", detail=f"line {found.line}: {found.detail}")
    column = found.column.replace("~", "~0").replace("/", "~1")
    return Fault(
        pointer=f"/{found.line}/{column}",
        detail=f"line {found.line}, column {found.column}: {found.detail}",
    )


def _unite(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries without repeats, of which the one counts that lasts longest.

    Their order is always the same, so that no two imports wait for each other's rows.
    """
    found: dict[tuple[str, ...], Entry] = {}
    for entry in entries:
        other = found.setdefault(entry.key, entry)
        if other.expires_at is not None and (
            entry.expires_at is None or entry.expires_at > other.expires_at
        ):
            found[entry.key] = entry
    return [found[key] for key in sorted(found)]


def _opt_outs(put: Put, now: datetime) -> list[Row]:
    """Return the history's rows of the entries that are new and opt-outs."""
    return [
        history_row(row, ConsentAct.OPT_OUT, now, source=row["source"])
        for row in put.rows
        if row["id"] in put.added and row["reason"] == SuppressionReason.OPT_OUT and row["address"]
    ]


def _first_id(time: datetime) -> str:
    """Return the least UUIDv7 of a millisecond (RFC 9562, 5.7)."""
    milliseconds = (time - EPOCH) // timedelta(milliseconds=1)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62))
