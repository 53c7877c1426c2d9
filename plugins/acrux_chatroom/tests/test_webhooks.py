"""Odoo's calls, as values: who may call, what an agent's message becomes, what can't be broken."""

import logging

import msgspec
import pytest
from recado_core import AccountState, Media, WebhookRequest

from .fake_odoo import TOKEN, UUID

HEADERS = {"client_id": UUID, "token": TOKEN, "content-type": "application/json"}
NUMBER, PERSON = "5511900000001", "+5511900000001"
JPEG = {
    "type": "image",
    "url": "https://odoo.example.com/web/chatresource/1/x",
    "filename": "a.jpg",
}


def request(action="send", body=b"", path="", query=None, **headers):
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given = {**HEADERS, "action": action, **headers}
    return WebhookRequest(
        url="https://gateway.example.com/sinks/chatroom",
        headers={name: value for name, value in given.items() if value is not None},
        query=query or {},
        body=raw,
        path=path,
    )


def message(**fields):
    return {"type": "text", "text": "Às 9h está ótimo", "to": NUMBER, "id": "87123", **fields}


@pytest.fixture
def ask(make_sink):
    sinks = []

    async def ask(*args, settings=None, **more):
        if not sinks:
            sinks.append(make_sink(**(settings or {})))
        reply = await sinks[-1].handle(request(*args, **more))
        assert reply.content_type == "application/json"
        return reply.status, msgspec.json.decode(reply.body)

    return ask


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


# ---------------------------------------------------------------- an agent's message


async def test_agents_message_goes_to_the_gateway(ask, gateway):
    status, told = await ask("send", message())
    (sent,) = gateway.sent
    assert (status, told["msg_id"][:5], told["msg_id"][-19:]) == (200, "true_", f"_{NUMBER}@c.us")
    assert (sent.account, sent.channel, sent.to) == ("kolmeya_main", "sms", PERSON)
    assert (sent.text, sent.media, sent.key[:6]) == ("Às 9h está ótimo", (), "87123-")
    assert UUID not in sent.key


async def test_same_message_twice_is_one(ask, gateway):
    first, again = await ask("send", message()), await ask("send", message())
    assert first == again
    assert len(gateway.sent) == 1


@pytest.mark.parametrize("other", [{"id": "87124"}, {"text": "Às 10h"}, {"to": "5511900000002"}])
async def test_another_message_is_another_though_an_id_comes_again(ask, gateway, other):
    await ask("send", message())
    await ask("send", message(**other))
    assert len(gateway.sent) == 2


async def test_what_later_versions_add_does_not_matter(ask, gateway):
    more = {
        "chat_type": "normal",
        "buttons": [{"id": "1", "type": "replay", "text": "Sim"}],
        "list": {"title": "x"},
        "quote_msg_id": "false_1_5511900000001@c.us",
        "messaging_type": "RESPONSE",
    }
    assert (await ask("send", message(**more)))[0] == 200
    assert gateway.sent[0].text == "Às 9h está ótimo"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"text": ""}, "vazia"),
        ({"text": False}, "vazia"),
        ({"text": "  \n"}, "vazia"),
        ({"text": "\0"}, "vazia"),
        ({"text": "x" * 4000}, "longa"),
        ({"to": ""}, "número"),
        ({"to": "27000"}, "número"),
        ({"to": "RECADO"}, "número"),
        ({"to": "5511"}, "número"),
        ({"to": "120363000000000000", "chat_type": "group"}, "grupos"),
        ({"id": ""}, "identificação"),
        ({"type": "contact"}, "tipo"),
        ({"type": "location"}, "vazia"),
        ({"type": "image"}, "endereço"),
        ({"type": "image", "url": "file:///etc/passwd"}, "endereço"),
        ({"type": "image", "url": "https://[x"}, "endereço"),
        ({"type": "image", "url": "/web/image/1"}, "endereço"),
        ({"type": ["text"]}, "ler"),
        ({"text": {"a": 1}}, "ler"),
    ],
)
async def test_refusal_is_told_to_the_agent(ask, gateway, wrong, said):
    status, told = await ask("send", message(**wrong))
    assert status == 400
    assert said in told["error"]
    assert not gateway.sent


async def test_longest_text_that_chatroom_lets_through_is_taken(ask):
    assert (await ask("send", message(text="x" * 3999)))[0] == 200


async def test_refusal_of_the_gateway_is_told_to_the_agent(ask, gateway):
    gateway.refusal = "this person gets no messages: opt_out"
    assert await ask("send", message()) == (400, {"error": gateway.refusal})


async def test_gateway_that_is_down_is_told_to_the_agent(ask, gateway, caplog):
    gateway.is_down = True
    status, told = await ask("send", message())
    assert status == 503
    assert "novamente" in told["error"]
    assert "agent told to try again" in caplog.messages


async def test_agents_are_told_in_the_language_of_the_settings(ask):
    _, told = await ask("send", message(text=""), settings={"language": "en"})
    assert told["error"] == "The message is empty."


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (
            {"latitude": "-27.59", "longitude": "-48.55"},
            "Loja\nRua Um, 1\nhttps://maps.google.com/?q=-27.590000,-48.550000",
        ),
        ({"latitude": "here", "longitude": ""}, "Loja\nRua Um, 1"),
        ({"latitude": "nan", "longitude": "inf"}, "Loja\nRua Um, 1"),
    ],
)
async def test_location_goes_as_text(ask, gateway, place, text):
    await ask("send", message(type="location", text=None, address="Loja\nRua Um, 1", **place))
    assert gateway.sent[0].text == text


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("rule", "short", "text"),
    [
        (None, "https://g.example.com/l/x", "A foto\nhttps://g.example.com/l/x"),
        (None, None, None),
        ("link", "https://g.example.com/l/x", "A foto\nhttps://g.example.com/l/x"),
        ("link", None, f"A foto\n{JPEG['url']}"),
        ("refuse", "https://g.example.com/l/x", None),
    ],
)
async def test_file_on_a_channel_of_text_is_a_link_or_a_refusal(ask, gateway, rule, short, text):
    gateway.short = short
    photo = message(**JPEG | {"text": "A foto"})
    status, _ = await ask("send", photo, settings={"media": rule})
    assert [sent.text for sent in gateway.sent] == ([text] if text else [])
    assert status == (200 if text else 400)


@pytest.mark.parametrize("kind", ["image", "video", "audio", "file", "sticker"])
async def test_file_goes_along_where_the_channel_carries_it(ask, gateway, kind):
    photo = message(**JPEG | {"type": kind, "text": False})
    await ask("send", photo, settings={"channel": "whatsapp"})
    (sent,) = gateway.sent
    assert (sent.channel, sent.text) == ("whatsapp", "")
    assert sent.media == (Media(url=JPEG["url"], type="image/jpeg", filename="a.jpg"),)


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
    _, told = await ask("whatsapp_number_get", query={"numbers": f"{NUMBER},55011900000001,27000,"})
    assert [(one["id"], one["whatsapp_id"]) for one in told["numbers"]] == [
        (NUMBER, NUMBER),
        ("55011900000001", NUMBER),
        ("27000", ""),
    ]
    assert told["date_due"] is False


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
