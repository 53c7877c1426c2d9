"""Asks Kolmeya for replies, page by page, as it keeps them for a week."""

import hashlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Raw
from recado_core import AccountContext, AccountError, InboundMessage, PermanentSendError

from recado_kolmeya.connection import Connection
from recado_kolmeya.parts import read_each, values_of
from recado_kolmeya.receipts import read_code
from recado_kolmeya.replies import read_campaign_reply, read_reply
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.wire import CampaignReply, RepliesPage, RepliesRequest, Reply

logger = logging.getLogger(__name__)

Entry = TypeVar("Entry", bound=msgspec.Struct)
Read = Callable[[Entry, tzinfo], InboundMessage | None]

MOST_HOURS = 168
_HOUR = timedelta(hours=1)
_MOST_PAGES = 10_000
_NOT_FOR_US = frozenset({"403", "404", "405", "422"})


class ReplyPoll:
    """Reads one account's replies."""

    def __init__(self, context: AccountContext, connection: Connection) -> None:
        self._account = context.account
        self._settings: KolmeyaSettings = context.settings
        self._zone = ZoneInfo(self._settings.timezone)
        self._now = context.now
        self._connection = connection
        self._is_refused = False

    async def pages(self, since: datetime) -> AsyncIterator[list[InboundMessage]]:
        """Yield the replies to what was sent by API, then those to web campaigns."""
        hours = hours_since(since, self._now())
        async for entries in _pages(self._connection, self._settings.replies_path, hours):
            yield _read(entries, Reply, read_reply, self._zone)
        if self._settings.campaign_replies:
            async for page in self._campaign_pages(hours):
                yield page

    async def _campaign_pages(self, hours: int) -> AsyncIterator[list[InboundMessage]]:
        """Yield the replies to web campaigns; none if the account may not ask for them.

        It is in order for all that: it has just been told of the others.
        """
        path = self._settings.campaign_replies_path
        try:
            async for entries in _pages(self._connection, path, hours):
                yield _read(entries, CampaignReply, read_campaign_reply, self._zone)
            self._is_refused = False
        except (AccountError, PermanentSendError) as error:
            if error.code not in _NOT_FOR_US:
                raise
            if not self._is_refused:
                logger.warning(
                    "kolmeya tells no replies to web campaigns; "
                    "campaign_replies = false stops the asking",
                    extra={"account": self._account, "code": error.code, "said": error.text},
                )
            self._is_refused = True


def hours_since(since: datetime, now: datetime) -> int:
    """Return the whole hours to ask for, from 1 to Kolmeya's 168."""
    return min(max(math.ceil((now - since) / _HOUR), 1), MOST_HOURS)


async def _pages(connection: Connection, path: str, hours: int) -> AsyncIterator[Iterable[Raw]]:
    """Yield the entries of each page.

    That a page can be asked for is not documented: a service that passes over the wish answers
    with the first page again, or with one that it has numbered otherwise. One that always names a
    further page is left after as many as its first said there were.
    """
    seen: set[bytes] = set()
    most = _MOST_PAGES
    number = 1
    while True:
        asked = RepliesRequest(hours, None if number == 1 else number)
        page = connection.read(await connection.ask(path, asked), RepliesPage)
        entries = values_of(page.data)
        if not entries:
            return
        mark = hashlib.sha256(b"".join(map(bytes, entries))).digest()
        if number > 1 and (mark in seen or read_code(page.current_page) != number):
            _tell_first_only(path)
            return
        seen.add(mark)
        yield entries
        if not _goes_on(page, number):
            return
        most = _most_pages(page) if number == 1 else most
        if number >= most:
            logger.warning(
                "kolmeya names ever more pages of replies", extra={"path": path, "pages": number}
            )
            return
        number += 1


def _most_pages(page: RepliesPage) -> int:
    """Return how many pages to read at most; some replies may come meanwhile."""
    total, each = read_code(page.total), read_code(page.per_page)
    if total is None or not each or each < 0:
        return _MOST_PAGES
    return min(math.ceil(total / each) + 2, _MOST_PAGES)


@lru_cache(maxsize=16)
def _tell_first_only(path: str) -> None:
    logger.warning("kolmeya gives no further page of replies", extra={"path": path})


def _goes_on(page: RepliesPage, number: int) -> bool:
    if page.next_page_url is not UNSET:
        return bool(page.next_page_url)
    last = read_code(page.last_page)
    return last is not None and number < last


def _read(
    entries: Iterable[Raw], kind: type[Entry], read: Read[Entry], zone: tzinfo
) -> list[InboundMessage]:
    found = (read(entry, zone) for entry in read_each(entries, kind))
    return [message for message in found if message is not None]
