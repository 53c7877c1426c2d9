"""What a provider must do when it declares more than sending."""

from decimal import Decimal
from typing import cast

import httpx
import pytest

from recado_core.contract import (
    Provider,
    SupportsBalance,
    SupportsLookup,
    SupportsPollStatuses,
    SupportsVerifyCredentials,
)
from recado_core.errors import AccountError, SendError
from recado_core.messages import InboundMessage, Outcome, Status, StatusUpdate
from recado_core.testing import failures
from recado_core.testing.failures import UNANSWERED, answer_with
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.replies import pages_of
from recado_core.testing.stage import Answers


class CapabilityTests(ProviderStage):
    """Declared capabilities work; undeclared ones are skipped."""

    def test_declared_receipts_and_replies_are_captured(self) -> None:
        """What no payload proves will not be understood on the day it comes."""
        can = self.provider_type.capabilities
        items = [item for items in self.webhooks.values() for item in items]
        if can.delivery_receipts and not can.poll_statuses:
            assert any(isinstance(i, StatusUpdate) for i in items), "no DLR among the payloads"
        if can.inbound and not can.poll_replies:
            assert any(isinstance(i, InboundMessage) for i in items), "no MO among the payloads"

    async def test_lookup_finds_a_batch_that_was_taken(self) -> None:
        """Found means that it is not sent again."""
        self.declares("lookup")
        for batch in self.batches():
            async with self.facing(self.lookup_found(batch)) as trial:
                found = await cast("SupportsLookup", trial.plugin).lookup(batch)
            assert found.found
            mine = {message.id for message in batch.messages}
            told = [result.message_id for result in found.results]
            assert sorted(told) == sorted(set(told) & mine), "results of other messages, or twice"
            accepted = [r for r in found.results if r.outcome is Outcome.ACCEPTED]
            assert all(result.provider_ref for result in accepted), found.results

    async def test_lookup_misses_a_batch_that_was_not(self) -> None:
        """Missing means that it is sent again."""
        self.declares("lookup")
        batch = self.batch()
        async with self.facing(self.lookup_missing()) as trial:
            found = await cast("SupportsLookup", trial.plugin).lookup(batch)
        assert not found.found
        assert not found.results

    async def test_lookup_asks_for_the_reference_that_was_sent(self) -> None:
        """Whatever else it asked for would be missing, and the batch sent again."""
        self.declares("lookup")
        for batch in self.batches():
            async with self.facing(self.accepted(batch)) as trial:
                await trial.plugin.send(batch)
            assert self.carries(trial.vendor.requests, batch.reference), "not sent"
            async with self.facing(self.lookup_found(batch)) as trial:
                await cast("SupportsLookup", trial.plugin).lookup(batch)
            assert self.carries(trial.vendor.requests, batch.reference), "not asked for"

    def carries(self, requests: list[httpx.Request], reference: str) -> bool:
        """Tell whether a reference, with or without its dashes, stands in a request."""
        texts = [text for request in requests for text in self.sent_texts(request)]
        texts += [str(request.url) for request in requests]
        return any(reference.replace("-", "") in text.replace("-", "") for text in texts)

    @pytest.mark.parametrize("answer", UNANSWERED)
    async def test_lookup_never_guesses(self, answer: str) -> None:
        """A batch reported as missing while the vendor is down would be sent twice."""
        self.declares("lookup")
        batch = self.batch()
        async with self.facing(UNANSWERED[answer]) as trial:
            with pytest.raises(SendError):
                await cast("SupportsLookup", trial.plugin).lookup(batch)

    async def test_polled_statuses_are_read(self) -> None:
        """Polling settles what no webhook has."""
        self.declares("poll_statuses")
        batch = self.batch()
        answers, told = self.statuses_told(batch)
        async with self.facing(answers) as trial:
            polled = await cast("SupportsPollStatuses", trial.plugin).poll_statuses(batch.reference)
        assert polled == list(told)
        assert all(update.status is not Status.UNKNOWN for update in polled)

    async def test_balance_is_read(self) -> None:
        """In the account's currency, to the cent."""
        self.declares("balance")
        answers, amount = self.balance_told()
        async with self.facing(answers) as trial:
            balance = await cast("SupportsBalance", trial.plugin).balance()
        assert isinstance(balance, Decimal)
        assert balance == amount

    async def test_good_credentials_are_confirmed(self) -> None:
        """The operator reads the line that comes back."""
        self.declares("verify_credentials")
        assert (await self.verified(self.credentials_confirmed())).strip()

    @pytest.mark.parametrize("status", failures.ACCOUNT)
    async def test_bad_credentials_are_refused(self, status: int) -> None:
        """A check that always succeeds helps nobody."""
        self.declares("verify_credentials")
        with pytest.raises(AccountError):
            await self.verified(answer_with(status, "message"))

    async def verified(self, answers: Answers) -> str:
        """Return the line of ``verify_credentials`` when the vendor answers this."""
        async with self.facing(answers) as trial:
            provider = cast("SupportsVerifyCredentials", trial.plugin)
            return await provider.verify_credentials()

    @pytest.mark.parametrize(
        "capability", ["poll_statuses", "poll_replies", "balance", "verify_credentials"]
    )
    async def test_unanswered_question_is_a_send_error(self, capability: str) -> None:
        """Whatever else came out would look like a fault of the plugin."""
        self.declares(capability)
        for answer in UNANSWERED.values():
            async with self.facing(answer) as trial:
                with pytest.raises(SendError):
                    await self.ask(capability, trial.plugin)

    async def ask(self, capability: str, provider: Provider) -> None:
        """Ask what a capability is there to be asked."""
        if capability == "poll_replies":
            async for _ in pages_of(provider):
                pass
            return
        arguments = [self.batch().reference] if capability == "poll_statuses" else []
        await getattr(provider, capability)(*arguments)
