"""What the checks say of messages, and what becomes of those that may not go now."""

from collections.abc import Sequence
from typing import Any

import msgspec

from recado_core.checks import Recipient
from recado_core.engine.checks.checking import CLEAR, Checking, Verdict, are_clear, tell_reasons
from recado_core.engine.messages.batches import recipient_of
from recado_core.messages import Status

Row = dict[str, Any]


class Judging:
    """Asks the checks about messages that are to be accepted."""

    def __init__(self, checking: Checking) -> None:
        self._checking = checking

    async def judge(self, rows: Sequence[Row], documents: Sequence[str | None]) -> list[Verdict]:
        """Mark what the checks forbid, and put off what may not go yet.

        What they hold is checked when it is sent.

        Args:
            rows: The messages', in which it is marked.
            documents: Of each the person's document, if it names one.
        """
        recipients = [
            recipient_of(row, row["due_at"], document)
            for row, document in zip(rows, documents, strict=True)
        ]
        verdicts = await self._ask(recipients)
        if are_clear(verdicts):
            return verdicts
        for row, verdict in zip(rows, verdicts, strict=True):
            if verdict is CLEAR:
                continue
            if verdict.refusals:
                row |= {
                    "status": Status.SUPPRESSED,
                    "code": verdict.refusals[0].check,
                    "status_text": tell_reasons(verdict.refusals),
                }
            elif verdict.deferrals:
                until = max(deferral.until for deferral in verdict.deferrals)
                row |= {
                    "status": Status.SCHEDULED,
                    "scheduled_at": until,
                    "due_at": until,
                    "code": verdict.deferrals[0].check,
                    "status_text": tell_reasons(verdict.deferrals),
                }
        return verdicts

    async def _ask(self, recipients: Sequence[Recipient]) -> list[Verdict]:
        """Ask; of what is put off and forbidden only for now, for its time as well."""
        verdicts = await self._checking.judge_grouped(recipients)
        if are_clear(verdicts):
            return verdicts
        later = [
            index
            for index, verdict in enumerate(verdicts)
            if verdict is not CLEAR
            and verdict.deferrals
            and verdict.refusals
            and all(r.until for r in verdict.refusals)
        ]
        if later:
            again = await self._checking.judge_grouped(
                [
                    msgspec.structs.replace(
                        recipients[index], at=max(each.until for each in verdicts[index].deferrals)
                    )
                    for index in later
                ]
            )
            for index, verdict in zip(later, again, strict=True):
                if not verdict.refusals:
                    put_off = verdicts[index].deferrals + verdict.deferrals
                    verdicts[index] = Verdict(deferrals=put_off)
        return verdicts
