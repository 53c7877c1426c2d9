"""Everything that can happen between a provider and its vendor."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import cast

import httpx
import msgspec

from recado_core.contract import (
    Operation,
    Provider,
    SupportsBalance,
    SupportsLookup,
    SupportsPollStatuses,
    SupportsVerifyCredentials,
    Suppressed,
)
from recado_core.messages import OutboundBatch
from recado_core.testing.failures import all_failures, answer_with
from recado_core.testing.payloads import walk
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.replies import pages_of
from recado_core.testing.stage import Answers, Scene
from recado_core.testing.suppression import change_list
from recado_core.testing.vendor import Reply

Call = Callable[[Provider], Awaitable[object]]

NUMBER = re.compile(r"\+\d{9,15}")

UNHELPFUL: dict[str, Reply] = {
    "401": answer_with(401, "html"),
    "503": answer_with(503, "html"),
    "200 html": answer_with(200, "html"),
    "silence": httpx.ReadTimeout("kit: no answer in time"),
}


class ProviderScenes(ProviderStage):
    """The scenes that the provider's declaration allows."""

    def scenes(self) -> Iterator[Scene[Provider]]:
        """Yield them: sending first, then every capability and operation."""
        for batch in self.batches():
            yield from self._sendings(batch)
        batch = self.batch()
        for questions in (self._questions(batch), self._changes(), self._operations()):
            for name, call, answered in questions:
                for number, answers in enumerate(answered, start=1):
                    yield Scene(name=f"{name} {number}", call=call, answers=answers)
                for failure, reply in UNHELPFUL.items():
                    yield Scene(name=f"{name}, {failure}", call=call, answers=reply, fails=True)

    def addresses(self) -> list[str]:
        """Return whose numbers, and CPFs, the scenes carry."""
        can = self.provider_type.capabilities
        found = [message.to for batch in self.batches() for message in batch.messages]
        if can.poll_replies:
            found += [reply.sender for reply in self.replies_told()[1]]
        if can.suppress:
            found += [text for e in self._entries() for text in (e.address, e.document) if text]
        for request, _, reply in self.operations_told.values():
            values = [json.loads(msgspec.json.encode(struct)) for struct in (request, reply)]
            texts = [text for value in values for _, text in walk(value) if isinstance(text, str)]
            found += [text for text in texts if NUMBER.fullmatch(text)]
        return found

    def own_secrets(self) -> dict[str, str]:
        """Return the token in the webhook's address."""
        return {"the webhook token": self.webhook_url.rpartition("/")[2]}

    def _sendings(self, batch: OutboundBatch) -> Iterator[Scene[Provider]]:
        kind = batch.messages[0].category
        send: Call = lambda provider: provider.send(batch)  # noqa: E731  # named for its type
        yield Scene(name=f"{kind} accepted", call=send, answers=self.accepted(batch))
        for given, answer in (("rejected", self.rejected), ("listed", self.listed)):
            if self.gives(given):
                yield Scene(name=f"{kind} {given}", call=send, answers=answer(batch))
        for name, (reply, _) in all_failures().items():
            yield Scene(name=f"{kind} send, {name}", call=send, answers=reply, fails=True)

    def _questions(self, batch: OutboundBatch) -> Iterator[tuple[str, Call, list[Answers]]]:
        can = self.provider_type.capabilities
        if can.lookup:
            answers = [self.lookup_found(batch), self.lookup_missing()]
            yield "lookup", lambda p: cast("SupportsLookup", p).lookup(batch), answers
        if can.poll_statuses:
            told = self.statuses_told(batch)[0]
            yield "poll_statuses", _polling(batch.reference), [told]
        if can.poll_replies:
            yield "poll_replies", _read_replies, [self.replies_told()[0]]
        if can.balance:
            amount = self.balance_told()[0]
            yield "balance", lambda p: cast("SupportsBalance", p).balance(), [amount]
        if can.verify_credentials:
            yield "verify_credentials", _verify, [self.credentials_confirmed()]

    def _changes(self) -> Iterator[tuple[str, Call, list[Answers]]]:
        if self.provider_type.capabilities.suppress:
            entries = self._entries()
            for change, answer in (
                ("suppress", self.suppressed(entries)),
                ("unsuppress", self.unsuppressed(entries)),
            ):
                yield change, partial(change_list, change=change, entries=entries), [answer]

    def _operations(self) -> Iterator[tuple[str, Call, list[Answers]]]:
        for operation in self.provider_type.operations:
            if operation.name in self.operations_told:
                request, answers, _ = self.operations_told[operation.name]
                yield f"operation {operation.name}", _operating(operation, request), [answers]

    def _entries(self) -> list[Suppressed]:
        return [self.entry(index) for index in range(1, 4)]


def _polling(reference: str) -> Call:
    return lambda provider: cast("SupportsPollStatuses", provider).poll_statuses(reference)


async def _read_replies(provider: Provider) -> None:
    async for _ in pages_of(provider):
        pass


def _operating(operation: Operation, request: msgspec.Struct) -> Call:
    return lambda provider: operation.call(provider, request, lambda _done, _total: None)


def _verify(provider: Provider) -> Awaitable[str]:
    return cast("SupportsVerifyCredentials", provider).verify_credentials()
