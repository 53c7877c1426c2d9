from pathlib import Path

import httpx
import msgspec
import pytest
from recado_acrux_chatroom import wire
from recado_acrux_chatroom.answers import Taken, read_answer
from recado_acrux_chatroom.redaction import redact
from recado_core import AccountError, InDoubtError, PermanentSendError, TransientSendError

PAYLOADS = Path(__file__).parent / "payloads"
MO = "01890000-0000-7000-8000-000000000001"
MT = "01890000-0000-7000-8000-000000000002"
NUMBER = "5511900000001"
UUID = "3f0c5a1e-kit-uuid-of-nobody"
TEXT = {
    "type": "text",
    "txt": "Sim, pode ser às 9h 👍",
    "id": wire.inbound_id(MO, NUMBER),
    "number": NUMBER,
    "time": 1767614400,
}
IMAGE = {
    **TEXT,
    "type": "image",
    "txt": "A foto",
    "name": "Pessoa de Teste",
    "url": "https://files.example.com/1.jpg",
    "filename": "foto.jpg",
}
FAILED = {"msgid": wire.outbound_id(MT, NUMBER), "txt": "undelivered: 30003: Fora de área"}


def read(response):
    return read_answer(response, lambda text: redact(text, UUID))


def payload(name):
    return httpx.Response(200, content=(PAYLOADS / f"answer_{name}.json").read_bytes())


def saying(result):
    return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": result})


# ---------------------------------------------------------------- what goes out


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("text", wire.Params(messages=(wire.Message(**TEXT),))),
        ("image", wire.Params(messages=(wire.Message(**IMAGE),))),
        ("failed", wire.Params(events=(wire.Failed(**FAILED),))),
    ],
)
def test_call_is_written_as_chatroom_reads_it(name, params):
    written = msgspec.json.encode(wire.Call(params=params))
    expected = (PAYLOADS / f"call_{name}.json").read_bytes()
    assert msgspec.json.decode(written) == msgspec.json.decode(expected)


def test_call_without_content_is_wrapped_all_the_same():
    assert msgspec.json.decode(msgspec.json.encode(wire.Call()))["params"] == {}


def test_ids_tell_who_wrote_and_end_as_a_normal_conversation_does():
    assert wire.inbound_id(MO, NUMBER) == f"false_{MO}_{NUMBER}@c.us"
    assert wire.outbound_id(MT, NUMBER) == f"true_{MT}_{NUMBER}@c.us"


# ---------------------------------------------------------------- what comes back


def test_text_of_a_success_means_done():
    assert read(payload("done")) is Taken.DONE


def test_success_with_another_length_or_class_means_done():
    assert read(saying("<Response streamed [200 OK]>")) is Taken.DONE


def test_status_ok_means_queued():
    assert read(payload("queued")) is Taken.QUEUED


def test_status_ok_means_queued_where_the_route_is_no_json_rpc():
    assert read(httpx.Response(200, json={"status": "ok"})) is Taken.QUEUED


def test_unknown_connector_is_an_account_error_that_names_the_key():
    with pytest.raises(AccountError, match="connector_uuid") as caught:
        read(payload("forbidden"))
    assert caught.value.code == "403"


def test_failure_behind_http_200_is_transient_and_possibly_taken():
    with pytest.raises(TransientSendError) as caught:
        read(payload("failed"))
    assert caught.value.possibly_taken
    assert caught.value.code == "500"


def test_refusal_of_another_kind_behind_http_200_is_permanent():
    with pytest.raises(PermanentSendError) as caught:
        read(saying("<Response 12 bytes [400 BAD REQUEST]>"))
    assert caught.value.code == "400"


def test_error_of_odoo_is_transient_and_keeps_neither_traceback_nor_number():
    with pytest.raises(TransientSendError, match="SerializationFailure") as caught:
        read(payload("rpc_error"))
    assert caught.value.possibly_taken
    assert "could not serialize" in caught.value.raw
    assert "kept_from_the_error" not in caught.value.raw
    assert "900000001" not in caught.value.raw


def test_error_of_odoo_without_data_is_transient():
    with pytest.raises(TransientSendError, match="Odoo Server Error"):
        read(httpx.Response(200, json={"error": {"code": 200, "message": "Odoo Server Error"}}))


def test_error_of_odoo_that_finds_no_route_is_an_account_error():
    with pytest.raises(AccountError, match="addon is not installed"):
        read(payload("not_found"))


@pytest.mark.parametrize("status", [404, 405])
def test_missing_webhook_is_an_account_error(status):
    with pytest.raises(AccountError, match="odoo_url") as caught:
        read(httpx.Response(status, html="<h1>Not Found</h1>"))
    assert (caught.value.code, caught.value.raw) == (str(status), "<h1>Not Found</h1>")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_an_account_error(status):
    with pytest.raises(AccountError, match="odoo_url"):
        read(httpx.Response(status, headers={"location": "/web/login"}))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_gateway_errors_are_transient(status):
    with pytest.raises(TransientSendError):
        read(httpx.Response(status, html="<h1>Bad Gateway</h1>"))


@pytest.mark.parametrize("status", [400, 413])
def test_other_client_errors_are_permanent(status):
    with pytest.raises(PermanentSendError):
        read(httpx.Response(status, html="<h1>no</h1>"))


@pytest.mark.parametrize(
    ("response", "what"),
    [
        (httpx.Response(200), "empty answer"),
        (httpx.Response(200, text=" \n"), "empty answer"),
        (httpx.Response(204), "empty answer"),
        (httpx.Response(200, html="<!DOCTYPE html><title>Login</title>"), "page"),
        (httpx.Response(200, text="[200 OK]"), "none of ChatRoom's"),
        (httpx.Response(200, json={}), "none of ChatRoom's"),
        (httpx.Response(200, json=["ok"]), "none of ChatRoom's"),
        (httpx.Response(200, json={"status": "error"}), "none of ChatRoom's"),
        (saying(None), "none of ChatRoom's"),
        (saying(1), "none of ChatRoom's"),
        (saying("ok"), "none of ChatRoom's"),
        (saying("200 OK"), "none of ChatRoom's"),
        (saying("said <Response 0 bytes [200 OK]>"), "none of ChatRoom's"),
        (saying("<Response 0 bytes [302 FOUND]>"), "none of ChatRoom's"),
        (saying({"status": "error"}), "none of ChatRoom's"),
        (saying({"status": ["ok"]}), "none of ChatRoom's"),
    ],
)
def test_success_that_chatroom_did_not_say_is_in_doubt(response, what):
    with pytest.raises(InDoubtError, match=what):
        read(response)


def test_answer_is_kept_without_uuid_and_number():
    page = f"<p>{UUID} said 5511900000001</p>"
    with pytest.raises(InDoubtError) as caught:
        read(httpx.Response(200, html=page))
    assert caught.value.raw == "<p>*** said …0001</p>"
