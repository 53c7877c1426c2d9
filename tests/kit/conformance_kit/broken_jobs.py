"""Providers that hold another job than they are told, or say that they did."""

from recado_core import TransientSendError
from toy_conformance import TestConformance as Good
from toy_faults import toy
from toy_provider import ToyProvider


class Forgetful(ToyProvider):
    async def hold_job(self, job):
        await super().hold_job(job[:1])


class TestForgetful(Good):
    breaks = "test_job_is_named_to_the_vendor_and_held_by_another_call_than_released"
    provider_type = toy(Forgetful)


class OneWay(ToyProvider):
    async def release_job(self, job):
        await super().hold_job(job)


class TestOneWay(Good):
    breaks = "test_job_is_named_to_the_vendor_and_held_by_another_call_than_released"
    provider_type = toy(OneWay)


class HopefulOfJobs(ToyProvider):
    async def hold_job(self, job):
        try:
            await super().hold_job(job)
        except TransientSendError:
            return


class TestHopefulOfJobs(Good):
    breaks = "test_failed_change_of_a_job_is_reported"
    provider_type = toy(HopefulOfJobs)
