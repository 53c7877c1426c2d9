"""Making a message's row of a draft: its templates, its route, what its providers refuse."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from recado_core.engine.accept.frames import CheckMessage, Frame, alike_of, framed
from recado_core.engine.accept.routing import is_one_for_all, matching_route, order_accounts
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.messages.batches import outbound_of
from recado_core.engine.messages.drafts import Composed, Draft, compose, new_row
from recado_core.engine.plugins import Plugins
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.documents import Documents
from recado_core.engine.store.identifiers import new_ids
from recado_core.engine.store.statements import templates as store
from recado_core.engine.templates.variants import Template, is_name, read_template
from recado_core.errors import AddressError, ContentError
from recado_core.messages import Category, OutboundMessage, ProviderTemplate

Row = dict[str, Any]

ITEMS_AT_ONCE = 250
"""Drafts that are read before other requests get their turn."""


class Composition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message's row, and the document, of which only the hash is stored."""

    row: Row
    document: str | None = None


class Composing:
    """Makes rows of drafts."""

    def __init__(
        self,
        settings: EngineSettings,
        plugins: Plugins,
        accounts: Accounts,
        documents: Documents,
        database: Database,
    ) -> None:
        self._settings = settings
        self._plugins = plugins
        self._accounts = accounts
        self._documents = documents
        self._database = database

    async def row(
        self, draft: Draft, now: datetime, *, again: ProviderTemplate | None = None
    ) -> Composition:
        """Return the row of one message.

        Args:
            draft: As the client wrote it.
            now: The time.
            again: The vendor's template of a message that is sent again.

        Raises:
            DraftError: It can't be accepted.
        """
        composed = self._compose(draft, now, await self._templates([draft]), again)
        names = self._names(composed)
        return self._judged(composed, names, new_row(composed, names, now))

    async def rows(
        self, drafts: Sequence[Draft | DraftError], now: datetime
    ) -> list[Composition | DraftError]:
        """Return the rows of many messages, for which the templates are read once.

        Of one that can't be accepted, as of what is no draft to begin with, what is wrong.
        """
        templates = await self._templates(each for each in drafts if isinstance(each, Draft))
        made: list[Composition | DraftError] = []
        for start in range(0, len(drafts), ITEMS_AT_ONCE):
            await asyncio.sleep(0)
            made += self._some(drafts[start : start + ITEMS_AT_ONCE], now, templates)
        return made

    def _some(
        self,
        drafts: Sequence[Draft | DraftError],
        now: datetime,
        templates: Mapping[str, Template],
    ) -> list[Composition | DraftError]:
        """Return rows made at one go: what is found of the accounts for one holds for the next."""
        frames: dict[tuple[Any, ...], Frame | None] = {}
        made: list[Composition | DraftError] = []
        for draft, message_id in zip(drafts, new_ids(len(drafts)), strict=True):
            if isinstance(draft, DraftError):
                made.append(draft)
                continue
            alike = alike_of(draft)
            frame = frames.get(alike)
            try:
                row = self._framed(frame, draft, templates, message_id) if frame else None
                if row is not None:
                    made.append(Composition(row=row))
                    continue
                composed = self._compose(draft, now, templates)
                names = self._names(composed)
                row = new_row(composed, names, now, message_id=message_id)
                if alike not in frames:  # those of a vendor's template are each composed
                    is_own = composed.template is None
                    frames[alike] = self._frame(composed, names, row) if is_own else None
                made.append(self._judged(composed, names, row))
            except DraftError as error:
                made.append(error.with_traceback(None))  # which knows this frame, and all in it
        return made

    async def _templates(self, drafts: Iterable[Draft]) -> dict[str, Template]:
        """Return the templates that drafts name, as they are now, by name."""
        names = {draft.template for draft in drafts if draft.template and is_name(draft.template)}
        if not names:
            return {}
        async with self._database.read() as connection:
            rows = await store.named(connection, names)
        return {row["name"]: read_template(row) for row in rows}

    def _compose(
        self,
        draft: Draft,
        now: datetime,
        templates: Mapping[str, Template],
        again: ProviderTemplate | None = None,
    ) -> Composed:
        return compose(
            draft,
            self._plugins.channels,
            self._settings.default_region,
            now,
            templates,
            again=again,
        )

    def _names(self, composed: Composed) -> list[str]:
        account = composed.draft.account
        return self.route(composed.channel, composed.category, composed.to, account)

    def _judged(self, composed: Composed, names: Sequence[str], row: Row) -> Composition:
        """Return the row with those accounts alone whose providers carry the message."""
        if composed.document is not None:
            row["document_hash"] = self._documents.hash(composed.document)
        faults = self.refusals(names, outbound_of(row)) if self._is_judged(names, row) else {}
        if not faults:
            return Composition(row=row, document=composed.document)
        carriers = [name for name in names if name not in faults]
        if not carriers:
            raise DraftError([faults[names[0]]])
        row |= {"account": carriers[0], "fallbacks": carriers[1:] or None}
        return Composition(row=row, document=composed.document)

    def _frame(self, composed: Composed, names: Sequence[str], row: Row) -> Frame:
        """Return what drafts like this one may begin with."""
        channel, category = composed.channel, composed.category
        is_alike = composed.draft.account is not None or is_one_for_all(
            self._settings.routes, channel, category
        )
        return Frame(
            channel=self._plugins.channels[channel],
            row=row | {"media": None, "template": None},
            names=names if is_alike else None,
            checks=self._checks(names),
        )

    def _framed(
        self, frame: Frame, draft: Draft, templates: Mapping[str, Template], message_id: str
    ) -> Row | None:
        """Return the row of a draft for which the frame is, if nothing may be wrong with it."""
        row = framed(frame, draft, self._settings.default_region, templates, message_id)
        if row is None:
            return None
        checks = frame.checks
        if frame.names is None:
            names = self.route(row["channel"], row["category"], row["address"], draft.account)
            row["account"], row["fallbacks"] = names[0], names[1:] or None
            checks = self._checks(names)
        if not checks:
            return row
        message = outbound_of(row)
        try:
            for check in checks:
                check(message)
        except (AddressError, ContentError):
            return None
        return row

    def _checks(self, names: Iterable[str]) -> list[CheckMessage]:
        """Return what the accounts' providers refuse messages by, each once."""
        checks = (self._accounts.by_name[name].kind.check_message for name in names)
        return list({id(check): check for check in checks if check is not None}.values())

    def route(self, channel: str, category: Category, to: str, account: str | None) -> list[str]:
        """Return the accounts that may carry such a message, in the order in which to try them.

        Args:
            channel: The channel's id.
            category: The message's.
            to: The address.
            account: The one to send by, if the client names one.

        Raises:
            DraftError: There is none.
        """
        if account is not None:
            found = self._accounts.by_name.get(account)
            if found is None:
                raise DraftError([Fault(pointer="/account", detail=f"there is no {account!r}")])
            if channel not in found.kind.channels:
                raise DraftError([Fault(pointer="/account", detail=f"carries no {channel}")])
            return [account]
        route = matching_route(self._settings.routes, channel, category, to)
        if route is None:
            detail = "no route leads there; name an account or add a route"
            raise DraftError([Fault(pointer="/to", detail=detail)])
        if len(route.accounts) == 1:
            return list(route.accounts)
        return order_accounts(route, self._accounts.paused(), random.random)

    def refusals(self, names: Sequence[str], message: OutboundMessage) -> dict[str, Fault]:
        """Return the accounts whose provider is known not to carry a message, and why.

        Args:
            names: The accounts in question.
            message: What is to be sent; to nobody yet if it has no address, which none judges.
        """
        faults: dict[str, Fault] = {}
        by_vendor = message.template is not None and not message.text
        for name in names:
            kind = self._accounts.by_name[name].kind
            if by_vendor and not kind.capabilities.templates:
                detail = (
                    f"the template has no text of its own, and the account {name} knows no "
                    "templates of a provider"
                )
                faults[name] = Fault(pointer="/template", detail=detail)
                continue
            try:
                if kind.check_message is not None and message.to:
                    kind.check_message(message)
            except AddressError as error:
                faults[name] = Fault(pointer="/to", detail=str(error))
            except ContentError as error:
                theirs = message.template is not None and kind.capabilities.templates
                pointer = "/template" if theirs else "/text"
                faults[name] = Fault(pointer=pointer, detail=str(error))
        return faults

    def _is_judged(self, names: Sequence[str], row: Row) -> bool:
        """Tell whether a provider may refuse a message; to most of them all are the same."""
        by_vendor = row["template"] is not None and not row["text"]
        return by_vendor or any(self._accounts.by_name[name].kind.check_message for name in names)
