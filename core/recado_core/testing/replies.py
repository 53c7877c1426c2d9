"""What a provider must do when it can be asked for MO messages."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import cast

import pytest

from recado_core.contract import Provider, SupportsPollReplies
from recado_core.errors import SendError
from recado_core.messages import InboundMessage
from recado_core.testing.clock import MONDAY_NOON
from recado_core.testing.failures import ACCOUNT, UNANSWERED
from recado_core.testing.provider_stage import ProviderStage

SINCE = MONDAY_NOON - timedelta(hours=1)
"""Since when the kit asks for replies."""

LONG_AGO = MONDAY_NOON - timedelta(days=3650)
"""What no vendor remembers."""

ENDLESS = 1000
"""Pages after which a provider goes round in circles."""


FORBIDDEN = tuple(f"{status}" for status in ACCOUNT)
"""Failures of a later page that may mean a source which is not for this account."""


async def pages_of(
    provider: Provider, since: datetime = SINCE
) -> AsyncIterator[Sequence[InboundMessage]]:
    """Yield the pages of ``poll_replies``, but not for ever."""
    count = 0
    async for page in cast("SupportsPollReplies", provider).poll_replies(since):
        yield page
        count += 1
        assert count < ENDLESS, "the pages never end"


class ReplyTests(ProviderStage):
    """What people have written, page by page."""

    async def test_polled_replies_are_read(self) -> None:
        """Polling brings what no webhook has; a time without a zone is a guess."""
        self.declares("poll_replies")
        answers, told = self.replies_told()
        async with self.facing(answers) as trial:
            polled = [reply async for page in pages_of(trial.plugin) for reply in page]
        assert polled == list(told)
        for reply in polled:
            assert reply.provider_ref, reply
            assert reply.sender, reply
            assert reply.received_at is None or reply.received_at.tzinfo, reply

    async def test_next_page_of_replies_waits_until_this_one_was_taken(self) -> None:
        """Days of replies don't fit into memory, and the engine keeps each page as it comes."""
        self.declares("poll_replies")
        async with self.facing(self.replies_told()[0]) as trial:
            asked = [len(trial.vendor.requests) async for _ in pages_of(trial.plugin)]
            total = len(trial.vendor.requests)
        assert total > 1, "one request brought all: give the answers to two pages or more"
        early = asked[:-1] or asked  # the last page may well be of the last request
        assert all(count < total for count in early), f"{total} requests, {asked} at each page"

    async def test_page_taken_stands_when_the_next_one_fails(self) -> None:
        """What was read is kept, and the engine learns that there may be more."""
        self.declares("poll_replies")
        answers, _ = self.replies_told()
        async with self.facing(answers) as trial:
            asked = [len(trial.vendor.requests) async for _ in pages_of(trial.plugin)]
            total = len(trial.vendor.requests)
        if not asked or asked[0] == total:
            pytest.skip("no request follows the first page")
        for failure in (answer for name, answer in UNANSWERED.items() if name not in FORBIDDEN):
            async with self.facing(answers) as trial:
                pages = pages_of(trial.plugin)
                await anext(pages)
                trial.vendor.answer(failure)
                with pytest.raises(SendError):
                    [page async for page in pages]

    async def test_polled_reply_bears_the_reference_of_its_webhook(self) -> None:
        """Under another one the person would seem to have written twice."""
        self.declares("poll_replies")
        if not self.gives("reply_told_again"):
            pytest.skip("no reply_told_again() is given")
        payload, answers = self.reply_told_again()
        items = self.make_receiver().parse(self.sign(self.webhook_request(payload)))
        brought = {item.provider_ref for item in items if isinstance(item, InboundMessage)}
        assert brought, f"{payload} brings no reply"
        async with self.facing(answers) as trial:
            polled = [reply async for page in pages_of(trial.plugin) for reply in page]
        assert brought <= {reply.provider_ref for reply in polled}

    async def test_replies_of_any_age_can_be_asked_for(self) -> None:
        """After a long outage the engine asks for all of it; how far back to ask is known here."""
        self.declares("poll_replies")
        answers, _ = self.replies_told()
        async with self.facing(answers) as trial:
            old = [reply async for page in pages_of(trial.plugin, LONG_AGO) for reply in page]
        assert old
        async with self.facing(answers) as trial:
            [page async for page in pages_of(trial.plugin, MONDAY_NOON)]  # there may be none
