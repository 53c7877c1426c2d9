import msgspec
import pytest
from recado_acrux_chatroom.settings import Notes, PartnerNote

RPC = {"database": "odoo", "login": "recado", "password": "a-password-of-nobody"}


@pytest.fixture
def read(read_settings):
    return read_settings


def test_failures_are_told_unless_said_otherwise(read):
    assert read().notes is Notes.FAILURES


@pytest.mark.parametrize("notes", ["none", "failures", "all"])
def test_notes_are_one_of_three(read, notes):
    assert read(notes=notes).notes == notes


@pytest.mark.parametrize("key", ["odoo_url", "connector_uuid", "connector_token", "account"])
def test_needed_key_is_named_when_it_is_missing(read, key):
    with pytest.raises(msgspec.ValidationError, match=key):
        read(**{key: None})


def test_secrets_do_not_show(read, table):
    shown = repr(read(rpc=RPC))
    for secret in (table["connector_uuid"], table["connector_token"], RPC["password"]):
        assert secret not in shown


def test_misspelt_key_of_rpc_is_refused(read):
    with pytest.raises(msgspec.ValidationError, match="databse"):
        read(rpc={**RPC, "databse": "odoo"})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "odoo.example.com",
        "ftp://odoo.example.com",
        "https://",
        "https://odoo.example.com:eighty",
        "https://odoo.example.com/?db=odoo",
        "https://odoo.example.com/#web",
        "https://admin:a-password@odoo.example.com",
    ],
)
def test_address_that_is_no_base_address_is_refused(read, url):
    with pytest.raises(msgspec.ValidationError, match="odoo_url"):
        read(odoo_url=url)


@pytest.mark.parametrize("uuid", ["", "*", "1234567", "a/../../web", "12345678?x", "1234 5678"])
def test_account_id_that_would_not_stand_in_an_address_is_refused_unshown(read, uuid):
    with pytest.raises(msgspec.ValidationError, match="connector_uuid") as caught:
        read(connector_uuid=uuid)
    assert len(uuid) < 8 or uuid not in str(caught.value)


@pytest.mark.parametrize(
    "token", ["", "*", "1234567", "two words here", "ação-de-ninguém", "a\nb-c-d-e"]
)
def test_token_that_would_not_stand_in_a_header_is_refused_unshown(read, token):
    with pytest.raises(msgspec.ValidationError, match="connector_token") as caught:
        read(connector_token=token)
    assert len(token) < 8 or token not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        (None, set()),
        (False, set()),
        (True, {"sent", "delivered", "received"}),
        ([], set()),
        (["sent", "received"], {"sent", "received"}),
    ],
)
def test_partner_notes_are_all_none_or_those_that_are_named(read, given, noted):
    rpc = RPC if given is None else RPC | {"partner_notes": given}
    assert {note for note in PartnerNote if read(rpc=rpc).rpc.notes_on(note)} == noted


@pytest.mark.parametrize(
    "wrong",
    [
        {"media": "links"},
        {"language": "es"},
        {"notes": "some"},
        {"rpc": RPC | {"partner_notes": ["read"]}},
    ],
)
def test_unknown_choice_is_refused(read, wrong):
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value"):
        read(**wrong)
