"""What every provider must do when it sends."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from sys import maxsize

import msgspec
import pytest

from recado_core.errors import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
)
from recado_core.messages import Media, OutboundBatch, Outcome, SendResult
from recado_core.testing import failures
from recado_core.testing.failures import BODIES, SILENT, UNSENT, answer_with
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.stage import Answers

SLACK = 60
"""Seconds that a slow machine may take between a date and its reading."""

GARBAGE = sorted(BODIES.keys() - {"message"})  # a success with a message might mean something


class SendingTests(ProviderStage):
    """Acceptance, refusal, failure and doubt."""

    async def sent(self, batch: OutboundBatch, answers: Answers) -> list[SendResult]:
        """Return the provider's results when the vendor answers this."""
        async with self.facing(answers) as trial:
            return await trial.plugin.send(batch)

    async def refusals(self, answers: Answers) -> list[SendError]:
        """Return what the provider reports of each of ``batches`` when the vendor answers this."""
        errors = []
        for batch in self.batches():
            with pytest.raises(SendError) as caught:
                await self.sent(batch, answers)
            errors.append(caught.value)
        return errors

    async def test_accepted_batch_has_one_result_for_every_message(self) -> None:
        """A message without a result would wait for ever."""
        for batch in self.batches():
            results = await self.sent(batch, self.accepted(batch))
            assert sorted(r.message_id for r in results) == sorted(m.id for m in batch.messages)
            assert {r.outcome for r in results} == {Outcome.ACCEPTED}

    async def test_accepted_message_has_a_reference(self) -> None:
        """Without a reference no DLR can be matched."""
        for batch in self.batches():
            results = await self.sent(batch, self.accepted(batch))
            assert all(r.provider_ref for r in results), results

    async def test_full_batch_goes_out_in_one_request(self) -> None:
        """Two requests for one batch could fail apart, and ``lookup`` would know half."""
        for batch in self.batches(maxsize):
            async with self.facing(self.accepted(batch)) as trial:
                await trial.plugin.send(batch)
            assert len(trial.vendor.requests) == 1, f"{len(batch.messages)} messages"

    async def test_text_goes_out_unharmed(self) -> None:
        """Accents, emoji and quotes reach the vendor as the client wrote them."""
        for batch in self.batches():
            async with self.facing(self.accepted(batch)) as trial:
                await trial.plugin.send(batch)
            sent = [text for request in trial.vendor.requests for text in self.sent_texts(request)]
            for message in batch.messages:
                assert any(message.text in text for text in sent), message.text

    async def test_declared_media_goes_out(self) -> None:
        """A provider that declares media hands the file's address over."""
        if not self.provider_type.capabilities.media:
            pytest.skip("the provider declares no media")
        media = Media(url="https://files.example.com/kit.jpg", type="image/jpeg")
        message = msgspec.structs.replace(self.message(1), media=(media,))
        batch = OutboundBatch(reference=self.batch().reference, messages=(message,))
        async with self.facing(self.accepted(batch)) as trial:
            await trial.plugin.send(batch)
        sent = [text for request in trial.vendor.requests for text in self.sent_texts(request)]
        assert any(media.url in text for text in sent), "the media's address was not sent"

    async def test_declared_template_goes_out(self) -> None:
        """A provider that declares templates names the vendor's own, and what fills it."""
        if not self.provider_type.capabilities.templates:
            pytest.skip("the provider declares no templates")
        message = msgspec.structs.replace(self.message(1), text="", template=self.template)
        batch = OutboundBatch(reference=self.batch().reference, messages=(message,))
        async with self.facing(self.accepted(batch)) as trial:
            await trial.plugin.send(batch)
        sent = [text for request in trial.vendor.requests for text in self.sent_texts(request)]
        for said in (self.template.name, *self.template.variables.values()):
            assert any(said in text for text in sent), f"{said!r} was not sent"

    async def test_rejected_batch_is_refused_with_a_reason(self) -> None:
        """The operator reads the vendor's reason, not ours."""
        if not self.gives("rejected"):
            pytest.skip("no rejected(batch) is given")
        for batch in self.batches():
            try:
                results = await self.sent(batch, self.rejected(batch))
            except PermanentSendError as error:
                assert error.text.strip()  # noqa: PT017  # refusing all at once is as good
                continue
            assert sorted(r.message_id for r in results) == sorted(m.id for m in batch.messages)
            assert {r.outcome for r in results} <= {Outcome.REJECTED, Outcome.SUPPRESSED}, results
            assert all(r.code or r.text for r in results), results

    async def test_answer_that_forgets_a_message_loses_none(self) -> None:
        """A shorter answer leaves the rest in doubt; it never makes them disappear."""
        batches = [batch for batch in self.batches(2) if len(batch.messages) > 1]
        if not batches:
            pytest.skip("the provider sends one message at a time")
        for batch in batches:
            shorter = OutboundBatch(reference=batch.reference, messages=batch.messages[:1])
            try:
                results = await self.sent(batch, self.accepted(shorter))
            except InDoubtError:
                continue
            assert sorted(r.message_id for r in results) == sorted(m.id for m in batch.messages)

    @pytest.mark.parametrize("body", ["empty", "html", "message"])
    @pytest.mark.parametrize("status", failures.TRANSIENT)
    async def test_transient_answer_may_be_retried(self, status: int, body: str) -> None:
        """The engine sends the same batch again after a while."""
        for error in await self.refusals(answer_with(status, body)):
            assert isinstance(error, TransientSendError), repr(error)

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize("form", ["seconds", "date"])
    async def test_retry_after_is_passed_on(self, status: int, form: str) -> None:
        """The engine leaves the vendor alone for as long as it asks."""
        wanted = 170
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=wanted), usegmt=True)
        answer = answer_with(status, "message")
        answer.headers["retry-after"] = str(wanted) if form == "seconds" else at
        for error in await self.refusals(answer):
            waits = getattr(error, "retry_after", None)
            assert waits, f"retry_after is {waits} in {error!r}"
            assert wanted - SLACK <= waits <= wanted

    @pytest.mark.parametrize("status", [500, 502, 504])
    async def test_failed_server_may_have_taken_the_batch(self, status: int) -> None:
        """The engine asks ``lookup`` before it sends again."""
        if not self.provider_type.capabilities.lookup:
            pytest.skip("the provider declares no lookup")
        for error in await self.refusals(answer_with(status, "html")):
            assert getattr(error, "possibly_taken", True), repr(error)

    @pytest.mark.parametrize("failure", UNSENT)
    async def test_no_connection_is_transient(self, failure: str) -> None:
        """Nothing has left, so nothing can be sent twice."""
        for error in await self.refusals(UNSENT[failure]):
            assert isinstance(error, TransientSendError), repr(error)

    @pytest.mark.parametrize("failure", SILENT)
    async def test_silence_after_sending_is_in_doubt(self, failure: str) -> None:
        """The vendor may have taken the batch: sending again could double it."""
        for error in await self.refusals(SILENT[failure]):
            assert isinstance(error, InDoubtError), repr(error)

    @pytest.mark.parametrize("body", ["empty", "html", "message"])
    @pytest.mark.parametrize("status", failures.ACCOUNT)
    async def test_refused_credentials_stop_the_account(self, status: int, body: str) -> None:
        """Every further message would fail the same way until a person acts."""
        for error in await self.refusals(answer_with(status, body)):
            assert isinstance(error, AccountError), repr(error)

    @pytest.mark.parametrize("body", ["empty", "html", "message"])
    @pytest.mark.parametrize("status", failures.PERMANENT)
    async def test_permanent_answer_is_never_retried(self, status: int, body: str) -> None:
        """The engine gives these up at once, as an error or as a refusal of every message."""
        for batch in self.batches():
            try:
                results = await self.sent(batch, answer_with(status, body))
            except SendError as error:
                assert isinstance(error, PermanentSendError), repr(error)  # noqa: PT017
                continue
            assert sorted(r.message_id for r in results) == sorted(m.id for m in batch.messages)
            assert {r.outcome for r in results} == {Outcome.REJECTED}, results

    @pytest.mark.parametrize("body", GARBAGE)
    async def test_unreadable_success_is_in_doubt(self, body: str) -> None:
        """The vendor may have taken it: giving up would lose it, sending again double it."""
        for error in await self.refusals(answer_with(200, body)):
            assert isinstance(error, InDoubtError), repr(error)

    @pytest.mark.parametrize("body", ["html", "broken_json", "other_object"])
    @pytest.mark.parametrize("status", [200, 429, 500])
    async def test_unreadable_answer_is_kept(self, status: int, body: str) -> None:
        """The operator sees what the vendor really said."""
        for error in await self.refusals(answer_with(status, body)):
            assert BODIES[body][0] in (error.raw or ""), f"raw is {error.raw!r}"
