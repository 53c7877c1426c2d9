import logging

import httpx
import msgspec
import pytest
from recado_core import (
    NOT_TOLD,
    AccountError,
    InDoubtError,
    PermanentSendError,
    TransientSendError,
    UnreachableError,
)
from recado_core.testing import make_event

from .bench import MO, left, received
from .odoo import BrokenOffError, Fault

WEBHOOK = "https://odoo.example.com/acrux_webhook/whatsapp_connector/"
JPEG = {"url": "https://files.example.com/1.jpg", "type": "image/jpeg", "filename": "foto.jpg"}


def always(response):
    return lambda _: response


# ---------------------------------------------------------------- MO


@pytest.mark.parametrize("generation", [13, 14, 15, 16, 17, 17.5, 18])
async def test_message_reaches_the_conversation_in_every_generation(
    make_odoo, make_sink, generation
):
    odoo = make_odoo(generation)
    await make_sink(odoo.answer).deliver(received(), repeated=False)
    assert odoo.messages == [
        {
            "type": "text",
            "txt": "Sim, pode ser às 9h 👍",
            "id": f"false_{MO}_5511900000001@c.us",
            "number": "5511900000001",
            "time": 1767614400,
        }
    ]


async def test_call_goes_to_the_connector_as_json(odoo, make_sink, table):
    await make_sink(odoo.answer).deliver(received(), repeated=False)
    (request,) = odoo.requests
    assert (request.method, request.url) == ("POST", WEBHOOK + table["connector_uuid"])
    assert request.headers["content-type"] == "application/json"


async def test_odoo_may_stand_under_a_path(odoo, make_sink, table):
    with pytest.raises(AccountError):  # the fake one does not
        await make_sink(odoo.answer, odoo_url="http://127.0.0.1:8069/erp/").deliver(
            received(), repeated=False
        )
    path = f"/erp/acrux_webhook/whatsapp_connector/{table['connector_uuid']}"
    assert odoo.requests[0].url == f"http://127.0.0.1:8069{path}"


async def test_time_as_text_is_understood(odoo, make_sink):
    await make_sink(odoo.answer).deliver(
        received(created_at="2026-01-05T09:00:00.5-03:00"), repeated=False
    )
    assert odoo.messages[0]["time"] == 1767614400


async def test_name_goes_along_when_somebody_told_it(odoo, make_sink):
    await make_sink(odoo.answer).deliver(received(name="Pessoa de Teste"), repeated=False)
    assert odoo.messages[0]["name"] == "Pessoa de Teste"


@pytest.mark.parametrize("name", ["", None])
async def test_name_that_nobody_told_is_left_out(odoo, make_sink, name):
    await make_sink(odoo.answer).deliver(received(name=name), repeated=False)
    assert "name" not in odoo.messages[0]


async def test_number_goes_out_in_its_one_form(odoo, make_sink):
    await make_sink(odoo.answer).deliver(received(sender="+55 (11) 90000-0001"), repeated=False)
    assert odoo.messages[0]["number"] == "5511900000001"


@pytest.mark.parametrize("sender", ["27000", "RECADO", "11900000001", "48991910234", "", "+27000"])
async def test_number_that_chatroom_refuses_is_refused_before_any_call(odoo, make_sink, sender):
    with pytest.raises(PermanentSendError, match="ChatRoom") as caught:
        await make_sink(odoo.answer).deliver(received(sender=sender), repeated=False)
    assert caught.value.code == "address"
    assert not odoo.requests


@pytest.mark.parametrize(
    "missing",
    [{"id": ""}, {"created_at": None}, {"created_at": "2026-01-05T12:00:00"}, {"sender": None}],
)
async def test_event_without_what_chatroom_needs_is_refused_before_any_call(
    odoo, make_sink, missing
):
    with pytest.raises(PermanentSendError, match=r"message\.received"):
        await make_sink(odoo.answer).deliver(received(**missing), repeated=False)
    assert not odoo.requests


# ---------------------------------------------------------------- media


async def test_medium_goes_with_its_caption(odoo, make_sink):
    await make_sink(odoo.answer).deliver(received(text="A foto", media=[JPEG]), repeated=False)
    (message,) = odoo.messages
    assert (message["type"], message["txt"]) == ("image", "A foto")
    assert (message["url"], message["filename"]) == (JPEG["url"], "foto.jpg")


@pytest.mark.parametrize(
    ("medium", "kind"),
    [
        ({"url": "https://files.example.com/1", "type": "audio/ogg; codecs=opus"}, "audio"),
        ({"url": "https://files.example.com/1", "type": "video/mp4"}, "video"),
        ({"url": "https://files.example.com/1", "type": "image/webp"}, "image"),
        ({"url": "https://files.example.com/1", "type": "application/pdf"}, "file"),
        ({"url": "https://files.example.com/1.png?size=2"}, "image"),
        ({"url": "https://files.example.com/1", "filename": "fala.mp3"}, "audio"),
        ({"url": "https://files.example.com/1"}, "file"),
    ],
)
async def test_medium_has_one_of_the_types_that_chatroom_knows(odoo, make_sink, medium, kind):
    await make_sink(odoo.answer).deliver(received(text="", media=[medium]), repeated=False)
    assert odoo.messages[0]["type"] == kind


async def test_further_media_go_as_links_in_the_one_call(odoo, make_sink):
    media = [JPEG, {"url": "https://files.example.com/2.pdf"}]
    await make_sink(odoo.answer).deliver(received(text="Duas", media=media), repeated=False)
    (message,) = odoo.messages
    assert message["url"] == JPEG["url"]
    assert message["txt"] == "Duas\nhttps://files.example.com/2.pdf"


# ---------------------------------------------------------------- what is not for this sink


@pytest.mark.parametrize(
    "event",
    [
        received(account="other"),
        received(channel="whatsapp"),
        left(account="other"),
        left(origin="other"),
        left(origin=None),
    ],
)
async def test_what_is_not_of_this_connector_passes_by(odoo, make_sink, event):
    assert await make_sink(odoo.answer).deliver(event, repeated=False) is NOT_TOLD
    assert not odoo.requests


@pytest.mark.parametrize("event_type", ["message.delivered", "conversation.opened", "sink.down"])
async def test_events_that_chatroom_can_not_show_pass_by(odoo, make_sink, event_type):
    sink = make_sink(odoo.answer, notes="all")
    event = make_event(event_type, account="kolmeya_main")
    assert await sink.deliver(event, repeated=False) is NOT_TOLD
    assert not odoo.requests


# ---------------------------------------------------------------- the queue of 17 and later


async def test_queue_is_worked_off_where_there_is_one(make_odoo, make_sink):
    odoo = make_odoo(17)
    await make_sink(odoo.answer).deliver(received(), repeated=False)
    first, second = odoo.requests
    assert second.url == f"{first.url}/process"
    assert (odoo.queue, len(odoo.messages)) == ([], 1)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(504),
        httpx.Response(200, html="<h1>Odoo</h1>"),
        httpx.Response(200, json={"result": "<Response 0 bytes [500 INTERNAL SERVER ERROR]>"}),
    ],
)
async def test_what_is_queued_is_taken_though_the_queue_stands(make_odoo, make_sink, answer):
    odoo = make_odoo(17)
    odoo.queue_answer = answer
    await make_sink(odoo.answer).deliver(received(), repeated=False)
    assert len(odoo.queue) == 1


async def test_silence_about_the_queue_is_no_failure(make_odoo, make_sink):
    odoo = make_odoo(17)

    def handle(request):
        if request.url.path.endswith("/process"):
            raise httpx.ReadTimeout("no answer in time")
        return odoo.answer(request)

    await make_sink(handle).deliver(received(), repeated=False)
    assert len(odoo.queue) == 1


async def test_standing_queue_is_logged_once_and_once_when_it_goes_on(make_odoo, make_sink, caplog):
    caplog.set_level(logging.INFO, logger="recado_acrux_chatroom")
    odoo = make_odoo(17)
    sink = make_sink(odoo.answer)
    for answer in (httpx.Response(504), httpx.Response(504), None, None):
        odoo.queue_answer = answer
        await sink.deliver(received(), repeated=False)
    ours = [r for r in caplog.records if r.name.startswith("recado_acrux_chatroom")]
    assert [(r.levelname, r.getMessage()) for r in ours] == [
        ("WARNING", "chatroom queue left to odoo"),
        ("INFO", "chatroom queue worked off again"),
    ]


# ---------------------------------------------------------------- answers


async def test_unknown_connector_is_an_account_error(odoo, make_sink):
    sink = make_sink(odoo.answer, connector_uuid="another-connector")
    with pytest.raises(AccountError, match="connector_uuid") as caught:
        await sink.deliver(received(), repeated=False)
    assert "another-connector" not in f"{caught.value} {caught.value.raw}"


async def test_message_that_the_addon_fails_at_is_no_success(odoo, make_sink):
    odoo.faults.append(Fault("failure", count=1))
    sink = make_sink(odoo.answer)
    with pytest.raises(TransientSendError, match="Odoo's log"):
        await sink.deliver(received(), repeated=False)
    await sink.deliver(received(), repeated=False)
    assert len(odoo.messages) == 1


async def test_login_page_is_no_success(make_sink):
    page = httpx.Response(200, html="<!DOCTYPE html><title>Login | Odoo</title>")
    with pytest.raises(InDoubtError, match="odoo_url"):
        await make_sink(always(page)).deliver(received(), repeated=False)


async def test_redirect_is_not_followed(make_sink):
    asked = []

    def send_to_login(request):
        asked.append(request)
        return httpx.Response(303, headers={"location": "/web/login"})

    with pytest.raises(AccountError, match="odoo_url"):
        await make_sink(send_to_login).deliver(received(), repeated=False)
    assert len(asked) == 1


async def test_session_of_odoo_is_kept(odoo, make_sink):
    sink = make_sink(odoo.answer)
    await sink.deliver(received(), repeated=False)
    await sink.deliver(received(), repeated=False)
    assert odoo.sessions == 1
    assert "session_id=s1" in odoo.requests[1].headers["cookie"]


async def test_log_of_httpx_hides_the_connector(make_odoo, make_sink, table, caplog):
    caplog.set_level(logging.INFO, logger="httpx")
    odoo = make_odoo(17)
    await make_sink(odoo.answer).deliver(received(), repeated=False)
    shown = [r.getMessage() for r in caplog.records if r.name == "httpx"]
    assert [text.split()[3] for text in shown] == [f"{WEBHOOK}***", f"{WEBHOOK}***/process"]
    assert table["connector_uuid"] not in str([vars(r) for r in caplog.records])


# ---------------------------------------------------------------- what may have been taken


async def test_what_odoo_does_not_have_is_repeated_once_odoo_is_alive(odoo, make_sink):
    await make_sink(odoo.answer).deliver(received(), repeated=True)
    assert [request.method for request in odoo.requests] == ["GET", "POST"]
    assert len(odoo.messages) == 1


@pytest.mark.parametrize("kind", ["502", "503", "504", "500", "close"])
async def test_repeat_waits_without_being_counted_while_odoo_is_away(odoo, make_sink, kind):
    odoo.faults.append(Fault(kind, count=1, at="test"))

    def answer(request):
        try:
            return odoo.answer(request)
        except BrokenOffError:
            raise httpx.ReadTimeout("no answer in time") from None

    with pytest.raises(UnreachableError) as caught:
        await make_sink(answer).deliver(received(), repeated=True)
    assert caught.value.possibly_taken
    assert not odoo.messages


async def test_odoo_without_the_address_that_only_answers_is_alive(odoo, make_sink):
    odoo.faults.append(Fault("404", count=1, at="test"))
    await make_sink(odoo.answer).deliver(received(), repeated=True)
    assert len(odoo.messages) == 1


@pytest.mark.parametrize("kind", ["502", "503", "504", "no_database"])
async def test_odoo_that_is_down_behind_a_proxy_is_unreachable(odoo, make_sink, kind):
    odoo.faults.append(Fault(kind, count=1))
    with pytest.raises(UnreachableError):
        await make_sink(odoo.answer).deliver(received(), repeated=False)


@pytest.mark.parametrize("kind", ["502", "504"])
async def test_repeat_that_an_odoo_which_answers_breaks_at_is_counted(odoo, make_sink, kind):
    odoo.faults.append(Fault(kind, count=1))
    with pytest.raises(TransientSendError) as caught:
        await make_sink(odoo.answer).deliver(received(), repeated=True)
    assert not isinstance(caught.value, UnreachableError)
    assert (caught.value.code, caught.value.possibly_taken) == (kind, True)


@pytest.mark.parametrize("kind", ["503", "no_database"])
async def test_repeat_waits_for_an_odoo_that_goes_away_once_more(odoo, make_sink, kind):
    odoo.faults.append(Fault(kind, count=1))
    with pytest.raises(UnreachableError):
        await make_sink(odoo.answer).deliver(received(), repeated=True)


async def test_odoo_that_fails_at_one_message_is_not_unreachable(odoo, make_sink):
    odoo.faults.append(Fault("rpc_error", count=1))
    with pytest.raises(TransientSendError) as caught:
        await make_sink(odoo.answer).deliver(received(), repeated=False)
    assert not isinstance(caught.value, UnreachableError)
    assert caught.value.possibly_taken


# ---------------------------------------------------------------- the fake


@pytest.mark.parametrize(
    "change",
    [
        {"number": "+5511900000001"},
        {"number": "27000"},
        {"time": "1767614400"},
        {"time": 1767614400000},
        {"id": ""},
        {"surname": "de Teste"},
    ],
)
async def test_fake_odoo_fails_at_what_the_addon_fails_at(odoo, make_sink, change):
    await make_sink(odoo.answer).deliver(received(), repeated=False)
    good = msgspec.json.decode(odoo.requests[0].content)
    good["params"]["messages"][0] |= change
    answer = post(odoo, odoo.requests[0].url, good)
    assert "500 INTERNAL" in answer.json()["result"]


async def test_fake_odoo_reads_nothing_that_is_not_wrapped(odoo, make_sink):
    await make_sink(odoo.answer).deliver(received(), repeated=False)
    call = msgspec.json.decode(odoo.requests[0].content)
    assert "500 INTERNAL" in post(odoo, odoo.requests[0].url, call["params"]).json()["result"]
    assert "403" in post(odoo, odoo.requests[0].url, {"params": {}}).json()["result"]


async def test_fake_odoo_16_drops_a_message_whose_id_it_does_not_know(make_odoo, make_sink):
    odoo = make_odoo(16)
    await make_sink(odoo.answer).deliver(received(), repeated=False)
    call = msgspec.json.decode(odoo.requests[0].content)
    call["params"]["messages"][0]["id"] = MO
    assert "200 OK" in post(odoo, odoo.requests[0].url, call).json()["result"]
    assert len(odoo.messages) == 1


async def test_fake_odoo_takes_a_repeat_as_a_second_message(odoo, make_sink):
    sink, event = make_sink(odoo.answer), received()
    await sink.deliver(event, repeated=False)
    await sink.deliver(event, repeated=True)
    assert [message["id"] for message in odoo.messages] == [f"false_{MO}_5511900000001@c.us"] * 2


def post(odoo, url, call):
    return odoo.answer(httpx.Request("POST", url, json=call))
