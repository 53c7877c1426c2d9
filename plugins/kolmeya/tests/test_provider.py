import json
from pathlib import Path

import httpx
import msgspec
import pytest
from recado_core import (
    AccountContext,
    AccountError,
    AddressError,
    ContentError,
    InDoubtError,
    OutboundBatch,
    OutboundMessage,
    Outcome,
    PermanentSendError,
    Secret,
    SendResult,
    SuppressionReason,
    TransientSendError,
)
from recado_core.testing import FakeVendor
from recado_kolmeya.provider import KolmeyaProvider, check_message
from recado_kolmeya.settings import KolmeyaSettings, PhoneStyle

PAYLOADS = Path(__file__).parent / "payloads"
BATCH = "01890000-0000-7000-8000-0000000000ff"
TOKEN = "a-token-of-tests"
WEBHOOK = "https://gateway.example.com/webhooks/kolmeya_main/a-webhook-token"


def payload(name):
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def message(n, to=None, text="Olá!"):
    return OutboundMessage(id=own(n), to=to or f"+551190000000{n}", text=text)


def own(n):
    return f"01890000-0000-7000-8000-{n:012d}"


def vendors(n):
    return f"22222222-2222-4222-8222-{n:012d}"


def batch(*messages):
    return OutboundBatch(reference=BATCH, messages=messages)


def vendor_of(*answers):
    return FakeVendor(
        *(httpx.Response(200, json=one) if isinstance(one, dict) else one for one in answers)
    )


def asked(vendor):
    return json.loads(vendor.requests[-1].content)


def provider_of(vendor, webhook_url=WEBHOOK, **settings):
    return KolmeyaProvider(
        AccountContext(
            account="kolmeya_main",
            settings=KolmeyaSettings(**({"token": Secret(TOKEN)} | settings)),
            http=vendor.client(),
            now=None,
            webhook_url=webhook_url,
        )
    )


async def send(answer, *messages):
    return await provider_of(vendor_of(answer)).send(batch(*messages))


async def error_of(answer, *messages):
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the tests look at its class
        await send(answer, *(messages or (message(1),)))
    return caught.value


# ---------------------------------------------------------------- what is asked


async def test_store_is_asked_with_our_ids_and_the_accounts_settings():
    vendor = vendor_of(payload("store_answer_observed"))
    provider = provider_of(
        vendor,
        token=Secret(f"Bearer {TOKEN}"),
        segment=109,
        sms_api_id=47,
        base_url="https://k.test/api/",
    )
    await provider.send(batch(message(1, text='Ação "já" 🎉')))
    request = vendor.requests[0]
    assert (request.method, str(request.url)) == ("POST", "https://k.test/api/v1/sms/store")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == request.headers["content-type"] == "application/json"
    assert asked(vendor) == {
        "messages": [{"phone": 5511900000001, "message": 'Ação "já" 🎉', "reference": own(1)}],
        "reference": BATCH,
        "webhook_url": WEBHOOK,
        "tenant_segment_id": 109,
        "sms_api_id": 47,
    }


async def test_nothing_is_sent_for_a_setting_that_is_not_set():
    vendor = vendor_of(payload("store_answer_observed"))
    await provider_of(vendor, webhook_url=None).send(batch(message(1)))
    assert asked(vendor).keys() == {"messages", "reference"}
    assert str(vendor.requests[0].url) == "https://kolmeya.com.br/api/v1/sms/store"


async def test_national_style_leaves_the_country_out():
    vendor = vendor_of(payload("store_answer_observed"))
    await provider_of(vendor, phone_style=PhoneStyle.NATIONAL).send(batch(message(1)))
    assert asked(vendor)["messages"][0]["phone"] == 11900000001


# ---------------------------------------------------------------- what is answered


async def test_every_list_has_its_outcome():
    results = await send(payload("store_answer"), *(message(n) for n in range(1, 6)))
    assert results == [
        SendResult(message_id=own(1), outcome=Outcome.ACCEPTED, provider_ref=vendors(1)),
        SendResult(
            message_id=own(2), outcome=Outcome.REJECTED, code="invalid", text="Telefone inválido"
        ),
        SendResult(
            message_id=own(3),
            outcome=Outcome.REJECTED,
            code="duplicate",
            text='Kolmeya lists it under "duplicates"',
        ),
        SendResult(
            message_id=own(4),
            outcome=Outcome.SUPPRESSED,
            code="blacklist",
            text='Kolmeya lists it under "blacklist"',
            suppression=SuppressionReason.BLACKLIST,
        ),
        SendResult(
            message_id=own(5),
            outcome=Outcome.SUPPRESSED,
            code="not_disturb",
            text='Kolmeya lists it under "not_disturb"',
            suppression=SuppressionReason.DO_NOT_DISTURB,
        ),
    ]


async def test_documented_objects_stand_for_lists():
    results = await send(payload("store_answer_documented"), message(1), message(4), message(5))
    assert [result.code for result in results] == [None, "blacklist", "not_disturb"]
    assert [result.suppression for result in results] == [None, "blacklist", "do_not_disturb"]


async def test_foreign_number_is_refused_here_and_spoils_no_other():
    vendor = vendor_of(payload("store_answer_observed"))
    results = await provider_of(vendor).send(batch(message(2, "+12025550123"), message(1)))
    assert [result.outcome for result in results] == [Outcome.REJECTED, Outcome.ACCEPTED]
    assert [entry["reference"] for entry in asked(vendor)["messages"]] == [own(1)]


async def test_batch_of_foreign_numbers_asks_nothing():
    vendor = vendor_of(payload("store_answer_observed"))
    results = await provider_of(vendor).send(batch(message(1, "+12025550123"), message(2, "27182")))
    assert [result.code for result in results] == ["address", "address"]
    assert vendor.requests == []


@pytest.mark.parametrize(
    ("answer", "raw"),
    [
        (httpx.Response(200, text="<html><title>Manutenção</title></html>"), None),
        (httpx.Response(200, text='{"valids": ['), None),
        (httpx.Response(200, text=""), ""),
        (httpx.Response(200, json=[]), "[]"),
        (httpx.Response(200, json={"valids": 3}), '{"valids":3}'),
        (
            httpx.Response(200, json={"errors": ['Undefined array key "phone"']}),
            '{"errors":["…"]}',
        ),
        (
            httpx.Response(200, json={"valids": [], "invalids": []}),
            '{"valids":[],"invalids":[]}',
        ),
        (
            httpx.Response(200, json={"valids": [{"id": "v", "phone": 9, "reference": None}]}),
            '{"valids":[{"id":"…","phone":9,"reference":null}]}',
        ),
        (httpx.Response(204), ""),
    ],
)
async def test_success_that_accounts_for_no_message_is_in_doubt(answer, raw):
    error = await error_of(answer)
    assert type(error) is InDoubtError
    assert error.code == str(answer.status_code)
    assert error.raw == (answer.text if raw is None else raw)


async def test_answer_of_another_shape_shows_nothing_of_what_it_holds():
    held = {"nome": "Maria Exemplo", "message": "Seu código é 1234", "cpf": 11144477735}
    error = await error_of({"messages": [held], "message": "1234"})
    for text in (str(error), error.text, error.raw):
        assert not any(word in text for word in ("Maria", "1234", "7735"))
    assert error.text.endswith(": messages, message")


async def test_message_in_no_list_is_asked_for_and_accepted_if_held():
    vendor = vendor_of(payload("store_answer_observed"), payload("status_request"))
    results = await provider_of(vendor).send(batch(message(1), message(2)))
    assert asked(vendor) == {"reference": BATCH}
    assert vendor.requests[-1].url.path == "/api/v1/sms/status/request"
    assert [(r.outcome, r.provider_ref) for r in results] == [
        (Outcome.ACCEPTED, vendors(1)),
        (Outcome.ACCEPTED, vendors(2)),
    ]


@pytest.mark.parametrize(
    ("answer", "certain"),
    [
        (payload("status_request"), True),
        (httpx.Response(404, json=payload("status_missing")), False),
        (httpx.Response(500), False),
        (httpx.ReadTimeout("silence"), False),
        (httpx.ConnectError("down"), False),
    ],
)
async def test_message_in_no_list_is_never_sent_again(answer, certain):
    vendor = vendor_of(payload("store_answer_observed"), answer)
    results = await provider_of(vendor).send(batch(message(1), message(3)))
    assert results[0].outcome is Outcome.ACCEPTED
    outcome = Outcome.REJECTED if certain else Outcome.UNKNOWN
    assert (results[1].outcome, results[1].code) == (outcome, "unlisted")
    assert ("may have been sent" in results[1].text) is not certain


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_stop_the_account(status):
    error = await error_of(httpx.Response(status, json={"message": "Unauthenticated."}))
    assert type(error) is AccountError
    assert (error.text, error.code) == (f"HTTP {status}: Unauthenticated.", str(status))


@pytest.mark.parametrize(
    "body",
    [
        {"message": "Saldo insuficiente."},
        {"errors": ["Créditos insuficientes para o envio"]},
        {"errors": {"messages": ["Conta sem saldo"]}},
        {"error": "Insufficient balance"},
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
async def test_answer_that_speaks_of_the_balance_stops_the_account(status, body):
    assert type(await error_of(httpx.Response(status, json=body))) is AccountError


async def test_success_that_only_speaks_of_the_balance_stops_the_account():
    assert type(await error_of({"message": "Saldo insuficiente."})) is AccountError


@pytest.mark.parametrize(
    "answer",
    [
        {"invalids": [{"phone": 9, "message": "Seu saldo é insuficiente", "error": "403"}]},
        {"id": 7, "message": "Saldo insuficiente."},
        {"valids": [], "message": "Saldo insuficiente."},
        {"data": "Saldo insuficiente"},
        {"errors": {"messages.0": {"message": "Olá"}}, "sent": ["sem saldo"]},
        [{"message": "Saldo insuficiente"}],
    ],
)
async def test_words_of_a_message_that_is_echoed_stop_no_account(answer):
    assert type(await error_of(httpx.Response(200, json=answer))) is InDoubtError


async def test_batch_refused_whole_for_its_balance_stops_the_account():
    refused = {"phone": 11900000001, "reference": own(1), "error": "Saldo insuficiente"}
    error = await error_of({"valids": [], "invalids": [refused]})
    assert type(error) is AccountError
    assert error.text == "Saldo insuficiente"


async def test_message_refused_for_the_balance_may_go_later():
    answer = payload("store_answer_observed")
    answer["invalids"] = [{"phone": 1, "reference": own(2), "error": "Saldo insuficiente"}]
    results = await send(answer, message(1), message(2))
    assert [r.outcome for r in results] == [Outcome.ACCEPTED, Outcome.TRANSIENT]


async def test_rate_limit_is_transient_for_as_long_as_it_says():
    answer = httpx.Response(
        429, json={"message": "Too Many Attempts."}, headers={"retry-after": "17"}
    )
    error = await error_of(answer)
    assert type(error) is TransientSendError
    assert (error.retry_after, error.possibly_taken) == (17.0, False)


async def test_failing_server_may_have_taken_the_batch():
    error = await error_of(httpx.Response(500, json={"errors": ['Undefined array key "phone"']}))
    assert type(error) is TransientSendError
    assert error.possibly_taken
    assert error.text == 'HTTP 500: Undefined array key "phone"'


async def test_422_that_names_messages_refuses_only_them():
    body = {
        "message": "The given data was invalid.",
        "errors": {"messages.1.phone": ["O telefone 11900000002 é inválido."]},
    }
    results = await send(httpx.Response(422, json=body), message(1), message(2), message(3))
    assert [r.outcome for r in results] == [Outcome.TRANSIENT, Outcome.REJECTED, Outcome.TRANSIENT]
    assert (results[1].code, results[1].text) == ("invalid", "O telefone 119****0002 é inválido.")
    assert results[0].text


async def test_422_counts_the_messages_that_were_sent():
    body = {"message": "x", "errors": {"messages.0.phone": ["no"], "messages.0.message": ["nor"]}}
    results = await send(httpx.Response(422, json=body), message(1, "+12025550123"), message(2))
    assert [r.code for r in results] == ["address", "invalid"]
    assert results[1].text == "no; nor"


@pytest.mark.parametrize(
    "errors",
    [
        {"messages": ["too many"]},
        {"webhook_url": ["no URL"], "messages.0.phone": ["no"]},
        {"messages.2.phone": ["no such message"]},
        {"messages.-1.phone": ["no such message"]},
        {"messages.²": ["no number"]},
        {},
        [],
        "no",
        None,
    ],
)
async def test_422_of_anything_else_refuses_the_batch(errors):
    answer = httpx.Response(422, json={"message": "Inválido.", "errors": errors})
    error = await error_of(answer, message(1), message(2))
    assert type(error) is PermanentSendError
    assert error.text.startswith("HTTP 422: Inválido.")


async def test_redirect_stops_the_account():
    error = await error_of(
        httpx.Response(302, headers={"location": "https://kolmeya.com.br/login"})
    )
    assert type(error) is AccountError
    assert "base_url" in error.text


async def test_no_error_shows_a_secret_or_a_number():
    body = {"message": f"{TOKEN} {WEBHOOK} a-webhook-token +5511900000001 (11) 90000-0001"}
    for status in (200, 400, 401, 422, 500):
        error = await error_of(httpx.Response(status, json=body))
        for text in (str(error), error.text, error.raw):
            assert TOKEN not in text
            assert "a-webhook-token" not in text
            assert "11900000001" not in text
            assert "90000-0001" not in text


async def test_no_connection_is_transient_and_silence_in_doubt():
    assert isinstance(await error_of(httpx.ConnectError("down")), TransientSendError)
    assert type(await error_of(httpx.ReadTimeout("silence"))) is InDoubtError


# ---------------------------------------------------------------- at accept


def test_message_that_kolmeya_carries_passes():
    check_message(message(1))


@pytest.mark.parametrize("to", ["+12025550123", "27182", "RECADO"])
def test_recipient_elsewhere_is_refused_at_accept(to):
    with pytest.raises(AddressError):
        check_message(message(1, to))


def test_message_without_text_is_refused_at_accept():
    with pytest.raises(ContentError):
        check_message(msgspec.structs.replace(message(1), text=" \n"))
