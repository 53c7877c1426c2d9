import pytest
from recado_core import TransientSendError
from recado_kolmeya.settings import PhoneStyle
from recado_kolmeya.simulator.switches import Fault, FaultKind

from .account import open_world

CPF = "11144477735"


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def listed(world):
    answer = await world.bench.http.get("http://kolmeya.test/_simulator/blacklist")
    return answer.json()["phones"]


@pytest.mark.parametrize("style", PhoneStyle)
async def test_phones_are_listed_for_everybody_or_for_one_person_and_taken_off(style):
    entries = [
        {"phone": "+5511900000001"},
        {"phone": "11 90000-0002", "document": "111.444.777-35"},
        {"phone": "5511900000003", "document": CPF},
    ]
    async with open_world({"phone_style": style}) as (world, account):
        stored = await account.run("blacklist-store", phones=entries)
        before = await listed(world)
        refused = await world.store(11900000001)
        destroyed = await account.run("blacklist-destroy", phones=entries[:2])
        after = await listed(world)
    assert account.asked[0]["phones"][:2] == [
        {"phone": "11900000001"},
        {"phone": "11900000002", "document": CPF},
    ]
    assert (stored.phones, destroyed.phones) == (3, 2)
    assert before == [
        {"phone": "11900000001"},
        {"phone": "11900000002", "document": CPF},
        {"phone": "11900000003", "document": CPF},
    ]
    assert refused["valids"] == []
    assert after == [{"phone": "11900000003", "document": CPF}]
    assert account.progress == [(1, 1)]


async def test_thousand_phones_go_in_one_call():
    phones = [{"phone": f"+55119{number:08d}"} for number in range(1000)]
    async with open_world() as (world, account):
        done = await account.run("blacklist-store", phones=phones)
        assert len(await listed(world)) == done.phones == 1000
    assert len(account.exchanges) == 1


async def test_unanswered_change_is_no_success():
    async with open_world(faults=(Fault(kind=FaultKind.TIMEOUT),), timeout_seconds=0) as (
        _,
        account,
    ):
        with pytest.raises(TransientSendError):
            await account.run("blacklist-store", phones=[{"phone": "11900000001"}])
