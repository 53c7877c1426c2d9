import base64
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qs, parse_qsl

import httpx
import msgspec
import pytest
from recado_core import (
    AccountContext,
    AccountError,
    ContentError,
    InDoubtError,
    Media,
    Outcome,
    PermanentSendError,
    ProviderTemplate,
    Secret,
    TransientSendError,
)
from recado_core.testing import Clock, FakeVendor, make_batch, make_message
from recado_twilio_stub import wire
from recado_twilio_stub.provider import TwilioProvider, check_message
from recado_twilio_stub.settings import Settings

AUTH_TOKEN = "a-token-of-nobody"
WEBHOOK_TOKEN = "a-path-that-nobody-knows"
WEBHOOK_URL = f"https://gateway.example.com/webhooks/twilio/{WEBHOOK_TOKEN}"
CREATED = httpx.Response(201, json={"sid": "SM1", "status": "queued", "error_code": None})
ACCOUNT = {"sid": "AC1", "auth_token": "the-primary-token", "status": "active", "type": "Trial"}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def vendor():
    return FakeVendor(CREATED)


@pytest.fixture
def make_provider(vendor, clock):
    def make(**changes):
        given = {"account_sid": "AC1", "auth_token": Secret(AUTH_TOKEN), "sender": "+15005550006"}
        context = AccountContext(
            account="twilio",
            settings=Settings(**{**given, **changes}),
            http=vendor.client(),
            now=clock.now,
            webhook_url=WEBHOOK_URL,
        )
        return TwilioProvider(context)

    return make


@pytest.fixture
def send(make_provider):
    async def send_one(settings=None, **fields):
        batch = make_batch(1, lambda index: make_message(index, **fields))
        (result,) = await make_provider(**settings or {}).send(batch)
        return result

    return send_one


def form_of(request):
    return dict(parse_qsl(request.content.decode(), strict_parsing=True))


def refusal(code, status=400, message="refused"):
    told = {"code": code, "message": message, "more_info": "", "status": status}
    return httpx.Response(status, json=told)


# ---------------------------------------------------------------- what goes out


async def test_message_goes_out_as_a_form_with_basic_authentication(send, vendor):
    result = await send(id="m-1", to="+5511900000001", text="Olá & até já")
    (request,) = vendor.requests
    assert request.method == "POST"
    assert request.url == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == (
        f"AC1:{AUTH_TOKEN}".encode()
    )
    assert form_of(request) == {
        "To": "+5511900000001",
        "From": "+15005550006",
        "Body": "Olá & até já",
        "StatusCallback": f"{WEBHOOK_URL}?message_id=m-1",
    }
    assert (result.outcome, result.provider_ref) == (Outcome.ACCEPTED, "SM1")


async def test_base_url_may_end_in_a_slash(send, vendor):
    await send({"base_url": "http://127.0.0.1:8901/"})
    assert str(vendor.requests[0].url).startswith("http://127.0.0.1:8901/2010-04-01/")


async def test_sender_of_the_message_comes_before_that_of_the_account(send, vendor):
    await send(sender_id="RECADO")
    assert form_of(vendor.requests[0])["From"] == "RECADO"


async def test_messaging_service_chooses_the_sender(send, vendor):
    await send({"sender": None, "messaging_service_sid": "MG1"})
    form = form_of(vendor.requests[0])
    assert form["MessagingServiceSid"] == "MG1"
    assert "From" not in form


async def test_every_medium_is_a_parameter_of_its_own(send, vendor):
    urls = ["https://files.example.com/1.jpg", "https://files.example.com/2.jpg"]
    await send(text="", media=tuple(Media(url=url) for url in urls))
    form = parse_qs(vendor.requests[0].content.decode())
    assert form["MediaUrl"] == urls
    assert "Body" not in form


@pytest.mark.parametrize(
    ("left", "period"),
    [(90.9, "90"), (0.2, "1"), (-5, "1"), (wire.LONGEST_VALIDITY * 2, "36000")],
)
async def test_expiry_becomes_a_validity_period_in_its_bounds(send, vendor, clock, left, period):
    await send(expires_at=clock.now() + timedelta(seconds=left))
    assert form_of(vendor.requests[0])["ValidityPeriod"] == period


async def test_message_without_expiry_has_twilios_own_validity(send, vendor):
    await send()
    assert "ValidityPeriod" not in form_of(vendor.requests[0])


async def test_without_a_webhook_address_no_callback_is_asked_for(vendor, clock):
    settings = Settings(account_sid="AC1", auth_token=Secret(AUTH_TOKEN), sender="RECADO")
    context = AccountContext(
        account="twilio", settings=settings, http=vendor.client(), now=clock.now
    )
    await TwilioProvider(context).send(make_batch(1))
    assert "StatusCallback" not in form_of(vendor.requests[0])


# ---------------------------------------------------------------- what comes back


@pytest.mark.parametrize(("code", "outcome"), wire.REFUSALS.items())
async def test_refusal_of_the_message_is_its_result(send, vendor, code, outcome):
    vendor.answer(refusal(code, message="why not"))
    result = await send()
    assert (result.outcome, result.code, result.text) == (outcome, str(code), "why not")
    assert result.provider_ref is None


async def test_unsubscribed_recipient_is_suppressed(send, vendor):
    vendor.answer(refusal(21610))
    assert (await send()).outcome is Outcome.SUPPRESSED


@pytest.mark.parametrize("code", sorted(wire.ACCOUNT_ERRORS | wire.SENDER_ERRORS))
async def test_fault_of_the_account_stops_it(send, vendor, code):
    vendor.answer(refusal(code))
    with pytest.raises(AccountError) as caught:
        await send()
    assert caught.value.code == str(code)


@pytest.mark.parametrize("code", sorted(wire.SENDER_ERRORS))
async def test_fault_of_the_message_s_own_sender_stops_only_the_message(send, vendor, code):
    vendor.answer(refusal(code))
    result = await send(sender_id="SOMEBODY")
    assert (result.outcome, result.code) == (Outcome.REJECTED, str(code))


async def test_too_many_requests_are_tried_again_when_twilio_says(send, vendor):
    answer = refusal(20429, status=429)
    answer.headers["retry-after"] = "7"
    vendor.answer(answer)
    with pytest.raises(TransientSendError) as caught:
        await send()
    assert (caught.value.retry_after, caught.value.code) == (7.0, "20429")


async def test_code_of_a_refusal_in_a_failed_server_s_answer_refuses_nothing(send, vendor):
    vendor.answer(refusal(21211, status=500))
    with pytest.raises(TransientSendError):
        await send()


async def test_unknown_code_goes_by_the_http_status(send, vendor):
    vendor.answer(refusal(29999))
    with pytest.raises(PermanentSendError) as caught:
        await send()
    assert (caught.value.code, caught.value.text) == ("29999", "refused")


async def test_message_created_and_failed_at_once_is_refused(send, vendor):
    told = {"sid": "SM1", "status": "failed", "error_code": 21610, "error_message": "stopped"}
    vendor.answer(httpx.Response(201, json=told))
    result = await send()
    assert (result.outcome, result.provider_ref) == (Outcome.SUPPRESSED, "SM1")
    assert (result.code, result.text) == ("21610", "stopped")


@pytest.mark.parametrize("told", [{"sid": ""}, {"sid": None}, {"status": "queued"}])
async def test_success_without_an_id_is_in_doubt(send, vendor, told):
    vendor.answer(httpx.Response(201, json=told))
    with pytest.raises(InDoubtError) as caught:
        await send()
    assert caught.value.raw == httpx.Response(201, json=told).text


async def test_texts_of_the_vendor_show_neither_number_nor_webhook(send, vendor):
    quoted = f"'StatusCallback' {WEBHOOK_URL}?message_id=1 for +5511900000001 and {AUTH_TOKEN}"
    vendor.answer(refusal(21609, message=quoted))
    with pytest.raises(AccountError) as caught:
        await send()
    shown = f"{caught.value} {caught.value.raw}"
    assert "900000001" not in shown
    assert WEBHOOK_TOKEN not in shown
    assert AUTH_TOKEN not in shown
    assert "+…0001" in str(caught.value)


# ---------------------------------------------------------------- local check


def test_what_twilio_takes_passes():
    check_message(make_message(text="x" * wire.LONGEST_BODY))
    check_message(make_message(text="", media=(Media(url="https://files.example.com/1.jpg"),)))


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": "x" * (wire.LONGEST_BODY + 1)},
        {"media": (Media(url="https://files.example.com/1.jpg"),) * (wire.MOST_MEDIA + 1)},
    ],
)
def test_what_twilio_would_refuse_is_refused_at_accept(fields):
    with pytest.raises(ContentError):
        check_message(make_message(**fields))


# ---------------------------------------------------------------- the account


async def test_good_credentials_are_told_without_a_secret(make_provider, vendor):
    vendor.answer(httpx.Response(200, json=ACCOUNT))
    assert await make_provider().verify_credentials() == "Trial account AC1 is active"
    (request,) = vendor.requests
    assert (request.method, request.url.path) == ("GET", "/2010-04-01/Accounts/AC1.json")


@pytest.mark.parametrize("status", ["suspended", "closed"])
async def test_account_that_is_not_active_is_an_account_error(make_provider, vendor, status):
    vendor.answer(httpx.Response(200, json={**ACCOUNT, "status": status}))
    with pytest.raises(AccountError, match=status):
        await make_provider().verify_credentials()


async def test_unreadable_account_shows_nothing_of_itself(make_provider, vendor):
    vendor.answer(httpx.Response(200, text=msgspec.json.encode(ACCOUNT).decode()[:-1]))
    with pytest.raises(AccountError) as caught:
        await make_provider().verify_credentials()
    assert "the-primary-token" not in f"{caught.value} {caught.value.raw} {caught.value.__cause__}"


async def test_balance_is_asked_for_where_twilio_tells_it(make_provider, vendor):
    vendor.answer(httpx.Response(200, json={"balance": "-1.50", "currency": "USD"}))
    assert await make_provider().balance() == Decimal("-1.50")
    assert vendor.requests[0].url.path == "/2010-04-01/Accounts/AC1/Balance.json"


@pytest.mark.parametrize("balance", ["NaN", "Infinity", "much", None])
async def test_balance_that_is_no_amount_is_an_error(make_provider, vendor, balance):
    vendor.answer(httpx.Response(200, json={"balance": balance}))
    with pytest.raises(PermanentSendError):
        await make_provider().balance()


async def test_question_without_an_answer_leaves_nothing_in_doubt(make_provider, vendor):
    vendor.answer(httpx.ReadTimeout("no answer in time"))
    with pytest.raises(TransientSendError):
        await make_provider().balance()


# ---------------------------------------------------------------- templates

CONTENT = "HX" + "0a" * 16


def content(sid=CONTENT, /, **variables):
    return ProviderTemplate(name=sid, language="pt_BR", variables=variables)


async def test_template_takes_the_place_of_text_and_media(send, vendor):
    media = (Media(url="https://files.example.com/1.jpg"),)
    await send(text="Oi", media=media, template=content(order="17", name="Zoé & Cia 👍"))
    form = form_of(vendor.requests[0])
    assert form["ContentSid"] == CONTENT
    assert msgspec.json.decode(form["ContentVariables"]) == {"1": "17", "2": "Zoé & Cia 👍"}
    assert not form.keys() & {"Body", "MediaUrl"}


async def test_template_without_variables_names_none(send, vendor):
    await send(text="", template=content())
    assert "ContentVariables" not in form_of(vendor.requests[0])


@pytest.mark.parametrize("code", [21654, 21655, 21656])
async def test_template_that_twilio_refuses_is_refused_for_its_message_alone(send, vendor, code):
    vendor.answer(refusal(code))
    result = await send(text="", template=content())
    assert (result.outcome, result.code) == (Outcome.REJECTED, str(code))


@pytest.mark.parametrize(
    "template",
    [
        content("order_shipped"),
        content("HX" + "0" * 31),
        content("HX" + "g" * 32),
        content(name=""),
        content(name=" "),
        content(name="a\nb"),
        content(name="a\tb"),
        content(name="a     b"),
        content(**{f"v{n}": "x" for n in range(101)}),
    ],
)
def test_template_that_twilio_would_refuse_is_refused_at_accept(template):
    with pytest.raises(ContentError):
        check_message(make_message(text="", template=template))


def test_template_needs_no_text_and_its_text_may_be_long():
    for text in ("", "x" * 2000):
        check_message(make_message(text=text, template=content(name="a    b")))
