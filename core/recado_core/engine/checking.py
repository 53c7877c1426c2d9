"""Running the checks that plugins registered, in batches, each within its time."""

import asyncio
import logging
from collections.abc import Sequence

from recado_core.checks import Check, OnFailure, Recipient, Refusal

log = logging.getLogger(__name__)


class Hold:
    """A check could not answer, and its messages wait until it can."""

    def __init__(self, check: str) -> None:
        self.check = check


Verdict = Refusal | Hold | None


async def run_checks(checks: Sequence[Check], recipients: Sequence[Recipient]) -> list[Verdict]:
    """Return for every recipient the first refusal, else a hold, else None.

    A check that fails, is late or answers for another number of recipients can't answer: its
    ``on_failure`` says whether its messages go on or wait.
    """
    verdicts: list[Verdict] = [None] * len(recipients)
    for check in checks:
        open_ = [at for at, verdict in enumerate(verdicts) if not isinstance(verdict, Refusal)]
        if not open_:
            break
        answers = await _ask(check, [recipients[at] for at in open_])
        for at, answer in zip(open_, answers, strict=True):
            verdicts[at] = answer or verdicts[at]
    return verdicts


async def _ask(check: Check, recipients: Sequence[Recipient]) -> Sequence[Verdict]:
    try:
        async with asyncio.timeout(check.time_limit):
            answers = await check.check(recipients)
        if len(answers) == len(recipients):
            return answers
        log.error("check answered for another number of recipients", extra={"check": check.id})
    except Exception:
        log.exception("check failed", extra={"check": check.id})
    held = Hold(check.id) if check.on_failure is OnFailure.HOLD else None
    return [held] * len(recipients)
