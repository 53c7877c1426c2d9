"""Accepting messages: checked, routed and durable before the client hears that they are."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.checks import Refusal
from recado_core.engine.accounts import Accounts
from recado_core.engine.answers import ItemResult, tell_batch, tell_message
from recado_core.engine.batches import outbound_of, recipient_of
from recado_core.engine.checking import run_checks
from recado_core.engine.database import Database, is_down
from recado_core.engine.drafts import (
    MAX_BATCH,
    BatchRequest,
    Composed,
    Draft,
    DraftDefaults,
    apply_defaults,
    compose,
)
from recado_core.engine.failures import (
    ConflictError,
    DraftError,
    Fault,
    IdempotencyMismatchError,
    NotFoundError,
    fault_of,
)
from recado_core.engine.groupcommit import GroupCommit
from recado_core.engine.idempotency import Answer, IdempotencyKey, Once
from recado_core.engine.identifiers import new_id
from recado_core.engine.plugins import Plugins
from recado_core.engine.policy import RESENDABLE
from recado_core.engine.routing import matching_route, order_accounts
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store import events, messages
from recado_core.errors import AddressError, ContentError
from recado_core.messages import Category, Media, Status

__all__ = ["Accept", "Answer", "BatchRequest", "Draft", "DraftDefaults", "IdempotencyKey"]

Row = dict[str, Any]

ITEMS_AT_ONCE = 250
"""Items of a batch that are read before other requests get their turn."""

_decode_draft = msgspec.json.Decoder(Draft).decode


class _Unit(msgspec.Struct, frozen=True):
    rows: list[Row]
    told: list[Row]
    key: IdempotencyKey | None
    answer: Answer


class Accept:
    """Takes messages from clients, the command line, and the parts of Recado that send."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that a message passes on its way in
        self,
        settings: EngineSettings,
        plugins: Plugins,
        accounts: Accounts,
        database: Database,
        once: Once,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._plugins = plugins
        self._accounts = accounts
        self._database = database
        self._once = once
        self._now = now
        self._group = GroupCommit(
            self._commit_group, weigh=lambda unit: len(unit.rows), is_fatal=is_down
        )

    async def message(self, draft: Draft, key: IdempotencyKey | None = None) -> Answer:
        """Accept one message.

        Raises:
            DraftError: It can't be accepted; nothing was stored.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            now = self._now()
            row = self._row(draft, now)
            reasons = await self._check([row], [draft])
            answer = Answer(body=msgspec.json.encode(tell_message(row, reasons[0])))
            return await self._commit([row], reasons, key, answer)

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
            results: list[ItemResult] = []
            rows: list[Row] = []
            drafts: list[Draft] = []
            for index, raw in enumerate(request.messages):
                if index % ITEMS_AT_ONCE == 0:
                    await asyncio.sleep(0)
                try:
                    draft = apply_defaults(_decode(raw), request.defaults)
                    row = self._row(draft, now)
                except DraftError as error:
                    results.append(
                        ItemResult(index=index, id=None, status=Status.REJECTED, error=error.faults)
                    )
                    continue
                row["batch_id"] = batch_id
                rows.append(row)
                drafts.append(draft)
                results.append(ItemResult(index=index, id=row["id"], status=row["status"]))
            reasons = await self._check(rows, drafts)
            told = tell_batch(batch_id, results, rows, reasons)
            return await self._commit(rows, reasons, key, Answer(body=msgspec.json.encode(told)))

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
            draft = _draft_of(old)
            row = self._row(draft, self._now()) | {"resend_of": message_id}
            reasons = await self._check([row], [draft])
            answer = Answer(body=msgspec.json.encode(tell_message(row, reasons[0])))
            return await self._commit([row], reasons, key, answer)

    def _row(self, draft: Draft, now: datetime) -> Row:
        composed = compose(draft, self._plugins.channels, self._settings.default_region, now)
        names = self._route(composed)
        row = _new_row(composed, names, now)
        faults = self._refusals(names, row)
        if not faults:
            return row
        carriers = [name for name in names if name not in faults]
        if not carriers:
            raise DraftError([faults[names[0]]])
        return row | {"account": carriers[0], "fallbacks": carriers[1:] or None}

    def _refusals(self, names: Sequence[str], row: Row) -> dict[str, Fault]:
        """Return the accounts whose provider is known not to carry a message, and why."""
        checks = {name: self._accounts.by_name[name].kind.check_message for name in names}
        faults: dict[str, Fault] = {}
        if not any(checks.values()):
            return faults
        message = outbound_of(row)
        for name, refuse in checks.items():
            try:
                if refuse is not None:
                    refuse(message)
            except AddressError as error:
                faults[name] = Fault(pointer="/to", detail=str(error))
            except ContentError as error:
                faults[name] = Fault(pointer="/text", detail=str(error))
        return faults

    def _route(self, composed: Composed) -> list[str]:
        wanted = composed.draft.account
        if wanted is not None:
            account = self._accounts.by_name.get(wanted)
            if account is None:
                raise DraftError([Fault(pointer="/account", detail=f"there is no {wanted!r}")])
            if composed.channel not in account.kind.channels:
                raise DraftError(
                    [Fault(pointer="/account", detail=f"carries no {composed.channel}")]
                )
            return [wanted]
        route = matching_route(
            self._settings.routes, composed.channel, composed.category, composed.to
        )
        if route is None:
            raise DraftError(
                [
                    Fault(
                        pointer="/to", detail="no route leads there; name an account or add a route"
                    )
                ]
            )
        return order_accounts(route, self._accounts.paused(), random.random)

    async def _check(self, rows: Sequence[Row], drafts: Sequence[Draft]) -> list[Refusal | None]:
        """Mark what the checks forbid as suppressed; what they hold is checked when it is sent."""
        if not self._plugins.checks or not rows:
            return [None] * len(rows)
        recipients = [
            recipient_of(row, draft.document) for row, draft in zip(rows, drafts, strict=True)
        ]
        verdicts = await run_checks(self._plugins.checks, recipients)
        reasons = [verdict if isinstance(verdict, Refusal) else None for verdict in verdicts]
        for row, reason in zip(rows, reasons, strict=True):
            if reason is not None:
                row |= {
                    "status": Status.SUPPRESSED,
                    "code": reason.check,
                    "status_text": reason.reason,
                }
        return reasons

    async def _commit(
        self,
        rows: list[Row],
        reasons: Sequence[Refusal | None],
        key: IdempotencyKey | None,
        answer: Answer,
    ) -> Answer:
        told = [_accepted_event(row) for row in rows]
        told += [
            _suppressed_event(row, reason)
            for row, reason in zip(rows, reasons, strict=True)
            if reason is not None
        ]
        result = await self._group.submit(_Unit(rows=rows, told=told, key=key, answer=answer))
        if isinstance(result, IdempotencyMismatchError):
            raise result
        if not result.replayed:
            self._accounts.wake({row["account"] for row in rows if row["status"] == Status.QUEUED})
        return result

    async def _commit_group(self, units: list[_Unit]) -> list[Answer | IdempotencyMismatchError]:
        async def work(
            connection: AsyncConnection,
        ) -> list[Answer | IdempotencyMismatchError | None]:
            earlier = await self._once.reserve(
                connection, [(unit.key, unit.answer) for unit in units]
            )
            fresh = [unit for unit, done in zip(units, earlier, strict=True) if done is None]
            await messages.insert(connection, [row for unit in fresh for row in unit.rows])
            await events.append(connection, [event for unit in fresh for event in unit.told])
            return earlier

        earlier = await self._database.write(work)
        return [done or unit.answer for unit, done in zip(units, earlier, strict=True)]


def _decode(raw: msgspec.Raw) -> Draft:
    try:
        return _decode_draft(raw)
    except msgspec.ValidationError as error:
        raise DraftError([fault_of(error)]) from error
    except UnicodeDecodeError as error:  # the batch was read without a look into its items
        raise DraftError([Fault(pointer="", detail="is not to be read as UTF-8")]) from error


def _new_row(composed: Composed, names: Sequence[str], now: datetime) -> Row:
    draft = composed.draft
    return {
        "id": new_id(),
        "direction": "out",
        "channel": composed.channel,
        "account": names[0],
        "address": composed.to,
        "sender_id": composed.sender_id,
        "text": composed.text,
        "media": list(composed.media) or None,
        "category": composed.category,
        "priority": composed.priority,
        "reference": draft.reference,
        "metadata": draft.metadata,
        "segments": composed.segments.count,
        "encoding": composed.segments.encoding,
        "status": Status.SCHEDULED if composed.scheduled else Status.QUEUED,
        "status_at": now,
        "code": None,
        "status_text": None,
        "provider_ref": None,
        "dispatch_id": None,
        "fallbacks": list(names[1:]) or None,
        "batch_id": None,
        "campaign_id": None,
        "resend_of": None,
        "answers_id": None,
        "created_at": now,
        "due_at": draft.scheduled_at if composed.scheduled else now,
        "scheduled_at": draft.scheduled_at,
        "expires_at": draft.expires_at,
    }


def _draft_of(old: Row) -> Draft:
    return Draft(
        to=old["address"],
        channel=old["channel"],
        text=old["text"],
        sender_id=old["sender_id"],
        reference=old["reference"],
        category=Category(old["category"]),
        priority=old["priority"],
        metadata=old["metadata"],
        media=msgspec.convert(old["media"], list[Media]) if old["media"] else None,
    )


def _accepted_event(row: Row) -> Row:
    return events.new_event(
        "message.accepted",
        row["created_at"],
        message_id=row["id"],
        account=row["account"],
        to_status=_first_status(row),
    )


def _suppressed_event(row: Row, reason: Refusal) -> Row:
    return events.new_event(
        "message.suppressed",
        row["created_at"],
        message_id=row["id"],
        account=row["account"],
        from_status=_first_status(row),
        to_status=Status.SUPPRESSED,
        code=reason.check,
        text=reason.reason,
        data={"check": reason.check, "reason": reason.reason, "until": reason.until},
    )


def _first_status(row: Row) -> Status:
    """Return what the message was before a check may have suppressed it."""
    return Status.SCHEDULED if row["due_at"] > row["created_at"] else Status.QUEUED
