import pytest

from .odoo_rpc.companions import UUID, add_connector, companion_of
from .odoo_rpc.process import CONNECTOR, CONVERSATION, MESSAGE, PARTNER, PASSWORD, running_odoo

GATEWAY = "https://gateway.example.com/sinks/chatroom"


@pytest.fixture(scope="module", params=(13, 15, 16, 17, 18))
def any_running_odoo(request):
    with running_odoo(request.param) as odoo:
        odoo.generation = request.param
        yield odoo


async def probe(odoo, *, gateway=GATEWAY, **changes):
    found = await companion_of(odoo.url, gateway=gateway, **changes).probe()
    for finding in found:
        assert UUID not in finding.detail
        assert PASSWORD not in finding.detail
    return {finding.what: finding for finding in found}


def wrong(found):
    return sorted(what for what, finding in found.items() if not finding.ok)


async def test_odoo_that_is_set_up_is_found_so(any_odoo):
    add_connector(any_odoo)
    found = await probe(any_odoo, rpc={"partner_notes": True})
    assert wrong(found) == []
    assert str(any_odoo.generation) in found["Odoo's RPC"].detail
    assert set(found) == {
        "Odoo's RPC",
        "RPC login",
        "ChatRoom addon",
        "connector record",
        "connector type",
        "endpoint",
        "Odoo Url",
        "token",
        "validation of numbers",
        "connector status",
        "fields",
        f"rights on {CONNECTOR}",
        f"rights on {CONVERSATION}",
        f"rights on {MESSAGE}",
        f"rights on {PARTNER}",
    }
    assert not {"write", "create", "message_post"} & {call["method"] for call in any_odoo.calls()}


async def test_odoo_that_does_not_answer_is_one_finding():
    found = await companion_of("http://odoo.invalid").probe()
    assert [(finding.what, finding.ok) for finding in found] == [("Odoo's RPC", False)]
    assert "odoo.invalid" in found[0].detail


async def test_wrong_login_is_told_after_the_version(rpc):
    found = await probe(rpc, rpc={"password": "another-password-of-nobody"})
    assert wrong(found) == ["RPC login"]
    assert list(found) == ["Odoo's RPC", "RPC login"]


async def test_one_question_that_fails_keeps_no_other_from_being_asked(rpc):
    add_connector(rpc)
    rpc.fail("html", "fields_get", times=1)  # the connector's
    found = await probe(rpc)
    assert wrong(found) == ["connector record"]
    assert "fields" in found
    assert f"rights on {MESSAGE}" in found


async def test_version_of_the_addon_that_may_not_be_read_is_not_wrong(rpc):
    found = await probe(rpc)
    assert found["ChatRoom addon"].ok
    assert "unknown" in found["ChatRoom addon"].detail


async def test_version_of_the_addon_is_told_where_it_may_be_read(rpc):
    rpc.allow(ir__module__module=["read"])
    rpc.create("ir.module.module", name="contact_center_sms", state="installed")
    found = await probe(rpc)
    assert found["ChatRoom addon"].detail == "whatsapp_connector 15.0.29, contact_center_sms"


async def test_addon_that_is_not_installed_is_wrong(rpc):
    rpc.allow(ir__module__module=["read"])
    (module, *_) = rpc.rows("ir.module.module")
    rpc.write("ir.module.module", module["id"], state="uninstalled")
    found = await probe(rpc)
    assert "ChatRoom addon" in wrong(found)
    assert "not installed" in found["ChatRoom addon"].detail


async def test_missing_connector_is_told_with_what_makes_it(rpc):
    add_connector(rpc, uuid="another-uuid-of-nobody")
    found = await probe(rpc)
    assert wrong(found) == ["connector record"]
    assert "recado chatroom setup" in found["connector record"].detail


@pytest.mark.parametrize(
    ("field", "value", "what", "told"),
    [
        ("connector_type", "gupshup", "connector type", "ApiChat.io"),
        ("endpoint", "https://api.acruxlab.net/prod/v2/odoo", "endpoint", GATEWAY),
        ("endpoint", "https://gateway.example.com/sinks/other", "endpoint", GATEWAY),
        ("token", "another-token-of-nobody", "token", "recado.toml"),
        ("auto_valid_number", True, "validation of numbers", "off"),
        ("ca_status", False, "connector status", "Check Status"),
    ],
)
async def test_connector_that_is_set_up_otherwise_is_told_with_what_to_do(
    rpc, field, value, what, told
):
    add_connector(rpc, **{field: value})
    found = await probe(rpc)
    assert wrong(found) == [what]
    assert told in found[what].detail
    assert "another-token-of-nobody" not in found[what].detail


async def test_endpoint_is_known_by_its_path_where_the_public_address_is_not(rpc):
    add_connector(rpc)
    assert wrong(await probe(rpc, gateway=None)) == []
    connector = rpc.rows(CONNECTOR)[0]["id"]
    rpc.write(CONNECTOR, connector, endpoint="https://gateway.example.com/sinks/other")
    assert wrong(await probe(rpc, gateway=None)) == ["endpoint"]


async def test_other_address_of_odoo_is_told_and_not_wrong(rpc):
    add_connector(rpc, odoo_url="https://odoo.example.com")
    found = await probe(rpc)
    assert wrong(found) == []
    assert "https://odoo.example.com" in found["Odoo Url"].detail


async def test_fields_of_other_addons_are_named(rpc):
    add_connector(rpc)
    assert "none of" in (await probe(rpc))["fields"].detail
    rpc.set_fields(CONVERSATION, channel_type="selection")
    rpc.set_fields(CONNECTOR, assing_type="selection")
    detail = (await probe(rpc))["fields"].detail
    assert "contact_center_sms" in detail
    assert "assigns agents" in detail


async def test_missing_rights_are_told_with_the_group_that_has_them(rpc):
    add_connector(rpc)
    rpc.allow(acrux__chat__message=["read"], res__partner=["read"])
    found = await probe(rpc, rpc={"partner_notes": ["received"]})
    assert wrong(found) == [f"rights on {MESSAGE}", f"rights on {PARTNER}"]
    assert "group_chat_basic" in found[f"rights on {MESSAGE}"].detail
    assert "create" in found[f"rights on {MESSAGE}"].detail
    assert "Contact Creation" in found[f"rights on {PARTNER}"].detail


async def test_rights_on_contacts_are_not_needed_where_nothing_is_noted_on_them(rpc):
    add_connector(rpc)
    rpc.allow(res__partner=[])
    found = await probe(rpc)
    assert wrong(found) == []
    assert f"rights on {PARTNER}" not in found


async def test_more_rights_than_needed_are_told(rpc):
    add_connector(rpc)
    rpc.allow(acrux__chat__connector=["read", "write"])
    found = await probe(rpc)
    assert "more than the sink needs" in found[f"rights on {CONNECTOR}"].detail
