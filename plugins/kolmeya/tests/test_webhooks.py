import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import (
    BatchRejected,
    InboundMessage,
    MalformedWebhookError,
    ReceiverContext,
    Secret,
    Status,
    StatusUpdate,
    WebhookRequest,
)
from recado_kolmeya import webhooks
from recado_kolmeya.parts import tell_unread
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.webhooks import KolmeyaReceiver

PAYLOADS = Path(__file__).parent / "payloads"
BATCH = "01890000-0000-7000-8000-0000000000ff"
OURS = "01890000-0000-7000-8000-000000000001"
VENDORS = "22222222-2222-4222-8222-000000000001"


def make_receiver(**settings):
    return KolmeyaReceiver(
        ReceiverContext(
            account="kolmeya_main",
            settings=KolmeyaSettings(token=Secret("a-token-of-tests"), **settings),
        )
    )


def make_request(body):
    return WebhookRequest(
        url="https://gateway.example.com/webhooks/kolmeya_main/t",
        headers={"content-type": "application/json"},
        query={},
        body=body,
    )


def parse(body, **settings):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return make_receiver(**settings).parse(make_request(body))


def payload(name):
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def reply_with(**changes):
    body = payload("webhook_reply")
    body["reply"][0] |= changes
    return body


def test_status_webhook_becomes_one_update_for_each_message():
    updates = parse(payload("webhook_status"))
    assert updates[0] == StatusUpdate(
        status=Status.DELIVERED, message_id=OURS, provider_ref=VENDORS, code="3", text="entregue"
    )
    assert [update.status for update in updates] == [
        Status.DELIVERED,
        Status.UNDELIVERED,
        Status.REJECTED,
        Status.EXPIRED,
    ]


def test_odd_entry_spoils_no_other():
    body = payload("webhook_status")
    body["messages"][1] = "odd"
    body["messages"][2] = {"id": ["odd"]}
    assert [update.code for update in parse(body)] == ["3", "6"]


def test_messages_keyed_by_position_are_read():
    body = payload("webhook_status")
    body["messages"] = {str(n): entry for n, entry in enumerate(body["messages"])}
    assert parse(body) == parse(payload("webhook_status"))


def test_reply_webhook_becomes_an_mo():
    assert parse(payload("webhook_reply")) == [
        InboundMessage(
            provider_ref="33333333-3333-4333-8333-333333333333",
            sender="+5511900000001",
            text="SIM, é ótimo! 🎉",
            received_at=datetime(2025, 11, 16, 17, 30, tzinfo=UTC),
            answers_message_id=OURS,
            answers_provider_ref=VENDORS,
        )
    ]


def test_reply_as_an_object_says_the_same():
    assert parse(payload("webhook_reply_object")) == parse(payload("webhook_reply"))


def test_reply_as_a_text_is_read_from_the_body_itself():
    body = payload("webhook_reply")["reply"][0]
    assert parse(body) == parse(payload("webhook_reply"))


def test_reply_as_a_text_of_no_one_is_left_out():
    assert parse({"id": "r", "reference": BATCH, "reply": "SIM"}) == []


@pytest.mark.parametrize(
    "phone",
    [
        11900000001,
        "11900000001",
        5511900000001,
        "5511900000001",
        "+55 (11) 90000-0001",
        11900000001.0,
    ],
)
def test_sender_is_the_whole_number_however_it_comes(phone):
    body = payload("webhook_reply")
    body["reply"][0]["message"]["phone"] = phone
    assert parse(body)[0].sender == "+5511900000001"


def test_area_code_55_is_not_taken_for_the_country():
    body = payload("webhook_reply")
    body["reply"][0]["message"]["phone"] = 55900000001
    assert parse(body)[0].sender == "+5555900000001"


def test_sender_of_elsewhere_stays_as_it_came():
    body = payload("webhook_reply")
    body["reply"][0]["message"]["phone"] = 27182
    assert parse(body)[0].sender == "27182"


@pytest.mark.parametrize("phone", [None, "", "x"])
def test_reply_without_a_sender_is_left_out(phone):
    body = payload("webhook_reply")
    body["reply"][0]["message"]["phone"] = phone
    assert parse(body) == []


def test_reply_to_a_message_of_another_system_names_no_message_of_ours():
    body = payload("webhook_reply")
    body["reply"][0]["message"]["reference"] = "order-17"
    message = parse(body)[0]
    assert message.answers_message_id is None
    assert message.answers_provider_ref == VENDORS


@pytest.mark.parametrize("reply_id", [None, "", 0])
def test_reply_without_an_id_has_the_same_one_whenever_it_comes(reply_id):
    first, again = (parse(reply_with(id=reply_id))[0] for _ in range(2))
    other = parse(reply_with(id=reply_id, reply="NÃO"))[0]
    later = parse(reply_with(id=reply_id, received_at="16/11/2025 14:30:01"))[0]
    assert first.provider_ref == again.provider_ref
    assert len({first.provider_ref, other.provider_ref, later.provider_ref}) == 3


def test_time_of_a_reply_is_read_in_the_accounts_zone():
    message = parse(payload("webhook_reply"), timezone="America/Manaus")[0]
    assert message.received_at == datetime(2025, 11, 16, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", [None, "", "2025-11-16T14:30", "31/02/2025 10:00:00", 17])
def test_unreadable_time_costs_no_reply(text):
    message = parse(reply_with(received_at=text))[0]
    assert message.received_at is None


def test_rejection_concerns_the_whole_batch():
    text = "Requisição rejeitada por não passar pelos critérios de homologação."
    assert parse(payload("webhook_rejected")) == [
        BatchRejected(batch_reference=BATCH, code="rejected", text=text)
    ]


def test_rejection_is_known_by_its_message_alone():
    body = payload("webhook_rejected")
    del body["status"]
    assert parse(body) == parse(payload("webhook_rejected"))


@pytest.mark.parametrize("reference", [None, "order-17"])
def test_rejection_of_another_systems_batch_is_left_out(reference):
    assert parse(payload("webhook_rejected") | {"reference": reference}) == []


@pytest.mark.parametrize(
    "name",
    [
        "webhook_status",
        "webhook_reply",
        "webhook_reply_object",
        "webhook_rejected",
        "webhook_campaign_status_own",
        "webhook_campaign_reply",
    ],
)
def test_payload_wrapper_changes_nothing(name):
    assert parse({"payload": payload(name)}) == parse(payload(name)) != []


@pytest.mark.parametrize(
    "body",
    [
        None,
        17,
        "SIM",
        [],
        [{"messages": []}],
        {},
        {"messages": None},
        {"messages": []},
        {"messages": {}},
        {"messages": 3},
        {"reply": None},
        {"reply": []},
        {"reply": 3},
        {"payload": {"payload": {"messages": [{"id": "v"}]}}},
        {"payload": 3},
        {"id": {}, "messages": "x"},
        {"type": 2, "job_id": 3},
        {"type": 2, "job_id": 3, "data": None},
        {"type": 2, "job_id": 3, "data": 3},
        {"type": 2, "job_id": 3, "data": {}},
        {"type": 3, "job_id": 3, "data": [{"reply": "SIM"}, {"fullphone": 11900000001}]},
        {"type": 5, "job_id": 3, "data": []},
        {"type": 7, "job_id": 3, "data": [{"fullphone": 11900000001, "reply": "SIM"}]},
        {"type": {}, "job_id": 3, "data": []},
        {"event": "sms_received", "phone": 11900000001, "message": "SIM"},
    ],
)
def test_unknown_shape_is_nothing(body):
    assert parse(body) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"<html>", b'{"status":"\xff"}', b"{}x", b"[" * 9999],
)
def test_unreadable_body_is_malformed(body):
    with pytest.raises(MalformedWebhookError):
        parse(body)


def test_status_in_no_known_encoding_spoils_no_other():
    body = b'{"messages":[{"id":"v-1","status":"\xff"},{"id":"v-2","status_code":3}]}'
    assert [update.provider_ref for update in parse(body)] == ["v-2"]


@pytest.mark.parametrize("name", ["messages", "reply"])
def test_empty_fields_of_a_campaign_hide_nothing(name):
    body = payload("webhook_status" if name == "messages" else "webhook_reply")
    assert parse(body | {"type": None, "job_id": None}) == parse(body) != []
    assert parse(body | {"type": None, "job_id": 1234567}) == parse(body)


def test_words_of_a_status_show_no_number():
    (update,) = parse({"messages": [{"id": "v-1", "status": "enviado a 5511900000001" + "x" * 99}]})
    assert update.text.startswith("enviado a 5511*****0001x")
    assert len(update.text) == 80


def test_unknown_shape_is_logged_once_and_without_numbers(caplog):
    caplog.set_level("DEBUG")
    tell_unread.cache_clear()
    receiver = make_receiver()
    body = json.dumps({"event": "sms_received", "phone": 11900000001}).encode()
    for _ in range(2):
        receiver.parse(make_request(body))
    assert len(caplog.records) == 1
    assert "900000001" not in caplog.text


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
notices = st.dictionaries(
    st.sampled_from(
        [
            *("id", "reference", "messages", "reply", "status", "status_message", "payload"),
            *("type", "job_id", "data", "timestamp"),
        ]
    ),
    json_values
    | st.integers(1, 6)
    | st.lists(
        st.dictionaries(
            st.sampled_from(
                [
                    *("id", "reference", "status_code", "status", "reply", "message"),
                    *("fullphone", "custom_data", "code"),
                ]
            ),
            json_values,
        )
    ),
)


@given(notices | json_values)
def test_any_json_is_read_or_left_out(body):
    parse(body)


@given(notices | notices.map(lambda body: body | payload("webhook_status")))
def test_one_pass_reads_what_is_read_step_by_step(body):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webhooks, "_read_status_notice", lambda _: None)
        step_by_step = parse(body)
    assert parse(body) == step_by_step


@given(st.binary())
def test_any_bytes_are_read_or_malformed(body):
    with suppress(MalformedWebhookError):
        parse(body)


def test_receiver_takes_whatever_came_to_its_address():
    receiver = make_receiver()
    receiver.authenticate(make_request(b"{}"))
    assert (receiver.reply.status, receiver.reply.body) == (200, b"{}")
