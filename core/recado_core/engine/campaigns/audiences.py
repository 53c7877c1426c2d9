"""Importing the audiences of campaigns: files with up to a million rows, in constant memory.

A chunk of rows, and how far the file has been read, are written in one transaction: an import that
was broken off goes on where it stopped when the same file comes again.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.addresses import forms_of
from recado_core.contract import Channel
from recado_core.engine.campaigns.audience_rows import AudienceRow, RowReader, open_audience
from recado_core.engine.campaigns.results import DUPLICATE, LATE
from recado_core.engine.campaigns.rules import draft_of, templates_of
from recado_core.engine.campaigns.views import CampaignRequest, CampaignStatus
from recado_core.engine.failures import ConflictError, DraftError, Fault, NotFoundError
from recado_core.engine.messages.drafts import compose
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.documents import Documents
from recado_core.engine.store.statements import campaigns, recipients
from recado_core.engine.templates.variants import Template

__all__ = ["AudienceFault", "AudienceReport", "Audiences", "Progress"]

Progress = Callable[[int, int], None]
"""Is told how many bytes of the file are done, and of how many."""
Row = dict[str, Any]

MOST_FAULTS: Final = 100
OPEN: Final = (CampaignStatus.DRAFT, CampaignStatus.SCHEDULED, CampaignStatus.PAUSED)
"""The statuses of a campaign whose audience may grow."""

_BLOCK = 1024 * 1024
_REPEAT = DUPLICATE.partition(":")[0]


class AudienceFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a row of a file, and where."""

    line: int
    column: str | None
    detail: str


class AudienceReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the rows of a file: ``accepted`` are new recipients.

    ``faults`` tells of the first of the others, ``more`` counts those that it leaves out.
    """

    rows: int
    accepted: int
    duplicates: int
    invalid: int
    faults: list[AudienceFault]
    more: int


class Audiences:
    """Takes files into the audiences of campaigns.

    Args:
        channels: By id.
        settings: The region in which numbers are read.
        database: The store.
        documents: Their hashes.
        now: The clock on the wall.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        settings: EngineSettings,
        database: Database,
        documents: Documents,
        now: Callable[[], datetime],
    ) -> None:
        self._channels = channels
        self._region = settings.default_region
        self._database = database
        self._documents = documents
        self._now = now

    async def take(
        self,
        campaign_id: str,
        path: Path,
        form: str | None = None,
        progress: Progress | None = None,
    ) -> AudienceReport:
        """Add the rows of a file to the audience of a campaign that is not running.

        A row that repeats another, or can't be used, spoils none of the others. The same file again
        goes on where it was broken off; after its end it changes nothing, and is told of as before.

        Args:
            campaign_id: Whose.
            path: The file.
            form: ``csv``, ``ndjson``, or None: it is found out.
            progress: Is told how far it is.

        Raises:
            NotFoundError: There is no such campaign.
            ConflictError: It is running, over, or a run of another one's schedule; or the same file
                is being imported by another call.
            DraftError: The file as a whole can't be read.
            UnavailableError: The database can't be reached; the same file again does the rest.
        """
        digest = await asyncio.to_thread(_digest, path)
        async with self._database.read() as connection:
            campaign = await campaigns.get(connection, campaign_id.replace("\0", ""))
            if campaign is None:
                raise NotFoundError(f"there is no campaign {campaign_id!r}")
            files = await recipients.imported(connection, campaign_id)
        done = next((each for each in files if each["digest"] == digest), None)
        if done is None or done["finished_at"] is None:
            _check_open(campaign)
            done = await self._read(
                campaign, path, form, done or _begun(campaign, digest), progress
            )
        elif progress is not None:
            progress(1, 1)
        return await self._report(done)

    async def _read(  # which, of what, from where
        self,
        campaign: Row,
        path: Path,
        form: str | None,
        done: Row,
        progress: Progress | None,
    ) -> Row:
        request = msgspec.convert(campaign["request"], CampaignRequest)
        async with self._database.read() as connection:
            templates = await templates_of(connection, request)
        reader = RowReader(
            self._channels[request.channel],
            self._region,
            self._documents,
            partial(self._compose, request, templates, self._now()),
        )
        file = await asyncio.to_thread(open_audience, path, form, reader)
        await asyncio.to_thread(file.skip, done["rows"])
        done = {"started_at": self._now()} | done
        while not done.get("finished_at"):
            rows = await asyncio.to_thread(file.take)
            if file.ended and not rows and not done["rows"]:
                raise DraftError([Fault(pointer="", detail="there is no recipient in the file")])
            work = partial(self._write, before=done, rows=rows, last=file.ended)
            done = await self._database.write(work)
            if progress is not None:
                progress(min(file.bytes_read, file.size), file.size)
            await self._database.let_others_write()
        return done

    def _compose(
        self,
        request: CampaignRequest,
        templates: Mapping[str, Template],
        now: datetime,
        address: str,
        variables: Mapping[str, Any],
    ) -> None:
        """Make the message of a row, or raise ``DraftError``."""
        draft = draft_of(request, address, variables)
        draft = msgspec.structs.replace(draft, expires_at=None)  # that is the campaign's fault
        compose(draft, self._channels, self._region, now, templates)

    async def _write(
        self, connection: AsyncConnection, *, before: Row, rows: Sequence[AudienceRow], last: bool
    ) -> Row:
        """Store rows, and how far the file has been read; return that."""
        audience_id = before["audience_id"]
        campaign = await campaigns.lock(connection, audience_id)
        _check_open(campaign)
        files = await recipients.imported(connection, audience_id)
        stored = next((each for each in files if each["digest"] == before["digest"]), None)
        if (stored["rows"] if stored else 0) != before["rows"]:
            raise ConflictError("the same file is being imported by another call")
        position = await recipients.last_position(connection, audience_id)
        rows = _mark_repeats(rows, await recipients.known(connection, audience_id, _lines(rows)))
        await recipients.insert(
            connection,
            [_row(audience_id, number, row) for number, row in enumerate(rows, position + 1)],
        )
        faulty = [row for row in rows if row.fault is not None]
        repeats = sum(1 for row in faulty if row.fault == _AGAIN)
        done = before | {
            "rows": before["rows"] + len(rows),
            "accepted": before["accepted"] + len(rows) - len(faulty),
            "duplicates": before["duplicates"] + repeats,
            "invalid": before["invalid"] + len(faulty) - repeats,
            "finished_at": self._now() if last else None,
        }
        await recipients.write_import(connection, done)
        return done

    async def _report(self, done: Row) -> AudienceReport:
        async with self._database.read() as connection:
            files = await recipients.imported(connection, done["audience_id"])
            place = next(i for i, each in enumerate(files) if each["digest"] == done["digest"])
            first = sum(each["rows"] for each in files[:place])
            faulty = await recipients.faulty(
                connection,
                done["audience_id"],
                first,
                MOST_FAULTS,
                begins=LATE,
                so=False,
                last=first + done["rows"],
            )
        told = [_tell_fault(row) for row in faulty]
        return AudienceReport(
            rows=done["rows"],
            accepted=done["accepted"],
            duplicates=done["duplicates"],
            invalid=done["invalid"],
            faults=told,
            more=done["duplicates"] + done["invalid"] - len(told),
        )


_AGAIN = (_REPEAT, "the audience has this address already")


def _check_open(campaign: Row | None) -> None:
    if campaign is None:
        raise ConflictError("the campaign is gone")
    if campaign["audience_id"] != campaign["id"]:
        raise ConflictError(f"its audience is that of campaign {campaign['audience_id']}")
    if campaign["status"] not in OPEN:
        hint = ": pause it first" if campaign["status"] == CampaignStatus.RUNNING else ""
        raise ConflictError(f"the campaign is {campaign['status']}{hint}")


def _begun(campaign: Row, digest: bytes) -> Row:
    return {
        "audience_id": campaign["id"],
        "digest": digest,
        "rows": 0,
        "accepted": 0,
        "duplicates": 0,
        "invalid": 0,
    }


def _mark_repeats(rows: Sequence[AudienceRow], known: set[str]) -> list[AudienceRow]:
    """Return rows of which those that repeat an address, known or one of theirs, say so."""
    marked: list[AudienceRow] = []
    known = {form for address in known for form in forms_of(address)}
    for row in rows:
        if row.fault is not None:
            marked.append(row)
        elif row.address in known:
            marked.append(msgspec.structs.replace(row, fault=_AGAIN))
        else:
            marked.append(row)
            known.update(forms_of(row.address))
    return marked


def _lines(rows: Sequence[AudienceRow]) -> set[str]:
    """Return the forms in which the audience may have the addresses of rows."""
    return {form for row in rows if row.fault is None for form in forms_of(row.address)}


def _row(audience_id: str, position: int, row: AudienceRow) -> Row:
    column, detail = row.fault or (None, None)
    return {
        "audience_id": audience_id,
        "position": position,
        "line": row.line,
        "address": row.address,
        "document_hash": row.document_hash,
        "variables": row.variables,
        "fault": f"{column}: {detail}" if column else detail,
    }


def _tell_fault(row: Row) -> AudienceFault:
    column, parted, detail = row["fault"].partition(": ")
    if not parted or " " in column:  # no column: a sentence
        return AudienceFault(line=row["line"], column=None, detail=row["fault"])
    if column == _REPEAT:
        column = "address"
    return AudienceFault(line=row["line"], column=column, detail=detail)


def _digest(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.digest()
