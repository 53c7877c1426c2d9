import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recado_core import InboundMessage, ReceiverContext, Secret, Status, WebhookRequest
from recado_kolmeya.campaigns import KINDS
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.simulator import campaigns as simulated
from recado_kolmeya.simulator.inprocess import WEBHOOK_URL
from recado_kolmeya.webhooks import KolmeyaReceiver

from .bench import magic, open_gateway

PAYLOADS = Path(__file__).parent / "payloads"
OURS = "01890000-0000-7000-8000-000000000001"
PHONE = 11900000001


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def told(caplog):
    """Return what the log tells of campaigns."""
    caplog.set_level(logging.INFO, logger="recado_kolmeya")

    def tell():
        names = ("job", "kind", "counts", "said")
        records = [each for each in caplog.records if "campaign" in each.message]
        return [{n: vars(each)[n] for n in names if n in vars(each)} for each in records]

    return tell


def payload(name):
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def parse(body):
    receiver = KolmeyaReceiver(
        ReceiverContext(
            account="kolmeya_main", settings=KolmeyaSettings(token=Secret("a-token-of-tests"))
        )
    )
    url = "https://gateway.example.com/webhooks/kolmeya_main/t"
    body = json.dumps(body).encode()
    return receiver.parse(WebhookRequest(url=url, headers={}, query={}, body=body))


def notice(kind, *entries, **changes):
    return {"job_id": 1234567, "type": kind, "data": list(entries), "timestamp": 1} | changes


def entry(**fields):
    return {"id": "v-1", "fullphone": PHONE, "custom_data": {"campo": OURS}} | fields


def test_kinds_are_the_vendors():
    assert {number: name.upper() for number, name in KINDS.items()} == simulated.TYPES


# ---------------------------------------------------------------- messages of nobody's


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "webhook_campaign_status",
            {
                "kind": "status",
                "counts": {"delivered": 2, "undelivered": 1, "read": 1, "sms_fallback": 1},
            },
        ),
        (
            "webhook_campaign_invalid",
            {
                "kind": "invalid_record",
                "counts": {
                    "invalid": 1,
                    "invalid_anatel": 1,
                    "duplicate": 1,
                    "not_disturb": 1,
                    "blacklist": 1,
                    "invalid_message": 1,
                    "intelligence": 1,
                },
            },
        ),
        ("webhook_campaign_shortener", {"kind": "shortener", "counts": {"clicked": 2}}),
        ("webhook_campaign_rejected", {"kind": "rejected", "said": "Campanha rejeitada."}),
        (
            "webhook_campaign_homologation",
            {
                "kind": "rejected_by_homologation",
                "said": "Campanha rejeitada por não passar pelos critérios de homologação.",
            },
        ),
        ("webhook_campaign_status_own", {"kind": "status", "counts": {"delivered": 1}}),
    ],
)
def test_campaign_of_nobodys_is_one_line_in_the_log_without_phones(name, line, told, caplog):
    parse(payload(name))
    assert told() == [{"job": 1234567} | line]
    assert "90000000" not in " ".join(str(vars(record)) for record in caplog.records)


def test_replies_need_no_line_in_the_log(told):
    assert parse(payload("webhook_campaign_reply"))
    assert told() == []


@pytest.mark.parametrize("kind", [0, 7, "x", None, True, 2.5, "", "STATUS"])
def test_kind_that_is_not_known_changes_nothing(kind, told):
    assert parse(notice(kind, entry(code=3, reply="SIM"))) == []
    assert told() == [{"job": 1234567, "kind": "unknown"}]


@pytest.mark.parametrize("code", [0, 11, 99, None, "x"])
def test_code_that_is_not_known_is_counted_as_such(code, told):
    assert parse(notice(2, entry(code=code, custom_data=[]))) == []
    assert told() == [{"job": 1234567, "kind": "status", "counts": {"unknown": 1}}]


def test_words_of_the_vendor_are_shown_without_numbers(told):
    parse(notice(6, data={"message": "Veja +5511900000001"}))
    assert told()[0]["said"] == "Veja 5511*****0001"


# ---------------------------------------------------------------- messages of ours


@pytest.mark.parametrize("code", [7, 8, 9, 10])
def test_same_number_means_another_thing_in_another_kind(code):
    (status,) = parse(notice(2, entry(code=code)))
    (refusal,) = parse(notice(1, entry(code=code)))
    assert status.status in {Status.SENT, Status.READ}
    assert refusal.status is Status.REJECTED
    assert (status.code, refusal.code.isalpha() or "_" in refusal.code) == (str(code), True)


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize(
    "echo",
    [
        {"custom_data": {"campo": "valor", "outro": OURS}},
        {"custom_data": ["valor", OURS]},
        {"custom_data": OURS},
        {"custom_data": None, "reference": OURS},
    ],
)
def test_message_of_ours_is_known_by_what_is_echoed(kind, echo):
    (update,) = parse(notice(kind, entry(code=7, **echo)))
    assert (update.message_id, update.provider_ref) == (OURS, "v-1")


@pytest.mark.parametrize(
    "echo", [None, [], {}, "", "valor", {"campo": 3}, {"campo": {"outro": OURS}}, [[OURS]], 17]
)
def test_message_that_names_none_of_ours_is_nobodys(echo):
    vendors_own = "22222222-2222-4222-8222-000000000001"
    assert parse(notice(2, entry(id=vendors_own, code=3, custom_data=echo))) == []


def test_click_changes_no_message(told):
    assert parse(notice(4, entry(useragent="x", ip="192.0.2.1"))) == []
    assert told()[0]["counts"] == {"clicked": 1}


@pytest.mark.parametrize("kind", ["2", 2.0, " 2 "])
@pytest.mark.parametrize("code", ["8", 8.0])
def test_numbers_may_come_as_texts(kind, code):
    (update,) = parse(notice(kind, entry(code=code)))
    assert update.status is Status.READ


def test_odd_entry_spoils_no_other():
    found = parse(notice(2, 3, entry(id={}), None, entry(code=3)))
    assert [update.status for update in found] == [Status.DELIVERED]


def test_entries_keyed_by_position_are_read():
    keyed = {"0": entry(code=3), "2": entry(code=4)}
    found = parse(notice(2, data=keyed))
    assert [update.status for update in found] == [Status.DELIVERED, Status.UNDELIVERED]


# ---------------------------------------------------------------- replies


def test_reply_is_an_mo_of_the_account():
    (reply,) = parse(payload("webhook_campaign_reply"))
    assert reply == InboundMessage(
        provider_ref=reply.provider_ref,
        sender="+5511900000001",
        text="SIM, é ótimo! 🎉",
        received_at=datetime(2025, 11, 16, 17, 30, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": "1234567"},
        {"timestamp": 1763314299},
        {"data": [{"fullphone": "5511900000001", "reply": " Quero  sim\n"}]},
        {"data": [{"id": 17, "fullphone": PHONE, "reply": "Quero sim", "custom_data": {"a": "b"}}]},
    ],
)
def test_reply_that_comes_again_has_the_same_reference(change):
    body = notice(3, entry(reply="Quero sim"))
    assert parse(body)[0].provider_ref == parse(body | change)[0].provider_ref


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": 1234568},
        {"data": [{"fullphone": PHONE + 1, "reply": "Quero sim"}]},
        {"data": [{"fullphone": PHONE, "reply": "Quero não"}]},
    ],
)
def test_another_reply_has_another_reference(change):
    body = notice(3, entry(reply="Quero sim"))
    assert parse(body)[0].provider_ref != parse(body | change)[0].provider_ref


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (1763314200, datetime(2025, 11, 16, 17, 30, tzinfo=UTC)),
        (1763314200000, datetime(2025, 11, 16, 17, 30, tzinfo=UTC)),
        (0, None),
        (-1, None),
        (10**30, None),
        (10**399, None),
        (True, None),
        ("1763314200", None),
        (None, None),
    ],
)
def test_time_of_a_reply_is_its_webhooks(timestamp, at):
    (reply,) = parse(notice(3, entry(reply="SIM"), timestamp=timestamp))
    assert reply.received_at == at


@pytest.mark.parametrize("odd", [{"fullphone": None}, {"fullphone": "x"}, {"reply": None}])
def test_reply_from_nobody_or_without_words_is_left_out(odd):
    found = parse(notice(3, entry(reply="SIM") | odd, entry(reply="NÃO")))
    assert [each.text for each in found] == ["NÃO"]


# ---------------------------------------------------------------- against the simulator


async def start(gateway, *messages):
    given = [{"message": "Promoção"} | each for each in messages]
    answer = await gateway.bench.control("campaigns", messages=given, webhook_url=WEBHOOK_URL)
    return answer.json()


@pytest.mark.parametrize("wrapped", [False, True])
async def test_whole_campaign_is_understood(wrapped, told):
    phones = [PHONE, PHONE + 1, magic(4), magic(10), magic(11)]
    async with open_gateway(webhook_payload=wrapped) as gateway:
        campaign = await start(gateway, *({"phone": phone} for phone in phones))
        await gateway.bench.advance(10)
        job = campaign["id"]
        await gateway.bench.control("replies", job=job, phone=PHONE, text="Quero")
        await gateway.bench.control("accesses", job=job, phone=PHONE)
        await gateway.bench.control("reject", job=job, by_homologation=False)
        await gateway.bench.advance(0)
        (reply,) = gateway.received()
    assert (reply.sender, reply.text) == ("+5511900000001", "Quero")
    assert [line["job"] for line in told()] == [job] * 4
    assert [(line["kind"], line.get("counts")) for line in told()] == [
        ("invalid_record", {"invalid": 1, "blacklist": 1}),
        ("status", {"delivered": 2, "undelivered": 1}),
        ("shortener", {"clicked": 1}),
        ("rejected", None),
    ]


async def test_campaign_that_carries_ids_of_ours_tells_of_them():
    async with open_gateway() as gateway:
        campaign = await start(
            gateway,
            {"phone": PHONE, "custom_data": {"referencia": OURS}},
            {"phone": PHONE + 1, "custom_data": {"referencia": "c-2"}},
        )
        await gateway.bench.advance(10)
        (update,) = gateway.received()
    assert (update.status, update.message_id) == (Status.DELIVERED, OURS)
    assert update.provider_ref == campaign["messages"][0]["id"]
