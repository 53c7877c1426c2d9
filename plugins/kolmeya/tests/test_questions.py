import json
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from recado_core import (
    AccountContext,
    AccountError,
    InDoubtError,
    LookupResult,
    OutboundBatch,
    OutboundMessage,
    Outcome,
    PermanentSendError,
    Secret,
    Status,
    StatusUpdate,
    TransientSendError,
)
from recado_core.testing import FakeVendor
from recado_kolmeya.money import read_money
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.settings import KolmeyaSettings

PAYLOADS = Path(__file__).parent / "payloads"
BATCH = "01890000-0000-7000-8000-0000000000ff"
TOKEN = "a-token-of-tests"


def payload(name):
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def message(n, to=None):
    return OutboundMessage(id=own(n), to=to or f"+551190000000{n}", text="Olá!")


def own(n):
    return f"01890000-0000-7000-8000-{n:012d}"


def vendors(n):
    return f"22222222-2222-4222-8222-{n:012d}"


def batch(*messages):
    return OutboundBatch(reference=BATCH, messages=messages)


def vendor_of(answer):
    is_body = isinstance(answer, dict)
    return FakeVendor(httpx.Response(200, json=answer) if is_body else answer)


def provider_of(vendor):
    return KolmeyaProvider(
        AccountContext(
            account="kolmeya_main",
            settings=KolmeyaSettings(token=Secret(TOKEN)),
            http=vendor.client(),
            now=None,
        )
    )


async def test_lookup_finds_what_was_taken():
    vendor = vendor_of(payload("status_request"))
    found = await provider_of(vendor).lookup(batch(message(1), message(3), message(2)))
    assert json.loads(vendor.requests[0].content) == {"reference": BATCH}
    assert found.found
    assert [(r.message_id, r.outcome, r.provider_ref) for r in found.results] == [
        (own(1), Outcome.ACCEPTED, vendors(1)),
        (own(2), Outcome.ACCEPTED, vendors(2)),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json=payload("status_missing")),
        httpx.Response(422, json={"message": "x", "errors": {"reference": ["inválida"]}}),
        httpx.Response(422, json={"errors": ["Referência não encontrada"]}),
        payload("status_request") | {"messages": []},
        payload("status_request") | {"messages": None},
    ],
)
async def test_lookup_of_an_unknown_batch_finds_nothing(answer):
    provider = provider_of(vendor_of(answer))
    assert await provider.lookup(batch(message(1))) == LookupResult(found=False)
    assert await provider.poll_statuses(BATCH) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404, text="<html>nginx</html>"), PermanentSendError),
        (
            httpx.Response(422, json={"message": "x", "errors": {"id": ["inválido"]}}),
            PermanentSendError,
        ),
        (httpx.Response(401, json={"message": "Unauthenticated."}), AccountError),
        (httpx.Response(429), TransientSendError),
        (httpx.Response(200, text="<html>"), TransientSendError),
        (httpx.Response(200, json={"message": "?"}), TransientSendError),
        (httpx.Response(200, json={"messages": [3]}), TransientSendError),
        (httpx.ReadTimeout("silence"), TransientSendError),
        (httpx.ConnectError("down"), TransientSendError),
    ],
)
async def test_lookup_without_a_clear_answer_raises(answer, error):
    with pytest.raises(error):
        await provider_of(vendor_of(answer)).lookup(batch(message(1)))


async def test_lookup_never_settles_a_batch_by_anothers_messages():
    with pytest.raises(InDoubtError):
        await provider_of(vendor_of(payload("status_request"))).lookup(batch(message(3)))


async def test_polling_tells_every_status():
    updates = await provider_of(vendor_of(payload("status_request"))).poll_statuses(BATCH)
    assert updates == [
        StatusUpdate(
            status=Status.DELIVERED,
            message_id=own(1),
            provider_ref=vendors(1),
            code="3",
            text="entregue",
        ),
        StatusUpdate(
            status=Status.SENT, message_id=own(2), provider_ref=vendors(2), code="2", text="enviado"
        ),
    ]


async def test_messages_keyed_by_position_are_polled():
    answer = payload("status_request")
    answer["messages"] = {str(n): entry for n, entry in enumerate(answer["messages"])}
    assert len(await provider_of(vendor_of(answer)).poll_statuses(BATCH)) == 2


# ---------------------------------------------------------------- balance and credentials


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("R$9.397,30", "9397.30"),
        ("R$ 9.397,30", "9397.30"),
        ("R$\xa01.009.397,30", "1009397.30"),
        ("R$0,05", "0.05"),
        ("-R$12,00", "-12.00"),
        ("R$ -12,00", "-12.00"),
        ("1500.50", "1500.50"),
        ("1500", "1500"),
        ("R$9397,30", "9397.30"),
        ("R$-9.397,30", "-9397.30"),
        ("\u2212R$12,00", "-12.00"),
        ("-1500.50", "-1500.50"),
        ("R$ 0", "0"),
        ("1.500", "1.500"),  # no comma, so the dot is the decimal sign
        ("R$0,055", "0.055"),
        (" R$ 5,00\n", "5.00"),
        (1500, "1500"),
        (1500.5, "1500.5"),
        (1e16, "1E+16"),
        (-0.25, "-0.25"),
    ],
)
def test_money_is_read_in_both_notations(text, amount):
    assert read_money(text) == Decimal(amount)


async def test_balance_is_asked_without_a_body():
    vendor = vendor_of(payload("balance_observed"))
    assert await provider_of(vendor).balance() == Decimal("9397.30")
    assert (vendor.requests[0].url.path, vendor.requests[0].content) == ("/api/v1/sms/balance", b"")


@pytest.mark.parametrize(
    "balance",
    [
        "",
        "R$",
        "-",
        "1.2.3",
        "1,500.50",
        "1.50,00",
        "12,00-",
        "1,2,3",
        ",",
        "1.009.397",
        "Saldo 2: R$ 5,00",
        "R$ 5,00 (10)",
        "(5,00)",
        "1e+16",
        "10 SMS",
        "US$ 5.00",
        "--5",
        "-R$-5,00",
        "\N{ARABIC-INDIC DIGIT FIVE}",
        True,
        None,
        [],
        {},
    ],
)
async def test_unreadable_balance_is_no_amount(balance):
    with pytest.raises(TransientSendError):
        await provider_of(vendor_of({"balance": balance})).balance()


async def test_credentials_are_verified_by_the_balance():
    line = await provider_of(vendor_of(payload("balance_documented"))).verify_credentials()
    assert "1500.50" in line
    assert TOKEN not in line


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_credentials_that_are_refused_are_told(status):
    vendor = vendor_of(httpx.Response(status, json={"message": "Não."}))
    with pytest.raises(AccountError, match="Não"):
        await provider_of(vendor).verify_credentials()
