"""Short addresses in messages: made, followed, counted."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.clients.cursors import make_timed_cursor, read_timed_cursor
from recado_core.engine.clients.idempotency import Answer, IdempotencyKey, Once
from recado_core.engine.failures import DraftError, Fault, NotFoundError
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import links as store

Row = dict[str, Any]

LONGEST_URL = 2048
CODE = 8
"""Bytes of a code, random or as good as that: nobody finds a link by trying."""

_is_code = re.compile(r"[A-Za-z0-9_-]{11}").fullmatch
_Code = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{11}$")]


class NewLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a short address shall lead: the body of ``POST /v1/links``."""

    url: str


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A short address; ``short_url`` needs ``gateway.public_url``."""

    code: str
    url: str
    short_url: str | None
    created_at: datetime
    clicks: int
    last_click_at: datetime | None


class LinkPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some links, and the cursor for those that follow."""

    items: list[LinkView]
    next_cursor: str | None


class Links:
    """The short addresses.

    Args:
        public_url: The gateway's own address, without which a short one is of no use.
        database: The store.
        once: The idempotency keys.
        now: The clock.
    """

    def __init__(
        self,
        public_url: str | None,
        database: Database,
        once: Once,
        now: Callable[[], datetime],
    ) -> None:
        self._public_url = public_url
        self._database = database
        self._once = once
        self._now = now

    async def shorten(self, url: str, owner: str, key: str) -> str | None:
        """Return a short public address that leads to this one, or None without a public address.

        The same owner, key and address get the same short one, whenever they ask.

        Raises:
            DraftError: It is no web address.
        """
        if self._public_url is None:
            return None
        row = _row(url, self._now())

        async def work(connection: AsyncConnection) -> Row:
            number = 0
            while True:
                mine = row | {"code": _derive_code(owner, key, url, number)}
                if await store.insert_new(connection, mine) == url:
                    return mine
                number += 1  # another address has this code: one of billions of billions

        return self._short(await self._database.write(work))

    async def add(self, new: NewLink, key: IdempotencyKey | None = None) -> Answer:
        """Make a short address.

        Raises:
            DraftError: It would lead to no web address.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        async with self._once.claimed(key) as answered:
            if answered:
                return answered
            row = _row(new.url, self._now())
            answer = Answer(body=msgspec.json.encode(self._view(row)), status=201)
            return await self._once.keep(key, answer, partial(store.insert, row=row))

    async def list(self, limit: int = 50, cursor: str | None = None) -> LinkPage:
        """Return links, the newest first.

        Raises:
            DraftError: The cursor is not one of ours.
        """
        before = read_timed_cursor(cursor, _Code) if cursor else None
        async with self._database.read() as connection:
            rows = await store.page(connection, before, limit + 1)
        last = rows[limit - 1] if len(rows) > limit else None
        return LinkPage(
            items=[self._view(row) for row in rows[:limit]],
            next_cursor=make_timed_cursor(last["created_at"], last["code"]) if last else None,
        )

    async def follow(self, code: str) -> str:
        """Count a click, and return where the link leads.

        Raises:
            NotFoundError: There is no such link.
        """
        now = self._now()
        url = None
        if _is_code(code):  # whatever else strangers try must not keep others from writing
            url = await self._database.write(lambda connection: store.click(connection, code, now))
        if url is None:
            raise NotFoundError("there is no such link")
        return url

    def _short(self, row: Row) -> str | None:
        return f"{self._public_url}/l/{row['code']}" if self._public_url else None

    def _view(self, row: Row) -> LinkView:
        return LinkView(**row, short_url=self._short(row))


def _derive_code(owner: str, key: str, url: str, number: int) -> str:
    said = "\0".join((owner, key, url, str(number))).encode(errors="surrogatepass")
    return base64.urlsafe_b64encode(hashlib.sha256(said).digest()[:CODE]).rstrip(b"=").decode()


def _row(url: str, now: datetime) -> Row:
    return {
        "code": secrets.token_urlsafe(CODE),
        "url": _check(url),
        "created_at": now,
        "clicks": 0,
        "last_click_at": None,
    }


def _check(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or len(url) > LONGEST_URL or not url.isprintable() or " " in url:
        detail = f"must be an http or https address of at most {LONGEST_URL} characters"
        raise DraftError([Fault(pointer="/url", detail=detail)])
    return url
