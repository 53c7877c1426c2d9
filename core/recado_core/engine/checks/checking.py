"""Running the checks, the gateway's own and plugins' alike, in batches, each within its time."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from recado_core.checks import Answer, Check, Deferral, OnFailure, Recipient, Refusal
from recado_core.engine.grouping import Grouping
from recado_core.engine.settings import CheckSettings
from recado_core.engine.store.vendor_words import LONGEST_CODE, clip_code, clip_text
from recado_core.errors import ConfigurationError

log = logging.getLogger(__name__)

LAST_YEAR = 9998
"""The last year that a check may name; beyond it no time can be reckoned with."""
AT_ONCE = 1000
"""Recipients of one call at the most."""
CALLS = 4
"""Calls that one large batch makes at the same time."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What all checks together say of one message.

    ``held`` are the checks that could not answer, and whose messages wait until they can.
    """

    refusals: tuple[Refusal, ...] = ()
    deferrals: tuple[Deferral, ...] = ()
    held: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[Refusal | Deferral, ...]:
        """Return why the message may not go now: what forbids it, or else what puts it off."""
        return self.refusals or self.deferrals


CLEAR = Verdict()
"""The verdict on a message that may go."""


def are_clear(verdicts: Sequence[Verdict]) -> bool:
    """Tell whether all of them are that messages may go, as mostly."""
    return verdicts.count(CLEAR) == len(verdicts)


class Checking:
    """Asks every check about messages.

    Args:
        checks: In the order in which their reasons are told.
        settings: What the operator says of them instead, by the check's id.

    Raises:
        ConfigurationError: Two checks have one id, one has a long one, or the settings name one
            that does not exist.
    """

    def __init__(self, checks: Sequence[Check], settings: Mapping[str, CheckSettings]) -> None:
        known = [check.id for check in checks]
        for name in known:
            if len(name) > LONGEST_CODE:
                raise ConfigurationError(
                    f"gateway.plugins: the check's id {name} is longer than {LONGEST_CODE}"
                )
            if known.count(name) > 1:
                raise ConfigurationError(f"gateway.plugins: two checks have the id {name}")
        for name in settings:
            if name not in known:
                raise ConfigurationError(
                    f"checks.{name}: there is no such check; there is {', '.join(known)}"
                )
        self._asked = [_Asked(check, settings.get(check.id, CheckSettings())) for check in checks]
        self._group = Grouping(self._judge_units, weigh=len, limit=AT_ONCE)

    async def judge(self, recipients: Sequence[Recipient]) -> list[Verdict]:
        """Return a verdict for every recipient, in their order."""
        if not self._asked or not recipients:
            return [CLEAR] * len(recipients)
        slots = asyncio.Semaphore(CALLS)

        async def judge_part(part: Sequence[Recipient]) -> list[Verdict]:
            async with slots:
                return await self._judge_call(part)

        return list(chain(*await asyncio.gather(*map(judge_part, _parts(recipients)))))

    async def judge_grouped(self, recipients: Sequence[Recipient]) -> list[Verdict]:
        """Judge few recipients together with those of others who ask at the same time."""
        if len(recipients) > AT_ONCE:
            return await self.judge(recipients)
        return await self._group.submit(recipients)

    async def _judge_units(self, units: list[Sequence[Recipient]]) -> list[list[Verdict]]:
        verdicts = iter(await self.judge(list(chain(*units))))
        return [[next(verdicts) for _ in unit] for unit in units]

    async def _judge_call(self, recipients: Sequence[Recipient]) -> list[Verdict]:
        said = await asyncio.gather(*(each.ask(recipients) for each in self._asked))
        if not any(map(any, said)):  # as it is with most
            return [CLEAR] * len(recipients)
        return [_verdict(answers) for answers in zip(*said, strict=True)]


class Hold:
    """A check could not answer, and its messages wait until it can."""

    def __init__(self, check: str) -> None:
        self.check = check


class _Asked:
    """One check: asked within its time, and told of in the log when it fails and when it is back.

    One that fails, is late or answers what means nothing can't answer: its ``on_failure`` says
    whether its messages go on or wait.
    """

    def __init__(self, check: Check, settings: CheckSettings) -> None:
        self._check = check
        self._time_limit = settings.time_limit or check.time_limit
        holds = (settings.on_failure or check.on_failure) is OnFailure.HOLD
        self._silence = Hold(check.id) if holds else None
        self._failing = False

    async def ask(self, recipients: Sequence[Recipient]) -> Sequence[Answer | Hold]:
        try:
            async with asyncio.timeout(self._time_limit):
                answers = await self._check.check(recipients)
            said = _read(answers, len(recipients))
        except (Exception, asyncio.CancelledError) as error:
            # A check may wait for a task of its own that is cancelled; that cancels none of us.
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            if not self._failing:
                log.exception("check can't answer", extra={"check": self._check.id})
            self._failing = True
            return [self._silence] * len(recipients)
        if self._failing:
            log.info("check answers again", extra={"check": self._check.id})
        self._failing = False
        return said


def tell_reasons(reasons: Sequence[Refusal | Deferral]) -> str:
    """Return what checks say, as one line."""
    return "; ".join(each.reason for each in reasons)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _parts(recipients: Sequence[Recipient]) -> Iterator[Sequence[Recipient]]:
    return (recipients[at : at + AT_ONCE] for at in range(0, len(recipients), AT_ONCE))


def _read(answers: Sequence[Answer], count: int) -> list[Answer]:
    """Return what a check says as the store takes it, or raise if it means nothing."""
    if len(answers) != count:
        raise ValueError(f"{len(answers)} answers for {count} recipients")
    said = list(answers)
    if said.count(None) == count:  # as it is with most
        return said
    return [None if answer is None else _read_one(answer) for answer in answers]


def _read_one(answer: Refusal | Deferral) -> Refusal | Deferral:
    if not isinstance(answer, Refusal | Deferral):
        raise TypeError(f"answers with {type(answer).__name__}")
    if not isinstance(answer.check, str) or not isinstance(answer.reason, str):
        raise TypeError("answers without a check's id, or without a reason")
    if answer.until is not None:
        if answer.until.tzinfo is None:
            raise ValueError("answers with a time without a zone")
        if answer.until.year > LAST_YEAR:
            raise ValueError(f"answers with a time in the year {answer.until.year}")
    check, reason = clip_code(answer.check), clip_text(answer.reason)
    if (check, reason) == (answer.check, answer.reason):
        return answer
    return msgspec.structs.replace(answer, check=check, reason=reason)


def _verdict(answers: Sequence[Answer | Hold]) -> Verdict:
    if not any(answers):
        return CLEAR
    return Verdict(
        refusals=tuple(answer for answer in answers if isinstance(answer, Refusal)),
        deferrals=tuple(answer for answer in answers if isinstance(answer, Deferral)),
        held=tuple(answer.check for answer in answers if isinstance(answer, Hold)),
    )
