"""What an agent's message becomes, and what the agent is told when it can't go."""

import pytest
from recado_acrux_chatroom.phrases import PHRASES
from recado_core import Media

from .bench import NUMBER, PERSON
from .calls import message
from .fake_odoo import UUID

CODES = (
    "invalid_address",
    "no_route",
    "empty",
    "too_long",
    "no_media",
    "suppressed",
    "key_reused",
)
JPEG = {
    "type": "image",
    "url": "https://odoo.example.com/web/chatresource/1/x",
    "filename": "a.jpg",
}


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


@pytest.mark.parametrize("language", PHRASES)
@pytest.mark.parametrize("code", CODES)
async def test_refusal_of_the_gateway_is_told_in_the_agents_language(ask, gateway, code, language):
    gateway.refusal, gateway.code = "in the gateway's words", code
    status, told = await ask("send", message(), settings={"language": language})
    assert (status, told["error"]) == (400, PHRASES[language].refusals[code])
    assert PHRASES["pt"].refusals[code] != PHRASES["en"].refusals[code]


@pytest.mark.parametrize("code", [None, "invalid", "a code of later"])
async def test_refusal_that_has_no_words_here_is_told_in_the_gateways(ask, gateway, code):
    gateway.refusal, gateway.code = "`text` can't be sent", code
    _, told = await ask("send", message())
    assert told["error"] == "O Recado não aceitou a mensagem. `text` can't be sent"


def test_every_language_has_words_for_the_same_codes():
    assert {frozenset(phrases.refusals) for phrases in PHRASES.values()} == {frozenset(CODES)}


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


async def test_file_that_comes_again_is_the_same_message(ask, gateway):
    gateway.short = "https://g.example.com/l/x"
    first, again = await ask("send", message(**JPEG)), await ask("send", message(**JPEG))
    assert first == again
    assert gateway.shortened == [(JPEG["url"], gateway.sent[0].key)] * 2


async def test_files_of_two_messages_have_links_of_their_own(ask, gateway):
    gateway.short = "https://g.example.com/l/x"
    for own_id in ("1", "2"):
        await ask("send", message(**JPEG | {"id": own_id}))
    assert len({key for _, key in gateway.shortened}) == 2


@pytest.mark.parametrize("kind", ["image", "video", "audio", "file", "sticker"])
async def test_file_goes_along_where_the_channel_carries_it(ask, gateway, kind):
    photo = message(**JPEG | {"type": kind, "text": False})
    await ask("send", photo, settings={"channel": "whatsapp"})
    (sent,) = gateway.sent
    assert (sent.channel, sent.text) == ("whatsapp", "")
    assert sent.media == (Media(url=JPEG["url"], type="image/jpeg", filename="a.jpg"),)
