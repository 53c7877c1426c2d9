"""The suppression list as the API shows it: found, added to, taken from, asked."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.addresses import forms_of
from recado_core.checks import Deferral, Recipient, Refusal
from recado_core.contract import Channel
from recado_core.engine.checks.checking import Checking, Verdict
from recado_core.engine.clients.cursors import make_cursor, read_cursor
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey, Once, RepeatedError
from recado_core.engine.failures import DraftError, Fault, NotFoundError
from recado_core.engine.store.database import Database
from recado_core.engine.store.documents import Documents, read_document
from recado_core.engine.store.statements import consents
from recado_core.engine.store.statements import suppressions as store
from recado_core.engine.suppressions.consents import history_row
from recado_core.engine.suppressions.entry_rules import ANY_CHANNEL, find_faults
from recado_core.engine.suppressions.keywords import ConsentAct
from recado_core.engine.suppressions.suppressing import Entry, Suppressing
from recado_core.errors import AddressError, ContentError
from recado_core.messages import Category, SuppressionReason

Row = dict[str, Any]

MAX_RECIPIENTS = 10_000
AT_ONCE = 250


class NewSuppression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who shall get no more messages: the body of ``POST /v1/suppressions``.

    At least one of ``address`` and ``document`` (a CPF) is given; with both it is about that person
    at that address. Without ``channel`` or ``category`` it is about all of them.
    """

    address: str | None = None
    document: str | None = None
    channel: str | None = None
    category: Category | None = None
    reason: SuppressionReason = SuppressionReason.MANUAL
    source: str | None = None
    expires_at: datetime | None = None


class SuppressionView(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the suppression list; ``by_document`` tells of one for one person alone."""

    id: str
    address: str | None
    by_document: bool
    channel: str | None
    category: Category | None
    reason: SuppressionReason
    source: str
    created_at: datetime
    expires_at: datetime | None


class SuppressionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are wanted; what is None does not matter."""

    address: str | None = None
    document: str | None = None
    channel: str | None = None
    category: Category | None = None
    reason: SuppressionReason | None = None
    source: str | None = None


class SuppressionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some entries, and the cursor for those that follow."""

    items: list[SuppressionView]
    next_cursor: str | None


class AskedRecipient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody to whom a program means to send."""

    address: str
    document: str | None = None


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """To whom a program means to send what: the body of ``POST /v1/suppressions/check``."""

    recipients: Annotated[
        list[AskedRecipient], msgspec.Meta(min_length=1, max_length=MAX_RECIPIENTS)
    ]
    channel: str = ANY_CHANNEL
    category: Category = Category.TRANSACTIONAL


class CheckReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one check says; ``until`` if it ends by itself."""

    check: str
    reason: str
    until: datetime | None = None


class CheckedRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a message may go to somebody now, and if not, why."""

    address: str
    allowed: bool
    reasons: list[CheckReason]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks say, in the order of the recipients."""

    results: list[CheckedRecipient]


class ConsentView(msgspec.Struct, frozen=True, kw_only=True):
    """An opt-out or opt-in.

    ``message_id`` is the MO that said so, ``confirmation_id`` the MT that answered it.
    """

    id: str
    address: str
    channel: str | None
    act: ConsentAct
    time: datetime
    source: str
    keyword: str | None
    message_id: str | None
    confirmation_id: str | None


class ConsentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the history, and the cursor for what follows."""

    items: list[ConsentView]
    next_cursor: str | None


class Suppressions:
    """Reads the suppression list, adds to it, takes from it, and asks the checks."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that know of a suppression
        self,
        channels: Mapping[str, Channel],
        region: str,
        database: Database,
        once: Once,
        checking: Checking,
        documents: Documents,
        suppressing: Suppressing,
        now: Callable[[], datetime],
    ) -> None:
        self._channels = channels
        self._region = region
        self._database = database
        self._once = once
        self._checking = checking
        self._documents = documents
        self._suppressing = suppressing
        self._now = now

    async def add(self, new: NewSuppression, key: IdempotencyKey | None = None) -> Answer:
        """Put one entry on the list; one that is there already is answered as it is.

        Raises:
            DraftError: It can't be understood; nothing was changed.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            now = self._now()
            entry = self.read(new, now)

            async def work(connection: AsyncConnection) -> Answer:
                put = await self._suppressing.put(connection, [entry], now)
                answer = Answer(
                    body=msgspec.json.encode(_view(put.rows[0])), status=201 if put.added else 200
                )
                earlier = await self._once.reserve_one(connection, key, answer)
                if earlier is not None:
                    raise RepeatedError(earlier)
                if put.added and entry.reason is SuppressionReason.OPT_OUT and entry.address:
                    row = history_row(put.rows[0], ConsentAct.OPT_OUT, now, source=entry.source)
                    await consents.append(connection, [row])
                return answer

            try:
                return await self._database.write(work)
            except RepeatedError as repeated:
                return repeated.earlier

    async def remove(self, suppression_id: str, source: str = "api") -> None:
        """Take one entry off the list, or raise ``NotFoundError``.

        Args:
            suppression_id: Which.
            source: Who says so, for the history.
        """
        now = self._now()

        async def work(connection: AsyncConnection) -> bool:
            ids = [suppression_id.replace("\0", "")]
            gone = await self._suppressing.drop(connection, ids, now, why=source)
            lifted = [
                history_row(row, ConsentAct.OPT_IN, now, source=source)
                for row in gone
                if row["reason"] == SuppressionReason.OPT_OUT and row["address"]
            ]
            await consents.append(connection, lifted)
            return bool(gone)

        if not await self._database.write(work):
            raise NotFoundError(f"there is no suppression {suppression_id!r}")

    async def list(
        self, wanted: SuppressionFilter, limit: int = 50, cursor: str | None = None
    ) -> SuppressionPage:
        """Return entries that are not over, the newest first.

        Args:
            wanted: Which.
            limit: How many at the most, from 1 to 500.
            cursor: What the page before gave.

        Raises:
            DraftError: The cursor is not one of ours, or the document is no CPF.
        """
        document = wanted.document and self._documents.hash(_read_document(wanted.document))
        equal = {
            column: str(value)
            for column, value in (
                ("document_hash", document),
                ("channel", wanted.channel),
                ("category", wanted.category),
                ("reason", wanted.reason),
                ("source", wanted.source),
            )
            if value is not None
        }
        now, before = self._now(), read_cursor(cursor) if cursor else None
        addresses = forms_of(wanted.address) if wanted.address is not None else ()
        if any("\0" in value for value in (*addresses, *equal.values())):
            return SuppressionPage(items=[], next_cursor=None)  # nothing stored has a zero byte
        async with self._database.read() as connection:
            rows = await store.page(connection, addresses, equal, now, before, limit + 1)
        return SuppressionPage(
            items=[_view(row) for row in rows[:limit]],
            next_cursor=make_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None,
        )

    async def history(
        self, address: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> ConsentPage:
        """Return what people have consented to and withdrawn, the newest first.

        Args:
            address: Whose, in the form in which it is stored; None: everybody's.
            limit: How many at the most, from 1 to 500.
            cursor: What the page before gave.

        Raises:
            DraftError: The cursor is not one of ours.
        """
        before = read_cursor(cursor) if cursor else None
        if address is not None and "\0" in address:
            return ConsentPage(items=[], next_cursor=None)
        async with self._database.read() as connection:
            addresses = forms_of(address) if address is not None else ()
            rows = await consents.page(connection, addresses, before, limit + 1)
        return ConsentPage(
            items=[
                ConsentView(**{**row, "channel": row["channel"] or None}) for row in rows[:limit]
            ],
            next_cursor=make_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None,
        )

    async def check(self, request: CheckRequest) -> Checked:
        """Ask the checks whether messages may go now; nothing is sent and nothing counted.

        An address or document that can't be read is told among the reasons, and spoils no other.

        Raises:
            DraftError: There is no such channel.
        """
        channel = self._channel(request.channel)
        now = self._now()
        told: list[CheckedRecipient | None] = []
        recipients: list[Recipient] = []
        for index, asked in enumerate(request.recipients):
            if index % AT_ONCE == 0:
                await asyncio.sleep(0)  # a call with many keeps no other waiting
            try:
                document = read_document(asked.document) if asked.document is not None else None
                recipient = Recipient(
                    address=channel.normalise_address(asked.address, self._region),
                    channel=channel.id,
                    category=request.category,
                    at=now,
                    document=document,
                    document_hash=self._documents.hash(document) if document else None,
                )
            except (AddressError, ContentError) as error:
                name = "address" if isinstance(error, AddressError) else "document"
                reason = CheckReason(check=name, reason=str(error))
                told.append(
                    CheckedRecipient(address=asked.address, allowed=False, reasons=[reason])
                )
            else:
                told.append(None)
                recipients.append(recipient)
        verdicts = await self._checking.judge(recipients)
        judged = iter(zip(recipients, verdicts, strict=True))
        return Checked(results=[each or _tell(*next(judged)) for each in told])

    def read(self, new: NewSuppression, now: datetime) -> Entry:
        """Return what a client means, or raise ``DraftError`` with every fault found."""
        faults: list[Fault] = []
        address = document = ""
        try:
            channel = self._channel(new.channel or ANY_CHANNEL)
            if new.address is not None:
                address = channel.normalise_address(new.address, self._region)
        except AddressError as error:
            faults.append(Fault(pointer="/address", detail=str(error)))
        except DraftError as error:
            faults += error.faults
        if new.document is not None:
            try:
                document = self._documents.hash(_read_document(new.document))
            except DraftError as error:
                faults += error.faults
        if new.address is None and new.document is None:
            faults.append(Fault(pointer="/address", detail="give an address or a document"))
        faults += find_faults(new.source, new.expires_at, now)
        if faults:
            raise DraftError(faults)
        return Entry(
            address=address,
            document_hash=document,
            channel=new.channel or "",
            category=new.category or "",
            reason=new.reason,
            source=new.source or "api",
            expires_at=new.expires_at,
        )

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            known = ", ".join(sorted(self._channels))
            raise DraftError([Fault(pointer="/channel", detail=f"unknown; there is {known}")])
        return channel


def _read_document(text: str) -> str:
    try:
        return read_document(text)
    except ContentError as error:
        raise DraftError([Fault(pointer="/document", detail=str(error))]) from error


def _tell(recipient: Recipient, verdict: Verdict) -> CheckedRecipient:
    said: list[Refusal | Deferral] = [*verdict.refusals, *verdict.deferrals]
    reasons = [CheckReason(check=each.check, reason=each.reason, until=each.until) for each in said]
    reasons += [
        CheckReason(check=check, reason="the check can't answer now") for check in verdict.held
    ]
    return CheckedRecipient(address=recipient.address, allowed=not reasons, reasons=reasons)


def _view(row: Row) -> SuppressionView:
    return SuppressionView(
        id=row["id"],
        address=row["address"] or None,
        by_document=bool(row["document_hash"]),
        channel=row["channel"] or None,
        category=Category(row["category"]) if row["category"] else None,
        reason=SuppressionReason(row["reason"]),
        source=row["source"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
