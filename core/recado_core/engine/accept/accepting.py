"""Accepting messages: checked, routed and durable before the client hears that they are."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.answers import tell_batch, tell_message
from recado_core.engine.accept.composing import ITEMS_AT_ONCE, Composing
from recado_core.engine.accept.judging import Judging
from recado_core.engine.accept.singles import Singles
from recado_core.engine.accept.storing import Guard, OvertakenError, Storing, Unit
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.checks.checking import Checking, Verdict
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey, Once
from recado_core.engine.failures import (
    ConflictError,
    DraftError,
    Fault,
    NotFoundError,
    fault_of,
)
from recado_core.engine.messages.drafts import (
    MAX_BATCH,
    BatchRequest,
    Draft,
    DraftDefaults,
    apply_defaults,
    given_by,
)
from recado_core.engine.messages.telling import Telling
from recado_core.engine.policy import RESENDABLE
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import messages
from recado_core.messages import Category, Media, ProviderTemplate

__all__ = [
    "Accept",
    "Answer",
    "BatchRequest",
    "Draft",
    "DraftDefaults",
    "IdempotencyKey",
    "OvertakenError",
]

Row = dict[str, Any]

_decode_draft = msgspec.json.Decoder(Draft).decode
_decode_drafts = msgspec.json.Decoder(list[Draft]).decode


MoveOn = Callable[[AsyncConnection, Sequence[DraftError | None]], Awaitable[bool]]
"""A guard that is told what is wrong with each draft."""


class Accept:
    """Takes messages from clients, the command line, and the parts of Recado that send."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that a message passes on its way in
        self,
        composing: Composing,
        accounts: Accounts,
        database: Database,
        once: Once,
        checking: Checking,
        telling: Telling,
        now: Callable[[], datetime],
    ) -> None:
        self._composing = composing
        self._database = database
        self._once = once
        self._now = now
        self._judging = Judging(checking)
        self._storing = Storing(database, once, telling, accounts.wake, now)
        self._singles = Singles(composing, self._judging, self._storing, now)

    async def message(
        self,
        draft: Draft,
        key: IdempotencyKey | None = None,
        *,
        reply: bool = False,
        origin: str | None = None,
        guard: Guard | None = None,
    ) -> Answer:
        """Accept one message.

        Args:
            draft: As the client wrote it.
            key: The call's idempotency key.
            reply: Whether an agent answers by it.
            origin: The sink that it comes from.
            guard: Says, in the transaction that stores the message, whether it still shall.

        Raises:
            DraftError: It can't be accepted; nothing was stored.
            OvertakenError: The guard said no.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            return await self._singles.accept(draft, key, reply=reply, origin=origin, guard=guard)

    async def batch(self, request: BatchRequest, key: IdempotencyKey | None = None) -> Answer:
        """Accept 1 to 10,000 messages; a bad item is reported and spoils no other.

        Raises:
            DraftError: The batch as a whole is wrong; an item's faults stand in its result.
            IdempotencyMismatchError: As in ``message``.
            IdempotencyRunningError: As in ``message``.
        """
        if not 1 <= len(request.messages) <= MAX_BATCH:
            raise DraftError([Fault(pointer="/messages", detail=f"needs 1 to {MAX_BATCH} items")])
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            now, batch_id = self._now(), new_id()
            made = await self._composing.rows(await _read_items(request), now)
            good = [each for each in made if not isinstance(each, DraftError)]
            rows = [each.row for each in good]
            for row in rows:
                row["batch_id"] = batch_id
            verdicts = await self._judging.judge(rows, [each.document for each in good])
            told = tell_batch(batch_id, made, rows, verdicts)
            answer = Answer(body=msgspec.json.encode(told))
            return await self._storing.store(
                Unit(rows=rows, verdicts=verdicts, key=key, answer=answer)
            )

    async def walk(
        self, drafts: Sequence[Draft], marks: Sequence[Row], move_on: MoveOn
    ) -> list[DraftError | None]:
        """Accept messages with the step that brings them, or none; say what is wrong with each.

        Args:
            drafts: As a campaign or a schedule makes them.
            marks: What each row has besides: of a campaign, it and the position in its audience.
            move_on: Moves it on, in the same transaction, or says that it can't be moved.

        Raises:
            OvertakenError: It can't be moved on.
        """
        now = self._now()
        faults: list[DraftError | None] = []
        rows: list[Row] = []
        documents: list[str | None] = []
        for made, mark in zip(await self._composing.rows(drafts, now), marks, strict=True):
            if isinstance(made, DraftError):
                faults.append(made)
                continue
            faults.append(None)
            rows.append(made.row | mark)
            documents.append(made.document)
        verdicts = await self._judging.judge(rows, documents)
        await self._storing.store(
            Unit(
                rows=rows,
                verdicts=verdicts,
                key=None,
                answer=Answer(body=b""),
                guard=lambda connection: move_on(connection, faults),
            )
        )
        return faults

    async def rehearse(
        self, drafts: Sequence[Draft], marks: Sequence[Row]
    ) -> list[tuple[Row, Verdict] | DraftError]:
        """Return what messages would be if they were accepted now, and what the checks say.

        Args:
            drafts: As a campaign makes them.
            marks: What each message's row has besides.
        """
        made = await self._composing.rows(drafts, self._now())
        rows = [
            each.row | mark
            for each, mark in zip(made, marks, strict=True)
            if not isinstance(each, DraftError)
        ]
        judged = iter(zip(rows, await self._judging.judge(rows, [None] * len(rows)), strict=True))
        return [each if isinstance(each, DraftError) else next(judged) for each in made]

    async def resend(self, message_id: str, key: IdempotencyKey | None = None) -> Answer:
        """Accept a new message like an old one that did not arrive, linked to it.

        Raises:
            NotFoundError: There is no such MT.
            ConflictError: The old one is not failed, expired, undelivered or unknown.
            IdempotencyMismatchError: As in ``message``.
            IdempotencyRunningError: As in ``message``.
        """
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            async with self._database.read() as connection:
                old = await messages.get(connection, message_id.replace("\0", ""))
            if old is None or old["direction"] != "out":
                raise NotFoundError(f"there is no message {message_id!r} that was sent from here")
            if old["status"] not in RESENDABLE:
                raise ConflictError(
                    f"the message is {old['status']}; only a failed, expired, undelivered or "
                    "unknown one can be sent again"
                )
            again = msgspec.convert(old["template"], ProviderTemplate | None)
            made = await self._composing.row(_draft_of(old), self._now(), again=again)
            row = made.row | {"resend_of": message_id}
            row |= {name: old[name] for name in ("document_hash", "origin")}
            verdicts = await self._judging.judge([row], [made.document])
            answer = Answer(body=msgspec.json.encode(tell_message(row, verdicts[0])))
            return await self._storing.store(
                Unit(rows=[row], verdicts=verdicts, key=key, answer=answer)
            )


async def _read_items(request: BatchRequest) -> list[Draft | DraftError]:
    """Return each item of a batch as a draft, or what is wrong with it."""
    given = given_by(request.defaults)
    read: list[Draft | DraftError] = []
    for start in range(0, len(request.messages), ITEMS_AT_ONCE):
        await asyncio.sleep(0)
        some = _decode(request.messages[start : start + ITEMS_AT_ONCE])
        read += _complete(some, given) if given else some
    return read


def _complete(
    read: Sequence[Draft | DraftError], given: Mapping[str, Any]
) -> list[Draft | DraftError]:
    return [each if isinstance(each, DraftError) else apply_defaults(each, given) for each in read]


def _decode(raws: Sequence[msgspec.Raw]) -> Sequence[Draft | DraftError]:
    """Decode items at one go, which takes half as long; one by one if there is a bad one."""
    try:
        return _decode_drafts(b"[%b]" % b",".join(raws))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [_decode_alone(raw) for raw in raws]


def _decode_alone(raw: msgspec.Raw) -> Draft | DraftError:
    try:
        return _decode_draft(raw)
    except msgspec.ValidationError as error:
        return DraftError([fault_of(error)])
    except UnicodeDecodeError:  # the batch was read without a look into its items
        return DraftError([Fault(pointer="", detail="is not to be read as UTF-8")])


def _draft_of(old: Row) -> Draft:
    return Draft(
        to=old["address"],
        channel=old["channel"],
        text=old["text"] or None,
        sender_id=old["sender_id"],
        reference=old["reference"],
        category=Category(old["category"]),
        priority=old["priority"],
        metadata=old["metadata"],
        cost_centre=old["cost_centre"],
        media=msgspec.convert(old["media"], list[Media]) if old["media"] else None,
    )
