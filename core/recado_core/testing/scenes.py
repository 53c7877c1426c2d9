"""Everything that can happen between a provider and its vendor, played one by one."""

from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import httpx
import msgspec

from recado_core.contract import (
    Provider,
    SupportsBalance,
    SupportsLookup,
    SupportsPollStatuses,
    SupportsVerifyCredentials,
)
from recado_core.messages import OutboundBatch
from recado_core.testing.disclosure import tell_error
from recado_core.testing.failures import all_failures, answer_with
from recado_core.testing.stage import Answers, ProviderStage
from recado_core.testing.watch import Watch

Call = Callable[[Provider], Awaitable[object]]


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a provider, and what the vendor answers to it."""

    name: str
    call: Call
    answers: Answers
    fails: bool = False


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a scene: the error's whole text, the requests, the provider's ``repr``."""

    scene: Scene
    watch: Watch
    requests: list[httpx.Request]
    shown: str
    error: str = ""

    def texts(self) -> list[tuple[str, str]]:
        """Return what a person or a log may read, and where."""
        name = self.scene.name
        logs = [(f"{name}: a log record", text) for text in self.watch.logs]
        return [*logs, (f"{name}: the error", self.error), (f"{name}: repr", self.shown)]


async def play(stage: ProviderStage) -> list[Played]:
    """Play every scene that the provider's declaration allows."""
    return [await _play(stage, scene) for scene in [*_sending(stage), *_asking(stage)]]


async def _play(stage: ProviderStage, scene: Scene) -> Played:
    error = ""
    async with stage.facing(scene.answers) as trial:
        try:
            await scene.call(trial.provider)
        except Exception as raised:  # noqa: BLE001  # whatever it is, other tests judge its class
            error = tell_error(raised)
    return Played(
        scene=scene,
        watch=trial.watch,
        requests=trial.vendor.requests,
        shown=f"{trial.provider!r} {trial.provider}",
        error=error,
    )


def _sending(stage: ProviderStage) -> Iterator[Scene]:
    batch = stage.batch()
    yield Scene(name="accepted", call=_send(batch), answers=stage.accepted(batch))
    if stage.gives("rejected"):
        yield Scene(name="rejected", call=_send(batch), answers=stage.rejected(batch))
    for name, (reply, _) in all_failures().items():
        yield Scene(name=f"send, {name}", call=_send(batch), answers=reply, fails=True)


def _asking(stage: ProviderStage) -> Iterator[Scene]:
    batch = stage.batch()
    for capability, call, answers in _questions(stage, batch):
        for number, answer in enumerate(answers, start=1):
            yield Scene(name=f"{capability} {number}", call=call, answers=answer)
        yield Scene(
            name=f"{capability}, 401", call=call, answers=answer_with(401, "html"), fails=True
        )
        yield Scene(
            name=f"{capability}, 503", call=call, answers=answer_with(503, "html"), fails=True
        )
        yield Scene(
            name=f"{capability}, 200", call=call, answers=answer_with(200, "html"), fails=True
        )
        yield Scene(
            name=f"{capability}, silence", call=call, answers=httpx.ReadTimeout("kit"), fails=True
        )


def _questions(
    stage: ProviderStage, batch: OutboundBatch
) -> Iterator[tuple[str, Call, list[Answers]]]:
    can = stage.provider_type.capabilities
    if can.lookup:
        answers = [stage.lookup_found(batch), stage.lookup_missing()]
        yield "lookup", lambda p: cast("SupportsLookup", p).lookup(batch), answers
    if can.poll_statuses:
        poll = batch.reference
        told = stage.statuses_told(batch)[0]
        yield "poll_statuses", lambda p: cast("SupportsPollStatuses", p).poll_statuses(poll), [told]
    if can.balance:
        yield "balance", lambda p: cast("SupportsBalance", p).balance(), [stage.balance_told()[0]]
    if can.verify_credentials:
        confirmed = stage.credentials_confirmed()
        yield "verify_credentials", _verify, [confirmed]


def _send(batch: OutboundBatch) -> Call:
    return lambda provider: provider.send(batch)


def _verify(provider: Provider) -> Awaitable[str]:
    return cast("SupportsVerifyCredentials", provider).verify_credentials()
