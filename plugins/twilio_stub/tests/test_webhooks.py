import logging
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import (
    MalformedWebhookError,
    ReceiverContext,
    Secret,
    Status,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)
from recado_twilio_stub import wire
from recado_twilio_stub.settings import Settings
from recado_twilio_stub.webhooks import TwilioReceiver
from twilio.rest.api.v2010.account.message import MessageInstance

SETTINGS = Settings(
    account_sid="AC1", auth_token=Secret("a-token-of-nobody"), sender="+15005550006"
)
RECEIVER = TwilioReceiver(ReceiverContext(account="twilio", settings=SETTINGS))
NO_OFFICIAL_MEANING = {"partially_delivered"}  # in the library, and on no page of the vendor's


def parse(body, content_type=None, **query):
    encoded = body if isinstance(body, bytes) else urlencode(body).encode()
    headers = {"content-type": content_type} if content_type else {}
    url = "https://gateway.example.com/webhooks/twilio/token"
    request = WebhookRequest(url=url, headers=headers, query=query, body=encoded)
    return RECEIVER.parse(request)


def test_every_status_of_the_official_library_is_known():
    official = {v for k, v in vars(MessageInstance.Status).items() if k.isupper()}
    assert official - NO_OFFICIAL_MEANING == wire.STATUSES.keys() | wire.INBOUND_STATUSES


def test_delivery_receipt_is_matched_by_our_id_and_theirs():
    items = parse({"MessageSid": "SM1", "MessageStatus": "delivered"}, message_id="m-1")
    assert items == [StatusUpdate(status=Status.DELIVERED, message_id="m-1", provider_ref="SM1")]


def test_delivery_receipt_of_a_message_sent_by_hand_is_matched_by_their_id():
    (item,) = parse({"MessageSid": "SM1", "MessageStatus": "sent"})
    assert (item.message_id, item.provider_ref) == (None, "SM1")


def test_older_names_of_the_fields_are_read():
    (item,) = parse({"SmsSid": "SM1", "SmsStatus": "sent"})
    assert (item.status, item.provider_ref) == (Status.SENT, "SM1")


def test_unknown_status_changes_no_message_and_is_logged(caplog):
    with caplog.at_level(logging.INFO):
        (item,) = parse({"MessageSid": "SM1", "MessageStatus": "teleported"})
    assert item.status is Status.UNKNOWN
    (record,) = caplog.records
    assert record.status == "teleported"


@pytest.mark.parametrize("said", sorted(wire.FAILURES))
@pytest.mark.parametrize("code", wire.DELIVERY_ERRORS)
def test_error_code_may_say_more_exactly_what_happened(code, said):
    status, words = wire.DELIVERY_ERRORS[code]
    (item,) = parse({"MessageSid": "SM1", "MessageStatus": said, "ErrorCode": code})
    assert (item.status, item.code, item.text) == (status or wire.STATUSES[said], code, words)


def test_words_of_the_vendor_come_before_ours():
    said = {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorMessage": "their words"}
    (item,) = parse({**said, "ErrorCode": "30001"})
    assert item.text == "their words"


@pytest.mark.parametrize("code", ["", "0"])
def test_no_error_is_no_code(code):
    (item,) = parse({"MessageSid": "SM1", "MessageStatus": "delivered", "ErrorCode": code})
    assert item.code is None


def test_error_code_of_a_delivered_message_does_not_undo_it():
    (item,) = parse({"MessageSid": "SM1", "MessageStatus": "delivered", "ErrorCode": "30007"})
    assert item.status is Status.DELIVERED


@pytest.mark.parametrize(
    "fields",
    [
        {"hello": "world"},
        {"MessageStatus": "delivered"},
        {"SmsStatus": "received", "MessageSid": "SM1", "Body": "oi"},
        {"SmsStatus": "received", "From": "+5511900000001", "Body": "oi"},
        {"SmsStatus": "received", "MessageSid": "SM1", "From": "whatsapp:+5511900000001"},
    ],
)
def test_form_that_says_nothing_to_us_is_skipped_and_logged_without_numbers(fields, caplog):
    with caplog.at_level(logging.INFO):
        assert parse(fields) == []
    (record,) = caplog.records
    assert "900000001" not in f"{record.getMessage()} {vars(record)}"


def test_json_of_another_product_is_skipped():
    assert parse(b'{"EventType": "onMessageAdded"}', "application/json") == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_broken_json_is_malformed(body):
    with pytest.raises(MalformedWebhookError):
        parse(body, "application/json")


def test_form_that_is_no_text_is_malformed():
    with pytest.raises(MalformedWebhookError):
        parse(b"\xff\xfe", "application/x-www-form-urlencoded; charset=UTF-8")


NAMES = ["MessageSid", "SmsSid", "MessageStatus", "SmsStatus", "ErrorCode", "From", "MediaUrl0"]
VALUES = st.sampled_from(["SM1", "received", "failed", "delivered", "+1", "30036"]) | st.text(
    st.characters(exclude_categories=["Cs"])
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES)), st.binary(max_size=20))
def test_no_form_breaks_the_parser(fields, noise):
    try:
        items = parse(urlencode(fields).encode() + b"&" + noise)
    except MalformedWebhookError:
        return
    assert all(isinstance(item, WebhookItem) for item in items)


def test_answer_is_an_empty_twiml_document():
    assert (RECEIVER.reply.status, RECEIVER.reply.content_type) == (200, "text/xml")
    assert RECEIVER.reply.body == b"<Response/>"
