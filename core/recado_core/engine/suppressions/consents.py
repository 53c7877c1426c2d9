"""What people's replies say of their consent: opt-out, opt-in, one confirmation, the history."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.addresses import forms_of, mask
from recado_core.contract import Channel
from recado_core.engine.failures import DraftError
from recado_core.engine.messages import conversing
from recado_core.engine.messages.drafts import HIGHEST_PRIORITY, Draft, compose, new_row
from recado_core.engine.messages.telling import Telling
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import consents, events, messages
from recado_core.engine.store.statements import suppressions as store
from recado_core.engine.suppressions.keywords import ConsentAct, Keywords, Spoken
from recado_core.engine.suppressions.suppressing import Entry, Suppressing
from recado_core.errors import AddressError
from recado_core.messages import Category, Status, SuppressionReason

log = logging.getLogger(__name__)

Row = dict[str, Any]

CONFIRMED_FOR = timedelta(hours=24)
"""How long after an answer the same act has no other: two machines must not talk for ever."""
AFTER_PROVIDER = timedelta(seconds=30)
"""How long the answer to an opt-in waits for the provider to hear first that it may send."""
LONGEST_KEYWORD = 64
BY_REPLY = "reply"
"""The source of what a person's own message did."""


class Consents:
    """Does what people's words ask for, in the transaction that takes their messages in."""

    def __init__(
        self,
        settings: EngineSettings,
        channels: Mapping[str, Channel],
        suppressing: Suppressing,
        telling: Telling,
    ) -> None:
        said = settings.opt_out
        self._keywords = Keywords(said)
        every = set(said.categories) == set(Category)
        self._categories = [""] if every else [str(each) for each in said.categories]
        self._channels = channels
        self._region = settings.default_region
        self._suppressing = suppressing
        self._telling = telling

    async def take(self, connection: AsyncConnection, rows: Sequence[Row], now: datetime) -> None:
        """Look at MOs that are new for words of consent, the older ones first.

        What was written earlier may come later, so that the time at which it was written counts: an
        older word is only noted where a newer one is known.
        """
        for row in sorted(rows, key=lambda row: (row["created_at"], row["id"])):
            spoken = self._keywords.find(row["text"])
            if spoken is None or not row["address"]:
                continue
            about = row | {"address": self._normalise(row)}
            said_at = min(row["created_at"], now)
            confirmation_id = None
            if not await self._is_outdated(connection, about, spoken.act, said_at):
                act = self._opt_out if spoken.act is ConsentAct.OPT_OUT else self._opt_in
                if await act(connection, about, now) and spoken.reply:
                    confirmation_id = await self._confirm(connection, about, spoken, now)
            told = history_row(
                about,
                spoken.act,
                said_at,
                source=BY_REPLY,
                keyword=spoken.keyword[:LONGEST_KEYWORD],
                message_id=row["id"],
                confirmation_id=confirmation_id,
            )
            await consents.append(connection, [told])

    def _normalise(self, row: Row) -> str:
        """Return the sender of an MO in the form in which messages to it have it."""
        address: str = row["address"]
        channel = self._channels.get(row["channel"])
        try:
            return channel.normalise_address(address, self._region) if channel else address
        except AddressError:  # a short code, or a name: it is compared as it is
            return address

    @staticmethod
    async def _is_outdated(
        connection: AsyncConnection, about: Row, act: ConsentAct, said_at: datetime
    ) -> bool:
        """Tell whether the person has said the opposite since.

        An opt-in gives way to a later opt-out from anywhere, an opt-out only to a later reply: who
        took an entry off the list by hand did not know of it.
        """
        opposite = ConsentAct.OPT_IN if act is ConsentAct.OPT_OUT else ConsentAct.OPT_OUT
        forms = forms_of(about["address"])
        sources = await consents.sources_since(
            connection, forms, about["channel"], opposite, said_at
        )
        return BY_REPLY in sources or (act is ConsentAct.OPT_IN and bool(sources))

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
        put = await self._suppressing.put(connection, entries, now)
        return bool(put.added or put.prolonged)

    async def _opt_in(self, connection: AsyncConnection, row: Row, now: datetime) -> bool:
        """Lift every opt-out of the address in this channel, however it came about."""
        there = await store.concerning(connection, forms_of(row["address"]))
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
        forms = forms_of(row["address"])
        if spoken.act in await consents.confirmed_since(connection, forms, since):
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
        await self._telling.tell(connection, [told], {told["id"]: answer})
        await conversing.note_sent(connection, [answer], now, self._telling)
        return str(answer["id"])


def history_row(  # noqa: PLR0913  # an act, and all that is known of it
    about: Row,
    act: ConsentAct,
    time: datetime,
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
        "time": time,
        "source": source,
        "keyword": keyword,
        "message_id": message_id,
        "confirmation_id": confirmation_id,
    }
