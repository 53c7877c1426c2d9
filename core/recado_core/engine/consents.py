"""What people's replies say of their consent: opt-out, opt-in, one confirmation, the history."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.addresses import mask
from recado_core.contract import Channel
from recado_core.engine.drafts import HIGHEST_PRIORITY, Draft, compose, new_row
from recado_core.engine.failures import DraftError
from recado_core.engine.identifiers import new_id
from recado_core.engine.keywords import ConsentAct, Keywords, Spoken
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store import consents, events, messages
from recado_core.engine.store import suppressions as store
from recado_core.engine.suppressing import Entry, Suppressing
from recado_core.messages import Category, Status, SuppressionReason

log = logging.getLogger(__name__)

Row = dict[str, Any]

CONFIRMED_FOR = timedelta(hours=24)
"""How long after an answer the same act has no other: two machines must not talk for ever."""
AFTER_PROVIDER = timedelta(seconds=30)
"""How long the answer to an opt-in waits for the provider to hear first that it may send."""
BY_REPLY = "reply"
"""The source of what a person's own message did."""


class Consents:
    """Does what people's words ask for, in the transaction that takes their messages in."""

    def __init__(
        self, settings: EngineSettings, channels: Mapping[str, Channel], suppressing: Suppressing
    ) -> None:
        said = settings.opt_out
        self._keywords = Keywords(said)
        every = set(said.categories) == set(Category)
        self._categories = [""] if every else [str(each) for each in said.categories]
        self._channels = channels
        self._region = settings.default_region
        self._suppressing = suppressing

    async def take(self, connection: AsyncConnection, rows: Sequence[Row], now: datetime) -> None:
        """Look at MOs that are new, in the order in which they came, for words of consent."""
        for row in sorted(rows, key=lambda row: (row["created_at"], row["id"])):
            spoken = self._keywords.find(row["text"])
            if spoken is None:
                continue
            if spoken.act is ConsentAct.OPT_OUT:
                changed = await self._opt_out(connection, row, now)
            else:
                changed = await self._opt_in(connection, row, now)
            confirmation_id = None
            if changed and spoken.reply:
                confirmation_id = await self._confirm(connection, row, spoken, now)
            told = history_row(
                row,
                spoken.act,
                now,
                source=BY_REPLY,
                keyword=spoken.keyword,
                message_id=row["id"],
                confirmation_id=confirmation_id,
            )
            await consents.append(connection, [told])

    async def _opt_out(self, connection: AsyncConnection, row: Row, now: datetime) -> bool:
        entries = [
            Entry(
                address=row["address"],
                channel=row["channel"],
                category=category,
                reason=SuppressionReason.OPT_OUT,
                source=BY_REPLY,
            )
            for category in self._categories
        ]
        return bool((await self._suppressing.put(connection, entries, now)).added)

    async def _opt_in(self, connection: AsyncConnection, row: Row, now: datetime) -> bool:
        """Lift every opt-out of the address in this channel, however it came about."""
        there = await store.concerning(connection, [row["address"]])
        ids = [
            entry["id"]
            for entry in there
            if entry["reason"] == SuppressionReason.OPT_OUT
            and entry["channel"] in {"", row["channel"]}
        ]
        return bool(await self._suppressing.drop(connection, ids, now, why=BY_REPLY))

    async def _confirm(
        self, connection: AsyncConnection, row: Row, spoken: Spoken, now: datetime
    ) -> str | None:
        """Answer the person once, past the checks; return the answer's id."""
        since = now - CONFIRMED_FOR
        confirmed = await consents.confirmed_since(connection, [row["address"]], since)
        if (row["address"], spoken.act) in confirmed:
            return None
        draft = Draft(
            to=row["address"],
            channel=row["channel"],
            text=spoken.reply,
            priority=HIGHEST_PRIORITY,
        )
        try:
            composed = compose(draft, self._channels, self._region, now)
        except DraftError as error:
            log.warning(
                "an opt-out or opt-in can't be confirmed",
                extra={"address": mask(row["address"]), "reason": str(error)},
            )
            return None
        answer = new_row(composed, [row["account"]], now)
        answer |= {"answers_id": row["id"], "unchecked": True}
        if spoken.act is ConsentAct.OPT_IN and self._suppressing.is_telling(row["account"]):
            answer["due_at"] = now + AFTER_PROVIDER
        await messages.insert(connection, [answer])
        told = events.new_event(
            "message.accepted",
            now,
            message_id=answer["id"],
            account=answer["account"],
            to_status=Status.QUEUED,
            data={"confirms": spoken.act},
        )
        await events.append(connection, [told])
        return str(answer["id"])


def history_row(  # noqa: PLR0913  # an act, and all that is known of it
    about: Row,
    act: ConsentAct,
    now: datetime,
    *,
    source: str,
    keyword: str | None = None,
    message_id: str | None = None,
    confirmation_id: str | None = None,
) -> Row:
    """Return the row of an act of the person that a message or an entry is about."""
    return {
        "id": new_id(),
        "address": about["address"],
        "channel": about["channel"],
        "act": act,
        "time": now,
        "source": source,
        "keyword": keyword,
        "message_id": message_id,
        "confirmation_id": confirmation_id,
    }
