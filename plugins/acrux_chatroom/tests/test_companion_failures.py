"""Every way in which Odoo's RPC fails: a question ends without doubt, a note may be in doubt."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
from recado_acrux_chatroom import wire
from recado_core import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
    UnreachableError,
)

from .odoo_rpc.companions import (
    ANA,
    DIGITS,
    MSGID,
    TOKEN,
    UUID,
    add_connector,
    add_conversation,
    companion_of,
)
from .odoo_rpc.process import CONVERSATION, MESSAGE, PASSWORD

MESSAGE_IN = wire.Message(type="text", txt="Olá", id=MSGID, number=DIGITS, time=1763222400)
EITHER_WAY = {
    "status_301": AccountError,
    "status_401": AccountError,
    "status_404": AccountError,
    "access_error": AccountError,
    "status_400": PermanentSendError,
    "user_error": PermanentSendError,
    "validation_error": PermanentSendError,
    "value_error": PermanentSendError,
    "status_502": UnreachableError,
    "status_503": UnreachableError,
    "no_connections": UnreachableError,
    "status_500": TransientSendError,
    "missing_error": TransientSendError,
    "serialization": TransientSendError,
    "unheard_of": TransientSendError,
}
"""What a failure becomes, whatever was asked."""

UNCLEAR = (
    "html",
    "empty",
    "null",
    "list",
    "broken",
    "latin",
    "deep",
    "bare_error",
    "text_error",
    "drop",
)
"""Answers from which nobody learns whether the call was carried out."""


OPENSSL = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1")

ENOUGH = 1.5
"""Seconds within which a call is surely made here, where nothing is in its way."""


async def failure_of(call):
    with pytest.raises(SendError) as caught:
        await call
    shown = f"{caught.value!r} {caught.value.text} {caught.value.code} {caught.value.raw}"
    for secret in (PASSWORD, UUID, TOKEN, DIGITS, "Traceback"):
        assert secret not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


async def failed_question(rpc, kind, method="search_count", **more):
    """Return the error of a question that meets a fault."""
    if kind == "access_error":
        rpc.allow(acrux__chat__message=[])
    rpc.fail(kind, method, **more)
    return await failure_of(companion_of(rpc.url).has_message(ANA, MSGID))


async def failed_write(rpc, kind, method="new_message", **more):
    """Return the error of a message that meets a fault."""
    add_connector(rpc)
    if kind == "access_error":
        rpc.allow(acrux__chat__conversation=["read"])
    rpc.fail(kind, method, **more)
    return await failure_of(companion_of(rpc.url).new_message(MESSAGE_IN))


@pytest.mark.parametrize("kind", EITHER_WAY)
async def test_failed_question_says_what_to_do(rpc, kind):
    error = await failed_question(rpc, kind)
    assert type(error) is EITHER_WAY[kind], repr(error)
    assert not getattr(error, "possibly_taken", False)


@pytest.mark.parametrize("kind", EITHER_WAY)
async def test_failed_write_says_what_to_do(rpc, kind):
    error = await failed_write(rpc, kind)
    assert type(error) is EITHER_WAY[kind], repr(error)


@pytest.mark.parametrize("kind", UNCLEAR)
async def test_question_without_a_clear_answer_may_be_asked_again(rpc, kind):
    error = await failed_question(rpc, kind)
    assert type(error) is TransientSendError, repr(error)


@pytest.mark.parametrize("kind", UNCLEAR)
async def test_write_without_a_clear_answer_is_in_doubt(rpc, kind):
    error = await failed_write(rpc, kind)
    assert type(error) is InDoubtError, repr(error)


@pytest.mark.parametrize("kind", ["html", "null", "bare_error", "drop", "empty"])
@pytest.mark.parametrize("method", ["login", "context_get"])
async def test_login_without_a_clear_answer_leaves_nothing_in_doubt(rpc, kind, method):
    error = await failed_write(rpc, kind, method)
    assert type(error) is TransientSendError, repr(error)
    assert rpc.calls("new_message") == []


@pytest.mark.parametrize("kind", ["status_502", "unheard_of"])
async def test_write_that_a_server_failed_at_may_have_been_taken(rpc, kind):
    error = await failed_write(rpc, kind)
    assert error.possibly_taken


async def test_write_that_a_proxy_turned_away_was_not_taken(rpc):
    error = await failed_write(rpc, "status_503")
    assert not error.possibly_taken


async def test_lost_answer_of_a_message_that_was_taken_is_told_by_asking(rpc):
    await failed_write(rpc, "drop", after=True)
    assert await companion_of(rpc.url).has_message(ANA, MSGID)


async def test_refused_connection_is_unreachable():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens
        companion = companion_of(f"http://127.0.0.1:{unused.getsockname()[1]}")
        for call in (companion.has_message(ANA, MSGID), companion.new_message(MESSAGE_IN)):
            assert type(await failure_of(call)) is UnreachableError


async def test_name_that_is_not_known_is_unreachable():
    error = await failure_of(companion_of("http://odoo.invalid").has_message(ANA, MSGID))
    assert type(error) is UnreachableError


async def test_server_without_tls_is_unreachable(rpc):
    url = rpc.url.replace("http://", "https://")
    error = await failure_of(companion_of(url).has_message(ANA, MSGID))
    assert type(error) is UnreachableError


@pytest.mark.skipif(shutil.which("openssl") is None, reason="nothing makes a certificate here")
async def test_certificate_that_nobody_vouches_for_is_for_the_operator(tmp_path):
    with tls_server(tmp_path) as port:
        companion = companion_of(f"https://127.0.0.1:{port}")
        error = await failure_of(companion.has_message(ANA, MSGID))
    assert type(error) is AccountError
    assert "certificate" in error.text


async def test_wrong_password_is_for_the_operator(rpc):
    companion = companion_of(rpc.url, rpc={"password": "another-password-of-nobody"})
    error = await failure_of(companion.has_message(ANA, MSGID))
    assert type(error) is AccountError
    assert "login and password" in error.text
    assert "another-password-of-nobody" not in f"{error!r}{error.raw}"


async def test_database_that_is_not_there_is_for_the_operator(rpc):
    companion = companion_of(rpc.url, rpc={"database": "nowhere"})
    error = await failure_of(companion.has_message(ANA, MSGID))
    assert type(error) is AccountError
    assert "database" in error.text


async def test_password_that_was_changed_is_for_the_operator_and_then_used(rpc):
    companion = companion_of(rpc.url)
    await companion.has_message(ANA, MSGID)
    rpc.fail("access_denied")
    assert type(await failure_of(companion.has_message(ANA, MSGID))) is AccountError
    assert not await companion.has_message(ANA, MSGID)
    assert len(rpc.calls("login")) == 2


async def test_missing_addon_is_for_the_operator(rpc):
    rpc.drop_model(CONVERSATION)
    error = await failure_of(companion_of(rpc.url).info(ANA, None, "Entregue"))
    assert type(error) is AccountError
    assert CONVERSATION in error.text


async def test_record_that_a_rule_keeps_away_stops_nothing_but_its_own_event(rpc):
    add_conversation(rpc, add_connector(rpc), status="done")
    rpc.fail("access_error", "create")
    error = await failure_of(companion_of(rpc.url).info(ANA, None, "Entregue"))
    assert type(error) is PermanentSendError


async def test_method_that_returns_nothing_was_carried_out(rpc):
    add_conversation(rpc, add_connector(rpc), status="current")
    await companion_of(rpc.url).info(ANA, None, "Entregue")  # the fake answers without a result
    assert rpc.shown_at_once() == ["Entregue"]


async def test_odoo_below_a_path_is_reached_there(rpc):
    companion = companion_of(f"{rpc.url}/below/")
    assert type(await failure_of(companion.has_message(ANA, MSGID))) is AccountError
    assert rpc.calls() == []


# ---------------------------------------------------------------- time


async def open_companion(rpc):
    """Return a companion of little patience that has logged in already."""
    add_connector(rpc)
    companion = companion_of(rpc.url, deadline=ENOUGH)
    await companion.new_message(MESSAGE_IN)
    return companion


async def test_question_that_takes_too_long_may_be_asked_again(rpc):
    companion = await open_companion(rpc)
    rpc.fail("slow", "search_count", seconds=60)
    error = await failure_of(companion.has_message(ANA, MSGID))
    assert type(error) is TransientSendError


@pytest.mark.parametrize("kind", ["slow", "trickle"])
async def test_write_that_takes_too_long_is_in_doubt(rpc, kind):
    companion = await open_companion(rpc)
    rpc.fail(kind, "new_message", seconds=60)
    error = await failure_of(companion.new_message(MESSAGE_IN))
    assert type(error) is InDoubtError


async def test_nothing_is_begun_for_a_caller_who_has_gone(rpc):
    companion = await open_companion(rpc)
    rpc.fail("slow", "search_read", seconds=ENOUGH + 0.3, after=True)
    error = await failure_of(companion.info(ANA, None, "Entregue"))
    assert type(error) is TransientSendError
    await end_of_threads()
    assert len(rpc.rows(MESSAGE)) == 1


async def test_odoo_that_leaves_every_thread_waiting_is_unreachable_until_it_answers(rpc):
    companion = await open_companion(rpc)
    rpc.fail("trickle", "search_count", seconds=60, times=1)
    rpc.fail("trickle", "login", seconds=60, times=1)
    for _ in range(2):
        error = await failure_of(companion.has_message(ANA, MSGID))
        assert type(error) is TransientSendError
    error = await failure_of(companion.has_message(ANA, MSGID))
    assert type(error) is UnreachableError
    assert "2 calls unanswered" in error.text
    rpc.reset()
    await end_of_threads()
    assert not await companion.has_message(ANA, MSGID)


async def test_questions_that_queue_up_are_throttled(rpc):
    companion = await open_companion(rpc)
    rpc.fail("slow", "search_count", seconds=ENOUGH * 0.75, times=9)
    errors = await asyncio.gather(
        *(companion.has_message(ANA, MSGID) for _ in range(9)), return_exceptions=True
    )
    assert [error for error in errors if getattr(error, "throttled", False)]
    assert not [error for error in errors if isinstance(error, UnreachableError)]


async def test_caller_who_is_cancelled_leaves_the_place_to_others(rpc):
    companion = await open_companion(rpc)
    rpc.fail("slow", "search_count", seconds=0.2, times=2, after=True)
    calls = [asyncio.ensure_future(companion.has_message(ANA, MSGID)) for _ in range(2)]
    await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    assert await companion.has_message(ANA, MSGID)


async def end_of_threads():
    for thread in threading.enumerate():
        if thread.name == "odoo-rpc":
            await asyncio.to_thread(thread.join, 20)
            assert not thread.is_alive()


@contextlib.contextmanager
def tls_server(folder):
    """Answer one connection with a certificate of our own making, which nobody vouches for."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [*OPENSSL, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve():
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)
