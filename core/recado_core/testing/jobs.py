"""What a provider must do when campaigns may have jobs of their own at its vendor."""

import pytest

from recado_core.contract import Provider
from recado_core.testing.failures import find_wrong, question_failures
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.stage import Answers

CHANGES = ("hold_job", "release_job")


class JobTests(ProviderStage):
    """Jobs that are held and let go on."""

    job = "5000001"
    """A name that a job could have at the vendor."""

    def job_changed(self, change: str) -> Answers:
        """Return the vendor's answer when it does one of ``CHANGES`` to ``job``."""
        raise NotImplementedError(f"jobs is declared: give the answer to {change}")

    async def test_job_is_named_to_the_vendor_and_held_by_another_call_than_released(self) -> None:
        """Another job than the campaign's would be held, or this one for ever."""
        self.declares("jobs")
        sent: list[list[str]] = []
        for change in CHANGES:
            async with self.facing(self.job_changed(change)) as trial:
                told = await change_job(trial.plugin, change, self.job)
            assert told is None
            requests = trial.vendor.requests
            sent.append([text for request in requests for text in self.sent_texts(request)])
            sent[-1] += [str(request.url) for request in requests]
            assert any(self.job in text for text in sent[-1]), change
        assert sent[0] != sent[1], "held and released by the same words"

    @pytest.mark.parametrize("change", CHANGES)
    async def test_failed_change_of_a_job_is_reported(self, change: str) -> None:
        """Whoever believes that nothing goes any more must be right."""
        self.declares("jobs")
        wrong = []
        for name, (answer, expected) in question_failures().items():
            async with self.facing(answer) as trial:
                if came := await find_wrong(change_job(trial.plugin, change, self.job), expected):
                    wrong.append(f"{name}: {came}")
        assert not wrong, "\n".join(wrong)


async def change_job(provider: Provider, change: str, job: str) -> object:
    """Return what one of ``CHANGES`` returns: the kit asks for None."""
    returned: object = await getattr(provider, change)(job)
    return returned
