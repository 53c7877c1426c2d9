from pathlib import Path

import msgspec
import pytest
from recado_core import Secret, Status
from recado_core.contract import decode_setting
from recado_kolmeya.receipts import own_id, read_receipt
from recado_kolmeya.settings import KolmeyaSettings, PhoneStyle, bare_token
from recado_kolmeya.wire import (
    STATUSES,
    BalanceAnswer,
    MessageStatus,
    StatusAnswer,
    StatusRequest,
    StoreAnswer,
    StoreMessage,
    StoreRequest,
    Valid,
)

PAYLOADS = Path(__file__).parent / "payloads"
OURS = "01890000-0000-7000-8000-000000000001"
BATCH = "01890000-0000-7000-8000-0000000000ff"


def read(name, kind):
    return msgspec.json.decode((PAYLOADS / f"{name}.json").read_bytes(), type=kind)


def settings_of(**table):
    return msgspec.convert(
        {"token": "a-token-of-tests", **table},
        KolmeyaSettings,
        dec_hook=decode_setting,
        strict=False,
    )


def test_store_request_leaves_out_what_is_not_set():
    request = StoreRequest(messages=[StoreMessage(5511900000001, "Olá", OURS)], reference="b")
    assert msgspec.json.decode(msgspec.json.encode(request)) == {
        "messages": [{"phone": 5511900000001, "message": "Olá", "reference": OURS}],
        "reference": "b",
    }


def test_store_request_names_the_vendors_fields():
    request = StoreRequest(
        messages=[],
        reference="b",
        webhook_url="https://gateway.example.com/webhooks/k/t",
        tenant_segment_id=109,
        sms_api_id=47,
    )
    assert msgspec.json.decode(msgspec.json.encode(request)) == {
        "messages": [],
        "reference": "b",
        "webhook_url": "https://gateway.example.com/webhooks/k/t",
        "tenant_segment_id": 109,
        "sms_api_id": 47,
    }


def test_status_request_asks_by_reference_alone():
    assert msgspec.json.encode(StatusRequest("b")) == b'{"reference":"b"}'


@pytest.mark.parametrize(
    "name", ["store_answer", "store_answer_observed", "store_answer_documented"]
)
def test_every_known_store_answer_is_read(name):
    valids = read(name, StoreAnswer).valids
    assert valids == [Valid("22222222-2222-4222-8222-000000000001", 11900000001, OURS)]


def test_valids_written_as_a_keyed_object_are_read():
    answer = msgspec.json.decode(b'{"valids":{"1":{"id":"x"}}}', type=StoreAnswer)
    assert answer.valids == {"1": Valid("x")}


def test_both_balances_are_texts():
    assert read("balance_observed", BalanceAnswer).balance == "R$9.397,30"
    assert read("balance_documented", BalanceAnswer).balance == "1500.50"


def test_every_documented_status_is_known_by_code_and_by_text():
    entries = read("status_request_all", StatusAnswer).messages
    assert [entry.status_code for entry in entries] == list(STATUSES)
    for entry in entries:
        by_text = msgspec.structs.replace(entry, status_code=None)
        assert read_receipt(entry).status is STATUSES[entry.status_code]
        assert read_receipt(by_text).status is STATUSES[entry.status_code]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (1, Status.SENT),
        (2, Status.SENT),
        (3, Status.DELIVERED),
        ("3", Status.DELIVERED),
        (" 4 ", Status.UNDELIVERED),
        (5.0, Status.REJECTED),
        (6, Status.EXPIRED),
        (7, Status.UNKNOWN),
        ("99", Status.UNKNOWN),
        (-1, Status.UNKNOWN),
    ],
)
def test_code_decides_over_text(code, status):
    update = read_receipt(MessageStatus("v", OURS, code, "Expirada"))
    assert update.status is status
    assert update.code == str(code).strip().removesuffix(".0")


@pytest.mark.parametrize("code", [None, "", "x", 1.5, True, "²"])
@pytest.mark.parametrize("text", ["não entregue", "NAO ENTREGUE", " Não Entregue "])
def test_text_decides_where_there_is_no_code(code, text):
    update = read_receipt(MessageStatus("v", OURS, code, text))
    assert update.status is Status.UNDELIVERED
    assert update.code is None


@pytest.mark.parametrize("text", [None, "", "lida", 3, True])
def test_unknown_text_without_a_code_is_unknown(text):
    assert read_receipt(MessageStatus("v", OURS, None, text)).status is Status.UNKNOWN


def test_receipt_holds_both_ids():
    update = read_receipt(MessageStatus("v", OURS, 3, "entregue"))
    assert (update.message_id, update.provider_ref, update.text) == (OURS, "v", "entregue")


@pytest.mark.parametrize("reference", [None, "", "order-17", 17, True, OURS + "0", BATCH.upper()])
def test_reference_of_another_system_is_not_ours(reference):
    assert own_id(reference) is None
    assert read_receipt(MessageStatus("v", reference, 3)).message_id is None


@pytest.mark.parametrize("vendor_id", [None, ""])
def test_receipt_of_no_message_is_left_out(vendor_id):
    assert read_receipt(MessageStatus(vendor_id, "order-17", 3)) is None


@pytest.mark.parametrize("code", [3, 99])
def test_unknown_code_is_logged_once(code, caplog):
    caplog.set_level("INFO", logger="recado_kolmeya")
    read_receipt(MessageStatus("v", OURS, 7001 + code))
    read_receipt(MessageStatus("w", OURS, 7001 + code))
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "pasted", ["a-token-of-tests", "Bearer a-token-of-tests", " bearer  a-token-of-tests\n"]
)
def test_token_may_be_pasted_with_its_scheme(pasted):
    assert bare_token(settings_of(token=pasted).token) == "a-token-of-tests"


@pytest.mark.parametrize("token", ["", "  ", "Bearer ", "two words", "açúcar", "tab\tin-it"])
def test_impossible_token_is_refused_without_being_shown(token):
    with pytest.raises(msgspec.ValidationError, match="token") as caught:
        settings_of(token=token)
    assert not token.strip() or token not in str(caught.value)


def test_settings_have_the_vendors_defaults():
    settings = settings_of()
    assert settings == KolmeyaSettings(
        token=Secret("a-token-of-tests"),
        base_url="https://kolmeya.com.br/api",
        segment=None,
        sms_api_id=None,
        phone_style=PhoneStyle.INTERNATIONAL,
        timezone="America/Sao_Paulo",
        tenant_id=None,
        replies_path="sms/replys",
        campaign_replies=True,
        campaign_replies_path="sms/replys-web",
        blacklist_path="blacklist",
    )


def test_settings_from_the_environment_are_texts():
    settings = settings_of(
        segment="109", sms_api_id="47", phone_style="national", campaign_replies="false"
    )
    assert (settings.segment, settings.sms_api_id) == (109, 47)
    assert settings.phone_style is PhoneStyle.NATIONAL
    assert not settings.campaign_replies


@pytest.mark.parametrize(
    "wrong",
    [
        {"segment": 0},
        {"sms_api_id": 0},
        {"phone_style": "e164"},
        {"timezone": "America/Sao Paulo"},
        {"timezone": "../etc/passwd"},
        {"timezone": ""},
        {"base_url": "kolmeya.com.br/api"},
        {"segment_id": 109},
        {"balance_threshold": "50.00"},
        {"replies_path": ""},
        {"replies_path": "/sms/replys"},
        {"campaign_replies_path": "sms/replys-web?page=1"},
        {"campaign_replies_path": "../replys-web"},
        {"blacklist_path": "blacklist/"},
        {"blacklist_path": "https://kolmeya.com.br/blacklist"},
    ],
)
def test_wrong_setting_is_refused_by_its_name(wrong):
    with pytest.raises(msgspec.ValidationError, match=next(iter(wrong))):
        settings_of(**wrong)


def test_settings_never_show_the_token():
    assert "a-token-of-tests" not in repr(settings_of())
