"""What a client may ask for, and what is refused before Kolmeya is called."""

import json

import jsonschema
import msgspec
import pytest
from recado_kolmeya import register_providers
from recado_kolmeya.operations import OPERATIONS

from .account import BY_NAME

NAMES = (
    "status-request",
    "status-message",
    "replys",
    "replys-web",
    "segments",
    "apis",
    "layouts",
    "blacklist-store",
    "blacklist-destroy",
    "jobs-pause",
    "jobs-play",
    "reports-jobs",
    "reports-statuses",
    "reports-statuses-job",
    "reports-requests",
    "reports-quantity-jobs",
    "reports-invalid-records",
    "accesses",
    "webhook",
)
ID = "11111111-1111-4111-8111-111111111111"
PHONE = {"phone": "+5511900000001"}


def read(name, fields):
    return msgspec.json.decode(json.dumps(fields), type=BY_NAME[name].request)


def test_plugin_offers_every_operation_once():
    (kind,) = register_providers()
    assert tuple(operation.name for operation in kind.operations) == NAMES


def test_those_that_change_something_say_so():
    changing = {operation.name for operation in OPERATIONS if operation.changes}
    assert changing == {
        "blacklist-store",
        "blacklist-destroy",
        "jobs-pause",
        "jobs-play",
        "webhook",
    }


@pytest.mark.parametrize("name", NAMES)
def test_schemas_can_be_shown(name):
    operation = BY_NAME[name]
    for kind in (operation.request, operation.reply):
        schema = msgspec.json.schema(kind)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$defs"][kind.__name__]["description"]
    request = msgspec.json.schema(operation.request)["$defs"][operation.request.__name__]
    assert request["additionalProperties"] is False
    assert operation.summary


GOOD = [
    ("status-request", {"id": ID}),
    ("status-message", {"reference": "m-1"}),
    ("replys", {}),
    ("replys", {"period": 168}),
    ("replys-web", {"period": 1}),
    *[(name, {}) for name in ("segments", "apis", "layouts", "reports-jobs")],
    ("blacklist-store", {"phones": [PHONE] * 1000}),
    ("blacklist-destroy", {"phones": [PHONE | {"document": "111.444.777-35"}]}),
    ("blacklist-destroy", {"phones": [{"phone": "(55) 90000-0001", "document": None}]}),
    ("jobs-pause", {"smsJob": 5000001}),
    ("reports-statuses", {"start_at": "2025-11-01T00:00:00-03:00"}),
    (
        "reports-statuses",
        {"start_at": "2025-11-01T00:00:00Z", "end_at": "2025-11-01T00:00:00Z", "limit": 1},
    ),
    ("reports-statuses-job", {"jobId": 5000001}),
    ("reports-requests", {"start_at": "2025-11-01"}),
    ("reports-requests", {"start_at": "2025-11-01", "end_at": "2025-11-01"}),
    ("reports-quantity-jobs", {}),
    ("reports-quantity-jobs", {"period": "2025-01", "end_period": "2025-12"}),
    ("reports-invalid-records", {"origin": "web"}),
    ("reports-invalid-records", {"origin": "api", "date": "2025-11-01", "segments": [1, 2]}),
    ("accesses", {"start_at": "2025-11-01", "is_robot": 0, "tenant_segment_id": None}),
    ("accesses", {"start_at": "2025-11-01", "is_robot": True, "tenant_segment_id": 7}),
    ("webhook", {"webhook_url": "https://gateway.example.com/webhooks/x?y=1"}),
]


@pytest.mark.parametrize(("name", "fields"), GOOD)
def test_good_request_is_taken(name, fields):
    jsonschema.validate(fields, msgspec.json.schema(BY_NAME[name].request))
    read(name, fields)


WRONG = [
    ("status-request", {}, "id: it"),
    ("status-request", {"id": ID, "reference": "lote-1"}, "id: it"),
    ("status-request", {"id": "lote-1"}, "id"),
    ("status-message", {"reference": ""}, "reference"),
    ("replys", {"period": 0}, "period"),
    ("replys", {"period": 169}, "period"),
    ("replys-web", {"period": "24h"}, "period"),
    ("blacklist-store", {}, "phones"),
    ("blacklist-store", {"phones": []}, "phones"),
    ("blacklist-store", {"phones": [PHONE] * 1001}, "phones"),
    ("blacklist-store", {"phones": [{"phone": "900000001"}]}, "phone"),
    ("blacklist-store", {"phones": [{"phone": "+351900000001"}]}, "phone"),
    ("blacklist-store", {"phones": [{"phone": 11900000001}]}, "phone"),
    ("blacklist-store", {"phones": [PHONE | {"document": "123"}]}, "document"),
    ("blacklist-destroy", {"phones": [PHONE, {"phone": ""}]}, "phones[1]"),
    ("blacklist-store", {"phones": [PHONE | {"document": "11144477735\n"}]}, "document"),
    ("jobs-pause", {}, "smsJob"),
    ("jobs-play", {"smsJob": 0}, "smsJob"),
    ("jobs-play", {"smsJob": "5000001/pause"}, "smsJob"),
    ("reports-statuses", {}, "start_at"),
    ("reports-statuses", {"start_at": "2025-11-01T00:00:00"}, "start_at"),
    ("reports-statuses", {"start_at": "2025-11-01 00:00"}, "start_at"),
    ("reports-statuses", {"start_at": "0001-01-01T00:00:00Z"}, "start_at"),
    (
        "reports-statuses",
        {"start_at": "2025-11-01T00:00:00Z", "end_at": "2025-11-01T00:59:59+01:00"},
        "end_at",
    ),
    ("reports-statuses", {"start_at": "2025-11-01T00:00:00Z", "limit": 0}, "limit"),
    ("reports-statuses-job", {"jobId": -1}, "jobId"),
    ("reports-requests", {"start_at": "01/11/2025"}, "start_at"),
    ("reports-requests", {"start_at": "1999-12-31"}, "start_at"),
    ("reports-requests", {"start_at": "2025-11-02", "end_at": "2025-11-01"}, "end_at"),
    ("reports-quantity-jobs", {"period": "2025-13"}, "period"),
    ("reports-quantity-jobs", {"period": "2025-1"}, "period"),
    ("reports-quantity-jobs", {"period": "2025-11\n"}, "period"),
    ("reports-quantity-jobs", {"period": "1999-01"}, "period"),
    ("reports-quantity-jobs", {"end_period": "2025-01"}, "period"),
    ("reports-quantity-jobs", {"period": "2025-02", "end_period": "2025-01"}, "end_period"),
    ("reports-invalid-records", {}, "origin"),
    ("reports-invalid-records", {"origin": "sms"}, "origin"),
    ("reports-invalid-records", {"origin": "api", "date": "2025-02-30"}, "date"),
    ("reports-invalid-records", {"origin": "api", "end_date": "1999-01-01"}, "end_date"),
    (
        "reports-invalid-records",
        {"origin": "api", "date": "2025-11-02", "end_date": "2025-11-01"},
        "end_date",
    ),
    ("reports-invalid-records", {"origin": "api", "segments": [0]}, "segments"),
    ("accesses", {}, "start_at"),
    ("accesses", {"start_at": "2025-11-02", "end_at": "2025-11-01"}, "end_at"),
    ("accesses", {"start_at": "2025-11-01", "limit": 10**30}, "limit"),
    ("accesses", {"start_at": "2025-11-01", "is_robot": 2}, "is_robot"),
    ("accesses", {"start_at": "2025-11-01", "tenant_segment_id": 0}, "tenant_segment_id"),
    ("webhook", {}, "webhook_url"),
    ("webhook", {"webhook_url": "gateway.example.com"}, "webhook_url"),
    ("webhook", {"webhook_url": "ftp://gateway.example.com"}, "webhook_url"),
    ("webhook", {"webhook_url": "https://gateway.example.com\n"}, "webhook_url"),
    *[(name, {"centro": 1}, "centro") for name in NAMES],
]


@pytest.mark.parametrize(("name", "fields", "field"), WRONG)
def test_wrong_request_is_refused_and_its_field_named(name, fields, field):
    with pytest.raises(msgspec.ValidationError) as refused:
        read(name, fields)
    assert field in str(refused.value)


def test_refused_phone_is_not_repeated():
    with pytest.raises(msgspec.ValidationError) as refused:
        read("blacklist-store", {"phones": [{"phone": "900000001"}]})
    assert "900000001" not in str(refused.value)
    assert "$.phones[0]" in str(refused.value)
