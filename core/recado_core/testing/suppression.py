"""What a provider must do when its vendor keeps a suppression list."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import cast

import httpx
import pytest

from recado_core.contract import Provider, SupportsLookup, Suppressed
from recado_core.errors import PermanentSendError
from recado_core.messages import OutboundBatch, Outcome, SendResult, SuppressionReason
from recado_core.testing.disclosure import TELLING_DIGITS
from recado_core.testing.failures import find_wrong, question_failures
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.stage import Answers

CHANGES = ("suppress", "unsuppress")

Asking = Callable[[Provider, OutboundBatch], Awaitable[Sequence[SendResult]]]
"""How a provider comes to tell of a batch."""


class SuppressionTests(ProviderStage):
    """Addresses put on the vendor's list and taken off it, and messages to those on it."""

    async def test_listed_recipients_are_suppressed(self) -> None:
        """As a rejection, it would tell nobody that the vendor never sends there."""
        if not self.gives("listed"):
            pytest.skip("no listed(batch) is given")
        for batch in self.batches():
            async with self.facing(self.listed(batch)) as trial:
                results = await trial.plugin.send(batch)
            assert sorted(r.message_id for r in results) == sorted(m.id for m in batch.messages)
            assert {r.outcome for r in results} == {Outcome.SUPPRESSED}, results

    async def test_only_a_suppressed_message_has_a_reason_for_it(self) -> None:
        """The gateway's list learns of each, and keeps what comes later from the address."""
        for result in await self.results_told():
            assert isinstance(result.suppression, SuppressionReason | None), result
            assert result.suppression is None or result.outcome is Outcome.SUPPRESSED, result

    @pytest.mark.parametrize("change", CHANGES)
    async def test_entries_go_onto_the_list_and_off_it(self, change: str) -> None:
        """Somebody left out would be written to against their will, or never again."""
        self.declares("suppress")
        entries = self.entries(3)
        async with self.facing(self.changed(change, entries)) as trial:
            told = await change_list(trial.plugin, change, entries)
        assert told is None
        sent = [text for request in trial.vendor.requests for text in self.sent_texts(request)]
        sent += [str(request.url) for request in trial.vendor.requests]
        for entry in entries:
            assert any(entry.address[-TELLING_DIGITS:] in text for text in sent), entry
            assert any((entry.document or "") in text for text in sent), entry

    @pytest.mark.parametrize("change", CHANGES)
    async def test_full_list_goes_out_in_one_request(self, change: str) -> None:
        """Two requests for one call could fail apart; ``max_suppress`` is what one carries."""
        self.declares("suppress")
        entries = self.entries(self.provider_type.capabilities.max_suppress)
        async with self.facing(self.changed(change, entries)) as trial:
            await change_list(trial.plugin, change, entries)
        assert len(trial.vendor.requests) == 1

    @pytest.mark.parametrize("change", CHANGES)
    async def test_failed_change_of_the_list_is_reported(self, change: str) -> None:
        """Whoever believes that an address is blocked must be right."""
        self.declares("suppress")
        wrong = []
        for name, (answer, expected) in question_failures().items():
            async with self.facing(answer) as trial:
                call = change_list(trial.plugin, change, self.entries(1))
                if came := await find_wrong(call, expected):
                    wrong.append(f"{name}: {came}")
        assert not wrong, "\n".join(wrong)

    async def results_told(self) -> list[SendResult]:
        """Return every result that the author's answers come to."""
        results: list[SendResult] = []
        for batch in self.batches():
            for ask, answers in self._askings(batch):
                async with self.facing(answers) as trial:
                    with suppress(PermanentSendError):  # all were refused at once
                        results += await ask(trial.plugin, batch)
        return results

    def _askings(self, batch: OutboundBatch) -> Iterator[tuple[Asking, Answers]]:
        yield send, self.accepted(batch)
        if self.gives("rejected"):
            yield send, self.rejected(batch)
        if self.gives("listed"):
            yield send, self.listed(batch)
        if self.provider_type.capabilities.lookup:
            yield look_up, self.lookup_found(batch)

    def entries(self, size: int) -> list[Suppressed]:
        """Return entries for the list, no two alike."""
        return [self.entry(index) for index in range(1, size + 1)]

    def changed(self, change: str, entries: Sequence[Suppressed]) -> httpx.Response:
        """Return the vendor's answer to one of ``CHANGES``."""
        return self.suppressed(entries) if change == "suppress" else self.unsuppressed(entries)


async def change_list(provider: Provider, change: str, entries: Sequence[Suppressed]) -> object:
    """Return what one of ``CHANGES`` returns: the kit asks for None."""
    returned: object = await getattr(provider, change)(entries)
    return returned


async def send(provider: Provider, batch: OutboundBatch) -> Sequence[SendResult]:
    """Return what the provider tells when it sends."""
    return await provider.send(batch)


async def look_up(provider: Provider, batch: OutboundBatch) -> Sequence[SendResult]:
    """Return what the provider tells when it is asked afterwards."""
    return (await cast("SupportsLookup", provider).lookup(batch)).results
