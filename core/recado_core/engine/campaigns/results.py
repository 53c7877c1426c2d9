"""What became of each recipient of a campaign, a page or a stream at a time."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec

from recado_core.engine.campaigns.views import CampaignRecipient, RecipientPage, RecipientStatus
from recado_core.engine.clients.cursors import make_list_cursor, read_list_cursor
from recado_core.engine.store.database import Database
from recado_core.engine.store.money import from_millionths
from recado_core.engine.store.statements import campaigns, recipients

Row = dict[str, Any]

AT_ONCE = 2000
"""Recipients that are read at once for an export."""
DUPLICATE = "duplicate: "
"""How the fault of a recipient begins whom the audience has already."""
LATE = "not sent: "
"""How that begins of one whose message could not be made when their turn came."""

_Position = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class CampaignResults:
    """Joins the recipients of campaigns with their messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, campaign: Row, limit: int, cursor: str | None, status: str | None
    ) -> RecipientPage:
        """Return some of a campaign's recipients.

        Args:
            campaign: Whose.
            limit: How many at the most.
            cursor: What the page before gave.
            status: That of those who are wanted: a message's, or a ``RecipientStatus``.

        Raises:
            DraftError: The cursor is not one of ours, or of another list.
        """
        listed = f"{campaign['id']} {status or ''}"
        if status is not None and status not in set(RecipientStatus):
            last_id = str(read_list_cursor(cursor, listed, UUID)) if cursor else ""
            return await self._page_of_messages(campaign, status, limit, last_id, listed)
        after = read_list_cursor(cursor, listed, _Position) if cursor else 0
        if status == RecipientStatus.DELETED:
            return RecipientPage(items=[], next_cursor=None)  # nothing says which
        rows = await self._rows(campaign, status, limit + 1, after)
        last = rows[limit - 1]["position"] if len(rows) > limit else None
        return RecipientPage(
            items=await self._join(campaign, rows[:limit]),
            next_cursor=make_list_cursor(listed, last) if last is not None else None,
        )

    async def first(self, campaign: Row, limit: int) -> list[CampaignRecipient]:
        """Return the recipients of a campaign's first messages."""
        async with self._database.read() as connection:
            sent = await campaigns.oldest_messages(connection, campaign["id"], limit)
            positions = [message["recipient"] for message in sent]
            rows = await recipients.at(connection, campaign["audience_id"], positions)
        return [_tell(rows[each["recipient"]], each, campaign["position"]) for each in sent]

    async def export(self, campaign: Row) -> AsyncIterator[list[CampaignRecipient]]:
        """Yield all of a campaign's recipients, some at a time."""
        after = 0
        while True:
            rows = await self._rows(campaign, None, AT_ONCE, after)
            if not rows:
                return
            yield await self._join(campaign, rows)
            after = rows[-1]["position"]

    async def _rows(self, campaign: Row, status: str | None, limit: int, after: int) -> list[Row]:
        audience_id = campaign["audience_id"]
        async with self._database.read() as connection:
            if status is None:
                return await recipients.following(connection, audience_id, after, limit)
            if status == RecipientStatus.PENDING:
                after = max(after, campaign["position"])
                return await recipients.usable(connection, audience_id, after, limit)
            repeats = status == RecipientStatus.DUPLICATE
            return await recipients.faulty(
                connection, audience_id, after, limit, begins=DUPLICATE, so=repeats
            )

    async def _page_of_messages(
        self, campaign: Row, status: str, limit: int, after: str, listed: str
    ) -> RecipientPage:
        async with self._database.read() as connection:
            found = await campaigns.messages_in(
                connection, campaign["id"], status, after, limit + 1
            )
            sent = found[:limit]
            positions = [message["recipient"] for message in sent]
            rows = await recipients.at(connection, campaign["audience_id"], positions)
        return RecipientPage(
            items=[_tell(rows[each["recipient"]], each, campaign["position"]) for each in sent],
            next_cursor=make_list_cursor(listed, sent[-1]["id"]) if len(found) > limit else None,
        )

    async def _join(self, campaign: Row, rows: Sequence[Row]) -> list[CampaignRecipient]:
        addresses = {row["address"] for row in rows if row["position"] <= campaign["position"]}
        sent: dict[int, Row] = {}
        if addresses:
            async with self._database.read() as connection:
                sent = await campaigns.messages_of(connection, campaign["id"], addresses)
        return [_tell(row, sent.get(row["position"]), campaign["position"]) for row in rows]


def _tell(row: Row, message: Row | None, position: int) -> CampaignRecipient:
    known = {name: row[name] for name in ("position", "line", "address", "fault")}
    if message is None:
        return CampaignRecipient(**known, status=_status(row, position))
    return CampaignRecipient(
        **known,
        status=message["status"],
        message_id=message["id"],
        account=message["account"],
        text=message["text"],
        segments=message["segments"],
        code=message["code"],
        status_text=message["status_text"],
        cost=None if message["cost"] is None else from_millionths(message["cost"]),
        status_at=message["status_at"],
    )


def _status(row: Row, position: int) -> RecipientStatus:
    if row["fault"] is None:
        pending = row["position"] > position
        return RecipientStatus.PENDING if pending else RecipientStatus.DELETED
    repeated = row["fault"].startswith(DUPLICATE)
    return RecipientStatus.DUPLICATE if repeated else RecipientStatus.INVALID
