import json

import httpx
import pytest
from recado_core import (
    AccountContext,
    AccountError,
    Outcome,
    PermanentSendError,
    Secret,
    Suppressed,
    TransientSendError,
)
from recado_core.testing import FakeVendor
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.settings import KolmeyaSettings, PhoneStyle
from recado_kolmeya.simulator.switches import Fault, FaultKind

from .bench import batch, message, open_gateway

CPF = "11144477735"
ONE = Suppressed(address="+5511900000001")
CHANGES = {"suppress": "store", "unsuppress": "destroy"}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def provider_of(vendor, **settings):
    return KolmeyaProvider(
        AccountContext(
            account="kolmeya_main",
            settings=KolmeyaSettings(**({"token": Secret("a-token-of-tests")} | settings)),
            http=vendor.client(),
            now=None,
        )
    )


async def change(answer, name="suppress", entries=(ONE,), **settings):
    vendor = FakeVendor(answer)
    await getattr(provider_of(vendor, **settings), name)(entries)
    return vendor.requests


def bodies(requests):
    return [json.loads(request.content) for request in requests]


@pytest.mark.parametrize("style", PhoneStyle)
@pytest.mark.parametrize(("name", "path"), CHANGES.items())
async def test_blacklist_is_asked_with_national_phones_as_texts(name, path, style):
    entries = [ONE, Suppressed(address="+551130000001", document=CPF)]
    (request,) = await change(httpx.Response(201), name, entries, phone_style=style)
    assert str(request.url) == f"https://kolmeya.com.br/api/v1/blacklist/{path}"
    assert bodies([request]) == [
        {"phones": [{"phone": "11900000001"}, {"phone": "1130000001", "document": CPF}]}
    ]


async def test_blacklist_is_asked_as_the_account_is_set():
    (request,) = await change(httpx.Response(204), tenant_id=12, blacklist_path="sms/blacklist")
    assert request.url.path == "/api/v1/sms/blacklist/store"
    assert bodies([request]) == [{"phones": [{"phone": "11900000001"}], "tenant_id": 12}]


async def test_phone_of_elsewhere_is_left_out_as_kolmeya_never_reaches_it():
    foreign = Suppressed(address="+12025550123")
    (request,) = await change(httpx.Response(201), entries=[foreign, ONE])
    assert bodies([request]) == [{"phones": [{"phone": "11900000001"}]}]
    assert await change(httpx.Response(201), entries=[foreign]) == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(201),
        httpx.Response(204),
        httpx.Response(200, text=" \n"),
        httpx.Response(200, json={"message": "ok"}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"errors": []}),
    ],
)
async def test_success_needs_no_words(answer):
    assert len(await change(answer)) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401, json={"message": "Unauthenticated."}), AccountError),
        (httpx.Response(403, json={"message": "Forbidden."}), AccountError),
        (httpx.Response(302), AccountError),
        (httpx.Response(404, json={"errors": ["Not found."]}), PermanentSendError),
        (
            httpx.Response(422, json={"message": "x", "errors": {"phones": ["y"]}}),
            PermanentSendError,
        ),
        (httpx.Response(200, json={"errors": ["y"]}), PermanentSendError),
        (httpx.Response(200, json={"error": "y"}), PermanentSendError),
        (httpx.Response(200, text="<title>Login</title>"), TransientSendError),
        (httpx.Response(429), TransientSendError),
        (httpx.Response(500), TransientSendError),
        (httpx.ReadTimeout("silence"), TransientSendError),
        (httpx.ConnectError("down"), TransientSendError),
    ],
)
@pytest.mark.parametrize("name", CHANGES)
async def test_anything_else_is_an_error(name, answer, error):
    with pytest.raises(error):
        await change(answer, name)


async def test_error_shows_no_whole_number():
    refused = httpx.Response(200, json={"errors": ["5511900000001 e 111.444.777-35"]})
    with pytest.raises(PermanentSendError) as caught:
        await change(refused)
    assert "900000001" not in f"{caught.value} {caught.value.raw}"


# ---------------------------------------------------------------- against the simulator


@pytest.mark.parametrize("style", PhoneStyle)
@pytest.mark.parametrize("tenant", [None, 12])
async def test_suppressed_phone_gets_nothing_until_it_is_released(style, tenant):
    async with open_gateway({"phone_style": style, "tenant_id": tenant}) as gateway:
        outcomes = []
        for step in (None, "suppress", "suppress", "unsuppress", "unsuppress"):
            if step:
                await getattr(gateway.provider, step)([ONE])
            (result,) = await gateway.provider.send(batch(message(ONE.address)))
            outcomes.append((result.outcome, result.code))
    taken, suppressed = (Outcome.ACCEPTED, None), (Outcome.SUPPRESSED, "blacklist")
    assert outcomes == [taken, suppressed, suppressed, taken, taken]


async def test_phone_of_one_person_stays_open_to_others():
    entry = Suppressed(address=ONE.address, document=CPF)
    async with open_gateway() as gateway:
        await gateway.provider.suppress([entry])
        blacklist = gateway.bench.simulator.world.state.blacklist
        assert blacklist.documents == {(11900000001, CPF)}
        (result,) = await gateway.provider.send(batch(message(ONE.address)))
        await gateway.provider.unsuppress([entry])
        assert not blacklist.documents
    assert result.outcome is Outcome.ACCEPTED


async def test_thousand_phones_go_in_one_call():
    entries = [Suppressed(address=f"+55119{number:08d}") for number in range(1, 1001)]
    async with open_gateway() as gateway:
        await gateway.provider.suppress(entries)
        state = gateway.bench.simulator.world.state
        assert len(state.blacklist.phones) == 1000
        assert state.calls["/v1/blacklist/store"] == 1
        with pytest.raises(PermanentSendError, match="1000"):
            await gateway.provider.suppress([*entries, ONE])


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("name", CHANGES)
async def test_every_fault_may_be_tried_again(name, kind):
    fault = Fault(kind=kind, next=1, path="blacklist/")
    async with open_gateway(faults=(fault,), timeout_seconds=0.01) as gateway:
        change_list = getattr(gateway.provider, name)
        with pytest.raises(TransientSendError):
            await change_list([ONE])
        await change_list([ONE])
        assert len(gateway.bench.simulator.world.state.blacklist.phones) == (name == "suppress")


@pytest.mark.parametrize("form", ["message", "errors"])
async def test_bad_token_changes_no_list(form):
    async with open_gateway({"token": Secret("another-token")}, error_form=form) as gateway:
        with pytest.raises(AccountError, match="Unauthenticated"):
            await gateway.provider.suppress([ONE])
