"""Templates as the API shows them: made, read, replaced, deleted, and tried out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import Channel
from recado_core.engine.clients.cursors import make_timed_cursor, read_timed_cursor
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey, Once
from recado_core.engine.failures import ConflictError, DraftError, NotFoundError
from recado_core.engine.settings import AccountSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import templates as store
from recado_core.engine.templates.previews import (
    Carriage,
    Previews,
    RenderedTemplate,
    RenderRequest,
)
from recado_core.engine.templates.rules import TemplateBody, find_faults, variants_of
from recado_core.engine.templates.variants import (
    Variant,
    VendorTemplate,
    is_name,
    names_in,
    read_template,
    show_variant,
    store_variant,
)

Row = dict[str, Any]

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class NewTemplate(TemplateBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template to make: the body of ``POST /v1/templates``."""

    name: str


class ReplacedTemplate(TemplateBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template shall be: the body of ``PUT /v1/templates/{name}``, whose name counts."""

    name: str | None = None


class TemplateView(msgspec.Struct, frozen=True, kw_only=True):
    """A template; ``channel``, ``language``, ``text`` and ``provider_template`` are the first's.

    ``variables`` are those of all variants, and of them ``optional`` those that none needs.
    """

    name: str
    description: str | None
    channel: str | None
    language: str | None
    text: str | None
    provider_template: VendorTemplate | None
    variants: list[Variant]
    variables: list[str]
    optional: list[str]
    created_at: datetime
    updated_at: datetime


class TemplatePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some templates, and the cursor for those that follow."""

    items: list[TemplateView]
    next_cursor: str | None


class Templates:
    """Keeps the templates, and shows what a message of one would be."""

    def __init__(  # noqa: PLR0913, PLR0917  # it joins the rooms that know of a message's making
        self,
        channels: Mapping[str, Channel],
        region: str,
        accounts: Mapping[str, AccountSettings],
        carriage: Carriage,
        database: Database,
        once: Once,
        now: Callable[[], datetime],
    ) -> None:
        self._channels = channels
        self._previews = Previews(channels, region, accounts, carriage)
        self._database = database
        self._once = once
        self._now = now

    async def add(self, new: NewTemplate, key: IdempotencyKey | None = None) -> Answer:
        """Make a template.

        Raises:
            DraftError: It can't be used; nothing was stored.
            ConflictError: There is one of this name.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            row = self._row(new.name, new)
            answer = Answer(body=msgspec.json.encode(_view(row)), status=201)

            async def insert(connection: AsyncConnection) -> None:
                if not await store.insert_new(connection, row):
                    raise ConflictError(f"there is a template {new.name!r} already")

            return await self._once.keep(key, answer, insert)

    async def replace(self, name: str, body: ReplacedTemplate) -> tuple[TemplateView, bool]:
        """Make a template what the body says; return it, and whether it is new.

        Raises:
            DraftError: It can't be used; nothing was stored.
        """
        row = self._row(name, body)

        async def work(connection: AsyncConnection) -> tuple[Row, bool]:
            while True:  # another node may delete it in between
                found = await store.update(connection, row)
                if found is not None:
                    return found, False
                if await store.insert_new(connection, row):
                    return row, True

        written, is_new = await self._database.write(work)
        return _view(written), is_new

    async def delete(self, name: str) -> None:
        """Delete a template, or raise ``NotFoundError``; messages made of it stay as they are."""
        gone = is_name(name) is not None and await self._database.write(
            lambda connection: store.delete(connection, name)
        )
        if not gone:
            raise _not_found(name)

    async def get(self, name: str) -> TemplateView:
        """Return one template, or raise ``NotFoundError``."""
        return _view(await self._find(name))

    async def list(self, limit: int = 50, cursor: str | None = None) -> TemplatePage:
        """Return templates, the newest first.

        Args:
            limit: How many at the most, from 1 to 500.
            cursor: What the page before gave.

        Raises:
            DraftError: The cursor is not one of ours.
        """
        before = read_timed_cursor(cursor, _Name) if cursor else None
        async with self._database.read() as connection:
            rows = await store.page(connection, before, limit + 1)
        last = rows[limit - 1] if len(rows) > limit else None
        return TemplatePage(
            items=[_view(row) for row in rows[:limit]],
            next_cursor=make_timed_cursor(last["created_at"], last["name"]) if last else None,
        )

    async def render(self, name: str, request: RenderRequest) -> RenderedTemplate:
        """Return what a message of a template would be; nothing is sent.

        Raises:
            NotFoundError: There is no such template.
            DraftError: A message could not be made of it so; it names every missing variable.
        """
        return self._previews.render(read_template(await self._find(name)), request)

    def _row(self, name: str, body: NewTemplate | ReplacedTemplate) -> Row:
        faults = find_faults(name, body, self._channels)
        if faults:
            raise DraftError(faults)
        now = self._now()
        return {
            "name": name,
            "description": body.description,
            "variants": [store_variant(variant) for variant in variants_of(body)],
            "created_at": now,
            "updated_at": now,
        }

    async def _find(self, name: str) -> Row:
        row = None
        if is_name(name):
            async with self._database.read() as connection:
                row = await store.get(connection, name)
        if row is None:
            raise _not_found(name)
        return row


def _not_found(name: str) -> NotFoundError:
    return NotFoundError(f"there is no template {name!r}")


def _view(row: Row) -> TemplateView:
    template = read_template(row)
    first = template.variants[0]
    names = names_in(template.variants)
    return TemplateView(
        name=template.name,
        description=row["description"],
        channel=first.channel,
        language=first.language,
        text=first.text,
        provider_template=first.provider_template,
        variants=[show_variant(variant) for variant in template.variants],
        variables=list(names),
        optional=[name for name, optional in names.items() if optional],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
