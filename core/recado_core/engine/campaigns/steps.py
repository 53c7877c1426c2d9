"""Walking the audience of a campaign: the next recipients, and their messages, in one transaction.

The campaign is moved on only from where it was when its recipients were read. So whatever breaks
off, and however many nodes walk, everyone gets exactly one message.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.accept.accepting import Accept, OvertakenError
from recado_core.engine.campaigns.results import LATE
from recado_core.engine.campaigns.rules import is_recipients, messages_to
from recado_core.engine.campaigns.views import CampaignStatus
from recado_core.engine.failures import DraftError
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import campaigns, recipients

Row = dict[str, Any]

SUSPICIOUS = 10
"""Of so many recipients of whom none can be sent to, none is at fault."""


class CampaignFaultError(Exception):
    """No message of the campaign can be made; the text says why."""


class _NoneMadeError(Exception):
    """No message of a step can be made; the text says why the first can't."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was made: up to which position, with how many messages."""

    position: int
    messages: int


class CampaignSteps:
    """Takes campaigns forward."""

    def __init__(self, accept: Accept, database: Database, now: Callable[[], datetime]) -> None:
        self._accept = accept
        self._database = database
        self._now = now

    async def take(
        self,
        campaign: Row,
        most: int,
        statuses: Collection[CampaignStatus],
        credit: float | None = None,
    ) -> Step | None:
        """Accept the messages of a campaign's next recipients; None: there is no further one.

        Args:
            campaign: As it was read.
            most: How many recipients are taken at the most.
            statuses: Those in which the campaign must still be.
            credit: How many messages its throttle lets go now; None if it has none.

        Raises:
            OvertakenError: The campaign is not where it was, or in none of these statuses.
            CampaignFaultError: Something is wrong with all messages; nothing was changed.
        """
        audience_id = campaign["audience_id"]
        async with self._database.read() as connection:
            rows = await recipients.following(connection, audience_id, campaign["position"], most)
        if not rows:
            return None
        try:
            return await self._walk(campaign, rows, statuses, credit)
        except _NoneMadeError as error:
            if await self._fits_none(campaign, rows):
                raise CampaignFaultError(f"no message can be sent: {error}") from None
        return await self._walk(campaign, rows, statuses, credit, doubt=False)

    async def _walk(
        self,
        campaign: Row,
        rows: Sequence[Row],
        statuses: Collection[CampaignStatus],
        credit: float | None,
        *,
        doubt: bool = True,
    ) -> Step:
        """Accept the messages of these recipients, or raise as ``take`` does.

        Args:
            campaign: As it was read.
            rows: The recipients, who are the next ones.
            statuses: As in ``take``.
            credit: As in ``take``.
            doubt: Whether ``_NoneMadeError`` is raised, and nothing changed, if none can be made.
        """
        now = self._now()
        usable = [row for row in rows if row["fault"] is None]
        common: list[Exception] = []

        async def move_on(connection: AsyncConnection, faults: Sequence[DraftError | None]) -> bool:
            common[:] = _of_the_campaign(faults, doubt=doubt)
            if common:
                return False
            late = {
                row["position"]: LATE + "; ".join(each.detail for each in fault.faults)
                for row, fault in zip(usable, faults, strict=True)
                if fault is not None
            }
            moved: Row = {"position": rows[-1]["position"]} | _left_out(campaign, late)
            if credit is not None:
                moved |= {"fed_at": now, "credit": credit - faults.count(None)}
            if not await campaigns.move_on(connection, campaign, statuses, **moved):
                return False
            if _is_its_own(campaign):
                await recipients.fault(connection, campaign["id"], late, now)
            return True

        try:
            faults = await self._accept.walk(*messages_to(campaign, usable), move_on)
        except OvertakenError:
            if common:
                raise common[0] from None
            raise
        return Step(position=rows[-1]["position"], messages=faults.count(None))

    async def _fits_none(self, campaign: Row, rows: Sequence[Row]) -> bool:
        """Tell whether a campaign of which none of these can be sent is at fault, and not they.

        That is so if nobody near them can be sent to either, or else of the first of all.
        """
        audience_id = campaign["audience_id"]
        theirs = {row["position"] for row in rows}
        async with self._database.read() as connection:
            after = rows[-1]["position"]
            others = await recipients.usable(connection, audience_id, after, SUSPICIOUS)
            if len(others) < SUSPICIOUS:
                first = await recipients.usable(connection, audience_id, 0, SUSPICIOUS)
                others += [row for row in first if row["position"] not in theirs]
        made = await self._accept.rehearse(*messages_to(campaign, others))
        return all(isinstance(each, DraftError) for each in made)


def _is_its_own(campaign: Row) -> bool:
    """Tell whether a campaign has its audience for itself; the runs of a schedule share one."""
    same: bool = campaign["audience_id"] == campaign["id"]
    return same


def _left_out(campaign: Row, late: Mapping[int, str]) -> Row:
    """Return the reason of a run that says who first got no message, and why.

    The audience does not: for the other runs, what was wrong may be right again.
    """
    if not late or _is_its_own(campaign) or campaign["reason"] is not None:
        return {}
    position, why = min(late.items())
    return {"reason": f"some got no message; the first, at position {position}: {why}"}


def _of_the_campaign(faults: Sequence[DraftError | None], *, doubt: bool) -> list[Exception]:
    """Return what is wrong, or may be, with every message of a campaign; nothing if all is well."""
    found = [error for error in faults if error is not None]
    for error in found:
        for fault in error.faults:
            if not is_recipients(fault):
                text = f"{fault.pointer.removeprefix('/')}: {fault.detail}"
                return [CampaignFaultError(text)]
    if doubt and found and len(found) == len(faults):
        return [_NoneMadeError(str(found[0]))]
    return []
