import pytest
from recado_core import PermanentSendError, SendError

from .account import open_world


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_job_is_held_while_it_sends_and_goes_on_when_released():
    async with open_world() as (world, account):
        job = await world.start_campaign(11900000001)
        campaigns = world.bench.simulator.world.state.campaigns
        await account.provider.hold_job(str(job))
        await world.advance(minutes=10)
        assert not campaigns[job].finished
        await account.provider.release_job(str(job))
        await world.advance(minutes=10)
        assert campaigns[job].finished


@pytest.mark.parametrize("job", ["7", "", "x", "01890000-0000-7000-8000-0000000000ff", "²", "../1"])
async def test_what_is_no_job_is_refused(job):
    async with open_world() as (_, account):
        for call in (account.provider.hold_job, account.provider.release_job):
            with pytest.raises(PermanentSendError):
                await call(job)
        assert len(account.exchanges) == (2 if job == "7" else 0), "only a number is asked for"


async def test_job_that_is_over_is_not_held():
    async with open_world() as (world, account):
        job = await world.start_campaign(11900000001)
        await world.advance(minutes=10)
        with pytest.raises(SendError, match="404"):
            await account.provider.hold_job(str(job))
