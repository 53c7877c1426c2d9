"""Odoo's calls: who may make them, what each is answered, and that none breaks the route."""

import logging

import pytest
from recado_core import AccountState

from .bench import NUMBER, PERSON
from .calls import message, request
from .fake_odoo import TOKEN, UUID

# ---------------------------------------------------------------- who calls


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": None},
        {"token": ""},
        {"token": TOKEN[:-1]},
        {"token": TOKEN.upper()},
        {"token": "ãçé\udcff"},
        {"client_id": "another-connector"},
        {"client_id": TOKEN, "token": UUID},
    ],
)
@pytest.mark.parametrize("action", ["send", "status_get", "no_such_action"])
async def test_wrong_credentials_are_refused_before_anything_is_read(ask, gateway, action, wrong):
    status, told = await ask(action, b"{", **wrong)
    assert status == 403
    assert "Token" in told["error"]
    assert not gateway.asked


async def test_client_id_that_a_proxy_has_dropped_is_told_as_that(ask):
    status, told = await ask("status_get", client_id=None)
    assert status == 403
    assert "underscores_in_headers" in told["error"]


async def test_refused_caller_is_logged_once_until_a_right_one_comes(ask, caplog):
    for token in ("wrong-token-1", "wrong-token-2", TOKEN, "wrong-token-3"):
        await ask("status_get", token=token)
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert [r.getMessage() for r in warnings] == ["odoo call refused"] * 2
    assert not [r for r in warnings if "wrong-token" in str(vars(r))]


# ---------------------------------------------------------------- the other actions


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (AccountState(ok=True, text="active"), {"acrux_ok": "active"}),
        (AccountState(ok=False, text="paused: no balance"), {"acrux_er": "paused: no balance"}),
        (AccountState(ok=False, text=""), {"acrux_er": "kolmeya_main"}),
    ],
)
async def test_status_is_the_truth_about_the_account(ask, gateway, state, status):
    gateway.state = state
    assert await ask("status_get") == (200, {"status": status})


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
async def test_only_the_connectors_own_channel_is_asked_about(ask, gateway, monkeypatch, channel):
    asked = []

    async def account_state(*args):
        asked.append(args)
        return gateway.state

    async def addresses(account, _, channel):
        asked.append((account, channel))
        return []

    monkeypatch.setattr(gateway, "account_state", account_state)
    monkeypatch.setattr(gateway, "addresses", addresses)
    for action in ("status_get", "contact_get_all"):
        assert (await ask(action, settings={"channel": channel}))[0] == 200
    assert asked == [("kolmeya_main", channel)] * 2


@pytest.mark.parametrize(
    ("webhook", "warns"),
    [
        (f"https://odoo.example.com/acrux_webhook/whatsapp_connector/{UUID}", False),
        (f"https://old.example.com/acrux_webhook/whatsapp_connector/{UUID}", True),
        ("https://odoo.example.com/acrux_webhook/whatsapp_connector/another-uuid", True),
        ("http://[", True),
        (False, False),
    ],
)
async def test_webhook_that_is_not_ours_is_warned_of_without_its_secret(
    ask, caplog, webhook, warns
):
    assert await ask("config_set", {"webhook": webhook, "info": {"lang": "pt_BR"}}) == (200, {})
    assert ["connector names another webhook" in text for text in caplog.messages] == [True] * warns
    assert not [r for r in caplog.records if UUID in str(vars(r)) or "another-uuid" in str(vars(r))]


async def test_latest_conversations_are_listed_without_short_codes(ask, gateway):
    gateway.known = [PERSON, "27000", "+5511900000002"]
    _, told = await ask("contact_get_all")
    assert [one["id"] for one in told["dialogs"]] == [f"{NUMBER}@c.us", "5511900000002@c.us"]
    assert {(one["name"], one["image"]) for one in told["dialogs"]} == {("", "")}


@pytest.mark.parametrize(
    "seen",
    [
        {"phone": NUMBER},
        {"phone": int(NUMBER), "chat_type": "normal"},
        {"message_ids": [f"false_1_{NUMBER}@c.us", f"false_2_{NUMBER}@c.us", "other", None]},
    ],
)
async def test_reading_is_noted(ask, gateway, seen):
    assert await ask("msg_set_read", seen) == (200, {})
    assert gateway.seen == [("kolmeya_main", "sms", PERSON)]


async def test_numbers_are_checked_and_written_in_their_one_form(ask):
    numbers = f"{NUMBER},55011900000001,27000,"
    _, told = await ask("whatsapp_number_get", query={"numbers": numbers})
    assert [(one["id"], one["whatsapp_id"]) for one in told["numbers"]] == [
        (NUMBER, NUMBER),
        ("55011900000001", NUMBER),
        ("27000", ""),
    ]
    assert told["date_due"] is False


@pytest.mark.parametrize(
    "number",
    [PERSON, "55 11 90000-0001", "RECADO", f"{NUMBER}@c.us", "\u0665\u0665", "²"],
)
async def test_number_that_is_not_all_digits_is_answered_as_none(ask, number):
    _, told = await ask("whatsapp_number_get", query={"numbers": f"{number},{NUMBER}"})
    assert told["numbers"] == [
        {"id": number, "whatsapp_id": ""},
        {"id": NUMBER, "whatsapp_id": NUMBER},
    ]


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("contact_get", {}),
        ("status_logout", {}),
        ("opt_in", {}),
        ("config_get", {}),
        ("delete_message", {}),
        ("template_get", []),
    ],
)
async def test_what_means_nothing_here_is_answered_as_chatroom_wants_it(
    ask, gateway, action, answer
):
    assert await ask(action) == (200, answer)
    assert not gateway.asked


async def test_free_test_is_refused(ask):
    assert (await ask("init_free_test", {"tz": "America/Sao_Paulo"}))[0] == 400


@pytest.mark.parametrize(
    "asked", [{"action": ""}, {"action": "x"}, {"action": None}, {"path": "send"}, {"path": "x/y"}]
)
async def test_unknown_action_is_told_as_one(make_sink, asked):
    assert (await make_sink().handle(request(**{"action": "send", **asked}))).status == 404


async def test_connector_that_asks_by_path_is_shown_a_refusal_as_plain_text(make_sink):
    reply = await make_sink().handle(request("sendMessage", message(text=""), path="sendMessage"))
    assert (reply.status, reply.content_type) == (400, "text/plain; charset=utf-8")
    assert reply.body.decode() == "A mensagem está vazia."


# ---------------------------------------------------------------- hostile bodies

ACTIONS = ("send", "config_set", "msg_set_read", "status_get", "whatsapp_number_get", "opt_in")
BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"to": ' + b"[" * 5000,
    b'{"x": ' + b"[" * 5000,
    b'{"text": "\\ud800", "to": "5511900000001", "id": "1"}',
    b'{"message_ids": [{}], "webhook": [], "to": null}',
    b'{"phone": "+++", "message_ids": []}',
    b'{"latitude": 1e999, "type": "location"}',
    b'{"latitude": "nan", "longitude": "inf", "type": "location", "to": 5511900000001, "id": 1}',
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
@pytest.mark.parametrize("action", ACTIONS)
async def test_no_body_breaks_the_route(ask, action, body):
    status, told = await ask(action, body)
    assert status in {200, 400}
    assert status == 200 or told["error"]
