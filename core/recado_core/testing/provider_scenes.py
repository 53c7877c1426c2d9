"""Everything that can happen between a provider and its vendor."""

from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import httpx

from recado_core.contract import (
    Provider,
    SupportsBalance,
    SupportsLookup,
    SupportsPollStatuses,
    SupportsVerifyCredentials,
)
from recado_core.messages import OutboundBatch
from recado_core.testing.failures import all_failures, answer_with
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.stage import Answers, Scene
from recado_core.testing.vendor import Reply

Call = Callable[[Provider], Awaitable[object]]

UNHELPFUL: dict[str, Reply] = {
    "401": answer_with(401, "html"),
    "503": answer_with(503, "html"),
    "200 html": answer_with(200, "html"),
    "silence": httpx.ReadTimeout("kit: no answer in time"),
}


class ProviderScenes(ProviderStage):
    """The scenes that the provider's declaration allows."""

    def scenes(self) -> Iterator[Scene[Provider]]:
        """Yield them: sending first, then every capability."""
        batch = self.batch()
        send: Call = lambda provider: provider.send(batch)  # noqa: E731  # named for its type
        yield Scene(name="accepted", call=send, answers=self.accepted(batch))
        if self.gives("rejected"):
            yield Scene(name="rejected", call=send, answers=self.rejected(batch))
        for name, (reply, _) in all_failures().items():
            yield Scene(name=f"send, {name}", call=send, answers=reply, fails=True)
        for name, call, answered in self._questions(batch):
            for number, answers in enumerate(answered, start=1):
                yield Scene(name=f"{name} {number}", call=call, answers=answers)
            for failure, reply in UNHELPFUL.items():
                yield Scene(name=f"{name}, {failure}", call=call, answers=reply, fails=True)

    def addresses(self) -> list[str]:
        """Return whom the sample messages go to."""
        return [message.to for message in self.batch().messages]

    def own_secrets(self) -> dict[str, str]:
        """Return the token in the webhook's address."""
        return {"the webhook token": self.webhook_url.rpartition("/")[2]}

    def _questions(self, batch: OutboundBatch) -> Iterator[tuple[str, Call, list[Answers]]]:
        can = self.provider_type.capabilities
        if can.lookup:
            answers = [self.lookup_found(batch), self.lookup_missing()]
            yield "lookup", lambda p: cast("SupportsLookup", p).lookup(batch), answers
        if can.poll_statuses:
            told = self.statuses_told(batch)[0]
            yield "poll_statuses", _polling(batch.reference), [told]
        if can.balance:
            amount = self.balance_told()[0]
            yield "balance", lambda p: cast("SupportsBalance", p).balance(), [amount]
        if can.verify_credentials:
            yield "verify_credentials", _verify, [self.credentials_confirmed()]


def _polling(reference: str) -> Call:
    return lambda provider: cast("SupportsPollStatuses", provider).poll_statuses(reference)


def _verify(provider: Provider) -> Awaitable[str]:
    return cast("SupportsVerifyCredentials", provider).verify_credentials()
