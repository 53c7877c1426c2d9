import msgspec
import pytest
from recado_acrux_chatroom import wire
from recado_acrux_chatroom.companion import Companion
from recado_core import AccountError, ConfigurationError, PermanentSendError

from .odoo_rpc.companions import (
    ANA,
    DIGITS,
    MSGID,
    UUID,
    add_connector,
    add_conversation,
    companion_of,
    settings_for,
)
from .odoo_rpc.process import CONNECTOR, CONVERSATION, MESSAGE, running_odoo

GENERATIONS = (13, 15, 16, 17, 18)


@pytest.fixture(scope="module", params=GENERATIONS)
def any_running_odoo(request):
    with running_odoo(request.param) as odoo:
        odoo.generation = request.param
        yield odoo


def incoming(**changes):
    values = {"type": "text", "txt": "Olá, tudo?", "id": MSGID, "number": DIGITS}
    return wire.Message(**values | {"time": 1763222400} | changes)


def test_sink_without_a_login_has_no_companion():
    settings = msgspec.structs.replace(settings_for("https://odoo.example.com"), rpc=None)
    with pytest.raises(ConfigurationError, match=r"sinks\.chatroom\.rpc"):
        Companion(settings, "chatroom")


async def test_companion_calls_nobody_before_it_is_asked(rpc):
    companion_of(rpc.url)
    assert rpc.calls() == []


# ---------------------------------------------------------------- has_message


async def test_message_is_found_in_the_conversation_that_has_it(any_odoo):
    conversation = add_conversation(any_odoo, add_connector(any_odoo))
    any_odoo.create(MESSAGE, contact_id=conversation, msgid=MSGID, text="Olá")
    companion = companion_of(any_odoo.url)
    assert await companion.has_message(ANA, MSGID)
    assert await companion.has_message(DIGITS, MSGID)
    assert not await companion.has_message(ANA, MSGID.replace("018f", "0190"))


async def test_same_id_in_another_conversation_or_connector_is_another_message(rpc):
    other = add_connector(rpc, name="Other", uuid="another-uuid-of-nobody")
    there = add_conversation(rpc, other)
    rpc.create(MESSAGE, contact_id=there, msgid=MSGID)
    connector = add_connector(rpc)
    beside = add_conversation(rpc, connector, number="5511900000002")
    rpc.create(MESSAGE, contact_id=beside, msgid=MSGID)
    assert not await companion_of(rpc.url).has_message(ANA, MSGID)


async def test_archived_message_is_there_too(rpc):
    conversation = add_conversation(rpc, add_connector(rpc))
    rpc.create(MESSAGE, contact_id=conversation, msgid=MSGID, active=False)
    assert await companion_of(rpc.url).has_message(ANA, MSGID)


async def test_clients_log_in_once_and_not_for_every_question(rpc):
    companion = companion_of(rpc.url)
    for _ in range(3):
        await companion.has_message(ANA, MSGID)
    assert len(rpc.calls("login")) == 1
    assert len(rpc.calls("search_count")) == 3


async def test_number_that_chatroom_has_no_conversation_with_is_refused_unasked(rpc):
    with pytest.raises(PermanentSendError, match="number"):
        await companion_of(rpc.url).has_message("27000", MSGID)
    assert rpc.calls() == []


# ---------------------------------------------------------------- new_message


async def test_message_is_brought_in_as_the_webhook_would(any_odoo):
    connector = add_connector(any_odoo)
    companion = companion_of(any_odoo.url)
    await companion.new_message(incoming(name="Ana"))
    (conversation,) = any_odoo.rows(CONVERSATION)
    assert (conversation["number"], conversation["name"]) == (DIGITS, "Ana")
    assert conversation["connector_id"] == connector
    (message,) = any_odoo.rows(MESSAGE)
    assert (message["text"], message["msgid"], message["from_me"]) == ("Olá, tudo?", MSGID, False)
    assert message["date_message"] == "2025-11-15 16:00:00"
    assert await companion.has_message(ANA, MSGID)


async def test_message_is_brought_in_under_the_rules_of_the_webhook_and_its_company(rpc):
    connector = add_connector(rpc)
    await companion_of(rpc.url).new_message(incoming())
    (call,) = rpc.calls("new_message")
    (row,) = [row for row in rpc.rows(CONNECTOR) if row["id"] == connector]
    assert call["kwargs"]["context"] == {
        "from_webhook": True,
        "not_download_profile_picture": True,
        "allowed_company_ids": [row["company_id"]],
    }


async def test_person_without_a_name_is_called_by_the_number(rpc):
    add_connector(rpc)
    await companion_of(rpc.url).new_message(incoming())
    (conversation,) = rpc.rows(CONVERSATION)
    assert conversation["name"] == DIGITS


async def test_medium_is_brought_in_with_its_address(rpc):
    add_connector(rpc)
    await companion_of(rpc.url).new_message(
        incoming(type="image", url="https://files.example.com/a.jpg", filename="a.jpg")
    )
    (call,) = rpc.calls("new_message")
    assert call["args"][0]["url"] == "https://files.example.com/a.jpg"
    assert call["args"][0]["filename"] == "a.jpg"


async def test_keys_of_later_versions_are_left_out_where_nobody_reads_them(any_odoo):
    add_connector(any_odoo)
    await companion_of(any_odoo.url).new_message(incoming())
    (call,) = any_odoo.calls("new_message")
    assert ("conv_type" in call["args"][0]) == (any_odoo.generation >= 16)
    assert ("quote_msg_id" in call["args"][0]) == (any_odoo.generation >= 17)


async def test_no_connector_of_this_uuid_is_for_the_operator(rpc):
    add_connector(rpc, uuid="another-uuid-of-nobody")
    with pytest.raises(AccountError, match="connector_uuid") as caught:
        await companion_of(rpc.url).new_message(incoming())
    assert UUID not in str(caught.value)


# ---------------------------------------------------------------- info


SENT = f"true_018e_{DIGITS}@c.us"


async def test_line_shows_at_once_to_the_agent_who_has_the_conversation(any_odoo):
    conversation = add_conversation(any_odoo, add_connector(any_odoo), status="current")
    await companion_of(any_odoo.url).info(ANA, None, "Entregue")
    (message,) = any_odoo.rows(MESSAGE)
    assert (message["ttype"], message["text"]) == ("info", "Entregue")
    assert message["contact_id"] == conversation
    assert any_odoo.shown_at_once() == ["Entregue"]


@pytest.mark.parametrize("status", ["new", "done"])
async def test_line_leaves_the_status_of_a_conversation_that_no_agent_has(rpc, status):
    add_conversation(rpc, add_connector(rpc), status=status)
    await companion_of(rpc.url).info(ANA, None, "Entregue")
    (message,) = rpc.rows(MESSAGE)
    assert message["text"] == "Entregue"
    assert rpc.calls("send_message_bus_release") == []
    assert rpc.rows(CONVERSATION)[0]["status"] == status


async def test_line_begins_with_the_message_that_it_is_about(rpc):
    conversation = add_conversation(rpc, add_connector(rpc), status="current")
    rpc.create(MESSAGE, contact_id=conversation, msgid=SENT, from_me=True, text="Sua\nfatura " * 9)
    await companion_of(rpc.url).info(ANA, SENT, "Entregue")
    (line,) = [row for row in rpc.rows(MESSAGE) if row["ttype"] == "info"]
    assert line["text"] == "“Sua fatura Sua fatura Sua fatura Sua fa…”: Entregue"
    assert line["msgid"] != SENT


async def test_line_about_a_message_is_written_once(rpc):
    conversation = add_conversation(rpc, add_connector(rpc), status="current")
    rpc.create(MESSAGE, contact_id=conversation, msgid=SENT, from_me=True, text="Sua fatura")
    companion = companion_of(rpc.url)
    for text in ("Entregue", "Entregue", "Lida"):
        await companion.info(ANA, SENT, text)
    assert rpc.shown_at_once() == ["“Sua fatura”: Entregue", "“Sua fatura”: Lida"]


async def test_line_about_a_message_that_chatroom_does_not_have_is_left_out(rpc):
    add_conversation(rpc, add_connector(rpc), status="current")
    await companion_of(rpc.url).info(ANA, SENT, "Entregue")
    assert rpc.rows(MESSAGE) == []


async def test_line_without_a_conversation_is_left_out(rpc):
    add_connector(rpc)
    await companion_of(rpc.url).info(ANA, None, "Entregue")
    assert rpc.rows(CONVERSATION) == []
    assert rpc.rows(MESSAGE) == []


async def test_line_is_never_written_where_another_addon_would_send_it(rpc):
    rpc.set_fields(CONVERSATION, channel_type="selection")
    add_conversation(rpc, add_connector(rpc), status="current", channel_type="sms")
    with pytest.raises(PermanentSendError, match="contact_center_sms"):
        await companion_of(rpc.url).info(ANA, None, "Entregue")
    assert rpc.rows(MESSAGE) == []


async def test_line_goes_into_the_conversation_with_the_person_and_not_into_a_group(rpc):
    rpc.set_fields(CONVERSATION, conv_type="selection")
    connector = add_connector(rpc)
    add_conversation(rpc, connector, conv_type="group", status="current")
    person = add_conversation(rpc, connector, conv_type="normal", status="current")
    await companion_of(rpc.url).info(ANA, None, "Entregue")
    assert [row["contact_id"] for row in rpc.rows(MESSAGE)] == [person]
