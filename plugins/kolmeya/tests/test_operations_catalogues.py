import httpx
import pytest
from recado_core import PermanentSendError
from recado_kolmeya.operations import catalogues

from .account import open_account, open_world


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_segments_are_the_cost_centres():
    async with open_world(segments=("8103:VENDAS", "8105:COBRANÇA")) as (_, account):
        told = await account.run("segments")
    assert [(each.id, each.name) for each in told.segments] == [
        (8103, "VENDAS"),
        (8105, "COBRANÇA"),
    ]
    assert account.progress == [(1, 1)]


async def test_apis_are_the_brokers():
    async with open_world() as (_, account):
        told = await account.run("apis")
    assert told == catalogues.Apis(apis=[catalogues.Api(id=47, name="Kolmeya")])


async def test_layouts_come_with_their_columns():
    async with open_world() as (_, account):
        (layout,) = (await account.run("layouts")).layouts
    assert (layout.id, layout.name) == (301, "Padrão")
    assert [(i.id, i.name, i.type, i.position) for i in layout.items] == [
        (901, "Nome", "name", 2),
        (902, "Vencimento", "text", 3),
    ]


@pytest.mark.parametrize(
    "body",
    [
        [{"id": 47, "name": "Kolmeya"}],
        {"apis": [{"id": 47, "name": "Kolmeya"}]},
        {"apis": {"0": {"id": "47", "name": "Kolmeya"}}},
        {"apis": {"id": 47, "name": "Kolmeya"}},
    ],
)
async def test_list_is_read_bare_and_under_its_name(body):
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    async with open_account(vendor, None) as account:
        told = await account.run("apis")
    assert told == catalogues.Apis(apis=[catalogues.Api(id=47, name="Kolmeya")])


async def test_row_that_cannot_be_read_is_left_out_and_counted():
    rows = [{"id": 1, "name": "A"}, {"name": "no id"}, 7, {"id": "x"}, {"id": 2, "name": None}]
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, json={"segments": rows}))
    async with open_account(vendor, None) as account:
        told = await account.run("segments")
    assert [each.id for each in told.segments] == [1, 2]
    assert told.unreadable == 3


async def test_webhook_test_tells_what_the_address_answered():
    async with open_world() as (world, account):
        good = await account.run("webhook", webhook_url="https://gateway.example.com/w")
        world.bench.mailbox.status = 404
        bad = await account.run("webhook", webhook_url="https://gateway.example.com/w")
    assert (good.code_returned, bad.code_returned) == (200, 404)
    assert [each.url for each in world.bench.mailbox.deliveries] == [
        "https://gateway.example.com/w"
    ] * 2


async def test_address_that_kolmeya_does_not_like_is_refused_in_its_words():
    async with open_world() as (_, account):
        with pytest.raises(PermanentSendError, match=r"422: .*valid URL"):
            await account.run("webhook", webhook_url="http://:80/w")
