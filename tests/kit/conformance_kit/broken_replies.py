"""Providers that read too much, too little or something else when asked for replies."""

from datetime import timedelta

import msgspec
from recado_core import InDoubtError, PermanentSendError, SendError
from recado_core.testing.clock import MONDAY_NOON
from toy_conformance import TestConformance as Good
from toy_faults import toy
from toy_provider import ToyProvider


class Mumbling(ToyProvider):
    async def poll_replies(self, since):
        async for page in super().poll_replies(since):
            yield [
                msgspec.structs.replace(r, text=r.text.encode("ascii", "ignore").decode())
                for r in page
            ]


class TestMumbling(Good):
    breaks = "test_polled_replies_are_read"
    provider_type = toy(Mumbling)


class TestZoneless(Good):
    """The provider tells the vendor's time as it stands, and its author believes it."""

    breaks = "test_polled_replies_are_read"

    def replies_told(self):
        answers, told = super().replies_told()
        at = "2026-01-05T11:30:00"
        pages = [msgspec.json.decode(answer.content) for answer in answers]
        for page in pages:
            page["replies"][0]["at"] = at
        naive = msgspec.convert(at, type(MONDAY_NOON))
        return (
            [type(answers[0])(200, json=page) for page in pages],
            [msgspec.structs.replace(reply, received_at=naive) for reply in told],
        )


class Hoarding(ToyProvider):
    async def poll_replies(self, since):
        yield [reply async for page in super().poll_replies(since) for reply in page]


class TestHoarding(Good):
    breaks = "test_next_page_of_replies_waits_until_this_one_was_taken"
    provider_type = toy(Hoarding)


class Hurrying(ToyProvider):
    async def poll_replies(self, since):
        for page in [page async for page in super().poll_replies(since)]:
            yield page


class TestHurrying(Good):
    breaks = "test_next_page_of_replies_waits_until_this_one_was_taken"
    provider_type = toy(Hurrying)


class TestOnePage(Good):
    breaks = "test_next_page_of_replies_waits_until_this_one_was_taken"

    def replies_told(self):
        answers, told = super().replies_told()
        return answers[1], told[1:]


class Shrugging(ToyProvider):
    async def poll_replies(self, since):
        first = True
        try:
            async for page in super().poll_replies(since):
                yield page
                first = False
        except SendError:
            if first:
                raise


class TestShrugging(Good):
    breaks = "test_page_taken_stands_when_the_next_one_fails"
    provider_type = toy(Shrugging)


class Renumbering(ToyProvider):
    async def poll_replies(self, since):
        async for page in super().poll_replies(since):
            yield [msgspec.structs.replace(r, provider_ref=f"poll-{r.provider_ref}") for r in page]


class TestRenumbering(Good):
    breaks = "test_polled_reply_bears_the_reference_of_its_webhook"
    provider_type = toy(Renumbering)

    def replies_told(self):
        answers, told = super().replies_told()
        return answers, [
            msgspec.structs.replace(r, provider_ref=f"poll-{r.provider_ref}") for r in told
        ]


class Narrow(ToyProvider):
    async def poll_replies(self, since):
        if MONDAY_NOON - since > timedelta(days=7):
            raise PermanentSendError("the vendor remembers a week")
        async for page in super().poll_replies(since):
            yield page


class TestNarrow(Good):
    breaks = "test_replies_of_any_age_can_be_asked_for"
    provider_type = toy(Narrow)


class Breaking(ToyProvider):
    async def poll_replies(self, since):
        first = True
        try:
            async for page in super().poll_replies(since):
                yield page
                first = False
        except InDoubtError as error:
            if first:
                raise ValueError("no replies") from error
            raise


class TestBreaking(Good):
    breaks = "test_unanswered_question_is_a_send_error"
    provider_type = toy(Breaking)
